"""Plug-ins of other packages: a small package with a method, a classifier and a score, found by its entry points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import invoke
from toys import compute, shipped_rows, write_official

import anomaly_cli as an
from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.plugins import Family
from anomaly_cli.methods.base import METHODS
from anomaly_cli.scores.base import SCORES
from anomaly_cli.search.settings import SearchSettings, describe_method
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
def site(tmp_path_factory):
    """A folder that holds the package as an installer would leave it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "toy_plugins.py").write_text(PLUGINS.read_text())
    metadata = folder / "toy_plugins-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-plugins\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def installed(site, monkeypatch):
    """The package is installed: families look for their members anew, here and afterwards."""
    monkeypatch.syspath_prepend(str(site))
    for family in (METHODS, CLASSIFIERS, SCORES):
        family._cache.clear()
    yield site
    for family in (METHODS, CLASSIFIERS, SCORES):
        family._cache.clear()


@pytest.fixture
def upgrade(installed):
    """Install version 2.0 of the package, as an installer would before another process starts."""
    metadata = installed / "toy_plugins-1.0.dist-info" / "METADATA"
    before = metadata.read_text()

    def install():
        metadata.write_text(before.replace("Version: 1.0", "Version: 2.0"))
        for family in (METHODS, CLASSIFIERS, SCORES):
            family._cache.clear()

    yield install
    metadata.write_text(before)


def words(result):
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def options(data_file):
    fast = ["--set", "classifier.folds=2", "--background-efficiencies", "0.2,0.05", "--processes", "1"]
    fast += ["--set", "classifiers.trees.ensemble=1", "--set", "significance.toys=1000"]
    return ["--signal-region", "3.3-3.7", "--data", data_file, "--inject", "150", "--reserve", "0.3", "--quiet", *fast]


def test_a_method_a_classifier_and_a_score_of_another_package_run_the_whole_analysis(installed, options, tmp_path):
    simulation = ["--simulation", write_simulation(tmp_path)]
    chosen = ["--method", "smeared", "--classifier", "linear", "--score", "distance", *simulation]
    more = ["--set", "methods.smeared.threads=3", "--set", "classifiers.linear.steps=50"]
    done = invoke("run", "--run", tmp_path / "run", *options, *chosen, *more)
    assert done.exit_code == 0, done.output
    assert "template smeared" in words(done)
    assert "score distance, classifier linear" in words(done)
    evaluated = invoke("evaluate", "--run", tmp_path / "run", "--json")
    assert json.loads(evaluated.stdout)["tables"][0]["rows"]
    # a setting of the method that is called as one of the frame is the method's
    text = words(invoke("inspect", tmp_path / "run" / "model.h5"))
    assert '"method": {"name": "smeared", "package": "toy-plugins 1.0", "settings": {"threads": 3' in text
    assert '"threads": 1' in text


def write_simulation(folder: Path) -> Path:
    rows = shipped_rows(8, first=3)
    return write_official(folder / "simulation.h5", rows[rows[:, -1] == 0])


def test_a_classifier_of_another_package_is_kept_and_ranks_with_cwola(installed, options, tmp_path):
    done = invoke("run", "--run", tmp_path, *options, "--method", "rad_ot", "--classifier", "linear")
    assert done.exit_code == 0, done.output
    assert invoke("evaluate", "--run", tmp_path).exit_code == 0


def test_what_another_version_of_a_package_made_is_not_up_to_date(upgrade, options, tmp_path):
    arguments = ["run", "--run", tmp_path, *options, "--method", "rad_ot", "--classifier", "linear"]
    assert invoke(*arguments).exit_code == 0
    assert invoke(*arguments).exit_code == 0
    upgrade()
    done = invoke(*arguments)
    assert done.exit_code == 4
    assert "classifier.package was toy-plugins 1.0, now toy-plugins 2.0" in words(done)


def test_the_packages_of_method_score_and_members_are_among_what_determines_a_search(upgrade):
    def described():
        settings = SearchSettings(
            method=METHODS.make("smeared", {}), score=SCORES.make("distance", {}), classifier=Trees()
        )
        combined = METHODS.make("combined", {"methods": ("short", "drapes")})
        ranking = settings.describe_ranking()
        parts = (describe_method(settings.method), describe_method(combined), ranking["score"], ranking["classifier"])
        return [part.get("package") for part in parts]

    assert described() == ["toy-plugins 1.0", "toy-plugins 1.0", "toy-plugins 1.0", None]
    upgrade()
    assert described() == ["toy-plugins 2.0", "toy-plugins 2.0", "toy-plugins 2.0", None]


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
    done = invoke("run", "--run", tmp_path, *options, "--method", name)
    assert done.exit_code == 2
    assert sentence in words(done)


def test_a_broken_plug_in_leaves_everything_else_at_work_and_is_told_of(installed):
    done = invoke("methods")
    assert done.exit_code == 0
    told = words(done)
    assert "side-band events, smeared" in told
    assert "'absent' of another package is left out" in told
    assert "'drapes' of another package is left out: its name is already that of anomaly_cli.methods.drapes" in told
    assert "new events from noise" in told  # ours, not the impostor's


@pytest.mark.slow
def test_our_own_members_keep_the_public_contracts():
    for name in CLASSIFIERS.find():
        check_classifier(CLASSIFIERS.make(name, {}))
    for name in ("cwola", "combined", "supervised"):  # those that train networks have tests of their own
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
    with pytest.raises(ContractError, match="ranks a fold by what has seen its own events"):
        check_score(toy_plugins.Leaking())


def test_adding_a_member_needs_no_other_file():
    """A family knows its members by their files and entry points alone."""
    assert isinstance(CLASSIFIERS, Family)
    assert an.classifiers.Trees is CLASSIFIERS.find()["trees"]
    assert an.scores.CWoLa is SCORES.find()["cwola"]
    assert np.array_equal(compute().streams.generator("x").random(2), compute().streams.generator("x").random(2))
