"""The frame of every stage: what belongs together, what is up to date, what is healed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import FAST, brief_closure, invoke

from anomaly_cli.artifacts import schema, store
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.config import Config, load_config
from anomaly_cli.core.errors import AnomalyWarning, ArtifactError, ConfigError
from anomaly_cli.search.run import is_searchable
from anomaly_cli.stages import declaration
from anomaly_cli.stages.chain import plan_run, run_chain
from anomaly_cli.stages.classify import CLASSIFY, stored_score, stored_scores
from anomaly_cli.stages.frame import Analysis, State, execute, inspect_stage
from anomaly_cli.stages.identity import configured_identity, stored_identity
from anomaly_cli.stages.resolve import resolve_settings
from anomaly_cli.stages.significance import SIGNIFICANCE
from anomaly_cli.stages.split import SPLIT, stored_split


@pytest.fixture(autouse=True)
def brief():
    with brief_closure():
        yield


def configured(directory: Path, *overrides: str) -> Config:
    return load_config([directory / "config.toml"], overrides, {})


@pytest.fixture
def analysis(copied):
    return Analysis.open(copied, configured(copied))


def test_a_missing_second_output_is_made_again_and_a_damaged_one_with_overwrite(analysis):
    truth = analysis.run.artifact(schema.TRUTH)
    content = truth.read_bytes()
    truth.unlink()
    execute(SPLIT, analysis)
    assert truth.read_bytes() == content
    truth.write_bytes(content[:-200])
    assert inspect_stage(SPLIT, analysis)[0] is State.OTHER
    with pytest.raises(ArtifactError, match=r"truth\.h5.*--overwrite"):
        execute(SPLIT, analysis)
    assert execute(SPLIT, analysis.replacing()).was_made
    assert truth.read_bytes() == content


def test_a_changed_workspace_is_noticed_and_healed(analysis):
    path = next(analysis.run.workspaces.glob("SR_*.json"))
    content = path.read_text()
    path.write_text(content.replace('"version": "1.0.0"', '"version": "1.0.1"'))
    with pytest.raises(ArtifactError, match=f"workspaces/{path.name} has been changed"):
        execute(SIGNIFICANCE, analysis)
    path.unlink()
    execute(SIGNIFICANCE, analysis)
    assert path.read_text() == content


@pytest.mark.slow
def test_an_artifact_of_another_run_beside_it_is_refused_wherever_it_is_read(copied, data_file, tmp_path):
    other = tmp_path / "other"
    options = ["--signal-region", "3.4-3.8", "--data", data_file, "--inject", "150", "--reserve", "0.3", *FAST]
    assert invoke("run", "--run", other, *options, "--processes", "1").exit_code == 0
    for name, command in (
        ("split.h5", ("significance", "export")),
        ("significance.h5", ("significance", "export")),
        ("scores.h5", ("significance", "bump")),
        ("template.h5", ("closure",)),
        ("classifier.h5", ("evaluate",)),
    ):
        kept = (copied / name).read_bytes()
        shutil.copy(other / name, copied / name)
        refused = invoke(*command, "--run", copied)
        assert refused.exit_code == 4, (name, refused.output)
        assert "made from another" in refused.output.replace("\n", " "), name
        (copied / name).write_bytes(kept)


def test_an_up_to_date_run_reads_each_artifact_once(analysis, monkeypatch):
    opened = []
    read = store.read_any
    monkeypatch.setattr(store, "read_any", lambda path: opened.append(path.name) or read(path))
    outcomes = run_chain(analysis)
    assert not any(outcome.was_made for outcome in outcomes)
    assert sorted(opened) == sorted(set(opened))
    assert "split.h5" in opened


def test_a_fresh_run_reads_each_artifact_at_most_twice_and_hashes_the_event_file_once_for_all_runs(
    copied, data_file, tmp_path, monkeypatch
):
    opened, hashed, read, digest = [], [], store.read_any, hashlib.file_digest
    monkeypatch.setattr(store, "read_any", lambda path: opened.append(path) or read(path))
    monkeypatch.setattr(store.hashlib, "file_digest", lambda *given: hashed.append(given[0].name) or digest(*given))
    monkeypatch.setattr(store, "SETTLED_NS", 0)  # it may have been written just now
    monkeypatch.setattr(store, "_hashed", {})
    for directory in (tmp_path / "fresh", copied):  # the second is up to date
        run_chain(Analysis.open(directory, configured(copied)))
        assert [name for name in map(str, hashed) if name == str(data_file)] == [str(data_file)], directory
    assert max(opened.count(path) for path in set(opened)) <= 2
    assert {path.name for path in opened if path.parent.name == "fresh"} >= {"split.h5", "template.h5", "scores.h5"}


def test_kept_models_give_the_scores_that_are_kept_beside_them(analysis):
    run = analysis.run
    (score, crossfit), scores = stored_score(run.read(schema.CLASSIFIER)), run.read(schema.SCORES)
    split = stored_split(run.read(schema.SPLIT))
    folds = {"observed": crossfit.fold, "side_bands": crossfit.side_band_fold}
    for group, events in (("observed", split.sr), ("side_bands", split.side_bands)):
        kept, fold = stored_scores(scores, group), folds[group](events.source_id)
        assert np.array_equal(kept.event_id, events.event_id)
        assert kept.score.tobytes() == score.score(events, fold).tobytes()
        assert np.array_equal(kept.fold, fold)


def test_the_classifier_opens_neither_reference_nor_truth(copied, monkeypatch):
    opened = []
    read = store.read_any
    monkeypatch.setattr(store, "read_any", lambda path: opened.append(path.name) or read(path))
    shutil.rmtree(copied / "workspaces")
    for name in ("scores.h5", "classifier.h5"):
        (copied / name).unlink()
    execute(CLASSIFY, Analysis.open(copied, configured(copied)))
    assert "truth.h5" not in opened


def test_settings_are_resolved_into_one_identity_that_files_and_configuration_agree_on(analysis):
    assert configured_identity(analysis).digest == stored_identity(analysis.run).digest
    for other in ("classifiers.trees.leaves=15", "template.oversampling=3", "classifier.folds=4", "threads=2"):
        changed = Analysis.open(analysis.run.path, configured(analysis.run.path, other))
        assert configured_identity(changed).digest != configured_identity(analysis).digest, other
    same = Analysis.open(analysis.run.path, configured(analysis.run.path, "seed=5", "significance.toys=2000"))
    assert configured_identity(same).digest == configured_identity(analysis).digest


def test_what_has_been_measured_since_is_counted_without_asking(copied):
    config = configured(copied, "significance.experiments=5")
    measure = ("significance", "overdispersion", "--run", copied, "--experiments", "5", "--processes", "1")
    assert invoke(*measure).exit_code == 0
    (copied / "significance.h5").unlink()
    shutil.rmtree(copied / "workspaces")
    (copied / "overdispersion.h5").rename(copied / "aside")
    execute(SIGNIFICANCE, Analysis.open(copied, config))
    (copied / "aside").rename(copied / "overdispersion.h5")  # as an interrupted measurement leaves it
    analysis = Analysis.open(copied, config)
    states = {item.stage.name: item.state for item in plan_run(analysis)}
    assert states["significance"] is State.RENEWED
    outcomes = {outcome.stage: outcome.was_made for outcome in run_chain(analysis)}
    assert outcomes["significance"]
    assert (analysis.run.read(schema.SIGNIFICANCE).groups["tests"]["overdispersion"] >= 1.0).all()
    changed = Analysis.open(copied, configured(copied, "significance.toys=2000"))
    assert inspect_stage(SIGNIFICANCE, changed)[0] is State.OTHER


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_threads_that_libraries_would_take(copied, tmp_path):
    digests = []
    for name, threads in (("one", "1"), ("many", "4")):
        run = tmp_path / name
        shutil.copytree(copied, run)
        (run / "closure.h5").unlink()
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-m", "anomaly_cli", "closure", "--run", str(run)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        digests.append((run / "closure.h5").read_bytes())
    assert digests[0] == digests[1]


def test_a_model_of_an_earlier_layout_is_told_as_one(copied):
    with h5py.File(copied / "model.h5", "r+") as file:
        file.attrs["kind_version"] = 1
    (copied / "closure.h5").unlink()
    refused = invoke("closure", "--run", copied)
    assert refused.exit_code == 4
    assert "version 1, this release knows version 3" in refused.output.replace("\n", " ")
    assert "make it anew with --overwrite" in refused.output.replace("\n", " ")


def test_weights_of_another_network_are_refused_in_a_sentence(copied):
    model = RunDirectory(copied).read(schema.TEMPLATE_MODEL)
    weights = {name: array for name, array in model.groups["weights"].items() if name != "0:base.000"}
    store.write_artifact(model.path, model.kind, {**model.groups, "weights": weights}, model.provenance, model.features)
    template = RunDirectory(copied).read_file(copied / "template.h5", schema.TEMPLATE)
    inputs = {**template.provenance.inputs, "template_model": store.read_any(model.path).digest}
    provenance = type(template.provenance)(**{**vars(template.provenance), "inputs": inputs})
    store.write_artifact(template.path, template.kind, template.groups, provenance, template.features)
    (copied / "closure.h5").unlink()
    refused = invoke("closure", "--run", copied)
    assert refused.exit_code == 4
    assert "stored weights of 'base' do not fit" in refused.output.replace("\n", " ")


def test_settings_of_earlier_names_say_how_they_are_called_now():
    with pytest.raises(ConfigError, match=r"'classifier\.ensemble' is called 'classifiers\.trees\.ensemble' now"):
        load_config([], ["classifier.ensemble=3"], {})


@pytest.mark.parametrize(
    ("overrides", "score", "searchable"),
    [
        (["template.method=curtains_f4f"], "cwola", True),
        (["template.method=combined"], "combined", True),
        (["template.method=curtains_f4f", "score.name=r_anode"], "r_anode", True),
        (["template.method=curtains_f4f", "score.name=external"], "external", True),
        (["template.method=supervised"], "supervised", False),
        (["template.method=supervised", "score.name=cwola"], "cwola", False),
        (["template.method=curtains_f4f_efficient"], "cwola", False),
    ],
)
def test_a_method_has_a_score_of_its_own_unless_another_is_asked_for(overrides, score, searchable):
    settings = resolve_settings(load_config([], overrides, {}))
    assert settings.score.name == score
    assert is_searchable(settings) == searchable


def test_a_damaged_run_log_is_put_aside_and_stands_for_no_declaration(copied):
    run = RunDirectory(copied)
    run.log.write_text("[{")
    with pytest.raises(ArtifactError, match=r"run_log\.json: is damaged, so that nobody can say"):
        declaration._count_rankings(run)
    (copied / "closure.h5").unlink()
    opened = Analysis.open(copied, configured(copied))
    with pytest.warns(AnomalyWarning, match=r"was damaged; it is run_log\.json\.damaged now"):
        run_chain(opened)
    assert [entry["stage"] for entry in run.read_log()] == ["closure"]
    assert (copied / "run_log.json.damaged").read_text() == "[{"


def test_the_run_log_tells_when_each_stage_was_finished(finished):
    entries = json.loads((finished / "run_log.json").read_text())
    assert [entry["stage"] for entry in entries][:3] == ["split", "template model", "template"]
    times = [entry["finished"] for entry in entries]
    assert times == sorted(times)
