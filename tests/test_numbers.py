"""The numbers of six configurations as they were before the analysis became values: nothing has moved since.

Scores depend on the processor and the libraries in their last digits, and trainings amplify that; elsewhere than on
such a machine the record says nothing, and the test is skipped.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import invoke
from toys import shipped_rows, write_official

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import library_versions

RECORD = json.loads((Path(__file__).parent / "data" / "numbers_before_values.json").read_text())
QUICK = {
    "curtains_f4f": ["base_epochs=2", "transport_epochs=1"],
    "curtains_f4f_efficient": ["base_epochs=2", "transport_epochs=1"],
    "drapes": ["epochs=2", "width=32"],
    "combined": ['methods=["cathode","rad_ot"]'],
    "supervised": [],
    "salad": ["epochs=2"],
}
FAST = ["classifiers.trees.ensemble=1", "classifier.folds=3", "methods.cathode.base_epochs=1"]


def is_such_a_machine() -> bool:
    made = RECORD["made_with"]
    versions = {name: version for name, version in library_versions().items() if name in made["versions"]}
    cpu = Path("/proc/cpuinfo")
    return versions == made["versions"] and cpu.exists() and made["cpu"] == describe_processor(cpu.read_text())


def describe_processor(text):
    """Return name, family, model and vector instructions of the first processor of `/proc/cpuinfo`."""
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", text.split("\n\n")[0], re.MULTILINE))
    vector = sorted(flag for flag in fields.get("flags", "").split() if flag.startswith(("avx", "fma")))
    return [*(fields.get(name, "") for name in ("model name", "cpu family", "model")), " ".join(vector)]


@pytest.mark.slow
@pytest.mark.skipif(not is_such_a_machine(), reason="another processor or other libraries than those of the record")
@pytest.mark.parametrize("method", RECORD["configurations"])
def test_the_same_seed_gives_the_numbers_that_it_gave(method, data_file, tmp_path):
    rows = shipped_rows(8, 3)
    simulation = write_official(tmp_path / "simulation.h5", rows[rows[:, -1] == 0])
    settings = [*FAST, *(f"methods.{method}.{setting}" for setting in QUICK[method])]
    options = [option for setting in settings for option in ("--set", setting)]
    arguments = ["--signal-region", "3.3-3.7", "--data", data_file, "--inject", "150", "--reserve", "0.3", *options]
    more = ["--background-efficiencies", "0.2,0.05", "--processes", "1"]
    more += ["--simulation", simulation] if method == "salad" else []
    result = invoke("run", "--run", tmp_path / "run", "--method", method, *arguments, *more)
    assert result.exit_code == 0, result.output
    run, expected = RunDirectory(tmp_path / "run"), RECORD["configurations"][method]
    tests, scores = run.read(schema.SIGNIFICANCE).groups["tests"], run.read(schema.SCORES).groups
    for name in ("n_observed", "n_expected", "z"):
        assert tests[name].tolist() == expected[name], name
    for group, digest in expected["scores"].items():
        found = hashlib.sha256(np.ascontiguousarray(scores[group]["score"]).tobytes()).hexdigest()
        assert found.startswith(digest), group
