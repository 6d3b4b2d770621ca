from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from conftest import FAST, invoke
from toys import shipped_rows, write_official

import anomaly_cli
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import read_any, read_artifact
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.failures import interrupt
from anomaly_cli.cli.progress import show_progress
from anomaly_cli.core.progress import Step
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS

ARTIFACTS = (
    *("split.h5", "truth.h5", "model.h5", "template.h5", "scores.h5", "classifier.h5", "significance.h5", "closure.h5"),
)
OPTIONS = ("--signal-region", "3.3-3.7", "--inject", "150", "--reserve", "0.3", "--processes", "1", *FAST)


def digests(directory):
    return {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in ARTIFACTS}


def test_a_run_ends_with_its_result_its_files_and_what_is_next(finished):
    output = invoke("summary", "--run", finished).output
    for text in ("naive", "not measured", "WITHOUT closure", "anomaly inspect", "significance limits", "truth"):
        assert text in output
    assert sorted(p.name for p in finished.iterdir()) == sorted(
        [*ARTIFACTS, "config.toml", "run_log.json", "anomaly.log", "workspaces"]
    )


def test_the_counts_of_the_regions_close(finished, data_file):
    split = read_artifact(finished / "split.h5", schema.SPLIT)
    truth = read_artifact(finished / "truth.h5", schema.TRUTH)
    n_observed = sum(len(split.groups[name]["mjj"]) for name in ("sb1", "sr", "sb2", "rest"))
    steps = dict(zip(split.groups["cutflow"]["step"], split.groups["cutflow"]["n_events"], strict=True))
    assert (
        n_observed
        == steps["observed (of labelled data, the rest is held back)"]
        == len(truth.groups["observed"]["event_id"])
    )
    assert n_observed + len(truth.groups["reference"]["mjj"]) == steps["tau1 > 0 in both jets"]
    ids = np.concatenate([split.groups[name]["event_id"] for name in ("sb1", "sr", "sb2", "rest")])
    assert sorted(ids.tolist()) == list(range(n_observed))
    assert truth.groups["observed"]["is_signal"].sum() == 150


def test_source_rows_lead_back_to_the_input(finished, data_file):
    split, truth = read_any(finished / "split.h5"), read_any(finished / "truth.h5")
    event = split.events("sr").take(np.array([3]))
    with h5py.File(data_file) as file:
        row = file["features"][truth.groups["observed"]["source_row"][event.event_id[0]]]
    p = [row[i : i + 4] for i in (0, 7)]
    energy = sum(np.sqrt((x**2).sum()) for x in p)
    momentum = p[0][:3] + p[1][:3]
    assert event.mjj[0] == pytest.approx(np.sqrt(energy**2 - (momentum**2).sum()), rel=1e-6)


def test_no_truth_leaves_the_truth_artifact(finished):
    for name in ARTIFACTS:
        if name != "truth.h5":
            with h5py.File(finished / name) as file:
                columns = []
                file.visit(columns.append)
            assert not [c for c in columns if "signal" in c.rsplit("/")[-1] and c.rsplit("/")[-1] != "signal_yield"]


def test_a_second_run_does_nothing_and_says_so(copied):
    before = {p.name: p.stat().st_mtime_ns for p in copied.iterdir() if p.is_file() and p.suffix != ".log"}
    result = invoke("run", "--run", copied, "--processes", "1")
    assert result.exit_code == 0, result.output
    assert "Up to date, not run again" in result.output
    after = {p.name: p.stat().st_mtime_ns for p in copied.iterdir() if p.is_file() and p.suffix != ".log"}
    assert after == before


def test_what_is_missing_is_made_again_byte_for_byte(copied, finished):
    for name in ("template.h5", "scores.h5"):
        (copied / name).unlink()
    assert invoke("run", "--run", copied, "--processes", "2").exit_code == 0
    assert digests(copied) == digests(finished)


