"""What lies beside each other in a run and does not belong together is neither summarised nor exported."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
from conftest import invoke

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.belonging import check_workspaces
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.measured_on import described_events
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import read_any, write_artifact
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.report.contents import is_of_events
from anomaly_cli.report.summary import summarise_run

READERS = (("summary",), ("significance", "export"))


def replace(path, **changed):
    """Write an artifact again with another provenance, as another run would have made it."""
    made = read_any(path)
    provenance = dataclasses.replace(made.provenance, **changed)
    write_artifact(path, made.kind, made.groups, provenance, made.features)


def refusal(*command):
    result = invoke(*command)
    assert result.exit_code == 4, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_a_split_of_another_signal_region_is_refused(copied, data_file, tmp_path, command):
    options = ("--signal-region", "3.4-3.8", "--data", data_file, "--inject", "150", "--reserve", "0.3")
    assert invoke("split", "--run", tmp_path / "other", *options).exit_code == 0
    for name in ("split.h5", "truth.h5"):
        shutil.copy(tmp_path / "other" / name, copied / name)
    assert "was made from another split than split.h5" in refusal(*command, "--run", copied)
    assert not (copied / "exports").exists()


@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize("other", ["template", "scores"])
def test_what_another_run_left_in_the_chain_is_refused(copied, command, other):
    replace(copied / f"{other}.h5", seed=99)
    word = "other" if other.endswith("s") else "another"
    assert f"was made from {word} {other} than {other}.h5" in refusal(*command, "--run", copied)


@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize("parent", ["split", "scores"])
def test_a_count_of_another_run_is_refused(copied, command, parent):
    path = copied / "significance.h5"
    replace(path, inputs={**read_any(path).provenance.inputs, parent: "another"})
    word = "other" if parent.endswith("s") else "another"
    assert f"significance.h5: was made from {word} {parent} than {parent}.h5" in refusal(*command, "--run", copied)


def test_the_closure_of_another_template_is_refused_also_while_nothing_is_counted(copied):
    (copied / "significance.h5").unlink()
    summarise_run(RunDirectory(copied))
    path = copied / "closure.h5"
    replace(path, inputs={**read_any(path).provenance.inputs, "template": "another"})
    with pytest.raises(ArtifactError, match=r"closure\.h5: was made from another template than template\.h5"):
        summarise_run(RunDirectory(copied))


def change_observation(path):
    workspace = json.loads(path.read_text())
    workspace["observations"][0]["data"][0] += 1
    path.write_text(json.dumps(workspace))


@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize(
    "spoil",
    [
        change_observation,
        lambda path: path.write_text("no JSON"),
        lambda path: shutil.copy(path, path.with_name("SR_other.json")),
    ],
    ids=["another number", "no JSON", "of no cut"],
)
def test_a_likelihood_that_is_not_the_counts_is_refused_by_its_name(copied, command, spoil):
    path = sorted((copied / "workspaces").glob("SR_*.json"))[0]
    spoil(path)
    assert "is not the likelihood that significance.h5 holds" in refusal(*command, "--run", copied)


def test_a_likelihood_that_is_only_written_otherwise_is_the_same(copied):
    path = sorted((copied / "workspaces").glob("SR_*.json"))[0]
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert invoke("summary", "--run", copied).exit_code == 0


@pytest.fixture(scope="module")
def hunted(finished, tmp_path_factory):
    """A run with a bump hunt; not to be changed."""
    run = shutil.copytree(finished, tmp_path_factory.mktemp("hunted") / "run")
    assert invoke("significance", "bump", "--run", run, "--processes", "1").exit_code == 0
    return run


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_a_likelihood_that_is_not_the_bump_hunts_is_refused_by_its_name(hunted, tmp_path, command):
    run = shutil.copytree(hunted, tmp_path / "run")
    path = sorted((run / "workspaces").glob("bump_*.json"))[0]
    change_observation(path)
    found = refusal(*command, "--run", run)
    assert f"{path.name}: is not the likelihood that bump.h5 holds" in found.replace("- ", "-")


def test_a_hunt_of_other_cuts_takes_the_likelihoods_of_the_earlier_ones_away(hunted, tmp_path):
    run = shutil.copytree(hunted, tmp_path / "run")
    (run / "workspaces" / "bump_stale.json").write_text("{}")
    options = ("--set", "significance.background_efficiencies=[0.2]")
    done = invoke("significance", "bump", "--run", run, *options, "--overwrite", "--processes", "1")
    assert done.exit_code == 0, done.output
    check_workspaces(RunDirectory(run), read_any(run / "bump.h5"))
    assert not (run / "workspaces" / "bump_stale.json").exists()


@pytest.mark.parametrize(
    ("kind", "parent"),
    [(schema.BUMP, "scores"), (schema.LIMITS, "significance"), (schema.GLOBAL, "significance 3.3-3.7")],
)
def test_a_result_of_another_count_is_not_shown_and_not_exported(hunted, tmp_path, kind, parent):
    run = shutil.copytree(hunted, tmp_path / "run")
    path = run / f"{kind.name}.h5"
    if not path.exists():
        assert invoke("significance", kind.name, "--run", run).exit_code == 0
    replace(path, inputs={**read_any(path).provenance.inputs, parent: "another"})
    assert f"{path.name}: belongs to another count" in refusal("significance", "export", "--run", run)
    shown = " ".join(invoke("summary", "--run", run).output.split())
    assert f"belongs to another count, other settings or other data: {path.name}" in shown


@pytest.mark.parametrize(
    ("kind", "other", "belongs"),
    [
        (schema.VALIDATION, {}, True),
        (schema.VALIDATION, {"data": "another"}, False),
        (schema.OVERDISPERSION, {"n_side_bands": 1.3}, False),
        (schema.INJECTION, {"n_side_bands": 1.1}, True),
        (schema.INJECTION, {"data": "another"}, False),
        (schema.CALIBRATION, {"data": "another"}, True),  # its sets are of other files anyway
        (schema.CALIBRATION, {"n_side_bands": 0.7}, False),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else None,
)
def test_studies_belong_to_their_data_and_to_about_as_many_events(finished, kind, other, belongs):
    split = RunDirectory(finished).read(schema.SPLIT)
    events = described_events(split)
    if "n_side_bands" in other:
        other = {"n_side_bands": round(other["n_side_bands"] * events["n_side_bands"])}
    provenance = Provenance("study", 1, {"events": events | other}, 1, {})
    result = dataclasses.replace(split, kind=kind, provenance=provenance)
    assert is_of_events(result, split, is_own=True) is belongs
    silent = dataclasses.replace(result, provenance=Provenance("study", 1, {}, 1, {}))
    assert is_of_events(silent, split, is_own=True) is (kind not in (schema.CALIBRATION, schema.INJECTION))


def test_permutations_belong_to_the_events_that_were_permuted(finished):
    split = RunDirectory(finished).read(schema.SPLIT)
    for digest, belongs in ((split.digest, True), ("another", False)):
        provenance = Provenance("permutation", 3, {}, 1, {"split": digest})
        result = dataclasses.replace(split, kind=schema.PERMUTATION, provenance=provenance)
        assert is_of_events(result, split, is_own=True) is belongs
        assert is_of_events(result, split, is_own=False)
