"""Plug-ins of other packages: a small package with a method, a classifier and a score, found by its entry points."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toys import compute

import anomaly_cli as an
from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.core.plugins import Family
from anomaly_cli.scores.base import SCORES
from anomaly_cli.testing import ContractError, check_classifier, check_method, check_score

PLUGINS = Path(__file__).parent / "plugins" / "toy_plugins.py"
ENTRY_POINTS = """\
[anomaly.methods]
smeared = toy_plugins:Smeared
drapes = toy_plugins:Impostor
absent = no_such_module:Absent
unseeded = toy_plugins:Unseeded
endless = toy_plugins:Endless
short = toy_plugins:Short
nothing = toy_plugins:NoMethod

[anomaly.classifiers]
linear = toy_plugins:Linear

[anomaly.scores]
distance = toy_plugins:Distance
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the package as an installer would leave it, and the environment that finds it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "toy_plugins.py").write_text(PLUGINS.read_text())
    metadata = folder / "toy_plugins-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-plugins\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "100"}


def anomaly(installed, *arguments):
    command = [sys.executable, "-m", "anomaly_cli", *map(str, arguments)]
    return subprocess.run(command, env=installed, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def options(data_file):
    fast = ["--set", "classifier.folds=2", "--background-efficiencies", "0.2,0.05", "--processes", "1"]
    return ["--signal-region", "3.3-3.7", "--data", data_file, "--inject", "150", "--reserve", "0.3", "--quiet", *fast]


def test_a_method_a_classifier_and_a_score_of_another_package_run_the_whole_analysis(installed, options, tmp_path):
    simulation = ["--simulation", write_simulation(tmp_path)]
    chosen = ["--method", "smeared", "--classifier", "linear", "--score", "distance", *simulation]
    more = ["--set", "methods.smeared.threads=3", "--set", "classifiers.linear.steps=50"]
    done = anomaly(installed, "run", "--run", tmp_path / "run", *options, *chosen, *more)
    assert done.returncode == 0, done.stderr
    assert "template smeared" in done.stdout
    assert "score distance, classifier linear" in " ".join(done.stdout.split())
    evaluated = anomaly(installed, "evaluate", "--run", tmp_path / "run", "--json")
    rows = json.loads(evaluated.stdout)["tables"][0]["rows"]
    assert rows, evaluated.stderr
    # a setting of the method that is called as one of the frame is the method's
    inspected = anomaly(installed, "inspect", tmp_path / "run" / "model.h5")
    text = " ".join(inspected.stdout.split())
    assert '"method": {"name": "smeared", "settings": {"threads": 3' in text
    assert '"threads": 1' in text


def write_simulation(folder: Path) -> Path:
    from toys import shipped_rows, write_official

    rows = shipped_rows(8, first=3)
    return write_official(folder / "simulation.h5", rows[rows[:, -1] == 0])


def test_a_classifier_of_another_package_is_kept_and_ranks_with_cwola(installed, options, tmp_path):
    done = anomaly(installed, "run", "--run", tmp_path, *options, "--method", "rad_ot", "--classifier", "linear")
    assert done.returncode == 0, done.stderr
    assert anomaly(installed, "evaluate", "--run", tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absent", "toy-plugins (no_such_module:Absent) fails to import: ModuleNotFoundError"),
        ("unseeded", "method unseeded breaks its contract: it gives other events with the same random streams"),
        ("endless", "method endless breaks its contract: events: feature mj1 is not finite"),
        ("short", "method short breaks its contract: it returned"),
        ("nothing", "is no complete template method"),
    ],
)
def test_a_plug_in_that_breaks_its_contract_is_named_in_one_sentence(installed, options, tmp_path, name, sentence):
    done = anomaly(installed, "run", "--run", tmp_path, *options, "--method", name)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_broken_plug_in_leaves_everything_else_at_work_and_is_told_of(installed):
    done = anomaly(installed, "methods")
    assert done.returncode == 0
    assert "smeared" in done.stdout
    told = " ".join(done.stderr.split())
    assert "'absent' of another package is left out" in told
    assert "'drapes' of another package is left out: its name is already that of anomaly_cli.methods.drapes" in told
    assert "new events from noise" in " ".join(done.stdout.split())  # ours, not the impostor's


def test_our_own_members_keep_the_public_contracts():
    for name in CLASSIFIERS.find():
        check_classifier(CLASSIFIERS.make(name, {}))
    for name in SCORES.find():
        check_score(SCORES.make(name, {}))


def test_the_checks_find_what_is_broken(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGINS.parent))
    import toy_plugins

    check_method(toy_plugins.Smeared())
    check_classifier(toy_plugins.Linear(steps=50))
    check_score(toy_plugins.Distance())
    for broken, what in (
        (toy_plugins.Unseeded(), "is not reproducible"),
        (toy_plugins.Short(), "makes 1008 events where 1009 are wanted"),
    ):
        with pytest.raises(ContractError, match=what):
            check_method(broken)
    with pytest.raises(ContractError, match="ignores the weights"):
        check_classifier(toy_plugins.Weightless(steps=50))
    with pytest.raises(ContractError, match="scores an event by what it is scored with"):
        check_score(toy_plugins.Ranked())


def test_adding_a_member_needs_no_other_file():
    """A family knows its members by their files and entry points alone."""
    assert isinstance(CLASSIFIERS, Family)
    assert an.classifiers.Trees is CLASSIFIERS.find()["trees"]
    assert an.scores.CWoLa is SCORES.find()["cwola"]
    assert np.array_equal(compute().streams.generator("x").random(2), compute().streams.generator("x").random(2))