def test_other_settings_are_refused_until_overwrite_and_then_only_what_changed_is_made(copied, finished):
    refused = invoke("run", "--run", copied, "--set", "classifiers.trees.leaves=15")
    assert refused.exit_code == 4
    assert "leaves was 31, now 15" in refused.output.replace("\n", " ")
    assert digests(copied) == digests(finished)
    result = invoke("run", "--run", copied, "--set", "classifiers.trees.leaves=15", "--overwrite", "--processes", "1")
    assert result.exit_code == 0, result.output
    changed = {name for name in ARTIFACTS if digests(copied)[name] != digests(finished)[name]}
    assert changed == {"scores.h5", "classifier.h5", "significance.h5"}


def test_a_dry_run_prints_the_plan_and_does_nothing(copied, finished, tmp_path):
    (copied / "scores.h5").unlink()
    result = invoke("run", "--run", copied, "--dry-run")
    assert result.exit_code == 0
    assert "up to date" in result.output
    assert not (copied / "scores.h5").exists()
    result = invoke("run", "--run", tmp_path / "none", "--signal-region", "3.3-3.7", "--dry-run")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "none").exists()


def test_a_dry_run_reads_the_events_where_they_are_still_to_be_divided(tmp_path):
    none = tmp_path / "none"
    fits = invoke("run", "--run", none, "--signal-region", "3.3-3.7", "--dry-run")
    assert re.search(r"The side-bands hold [\d,]+ and [\d,]+ events", fits.output)
    beyond = invoke("run", "--run", none, "--signal-region", "8-9", "--dry-run")
    assert (beyond.exit_code, none.exists()) == (2, False)
    assert "choose a region further inside" in " ".join(beyond.output.split())
    few = invoke("run", "--run", none, "--signal-region", "6-6.2", "--dry-run")
    assert (few.exit_code, none.exists()) == (5, False)
    assert re.search(r"side-band \S+ TeV holds \d+ events, training a template needs at least 500", few.output)


def test_a_directory_of_a_scan_or_of_reproductions_becomes_no_run(tmp_path):
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan" / "scan.json").write_text("{}")
    (tmp_path / "reproduction" / "records").mkdir(parents=True)
    for name, said in (("scan", "holds a scan, which 'anomaly scan collect"), ("reproduction", "and no run")):
        directory = tmp_path / name
        for words in (("summary", directory), ("run", "--run", directory, "--signal-region", "3.3-3.7")):
            refused = invoke(*words)
            assert refused.exit_code == 4
            assert said in " ".join(refused.output.split())
        assert not (directory / "split.h5").exists()


def test_a_dry_run_refuses_a_base_that_is_not_there(copied):
    result = invoke("run", "--run", copied, "--method", "curtains_f4f_efficient", "--base", "nope.h5", "--dry-run")
    assert result.exit_code == 4
    assert "nope.h5: no such file; this template method needs" in " ".join(result.output.split())


def test_stages_run_one_by_one_give_the_same_as_the_run(finished, tmp_path, data_file):
    directory = tmp_path / "stages"
    split = ["--signal-region", "3.3-3.7", "--data", data_file, "--inject", "150", "--reserve", "0.3"]
    assert invoke("split", "--run", directory, *split).exit_code == 0
    settings = FAST[:-2]
    for stage in ("template", "classify", "significance", "closure"):
        extra = FAST[-2:] if stage == "significance" else []
        alone = ["--processes", "1"] if stage == "closure" else []  # other processes know nothing of `brief_closure`
        result = invoke(stage, "--run", directory, *settings, *extra, *alone)
        assert result.exit_code == 0, result.output
    assert digests(directory) == digests(finished)


