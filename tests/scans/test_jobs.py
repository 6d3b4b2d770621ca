"""Single jobs, their results and records, what is collected and exported: no engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import invoke
from grids import EMPTY

from anomaly_cli.artifacts.scan_kinds import SCAN, SCAN_POINT
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.scans.manifest import ScanDirectory
from anomaly_cli.scans.records import JobRecord


def words(result):
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def half_done(tmp_path_factory, data_file):
    """A scan of three regions: one done, one failed for lack of events, one not run."""
    from grids import GRID

    folder = tmp_path_factory.mktemp("half")
    grid = GRID.format(windows=f'"3.3-3.7", "3.4-3.8", "{EMPTY}"', seeds=1, data=data_file, ensemble=1)
    (folder / "scan.toml").write_text(grid)
    assert invoke("scan", "plan", folder / "scan.toml", "--output", folder / "scan").exit_code == 0
    for index in (0, 2):
        result = invoke("scan", "job", folder / "scan", "--index", str(index), "--processes", "1")
        assert result.exit_code == 0, result.output
    return folder / "scan"


@pytest.fixture
def scan(half_done, tmp_path):
    """A copy of it, to be changed at will."""
    return Path(shutil.copytree(half_done, tmp_path / "scan"))


def test_a_job_leaves_its_result_and_log_and_nothing_else(half_done):
    files = sorted(path.relative_to(half_done).parts[0] for path in half_done.rglob("*") if path.is_file())
    assert files == ["bases", "bases", "driver.lock", "logs", "logs", "logs", "results", "results", "scan.json"]


def test_a_result_holds_what_the_scan_needs(half_done):
    manifest = ScanDirectory(half_done).read()
    result = read_artifact(half_done / manifest.points[0].output, SCAN_POINT)
    tests, selected = result.groups["tests"], result.groups["selected"]
    assert result.groups["outcome"]["is_done"]
    assert np.bincount(selected["test"]).tolist() == tests["n_observed"].tolist()
    assert (tests["limit"] > 0.0).all()
    assert float(result.groups["point"]["low"]) == 3300.0
    assert result.groups["chain"]["kind"].tolist() == ["split", "template_model", "template", "scores", "significance"]


def test_a_job_gives_what_a_run_gives(half_done, data_file, tmp_path):
    manifest = ScanDirectory(half_done).read()
    point = manifest.points[0]
    (tmp_path / "config.toml").write_text(manifest.config(point).to_toml())
    base = half_done / manifest.bases[0].output
    result = invoke("run", "--run", tmp_path / "run", "--config", tmp_path / "config.toml", "--base", base)
    assert result.exit_code == 0, result.output
    chain = read_artifact(half_done / point.output, SCAN_POINT).groups["chain"]
    for kind, digest in zip(chain["kind"], chain["digest"], strict=True):
        name = "model" if kind == "template_model" else kind
        output = invoke("inspect", tmp_path / "run" / f"{name}.h5").output
        assert str(digest)[:12] in output, kind


def test_a_job_whose_result_is_there_is_not_run_again(scan):
    manifest = ScanDirectory(scan).read()
    path = scan / manifest.points[0].output
    before = path.stat().st_mtime_ns
    for named in (("--index", "0"), ("--key", manifest.chunks[0].key)):
        result = invoke("scan", "job", scan, *named)
        assert (result.exit_code, "not made again" in words(result)) == (0, True)
    assert path.stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_same_job_gives_the_same_bytes_and_a_damaged_result_is_made_again(scan):
    path = scan / ScanDirectory(scan).read().points[0].output
    before = path.read_bytes()
    path.write_bytes(before[:-100])
    result = invoke("scan", "job", scan, "--index", "0", "--processes", "2")
    assert result.exit_code == 0, result.output
    assert path.read_bytes() == before


def test_a_job_that_fails_for_physics_is_recorded_with_its_sentence(half_done):
    manifest = ScanDirectory(half_done).read()
    outcome = read_artifact(half_done / manifest.points[2].output, SCAN_POINT).groups["outcome"]
    assert not outcome["is_done"]
    assert "training a template needs at least" in str(outcome["reason"])
    output = words(invoke("scan", "status", half_done))
    assert "1 shared base flow: 1 done" in output
    shown = json.loads(invoke("scan", "status", half_done, "--json").stdout)
    assert "training a template needs at least" in json.dumps(shown)
    assert re.search(r"3 points: 1 done, 1 (failed|waiting), 1 (failed|waiting)", output)
    assert "training a template needs at least" in output


def test_a_plan_says_what_is_left_and_what_it_costs(scan, write_grid):
    grid = write_grid(windows=("3.3-3.7", "3.4-3.8", EMPTY))
    output = words(invoke("scan", "plan", grid, "--output", scan))
    assert "3 points in 3 signal regions, 2 done already" in output
    assert re.search(r"Still to run: about 0\.\d+ CPU h; 1 MB on disk", output)  # by what its own jobs took
    grid.write_text(grid.read_text().replace('["curtains_f4f_efficient"]', '["cathode", "curtains_f4f_efficient"]'))
    assert "3 points of methods not measured yet" in words(invoke("scan", "plan", grid, "--output", scan))


def test_collect_takes_what_is_there_and_names_what_is_missing(scan):
    result = invoke("scan", "collect", scan)
    assert result.exit_code == 0, result.output
    assert "1 missing, 1 failed of 3" in words(result)
    collected = read_artifact(scan / "scan_result.h5", SCAN)
    assert collected.groups["points"]["state"].tolist() == ["done", "missing", "failed"]
    assert collected.groups["global"]["n_tests"].tolist() == [2]
    assert 0.0 < collected.groups["global"]["p_global"][0] < 1.0
    assert (scan / "scan.png").stat().st_size > 10_000


def test_the_global_p_value_is_that_of_the_significance_suite(scan, data_file, tmp_path):
    """One region: the largest of its cuts, whatever combines them."""
    invoke("scan", "collect", scan)
    collected = read_artifact(scan / "scan_result.h5", SCAN)
    z, p_global = collected.groups["tests"]["z"], float(collected.groups["global"]["p_global"][0])
    from scipy.stats import norm

    p_local = norm.sf(z.max())
    assert p_local <= p_global <= 2 * p_local * 1.001


def test_a_killed_job_is_told_from_a_running_one(scan):
    manifest = ScanDirectory(scan).read()
    record = scan / manifest.points[1].record
    record.parent.mkdir(parents=True, exist_ok=True)
    import platform

    finished = subprocess.Popen(["true"])
    finished.wait()
    for pid, host, state in (
        (os.getpid(), platform.node(), "1 running"),
        (finished.pid, platform.node(), "1 died"),
        (1, "elsewhere", "1 died"),  # nobody drives the scan
        (10**30, platform.node(), "1 died"),
        (0, platform.node(), "1 died"),
    ):
        record.write_text(json.dumps({"state": "running", "host": host, "pid": pid, "began": "now"}))
        assert state in words(invoke("scan", "status", scan))


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (KeyboardInterrupt("interrupted"), "1 interrupted"),
        (KeyboardInterrupt(), "1 interrupted"),
        (KeyboardInterrupt("terminated (time limit or cancelled)"), "1 died"),
        (MemoryError("none left"), "1 died"),
    ],
)
def test_a_job_that_somebody_stopped_has_not_died(scan, error, state):
    record = scan / ScanDirectory(scan).read().points[1].record
    with pytest.raises(type(error)), JobRecord.start(record):
        raise error
    assert state in words(invoke("scan", "status", scan))
    record.unlink()


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (("--index", "7"), "has 3 of these jobs"),
        (("--index", "1", "--kind", "base"), "has 1 of these jobs"),
        (("--index", "0", "--kind", "measurement"), "has 0 of these jobs"),
        (("--index", "0", "--kind", "bases"), "did you mean 'base'"),
        (("--key", "nonsense"), "is not in the manifest"),
        ((), "name one job"),
        (("--key", "a", "--index", "1"), "name one job"),
    ],
)
def test_a_job_has_to_be_named(half_done, options, advice):
    result = invoke("scan", "job", half_done, *options)
    assert result.exit_code == 2
    assert advice in words(result)


def test_a_base_flow_that_cannot_be_trained_is_the_reason_of_its_points(write_grid, tmp_path):
    more = "[analysis.template]\nbase_without = ['1-9']\n"
    assert invoke("scan", "plan", write_grid(more=more), "--output", tmp_path / "s").exit_code == 0
    assert invoke("scan", "job", tmp_path / "s", "--index", "0", "--kind", "base").exit_code == 0
    assert invoke("scan", "job", tmp_path / "s", "--index", "0").exit_code == 0
    assert "shared base flow: base:" in words(invoke("scan", "status", tmp_path / "s"))


@pytest.mark.slow
def test_data_without_labels_stay_blinded_until_the_grid_says_so_and_that_is_recorded(write_grid, tmp_path):
    from toys import shipped_rows, write_official

    from anomaly_cli.datasets.features import OFFICIAL_COLUMNS

    rows = shipped_rows(8)
    write_official(tmp_path / "observed.h5", rows[rows[:, -1] == 0][:, :-1], OFFICIAL_COLUMNS)
    grid = write_grid(windows=("3.3-3.7",))
    text = grid.read_text().replace("inject = [150]", 'inject = ["default"]').replace("reserve = 0.3", "")
    text = re.sub(r'file = ".*"', 'file = "observed.h5"', text)
    for unblind in (False, True):
        grid.write_text(text.replace("closure = false", f"closure = false\nunblind = {str(unblind).lower()}"))
        assert invoke("scan", "plan", grid, "--output", tmp_path / "s").exit_code == 0
        assert invoke("scan", "job", tmp_path / "s", "--index", "0").exit_code == 0
        assert invoke("scan", "collect", tmp_path / "s").exit_code == 0
        collected = read_artifact(tmp_path / "s" / "scan_result.h5", SCAN)
        assert collected.groups["points"]["state"].tolist() == ["done" if unblind else "blinded"]
        assert len(collected.groups["tests"]["z"]) == 2 * unblind
        assert (collected.groups["points"]["n_observed"][0] > 0) == unblind
        assert len(list((tmp_path / "s" / "unblinding").rglob("*.json"))) == unblind


def test_reana_is_offered_only_what_lies_in_the_scan(scan):
    from dataclasses import replace

    from anomaly_cli.core.errors import ConfigError
    from anomaly_cli.scans.export import export_scan

    directory = ScanDirectory(scan)
    manifest = directory.read()
    shipped = {"data": {"file": "shipped"}}
    for settings, variants in (
        ({"data": {"file": "shipped", "inject_from": ["other.h5=3"]}}, {}),
        ({**shipped, "template": {"simulation": "mc.h5"}}, {}),
        (shipped, {"other": {"template": {"simulation": "mc.h5"}}}),
    ):
        changed = replace(manifest, scan=replace(manifest.scan, analysis=settings, variants=variants))
        with pytest.raises(ConfigError, match="shipped data only"):
            export_scan(directory, changed, "reana", "image")
    export_scan(directory, replace(manifest, scan=replace(manifest.scan, analysis=shipped)), "reana", "image")


def test_more_base_flows_than_one_array_holds_are_several_arrays(scan):
    from dataclasses import replace

    from anomaly_cli.scans.export import export_scan
    from anomaly_cli.scans.parts import Base

    directory = ScanDirectory(scan)
    many = tuple(Base("curtains_f4f_efficient", "default", 150, seed, f"{seed:012d}") for seed in range(1500))
    export_scan(directory, replace(directory.read(), bases=many), "slurm", "")
    text = (scan / "submit_slurm.sh").read_text()
    assert text.count(" base'") == 2
    assert ("--array=0-999 " in text, "--array=0-499 " in text, "$((1000 + SLURM_ARRAY_TASK_ID))" in text) == (
        True,
    ) * 3
    assert text.index('after="--dependency=afterany$ids"') < text.index(" point'")


def test_exported_arrays_name_every_job_once(half_done):
    for target, name in (("slurm", "submit_slurm.sh"), ("condor", "point.sub"), ("reana", "reana.yaml")):
        if target == "reana":
            result = invoke("scan", "export", half_done, "--to", target)
            assert (result.exit_code, "with --image" in words(result)) == (2, True)
            result = invoke("scan", "export", half_done, "--to", target, "--image", "image")
            assert (result.exit_code, "shipped data only" in words(result)) == (2, True)
            continue
        result = invoke("scan", "export", half_done, "--to", target)
        assert result.exit_code == 0, result.output
        text = (half_done / name).read_text()
        assert ("--array=0-2 " in text) if target == "slurm" else ("queue\n" in text)
    subprocess.run(["sh", "-n", str(half_done / "submit_slurm.sh")], check=True)
    assert "did you mean 'slurm'?" in words(invoke("scan", "export", half_done, "--to", "slrum"))


def test_the_exported_script_runs_a_job(scan):
    assert invoke("scan", "export", scan, "--to", "slurm").exit_code == 0
    done = subprocess.run(["sh", "job.sh", "0", "point"], cwd=scan, capture_output=True, text=True, check=True)
    assert "not made again" in " ".join(done.stdout.split())


@pytest.fixture
def seeds(half_done, write_grid, tmp_path):
    """A scan of three seeds in jobs of two, whose first seed and base flow are there already."""
    copy = shutil.copytree(half_done, tmp_path / "seeds")
    grid = write_grid(windows=("3.3-3.7",), seeds=3, more="[jobs]\nseeds_per_job = 2\n")
    assert invoke("scan", "plan", grid, "--output", copy).exit_code == 0
    return Path(copy)


def test_a_job_of_several_seeds_makes_those_that_are_missing(seeds):
    manifest = ScanDirectory(seeds).read()
    assert [[point.seed for point in chunk.points] for chunk in manifest.chunks] == [[1, 2], [3]]
    first = seeds / manifest.points[0].output
    before = first.stat().st_mtime_ns
    result = invoke("scan", "job", seeds, "--index", "0")
    assert result.exit_code == 0, result.output
    assert first.stat().st_mtime_ns == before
    found = [read_artifact(seeds / point.output, SCAN_POINT).groups for point in manifest.chunks[0].points]
    assert [int(groups["point"]["seed"]) for groups in found] == [1, 2]
    assert found[0]["events"]["identity"] != found[1]["events"]["identity"]
    assert "2 done, 1 waiting" in words(invoke("scan", "status", seeds))


@pytest.mark.slow
def test_a_seed_that_dies_does_not_take_the_others_with_it(seeds, monkeypatch):
    from anomaly_cli.scans import jobs

    chain = jobs.run_chain

    def die_at_first(analysis, *rest):
        if analysis.config.seed == 1:
            raise MemoryError("no memory left")
        return chain(analysis, *rest)

    monkeypatch.setattr(jobs, "run_chain", die_at_first)
    manifest = ScanDirectory(seeds).read()
    first, second = (seeds / point.output for point in manifest.chunks[0].points)
    first.unlink()
    assert invoke("scan", "job", seeds, "--index", "0").exit_code == 1
    assert (first.exists(), second.exists()) == (False, True)
    assert "died: 3.3-3.7 TeV, curtains_f4f_efficient, 150 injected, seed 1: no memory left" in words(
        invoke("scan", "status", seeds)
    )
    monkeypatch.setattr(jobs, "run_chain", chain)
    before = second.stat().st_mtime_ns
    assert invoke("scan", "job", seeds, "--index", "0").exit_code == 0
    assert (first.exists(), second.stat().st_mtime_ns) == (True, before)


def test_the_size_of_jobs_changes_no_result_and_marks_follow_the_results(seeds, write_grid):
    from anomaly_cli.scans.engine import mark_finished

    scan = ScanDirectory(seeds)
    old = scan.read()
    grid = write_grid(windows=("3.3-3.7",), seeds=3, more="[jobs]\nseeds_per_job = 1\n")
    assert invoke("scan", "plan", grid, "--output", seeds).exit_code == 0
    new = scan.read()
    assert ([p.key for p in new.points], len(new.chunks)) == ([p.key for p in old.points], 3)
    mark_finished(scan, new)
    assert [(seeds / chunk.output).exists() for chunk in new.chunks] == [True, False, False]
    (seeds / new.points[0].output).unlink()
    mark_finished(scan, new)
    assert not list((seeds / "chunks").rglob("*.done"))


def test_a_full_disk_ends_in_a_sentence_and_the_job_can_be_tried_again(scan):
    import resource

    point = ScanDirectory(scan).read().points[0]
    (scan / point.output).unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        result = invoke("scan", "job", scan, "--index", "0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (result.exit_code, "cannot be written (File too large)" in words(result)) == (4, True)
    assert not (scan / point.output).exists()
    assert not list((scan / "work").glob("*"))
    assert "1 died" in words(invoke("scan", "status", scan))
    assert invoke("scan", "job", scan, "--index", "0").exit_code == 0


@pytest.fixture(scope="module")
def measured(tmp_path_factory, data_file, half_done):
    """A scan of two seeds with everything measured that a grid may ask for; a base flow is there already."""
    from grids import GRID

    folder = tmp_path_factory.mktemp("measured")
    shutil.copytree(half_done / "bases", folder / "scan" / "bases")
    grid = GRID.format(windows='"3.3-3.7"', seeds=2, data=data_file, ensemble=1)
    grid = grid.replace("closure = false", 'closure = false\nmeasure = ["windows", "experiments"]')
    grid = grid.replace("toys = 1000", "toys = 1000\nwindows = 3\nwindow_width = 0.5\nexperiments = 5")
    (folder / "scan.toml").write_text(grid)
    planned = invoke("scan", "plan", folder / "scan.toml", "--output", folder / "scan")
    assert planned.exit_code == 0, planned.output
    result = invoke("scan", "job", folder / "scan", "--index", "0")
    assert result.exit_code == 0, result.output
    return folder / "scan"


def test_measured_uncertainties_enter_z_and_both_z_are_shown(measured, half_done):
    tests, plain = (
        read_artifact(path / ScanDirectory(path).read().points[0].output, SCAN_POINT).groups["tests"]
        for path in (measured, half_done)
    )
    assert np.isfinite(tests["closure_uncertainty"]).all()
    assert (tests["overdispersion"] >= 1.0).all()
    assert tests["z_without"].tolist() == plain["z"].tolist() == plain["z_without"].tolist()
    assert (np.abs(tests["z"]) < np.abs(tests["z_without"])).all()
    output = words(invoke("scan", "collect", measured))
    assert "Z also the closure uncertainty in 4 of 4 tests and the k-fold over-dispersion in 4 of 4" in output


def test_uncertainties_are_measured_once_for_all_seeds(measured):
    manifest = ScanDirectory(measured).read()
    tests = [read_artifact(measured / point.output, SCAN_POINT).groups["tests"] for point in manifest.points]
    assert len(manifest.measurements) == 1
    assert len(tests) == 2
    for name in ("closure_uncertainty", "overdispersion"):
        assert tests[0][name].tolist() == tests[1][name].tolist()
    assert tests[0]["z"].tolist() != tests[1]["z"].tolist()
    again = invoke("scan", "job", measured, "--index", "0", "--kind", "measurement")
    assert "is there already, not made again" in words(again)


@pytest.mark.slow
def test_a_measurement_that_was_lost_is_made_again_for_the_next_point(measured, tmp_path):
    scan = tmp_path / "scan"
    shutil.copytree(measured, scan)
    manifest = ScanDirectory(scan).read()
    (scan / manifest.measurements[0].verdict).unlink()
    lost = scan / manifest.points[1].output
    before = lost.read_bytes()
    lost.unlink()
    assert invoke("scan", "job", scan, "--index", "0").exit_code == 0
    assert (scan / manifest.measurements[0].verdict).exists()
    assert lost.read_bytes() == before


def test_where_nothing_was_measured_the_table_says_so(scan):
    assert "WITHOUT closure uncertainty and k-fold over-dispersion" in words(invoke("scan", "collect", scan))


@pytest.mark.slow
def test_a_point_whose_windows_cannot_be_measured_keeps_its_result_and_says_why(scan, write_grid):
    grid = write_grid(windows=("3.1-4.3",))
    grid.write_text(grid.read_text().replace("closure = false", 'closure = false\nmeasure = ["windows"]'))
    assert invoke("scan", "plan", grid, "--output", scan).exit_code == 0
    assert invoke("scan", "job", scan, "--index", "0").exit_code == 0
    output = words(invoke("scan", "collect", scan))
    assert "Not measured at 1 point: validation windows: the data leave" in output
    assert read_artifact(scan / "scan_result.h5", SCAN).groups["points"]["state"].tolist() == ["done"]


def test_a_base_flow_is_the_same_whatever_windows_the_grid_has(half_done, write_grid, tmp_path):
    grid = write_grid(windows=("3.7-4.1", "3.3-3.7"))
    assert invoke("scan", "plan", grid, "--output", tmp_path / "other").exit_code == 0
    base = ScanDirectory(tmp_path / "other").read().bases[0]
    assert invoke("scan", "job", tmp_path / "other", "--kind", "base", "--key", base.key).exit_code == 0
    assert (tmp_path / "other" / base.output).read_bytes() == (half_done / base.output).read_bytes()


def test_events_that_cannot_be_prepared_are_no_verdict_on_a_base_flow(write_grid, tmp_path, monkeypatch):
    from anomaly_cli.core.errors import ConfigError
    from anomaly_cli.scans import jobs

    def refuse(*_):
        raise ConfigError("no such window")

    monkeypatch.setattr(jobs, "execute", refuse)
    assert invoke("scan", "plan", write_grid(), "--output", tmp_path / "s").exit_code == 0
    for kind in ("base", "point"):
        result = invoke("scan", "job", tmp_path / "s", "--index", "0", "--kind", kind)
        if kind == "base":
            assert "its shared base flow died: " in words(invoke("scan", "status", tmp_path / "s"))
        assert (result.exit_code, "its events cannot be prepared: no such window" in words(result)) == (4, True)
    assert not list((tmp_path / "s" / "bases").glob("*"))
    assert not (tmp_path / "s" / "results").exists()


@pytest.mark.parametrize("kind", ["base", "measurement", "point"])
def test_data_that_have_changed_since_the_plan_are_not_analysed(write_grid, tmp_path, data_file, kind):
    copy = Path(shutil.copy(data_file, tmp_path / "copy.h5"))
    grid = write_grid()
    text = grid.read_text().replace(str(data_file), "copy.h5")
    grid.write_text(text.replace("closure = false", 'closure = false\nmeasure = ["experiments"]'))
    assert invoke("scan", "plan", grid, "--output", tmp_path / "s").exit_code == 0
    copy.write_bytes(copy.read_bytes() + b"more")
    result = invoke("scan", "job", tmp_path / "s", "--index", "0", "--kind", kind)
    assert (result.exit_code, "the data have changed since the scan was planned" in words(result)) == (4, True)
    assert not list((tmp_path / "s").rglob("*.h5"))


def test_a_plan_of_another_release_is_not_run(scan):
    from dataclasses import replace

    directory = ScanDirectory(scan)
    directory.write(replace(directory.read(), meaning="other", release="0.0.1"))
    for command in (("job", scan, "--index", "1"), ("run", scan)):
        if command[0] == "run":
            pytest.importorskip("snakemake")
        result = invoke("scan", *command)
        assert (result.exit_code, "was planned by release 0.0.1" in words(result)) == (4, True)
        assert "plan it again" in words(result)


def test_a_damaged_result_is_put_aside_so_that_the_next_run_makes_it(scan):
    from anomaly_cli.scans.status import missing_points

    manifest = ScanDirectory(scan).read()
    path = scan / manifest.points[0].output
    path.write_bytes(path.read_bytes()[:-100])
    result = invoke("scan", "collect", scan)
    assert result.exit_code == 0, result.output
    assert "missing: 3.3-3.7 TeV curtains_f4f_efficient, 150 injected, seed 1: put aside" in words(result)
    assert [point.key for point in missing_points(ScanDirectory(scan), manifest)] == [
        p.key for p in manifest.points[:2]
    ]
    assert "1 died" in words(invoke("scan", "status", scan))


def test_status_renames_nothing_and_a_whole_result_of_another_release_is_left_alone(scan, monkeypatch):
    from anomaly_cli.artifacts import schema

    path = scan / ScanDirectory(scan).read().points[0].output
    with monkeypatch.context() as patch:
        patch.setitem(schema.KINDS, "scan_point", replace_version(SCAN_POINT, 99))
        result = invoke("scan", "collect", scan)
        assert f"version {SCAN_POINT.version}, this release knows version 99" in words(result)
        assert path.exists()
    path.write_bytes(path.read_bytes()[:-100])
    (scan / ScanDirectory(scan).read().points[0].record).unlink()
    assert "'anomaly scan collect' puts it aside" in words(invoke("scan", "status", scan))
    assert path.exists()


def replace_version(kind, version):
    from dataclasses import replace

    return replace(kind, version=version)


def test_who_looked_is_kept_also_where_counting_fails_afterwards(scan, monkeypatch):
    from anomaly_cli.core.errors import PhysicsError
    from anomaly_cli.scans import jobs

    def look_and_fail(analysis, *_):
        analysis.run.create()
        analysis.run.unblinding.write_text('{"who": "me"}')
        raise PhysicsError("the side-band fit is poor")

    monkeypatch.setattr(jobs, "_analyse", look_and_fail)
    assert invoke("scan", "job", scan, "--index", "1").exit_code == 0
    (kept,) = (scan / "unblinding").rglob("*.json")
    assert kept.read_text() == '{"who": "me"}'
    assert "the side-band fit is poor" in words(invoke("scan", "status", scan))


def test_a_manifest_that_was_edited_is_refused(scan):
    path = scan / "scan.json"
    path.write_text(path.read_text().replace('"toys": 1000', '"toys": 2000'))
    for command in (("status", scan), ("job", scan, "--index", "1"), ("collect", scan)):
        result = invoke("scan", *command)
        assert (result.exit_code, "was changed by hand" in words(result)) == (4, True)


def test_numbers_of_jobs_count_for_the_plan_that_was_exported_only(scan, write_grid):
    assert "Next: sh" in words(invoke("scan", "export", scan, "--to", "slurm"))
    first = (scan / "job.sh").read_text()
    result = invoke("scan", "plan", write_grid(windows=("3.2-3.6", "3.3-3.7", EMPTY)), "--output", scan)
    assert "submit_slurm.sh: was exported for another plan; export again" in words(result)
    done = subprocess.run(["sh", "job.sh", "0", "point"], cwd=scan, capture_output=True, text=True, check=False)
    assert (done.returncode, "export again with 'anomaly scan export'" in " ".join(done.stderr.split())) == (4, True)
    invoke("scan", "export", scan, "--to", "slurm")
    assert (scan / "job.sh").read_text() != first


def test_a_dag_has_a_node_for_each_job_that_waits_for_what_it_needs_alone(measured):
    assert invoke("scan", "export", measured, "--to", "condor").exit_code == 0
    manifest = ScanDirectory(measured).read()
    lines = (measured / "scan.dag").read_text().splitlines()
    nodes = [line.split()[1] for line in lines if line.startswith("JOB")]
    assert nodes == [
        *(f"base{i}" for i in range(len(manifest.bases))),
        *(f"measurement{i}" for i in range(len(manifest.measurements))),
        *(f"point{i}" for i in range(len(manifest.chunks))),
    ]
    assert "PARENT base0 CHILD measurement0" in lines
    parents = next(line.split()[1:-2] for line in lines if line.endswith(" CHILD point0"))
    assert {"base0", "measurement0"} <= set(parents)
    assert 'VARS point0 index="0" try="$(RETRY)"' in lines
    assert "request_memory = 3000 * (1 + $(try))" in (measured / "point.sub").read_text()


def from_another_process(scan):
    """What another process says that tries to hold a scan; forked, so that it need not import everything again."""
    from anomaly_cli.scans.engine import EngineError, held

    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            with held(ScanDirectory(scan)):
                said = "held"
        except EngineError as error:
            said = str(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_two_processes_cannot_hold_one_scan(scan):
    from anomaly_cli.scans.engine import EngineError, held

    with held(ScanDirectory(scan)):
        assert "is being planned or driven by another process" in from_another_process(scan)
        with pytest.raises(EngineError), held(ScanDirectory(scan)):
            pass
    assert from_another_process(scan) == "held"


def test_resume_leaves_the_work_of_jobs_that_live_here_alone(scan):
    pytest.importorskip("psutil")
    from anomaly_cli.scans.engine import release
    from anomaly_cli.scans.records import JobRecord

    point = ScanDirectory(scan).read().points[1]
    mine, dead = (scan / "work" / f"{key}-abc" for key in (point.key, "0123456789ab"))
    for directory in (mine, dead):
        directory.mkdir(parents=True)
    with JobRecord.start(scan / point.record):  # by hand: this process, elsewhere
        assert release(ScanDirectory(scan)) == []
        assert (mine.exists(), dead.exists()) == (True, False)


def test_a_damaged_measurement_is_made_again(measured, tmp_path):
    from anomaly_cli.scans.results import is_made

    copy = Path(shutil.copytree(measured, tmp_path / "scan"))
    job = ScanDirectory(copy).read().measurements[0]
    assert is_made(ScanDirectory(copy), job)
    (copy / job.folder / "validation.h5").write_bytes(b"")
    assert not is_made(ScanDirectory(copy), job)


def test_a_variable_without_a_value_is_no_place_to_work_in(write_grid, tmp_path):
    grid = write_grid(more='[jobs]\nscratch = "$NOWHERE_AT_ALL/work"\n')
    assert invoke("scan", "plan", grid, "--output", tmp_path / "s").exit_code == 0
    result = invoke("scan", "job", tmp_path / "s", "--index", "0")
    assert (result.exit_code, "jobs.scratch = $NOWHERE_AT_ALL/work: has no value" in words(result)) == (4, True)
    assert not (tmp_path / "s" / "results").exists()


def test_what_is_there_or_misnamed_is_answered_without_torch(half_done):
    code = "import contextlib, sys\nfrom anomaly_cli.cli.app import app\n"
    for index in ("0", "77"):
        arguments = ["scan", "job", str(half_done), "--index", index]
        code += f"with contextlib.suppress(SystemExit):\n    app({arguments!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"], capture_output=True, check=True
    )
    assert done.stdout.endswith(b"False\n")


def test_a_job_that_is_told_to_end_leaves_the_reason(tmp_path, monkeypatch):
    import signal

    from anomaly_cli.cli import failures
    from anomaly_cli.scans.records import JobRecord

    monkeypatch.setattr(failures, "_interrupts", [])
    with pytest.raises(KeyboardInterrupt), JobRecord.start(tmp_path / "record.json"):
        failures.interrupt(signal.SIGTERM, None)
    assert json.loads((tmp_path / "record.json").read_text())["reason"] == "terminated (time limit or cancelled)"


def test_the_number_of_a_condor_job_is_that_of_its_cluster_and_process(tmp_path, monkeypatch):
    from anomaly_cli.scans.batch import own_batch_job

    (tmp_path / "ad").write_text('Cmd = "/bin/sh"\nClusterId = 12\nProcId = 3\n')
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("_CONDOR_JOB_AD", str(tmp_path / "ad"))
    assert own_batch_job() == ("htcondor", "12.3")


def test_a_job_on_another_host_lives_as_long_as_its_queue_or_driver_says(scan, tmp_path, monkeypatch):
    record = scan / ScanDirectory(scan).read().points[1].record
    record.parent.mkdir(parents=True, exist_ok=True)

    def state(**more):
        content = {"state": "running", "host": "elsewhere", "pid": 1, "began": "now", **more}
        record.write_text(json.dumps(content))
        return words(invoke("scan", "status", scan))

    assert "died or lost on elsewhere" in state()
    lock = scan / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    assert "1 started elsewhere" in state()
    (tmp_path / "squeue").write_text("#!/bin/sh\necho 41\necho 42\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert "1 running" in state(scheduler="slurm", batch_job="42")
    assert "job 43 is not in the queue any more" in state(scheduler="slurm", batch_job="43")
