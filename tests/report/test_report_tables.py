"""Every table as it is shown, wide and narrow, and as JSON; texts are kept in `golden/`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import invoke
from jsonschema import Draft202012Validator
from kept_texts import is_as_kept
from made_artifacts import make_artifact

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import read_any, write_artifact
from anomaly_cli.report import datasets
from anomaly_cli.report.cells import HIDDEN, Missing
from anomaly_cli.report.inspection import explain_artifact
from anomaly_cli.report.render.json import SCHEMA_FILE
from anomaly_cli.report.render.registry import About, find_renderers
from anomaly_cli.report.results.closure import distance_tables
from anomaly_cli.report.results.registry import find_tellers, report_on
from anomaly_cli.report.status import MOST_JOBS, status_report
from anomaly_cli.report.summary import cutflow_table, region_table, summarise_run
from anomaly_cli.report.table import Table

NAN = float("nan")
WIDTHS = (100, 60, 40)
SCHEMA = Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))


def artifacts_of(kind):
    """Return artifacts of a kind that between them reach every word of its tables, by name."""
    plain = make_artifact(kind, CHANGES.get(kind.name, {}))
    others = {f"{kind.name}_{name}": make_artifact(kind, *given) for name, given in OTHERS.get(kind.name, {}).items()}
    return {kind.name: plain, **others}


SYSTEMATICS = {
    "test": [0, 1, 2],
    "on": ["background", "background", "signal"],
    **{"up": [0.03, 0.5, 0.1], "down": [-0.02, 0.0, -0.1], "cost": [0.12, 1.5, 0.0]},
}
CHANGES = {
    "significance": {
        "largest": {"test": 1},
        "largest_claimable": {"test": 2},
        "mass_fit": {"p_value": 0.5},
        "systematics": SYSTEMATICS,
        "tests": {
            "test": ["pass/fail", "template", "template"],
            "z": [0.5, 2.0, 37.5194],
            "p0": [0.3, 0.02, 0.0],
            "z_binomial": [0.4, np.inf, 3.0],
            "overdispersion": [1.2, 1.0, 1.3],
            "overdispersion_measured": [1.2, 0.8, 1.3],
            "n_permutations": [20, 20, 5],
            "fold_p": [0.5, 0.004, 0.01],
        },
    },
    "global": {"result": {"test": 1}, "claimable": {"test": 2}},
    "sensitivity": {
        "costs": {"test": [0, 1, 2], "term": ["closure", "kfold", "scale"]},
        "tests": {"no_claim": ["", "", "the windows disagree"]},
    },
    "permutation": {"tests": {"z_observed": [1.0, 2.0, 3.0]}},
    "bump": {"tests": {"p0": [0.2, NAN, 0.01], "workspace": ["{}", "", "{}"], "spurious_signal": [-0.001, 3.0, 40.0]}},
    "closure": {"checks": {"baseline_auc": [0.6, 0.5, 0.7]}, "distances": {"fpd": [NAN, 0.012, 0.5]}},
    "calibration": {"levels": {"level": [0.159, 0.05, 0.01]}},
    "injection": {"tests": {"signal_efficiency": [NAN, 0.2, 0.3], "n_injected": [0, 150, 300]}},
    "evaluation": {"sic": {"sic_error": [0.1, NAN, 0.3]}},
    "template_model": {
        "training": {"part": ["base", "base", "transport"], "epoch": [0, 1, 0], "validation_loss": [3.0, 2.5, 2.5]}
    },
    "scan": {
        "points": {
            "low": [3300.0, 3300.0, 3100.0, 3500.0],
            "high": [3700.0, 3700.0, 3500.0, 3900.0],
            "method": ["cathode", "cathode", "cathode", "drapes"],
            "variant": ["default"] * 4,
            "inject": ["420"] * 4,
            "seed": [1, 2, 1, 1],
            "state": ["done", "done", "failed", "blinded"],
            "reason": ["", "", "too few events", ""],
            "not_measured": ["", "", "", "no window"],
        },
        "tests": {
            **{"point": [0, 1, 1], "background_efficiency": [0.2, 0.2, 0.01], "z": [1.0, 2.0, 3.0]},
            "no_claim": ["", "", "the windows disagree"],
        },
        "global": {
            "method": ["cathode", "cathode", "all"],
            "variant": ["default", "default", "all"],
            "inject": ["420"] * 3,
            "seed": [1, 2, 1],
            "test": [0, 2, 0],
        },
    },
}
UNMEASURED = {
    **{"closure_uncertainty": [NAN] * 3, "overdispersion": [NAN] * 3},
    **{"n_windows": [0] * 3, "n_experiments": [0] * 3},
}
OTHERS = {
    "significance": {
        "poor": ({**CHANGES["significance"], "mass_fit": {"p_value": 1e-4}},),
        "unmeasured": (
            {"largest": {"test": -1}, "mass_fit": {"p_value": 0.005}, "tests": UNMEASURED, "systematics": SYSTEMATICS},
        ),
    },
    "permutation": {"blinded": ({"tests": {"z_observed": [NAN] * 3, "p_permutation": [NAN] * 3}},)},
    "limits": {
        "studied": ({"strength": {"observed": [np.inf, 30.0, 40.0], "largest": [600.0] * 3}},),
    },
    "closure": {
        "unchecked": ({"checks": {name: [] for name in schema.CLOSURE.groups["checks"].columns}},),
    },
    "scan": {"unmeasured": ({**CHANGES["scan"], "tests": {**CHANGES["scan"]["tests"], **UNMEASURED}},)},
}
KINDS = {**schema.KINDS}
CASES = {name: artifact for kind in find_tellers() for name, artifact in artifacts_of(KINDS[kind]).items()}


def at_every_width(report):
    text = find_renderers()["text"]
    return "\n".join(f"===== {width} columns\n{text(report, About(width=width))}" for width in WIDTHS)


def valid_json(report):
    record = json.loads(find_renderers()["json"](report, About("summary", {"split": "0" * 64})))
    SCHEMA.validate(record)
    return record


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_of_an_artifact(name):
    report = report_on(CASES[name])
    is_as_kept(name, at_every_width(report))
    record = valid_json(report)
    for table in record["tables"]:
        columns = [column["name"] for column in table["columns"]]
        assert all(list(row) == columns for row in table["rows"])
    for render in find_renderers().values():
        render(report, About())


def test_of_other_kinds_nothing_is_said():
    assert report_on(make_artifact(schema.SPLIT)) == ()
    assert set(find_tellers()) >= {"significance", "closure", "scan", "morph"}


def test_distances_are_shown_by_check_and_without_counts_while_blinded():
    closure = make_artifact(
        schema.CLOSURE,
        {"distances": {"check": ["one", "one", "two"], "fpd": [NAN, 0.012, -0.5], "kpd_error": [0.0, 0.1, 2.0]}},
    )
    report = distance_tables(closure, is_blinded=False)
    is_as_kept("distances", at_every_width(report))
    (table,) = valid_json(report)["tables"]
    assert table["rows"][0]["fpd"] == {"value": None, "missing": "too few"}
    counts = f"{int(closure.groups['counts']['n_template'])} template events"
    assert counts in at_every_width(report)
    assert counts not in at_every_width(distance_tables(closure, is_blinded=True))
    nothing = {name: [] for name in schema.CLOSURE.groups["distances"].columns}
    assert distance_tables(make_artifact(schema.CLOSURE, {"distances": nothing}), is_blinded=False) == []


def test_an_artifact_is_explained_and_hides_what_tells_of_a_blinded_region():
    artifact = make_artifact(schema.SPLIT, {"rest": {"mjj": [], "weight": [NAN, NAN, NAN, NAN, NAN, NAN, NAN]}})
    report = explain_artifact(artifact)
    is_as_kept("inspect", at_every_width(report))
    valid_json(report)
    blinded = explain_artifact(artifact, is_blinded=True)
    hidden = {name for name, group in artifact.kind.groups.items() if group.tells_region}
    assert hidden == {"cutflow", "sr", "rest"}
    tables = [part.name for part in blinded if isinstance(part, Table)]
    assert tables == [f"group_{name}" for name in artifact.groups if name not in hidden]
    weights = {"weights": {f"{network}.{index}": np.ones(3) for network in ("base", "transport") for index in range(7)}}
    (network, *_) = [
        part for part in explain_artifact(make_artifact(schema.SHARED_MODEL, weights)) if isinstance(part, Table)
    ]
    assert network.rows == (("base", 7, 21), ("transport", 7, 21))


def test_the_status_of_a_scan_names_jobs_and_keeps_all_of_them_for_programs():
    noted = [
        (f"point {index}", "failed", "too few events" * (index % 2), "logs/1.log" * (index % 3)) for index in range(50)
    ]
    report = status_report({"point": {"done": 3, "failed": 50}, "measurement": {"done": 1}}, noted)
    is_as_kept("status", at_every_width(report))
    record = valid_json(report)
    assert [len(table["rows"]) for table in record["tables"]] == [3, 50]
    assert sum(message["text"].startswith("failed: ") for message in record["messages"]) == MOST_JOBS


def test_tables_about_data_sets():
    report = [
        datasets.data_sets_table([("one", "the first set", datasets.size_cell(2_912_000_000), "no")]),
        datasets.data_sets_table([("two", "the second set", datasets.size_cell(0), "shipped")]),
        datasets.facts_table({"title": "the first set", "licence": "CC-BY-4.0"}),
        datasets.files_table([("one.h5", "events", datasets.size_cell(5_200_000), "ab" * 32)]),
        datasets.meanings_table([("mj1", "GeV", "jet mass")]),
        datasets.states_table([("one.h5", "whole, by the sha256")]),
        datasets.ranges_table([("mj1", 0.0, 145.2712, 1177.1234, 3)]),
        datasets.truth_table([("3.3-3.7", 4697, 1987)]),
        datasets.numbers_table([("written", 1000), ("a CPU second", 12.6), ("none", Missing("all chunks were here"))]),
    ]
    is_as_kept("datasets", at_every_width(report))
    valid_json(report)


def without_numbers(text):
    """Return a text with `#` for each number, as numbers of trained networks differ between machines."""
    text = text.replace("  fail  ", "  0  ").replace(" (weak)", "")  # which depend on numbers
    lines = [re.sub(r"-?\d[\d.]*(e[-+]\d+)?", "#", line) for line in text.splitlines()]
    return "\n".join(re.sub(r"( {2,}|\u2500+)", lambda found: found.group()[:2], line) for line in lines) + "\n"


def test_the_summary_of_a_finished_run(finished):
    run = RunDirectory(finished)
    report = summarise_run(run)
    text = find_renderers()["text"](report, About(width=100))
    is_as_kept("finished", without_numbers(text))
    record = valid_json(report)
    rows = {table["name"]: table["rows"] for table in record["tables"]}
    split, significance = read_any(finished / "split.h5"), read_any(finished / "significance.h5")
    assert [row["n_events"] for row in rows["regions"]] == [len(split.groups[n]["mjj"]) for n in ("sb1", "sr", "sb2")]
    tests = significance.groups["tests"]
    for row, z, expected, error in zip(
        rows["counts"], tests["z"], tests["n_expected"], tests["uncertainty"], strict=True
    ):
        assert (row["z"], row["n_expected"]) == (z, {"value": expected, "uncertainty": error})


@pytest.mark.parametrize("width", range(30, 121, 7))
def test_no_table_of_a_finished_run_is_wider_than_the_terminal(finished, width):
    run = RunDirectory(finished)
    split = read_any(finished / "split.h5")
    report = [
        *summarise_run(run),
        cutflow_table(split),
        region_table(run),
        *report_on(read_any(finished / "model.h5")),
    ]
    report += distance_tables(read_any(finished / "closure.h5"), is_blinded=False)
    text = find_renderers()["text"](report, About(width=width))
    is_command = re.compile(r"'anomaly [^']*'[^ ]*").fullmatch  # is copied, so it is kept in one piece
    assert max(len(line) for line in text.splitlines() if not is_command(line)) <= width


def test_a_blinded_run_holds_no_number_of_its_signal_region(finished, tmp_path):
    """Neither in what people see nor in what programs read."""
    run = RunDirectory(Path(shutil.copytree(finished, tmp_path / "run")))
    for name in ("significance.h5", "truth.h5"):
        (run.path / name).unlink()
    split = read_any(run.path / "split.h5")
    blinded = {**split.groups, "origin": {"has_truth": np.array(False)}}
    write_artifact(split.path, split.kind, blinded, split.provenance, split.features)
    hidden = run.read(schema.SPLIT)
    report = [region_table(run, is_blinded=True), cutflow_table(hidden, is_blinded=True)]
    n_hidden = len(split.groups["sr"]["mjj"])
    total = int(split.groups["cutflow"]["n_events"][-1])
    for name, render in find_renderers().items():
        text = render(report, About())
        assert text.count("hidden") == 2, name
        assert str(n_hidden) not in text
        assert str(total) not in text
    regions, cutflow = report
    assert regions.rows[1][2] is HIDDEN
    assert cutflow.rows[-1][1] is HIDDEN


def test_commands_print_the_same_tables(finished):
    shown = invoke("summary", "--run", finished).output
    text = find_renderers()["text"](summarise_run(RunDirectory(finished)), About(width=100))
    assert shown.startswith(text)