def test_a_model_is_sampled_again_without_training(copied):
    model = (copied / "model.h5").read_bytes()
    before = read_any(copied / "template.h5")
    arguments = ("template", "--run", copied, "--from-model", copied / "model.h5")
    result = invoke(*arguments, "--oversampling", "2")
    assert result.exit_code == 4
    result = invoke(*arguments, "--oversampling", "2", "--overwrite")
    assert result.exit_code == 0, result.output
    after = read_any(copied / "template.h5")
    assert 2 * len(after.groups["events"]["mjj"]) == len(before.groups["events"]["mjj"])
    assert (copied / "model.h5").read_bytes() == model


def test_a_model_of_other_events_is_refused(copied, tmp_path, data_file):
    other = tmp_path / "other"
    result = invoke("split", "--run", other, "--data", data_file, "--signal-region", "3.3-3.7", "--seed", "2")
    assert result.exit_code == 0, result.output
    result = invoke("template", "--run", other, "--from-model", copied / "model.h5")
    assert result.exit_code == 4
    assert "trained on other events" in result.output


def test_the_template_does_not_depend_on_signal_region_features(tmp_path, data_file):
    """Blindness: other features in the signal region, the same masses, the same template."""
    with h5py.File(data_file) as file:
        rows = file["features"][()][:, :14]
    jets = rows[:, [4, 5, 11, 12]]
    split_options = ("--signal-region", "3.3-3.7", *FAST[:-2])
    templates = []
    for label in ("as they are", "scrambled"):
        if label == "scrambled":
            mjj = _mjj(rows)
            inside = np.flatnonzero((mjj >= 3300) & (mjj < 3700))
            rows[inside[:, None], [4, 5, 11, 12]] = np.random.default_rng(1).permutation(jets[inside])[:, [2, 3, 0, 1]]
        path = write_official(tmp_path / f"{label}.h5", rows, OFFICIAL_COLUMNS)
        assert invoke("split", "--run", tmp_path / label, "--data", path, *split_options).exit_code == 0
        assert invoke("template", "--run", tmp_path / label).exit_code == 0
        templates.append(read_any(tmp_path / label / "template.h5").events("events"))
    sr = [read_any(tmp_path / label / "split.h5").events("sr") for label in ("as they are", "scrambled")]
    assert not np.array_equal(sr[0].features, sr[1].features)
    assert np.array_equal(templates[0].features, templates[1].features)
    assert np.array_equal(templates[0].mjj, templates[1].mjj)


def _mjj(rows):
    p = [rows[:, i : i + 4] for i in (0, 7)]
    energy = sum(np.sqrt((x**2).sum(axis=1)) for x in p)
    return np.sqrt(energy**2 - ((p[0][:, :3] + p[1][:, :3]) ** 2).sum(axis=1))


def test_unlabelled_data_are_analysed_whole_and_have_no_truth(tmp_path):
    rows = shipped_rows(8)
    path = write_official(tmp_path / "observed.h5", rows[:, :14], OFFICIAL_COLUMNS)
    result = invoke("split", "--run", tmp_path / "run", "--data", path, "--signal-region", "3.3-3.7")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "run" / "truth.h5").exists()
    assert "truth" not in result.output
    split = read_any(tmp_path / "run" / "split.h5")
    steps = split.groups["cutflow"]["n_events"]
    assert steps[0] == len(rows)
    assert steps[1] == steps[2]
    refused = invoke("split", "--run", tmp_path / "r2", "--data", path, "--signal-region", "3.3-3.7", "--inject", "5")
    assert refused.exit_code == 2
    assert "need truth labels" in refused.output


def test_a_reference_file_goes_to_the_truth_artifact_only(tmp_path, data_file):
    reference = write_official(tmp_path / "reference.h5", shipped_rows(50, first=1))
    options = ("--signal-region", "3.3-3.7", "--data", data_file, "--inject", "10", "--reference", reference)
    assert invoke("split", "--run", tmp_path / "run", *options).exit_code == 0
    truth = read_any(tmp_path / "run" / "truth.h5")
    ids = np.concatenate([truth.groups[g]["event_id"] for g in ("observed", "reference")])
    assert len(np.unique(ids)) == len(ids)


