"""The harness of `python -m benchmarks`: what is watched, compared and written on the page."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import performance
import performance_page
import pytest
from performance_watch import Watched, figures_of, watch

ROOT = Path(__file__).parents[1]
CASE = {
    "all": {"wall": 10.0, "cpu": 8.0, "memory": 500},
    "stages": {"split": {"wall": 1.0, "cpu": 0.5, "memory": 400}, "gone": {"wall": 1.0, "cpu": 0.5, "memory": 400}},
    "n_events": 1000,
    "quality": {"closure": {"side-bands, held-out events": [0.51, 0.01]}},
    "load": [0.1, 0.2],
}


def test_the_page_holds_what_the_stored_results_give():
    results = performance.read(performance.RESULTS)
    others = performance.others(performance.RESULTS)
    assert performance_page.section(results, others) in performance_page.PAGE.read_text(encoding="utf-8")
    assert not {"host", "node", "path"} & {key.lower() for key in results["machine"]}


def test_a_page_is_written_between_its_marks_and_nowhere_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{performance_page.BEGIN}\nold\n{performance_page.END}\nafter\n")
    performance_page.write_page({"machine": {"cores": 2}, "cases": {"default, processes 1": CASE}}, {}, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| split | 1.0 | 0.5 | 400 | 2,000 |" in text
    assert "old" not in text
    page.write_text("nothing")
    with pytest.raises(SystemExit, match="has no lines"):
        performance_page.write_page({"machine": {}, "cases": {}}, {}, page)


def test_what_both_have_is_compared_and_changed_quality_is_told():
    other = json.loads(json.dumps(CASE))
    del other["stages"]["gone"]
    other["all"]["cpu"], other["quality"]["closure"]["side-bands, held-out events"][0] = 16.0, 0.5
    results = ({"cases": {"a": CASE, "b": CASE}}, {"cases": {"a": other}})
    lines = list(performance_page.compare(*results))
    assert "| a | all | 1.00 | 0.50 | 1.00 |" in lines
    assert not [line for line in lines if "gone" in line or line.startswith("| b")]
    assert lines[-1].startswith("a: 1 measures of quality, 1 differ: ")
    assert "+0.01" in lines[-1]


def test_a_command_is_watched_by_time_and_memory_and_a_failure_ends_the_series():
    watched = watch(ROOT, ["--version"])
    assert "anomaly" in watched.output
    assert watched.cpu > 0.0
    assert 0.0 < watched.peak < 1000.0
    with pytest.raises(SystemExit, match="exit code 2"):
        watch(ROOT, ["no-such-command"])


def test_memory_is_given_to_the_stage_that_ran_and_the_rest_is_the_start(tmp_path):
    log = [
        {"stage": name, "seconds": 10.0, "cpu_seconds": 5.0, "finished": finished}
        for name, finished in (("split", "2026-01-01T00:00:20+00:00"), ("template", "2026-01-01T00:00:40+00:00"))
    ]
    (tmp_path / "run_log.json").write_text(json.dumps(log))
    zero = 1767225600.0
    watched = Watched(30.0, 12.0, [(zero + at, memory) for at, memory in ((15, 100.0), (35, 300.0), (60, 900.0))], "")
    found = figures_of(watched, tmp_path)
    assert [found["stages"][name]["memory"] for name in ("split", "template")] == [100, 300]
    assert found["stages"]["start and end"] == {"wall": 10.0, "cpu": 2.0, "memory": 0}
    assert found["all"] == {"wall": 30.0, "cpu": 12.0, "memory": 900}


def test_events_are_resampled_in_any_number_and_no_two_are_alike(tmp_path):
    for name in ("a.h5", "b.h5"):
        performance.write_resampled(tmp_path / name, 5000)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        rows = file["features"][()]
    assert rows.shape == (5000, 15)
    assert len(np.unique(rows, axis=0)) == 5000
    assert (rows[:, -1] == 0.0).all()


def test_what_has_a_result_is_not_measured_again(tmp_path, monkeypatch):
    output, asked = tmp_path / "results.json", []
    monkeypatch.setattr(performance, "measure_events", lambda _, n_events, processes: asked.append(n_events) or CASE)
    for sizes in ([10], [10, 20]):
        options = {"events": sizes, "regions": [], "processes": [1], "settings": [], "code": ROOT, "only": ""}
        performance.measure_missing(argparse.Namespace(**options, work=tmp_path / "work", output=output))
    assert asked == [10, 20]
    assert set(performance.read(output)["cases"]) == {"events 10, processes 1", "events 20, processes 1"}


def test_the_stages_of_all_jobs_of_a_scan_are_added_up(tmp_path, monkeypatch):
    def scanned(_, arguments):
        scan = tmp_path / "scan-2-1"
        if arguments[1] == "resume":
            for folder, seconds in (("bases", 3.0), ("3.3-3.7", 1.0)):
                (scan / "logs" / folder).mkdir(parents=True)
                stages = [{"stage": "split", "seconds": seconds, "cpu_seconds": seconds / 2}]
                (scan / "logs" / folder / "job.json").write_text(json.dumps({"stages": stages}))
            with h5py.File(scan / "scan_result.h5", "w") as file:
                file["points/closure_auc"] = [0.5, 0.52]
        return Watched(7.0, 4.0, [(0.0, 100.0)], "")

    monkeypatch.setattr(performance, "watch", scanned)
    found = performance.measure_regions(performance.Place(tmp_path, ROOT, ("--set", "classifier.folds=3")), 2, 1)
    assert found["stages"] == {"split": {"wall": 4.0, "cpu": 2.0, "memory": 0}}
    assert found["quality"]["closure"] == {"side-bands, held-out events": [0.51, 0.0]}
    grid = tomllib.loads((tmp_path / "scan-2.toml").read_text())
    assert grid["grid"]["centres"] == [3.1, 3.15]
    assert grid["analysis"] == {"data": {"file": "shipped", "reserve": 0.4}, "classifier": {"folds": 3}}
    lines = list(
        performance_page.scaling_lines("regions", "n_regions", {"regions 2, processes 1": {**found, "load": [0, 1]}})
    )
    assert lines[-1] == "| 2 | 1 | 7 | 4 | 2.0 | 100 | 0.5100 | 0 to 1 |"


def test_the_package_can_be_called():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "python -m benchmarks --compare before.json" in done.stdout