def test_features_can_be_selected(tmp_path, data_file):
    options = ("--signal-region", "3.3-3.7", "--data", data_file, "--features", "mj1,delta_mj,tau21_j1,tau21_j2")
    assert invoke("split", "--run", tmp_path / "run", *options).exit_code == 0
    result = invoke("template", "--run", tmp_path / "run", *FAST[:-2])
    assert result.exit_code == 0, result.output
    assert read_any(tmp_path / "run" / "template.h5").features == ("mj1", "delta_mj", "tau21_j1", "tau21_j2")


def test_evaluation_measures_the_template_and_two_bounds_over_whole_curves(copied):
    result = invoke("evaluate", "--run", copied, "--processes", "1")
    assert result.exit_code == 0, result.output
    evaluation = read_any(copied / "evaluation.h5")
    assert set(evaluation.groups["sic"]["method"]) == {"curtains_f4f", "idealised", "supervised"}
    assert (evaluation.groups["sic"]["sic"][:2] > 0.5).all()
    curves, summary = evaluation.groups["curves"], evaluation.groups["summary"]
    for method, n_independent in zip(summary["method"], summary["n_independent"], strict=True):
        own = curves["method"] == method
        assert curves["background_efficiency"][own][-1] == 1.0
        assert (np.diff(curves["signal_efficiency"][own]) >= 0.0).all()
        assert n_independent > 1000
    n_background = evaluation.groups["counts"]["n_background"]
    assert summary["n_independent"][1] == n_background  # what the idealised classifier is compared with
    assert summary["auc"][2] > summary["auc"][0] > 0.5
    assert "one number each" in result.output.lower()


def test_evaluation_compares_classifiers_of_the_same_settings_only(copied):
    result = invoke("evaluate", "--run", copied, "--processes", "1", "--set", "classifiers.trees.leaves=2")
    assert result.exit_code == 4, result.output
    assert "made with other settings than the configuration's" in " ".join(result.output.split())
    assert not (copied / "evaluation.h5").exists()


def test_the_idealised_method_runs_through_every_stage(tmp_path, data_file):
    options = ("--data", data_file, *OPTIONS, "--method", "idealised")
    result = invoke("run", "--run", tmp_path / "run", *options)
    assert result.exit_code == 0, result.output
    assert invoke("evaluate", "--run", tmp_path / "run", "--processes", "1").exit_code == 0
    rows = read_any(tmp_path / "run" / "evaluation.h5").groups["sic"]
    assert len(rows["method"]) == 3 * len(
        set(rows["background_efficiency"])
    )  # the run's own, the idealised one, and on truth
    refused = invoke("run", "--run", tmp_path / "r2", *options, "--reserve", "0")
    assert refused.exit_code == 2
    assert "hold some back with --reserve" in refused.output.replace("\n", " ")


def test_the_version_is_printed():
    result = invoke("--version")
    assert result.exit_code == 0
    assert re.fullmatch(rf"anomaly {anomaly_cli.__version__} \(commit [\w ,]+\)", result.output.strip())


def test_what_is_next_can_be_pasted(finished):
    lines = invoke("summary", "--run", finished).output.split("Next:\n")[1].splitlines()
    commands = [shlex.split(line, comments=True) for line in lines if line.strip()]
    assert len(commands) > 2
    for command in commands:
        assert command[0] == "anomaly"
        assert invoke(*command[1:], "--help").exit_code == 0, command


@pytest.mark.parametrize("command", [("inspect", "nowhere.h5"), ("summary", "--run", "nowhere")])
def test_a_mistyped_path_is_told_as_one(command):
    result = invoke(*command)
    assert result.exit_code == 4
    assert "check the path" in " ".join(result.output.split())


def test_every_artifact_is_explained(finished):
    for name in ARTIFACTS:
        result = invoke("inspect", finished / name)
        assert result.exit_code == 0, result.output
        assert "made by 'anomaly" in result.output


def test_the_configuration_is_complete_and_can_be_used_again(finished, copied, tmp_path):
    result = invoke("config", "--run", finished)
    assert result.exit_code == 0
    (tmp_path / "analysis.toml").write_text(result.output)
    (copied / "config.toml").unlink()
    again = invoke("run", "--run", copied, "--config", tmp_path / "analysis.toml", "--processes", "1")
    assert again.exit_code == 0, again.output
    done = "split, template model, template, classify, significance, closure"
    assert f"Up to date, not run again: {done}." in " ".join(again.output.split())
    assert digests(copied) == digests(finished)


BAD = [
    (("run",), 2, "no signal region"),
    (("run", "--signal-region", "3.7-3.3"), 2, "lower edge comes first"),
    (("run", "--signal-region", "3.3-3.7", "--side-bands", "3.0-3.4,3.7-4.6"), 2, "overlaps the signal region"),
    (("run", "--signal-region", "3.3-3.7", "--side-bands", "3.0-3.3"), 2, "two windows"),
    (("run", "--signal-region", "3.3-3.7", "--side-bands", "3.0-3.3,12-12.5"), 5, "holds no usable events"),
    (("run", "--signal-region", "12-12.5"), 2, "choose a region inside"),
    (("run", "--signal-region", "3.3-14"), 2, "above the collision energy"),
    (("config", "--run", "nowhere"), 2, "has no config.toml"),
    (("inspect", "."), 4, "is a directory"),
    (("run", "--signal-region", "2.61-2.9"), 2, "choose a region further inside"),
    (("run", "--signal-region", "6.4-6.45"), 5, "needs at least"),
    (("run", "--signal-region", "3.3-3.7", "--method", "curtain"), 2, "did you mean 'curtains_f4f'"),
    (("run", "--signal-region", "3.3-3.7", "--features", "mj1,tau31"), 2, "unknown feature 'tau31'"),
    (("run", "--signal-region", "3.3-3.7", "--inject", "99999"), 2, "has only"),
    (("run", "--signal-region", "3.3-3.7", "--inject", "few"), 2, "--inject few"),
    (("run", "--signal-region", "3.3-3.7", "--reserve", "1.5"), 2, "fraction in [0, 1)"),
    (("run", "--signal-region", "3.3-3.7", "--oversampling", "0"), 2, "outside (0, 100]"),
    (("run", "--signal-region", "3.3-3.7", "--background-efficiencies", "0.1,2"), 2, "between 0 and 1"),
    (("run", "--signal-region", "3.3-3.7", "--background-efficiencies", "many"), 2, "not a list of numbers"),
    (("run", "--signal-region", "3.3-3.7", "--set", "classifiers.trees.leafs=3"), 2, "did you mean 'leaves'"),
    (("run", "--signal-region", "3.3-3.7", "--set", "classifier"), 2, "key=value"),
    (("run", "--signal-region", "3.3-3.7", "--set", "seed.x=1"), 2, "must be a whole number"),
    (("run", "--signal-region", "3.3-3.7", "--set", "methods.curtains_f4f.epochs=1"), 2, "unknown setting 'epochs'"),
    (("run", "--signal-region", "3.3-3.7", "--config", "none.toml"), 2, "check its path"),
    (("run", "--signal-region", "3.3-3.7", "--data", "none.h5"), 3, "check the path given to --data"),
    (("summary", "--run", "nowhere"), 4, "no such directory"),
    (("template", "--run", "nowhere"), 4, "no such file"),
    (("classify", "--run", "nowhere"), 4, "no such file"),
    (("inspect", "nothing.h5"), 4, "no such file"),
    (("run", "--signal-region", "3.3-3.7", "--run", "x" * 300), 4, "File name too long; choose another path"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), BAD, ids=[" ".join(arguments) for arguments, _, _ in BAD])
def test_bad_input_ends_in_one_sentence(arguments, code, sentence, tmp_path, monkeypatch, data_file):
    monkeypatch.chdir(tmp_path)
    data = ("--data", data_file) if arguments[0] == "run" and "--data" not in arguments else ()
    result = invoke(*arguments, *data)
    assert result.exit_code == code, result.output
    assert sentence in result.output.replace("\n", " ")
    assert result.output.count("error:") == 1
    assert not list(tmp_path.rglob("*" if code in (2, 3, 4) else "model.h5"))


def test_a_constant_feature_is_refused(tmp_path):
    rows = shipped_rows(8)
    rows[:, [5, 12]] = rows[:, [4, 11]]
    path = write_official(tmp_path / "constant.h5", rows)
    result = invoke("run", "--run", tmp_path / "run", "--data", path, "--signal-region", "3.3-3.7")
    assert result.exit_code == 5
    assert "same value" in result.output


def test_a_damaged_artifact_is_named_and_replaced_on_request(copied, finished):
    content = (copied / "template.h5").read_bytes()
    (copied / "template.h5").write_bytes(content[:5000])
    result = invoke("run", "--run", copied)
    assert result.exit_code == 4
    assert "template.h5" in result.output
    assert invoke("run", "--run", copied, "--overwrite", "--processes", "1").exit_code == 0
    assert digests(copied) == digests(finished)


def test_an_unwritable_directory_is_refused(tmp_path, data_file):
    target = tmp_path / "file"
    target.write_text("in the way")
    result = invoke("run", "--run", target / "run", "--signal-region", "3.3-3.7", "--data", data_file)
    assert result.exit_code == 4
    assert "choose another directory" in result.output.replace("\n", " ")


def start(directory, data_file, *options):
    command = [sys.executable, "-m", "anomaly_cli", "run", "--run", str(directory), "--data", str(data_file), *OPTIONS]
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # a shell starts background jobs with SIGINT ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_leaves_no_half_written_file_and_continues(how, tmp_path, data_file, finished):
    directory = tmp_path / "run"
    directory.mkdir()
    for name in ("split.h5", "truth.h5", "model.h5"):  # the template is made and the classifier interrupted
        shutil.copy(finished / name, directory / name)
    slow = ("--set", "classifiers.trees.ensemble=50")
    process = start(directory, data_file, *slow)
    deadline = time.monotonic() + 120
    while not (directory / "template.h5").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(how)
    output, _ = process.communicate(timeout=60)
    if how is not signal.SIGKILL:
        assert process.returncode == 130
        assert "run the same command again to continue" in output
        assert "Traceback" not in output
    assert not (directory / "scores.h5").exists()
    assert not list(directory.glob(".*partial"))
    for path in directory.glob("*.h5"):
        read_any(path)
    result = invoke("run", "--run", directory, "--data", data_file, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert "Up to date, not run again: split, template model, template." in result.output.replace("\n", " ")
    assert digests(directory) == digests(finished)


def test_an_interrupt_that_a_library_lost_stops_the_next_step(monkeypatch):
    monkeypatch.setattr("anomaly_cli.cli.failures._interrupts", [])
    with show_progress(Manner(quiet=True)) as progress:
        progress(Step("work", 0, 2))
        with contextlib.suppress(KeyboardInterrupt):  # as a callback from C code does
            interrupt(signal.SIGINT, None)
        with pytest.raises(KeyboardInterrupt):
            progress(Step("work", 1, 2))


def test_the_log_keeps_what_varies_out_of_the_artifacts(finished):
    log = json.loads((finished / "run_log.json").read_text())
    assert [entry["stage"] for entry in log][:3] == ["split", "template model", "template"]
    assert all(entry["seconds"] > 0 for entry in log)


def test_a_command_that_is_told_is_one_that_a_shell_takes(copied):
    run = copied.rename(copied.with_name("my run"))
    (run / "scores.h5").unlink()
    told = " ".join(invoke("summary", "--run", run).output.split())
    assert f"finish it with 'anomaly run --run '{run}''" in told
