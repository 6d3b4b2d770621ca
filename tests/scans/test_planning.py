"""What a grid becomes, which keys change with what, and what is refused."""

from __future__ import annotations

import json
import os
from itertools import pairwise

import pytest
from conftest import invoke
from grids import other_driver

from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.scans.manifest import ScanDirectory


def plan(grid, directory, *options):
    result = invoke("scan", "plan", grid, "--output", directory, *options)
    assert result.exit_code == 0, result.output
    return ScanDirectory(directory).read()


def keys(manifest):
    return {(point.window, point.seed, point.variant, point.method): point.key for point in manifest.points}


def test_every_combination_is_one_job_with_a_file_of_its_own(write_grid, tmp_path):
    more = "[variants.small]\nclassifiers.trees = { leaves = 15 }\n[variants.large]\n"
    manifest = plan(write_grid(seeds=3, more=more), tmp_path / "scan")
    assert len(manifest.points) == 2 * 3 * 2
    assert len({point.output for point in manifest.points}) == len(manifest.points)
    assert len({point.record for point in manifest.points}) == len(manifest.points)
    assert {manifest.config(point).classifiers.get("trees", {}).get("leaves", 31) for point in manifest.points} == {
        15,
        31,
    }


def test_regions_and_variants_of_a_seed_share_one_base_flow(write_grid, tmp_path):
    more = "[variants.small]\nclassifiers.trees = { leaves = 15 }\n[variants.large]\n"
    manifest = plan(write_grid(seeds=2, more=more), tmp_path / "scan")
    assert sorted(base.seed for base in manifest.bases) == [1, 2]
    assert {point.base for point in manifest.points} == {base.key for base in manifest.bases}


def test_uncertainties_are_measured_for_each_region_method_and_variant_whatever_the_seeds(write_grid, tmp_path):
    def measured(**changes):
        grid = write_grid(**changes)
        text = grid.read_text().replace("closure = false", 'closure = false\nmeasure = ["experiments"]')
        grid.write_text(text.replace("toys = 1000", f"toys = {changes.get('seeds', 1)}000"))
        return plan(grid, tmp_path / "scan")

    one, more = measured(windows=("3.1-3.5", "3.3-3.7")), measured(windows=("3.1-3.5", "3.3-3.7"), seeds=3)
    assert [job.window for job in one.measurements] == ["3.1-3.5", "3.3-3.7"]
    assert [job.key for job in more.measurements] == [job.key for job in one.measurements]
    assert {(p.window, p.measurement) for p in more.points} == {(j.window, j.key) for j in more.measurements}
    assert not plan(write_grid(), tmp_path / "scan").measurements


def test_a_base_flow_of_other_settings_is_another(write_grid, tmp_path):
    more = "[variants.long.methods.curtains_f4f_efficient]\nbase_epochs = 2\n[variants.short]\n"
    assert len(plan(write_grid(more=more), tmp_path / "scan").bases) == 2


def test_planning_twice_gives_the_same_bytes(write_grid, tmp_path):
    plan(write_grid(), tmp_path / "a")
    plan(write_grid(), tmp_path / "b")
    assert (tmp_path / "a" / "scan.json").read_bytes() == (tmp_path / "b" / "scan.json").read_bytes()


def test_a_variant_that_changes_nothing_shares_the_results_of_the_earlier_one(write_grid, tmp_path):
    more = "[variants.a]\n[variants.b]\nclassifiers.trees = { ensemble = 1 }\n"
    more += "[variants.c]\nclassifiers.trees = { leaves = 15 }\n"
    result = invoke("scan", "plan", write_grid(more=more), "--output", tmp_path / "scan")
    assert "4 points in 2 signal regions" in result.output
    assert "2 points left out: their settings are those of an earlier variant" in result.output
    manifest = ScanDirectory(tmp_path / "scan").read()
    assert sorted({point.variant for point in manifest.points}) == ["a", "c"]
    jobs = [job.key for job in (*manifest.bases, *manifest.measurements, *manifest.chunks)]
    assert len(set(jobs)) == len(jobs)


def test_variants_that_are_measured_alike_share_the_measurement(write_grid, tmp_path):
    grid = write_grid(more="[variants.a]\n[variants.b]\nsignificance = { toys = 2000 }\n")
    grid.write_text(grid.read_text().replace("closure = false", 'closure = false\nmeasure = ["experiments"]'))
    manifest = plan(grid, tmp_path / "scan")
    assert (len(manifest.points), len(manifest.measurements)) == (4, 2)
    assert {point.measurement for point in manifest.points} == {job.key for job in manifest.measurements}


def test_variants_whose_windows_are_chosen_otherwise_are_measured_each(write_grid, tmp_path):
    grid = write_grid(more="[variants.a]\n[variants.b]\nsignificance = { least_fit_p = 0.05 }\n")
    grid.write_text(grid.read_text().replace("closure = false", 'closure = false\nmeasure = ["windows"]'))
    assert len(plan(grid, tmp_path / "scan").measurements) == 4


def test_the_name_of_a_variant_is_in_no_file_name(write_grid, tmp_path):
    outputs = [
        [point.output for point in plan(write_grid(more=more), tmp_path / "scan").points]
        for more in ("", "[variants.default]\n", "[variants.other]\n")
    ]
    assert outputs[0] == outputs[1] == outputs[2]


def test_side_bands_may_be_named_for_a_window_anywhere(write_grid, tmp_path):
    more = "[analysis.regions]\nside_bands = '3.0-3.4,3.8-4.7'\n"
    manifest = plan(write_grid(windows=("3.4-3.8",), more=more), tmp_path / "scan")
    assert manifest.config(manifest.points[0]).regions.side_bands == "3.0-3.4,3.8-4.7"


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("widths = [0.0]", "must be above 0"),
        ("widths = [nan]", "must be a finite number"),
        ("widths = []", "widths is empty"),
        ("first_seed = 99999999999999999999", "no seed above"),
    ],
)
def test_impossible_numbers_of_a_grid_are_refused(write_grid, tmp_path, line, advice):
    grid = write_grid(windows=("auto",))
    grid.write_text(grid.read_text().replace("closure = false", f"closure = false\n{line}"))
    result = invoke("scan", "plan", grid, "--output", tmp_path / "scan")
    assert (result.exit_code, advice in " ".join(result.output.split())) == (2, True), result.output


def test_a_grown_grid_keeps_the_keys_of_its_old_points(write_grid, tmp_path):
    old = keys(plan(write_grid(), tmp_path / "scan"))
    new = keys(plan(write_grid(windows=("3.2-3.6", "3.4-3.8", "3.3-3.7"), seeds=2), tmp_path / "scan"))
    assert old.items() <= new.items()
    assert len(set(new.values())) == 6


def test_a_changed_setting_changes_the_keys_and_keeps_the_base_flow(write_grid, tmp_path):
    old = plan(write_grid(), tmp_path / "a")
    new = plan(write_grid(ensemble=2), tmp_path / "b")
    assert not set(keys(old).values()) & set(keys(new).values())
    assert [base.key for base in old.bases] == [base.key for base in new.bases]


def test_another_division_of_the_side_bands_changes_the_keys(write_grid, tmp_path):
    old, grid = plan(write_grid(), tmp_path / "a"), write_grid()
    grid.write_text(grid.read_text() + '\n[analysis.template]\ncrossfit = "none"\n')
    assert not set(keys(plan(grid, tmp_path / "b")).values()) & set(keys(old).values())


def test_what_a_job_may_use_changes_no_key(write_grid, tmp_path):
    old = plan(write_grid(), tmp_path / "a")
    more = "[jobs]\nprocesses = 3\nmemory_mb = 9000\nminutes = 5\nkeep_runs = true\nretries = 0\n"
    assert keys(plan(write_grid(more=more), tmp_path / "b")) == keys(old)


def test_other_events_change_the_keys(write_grid, tmp_path, data_file):
    old = plan(write_grid(), tmp_path / "a")
    grid = write_grid()
    copy = tmp_path / "moved.h5"
    copy.write_bytes(data_file.read_bytes())
    grid.write_text(grid.read_text().replace(str(data_file), "moved.h5"))
    assert keys(plan(grid, tmp_path / "b")) == keys(old)  # the same content elsewhere
    grid.write_text(grid.read_text().replace("reserve = 0.3", "reserve = 0.2"))
    assert not set(keys(plan(grid, tmp_path / "c")).values()) & set(keys(old).values())


def test_a_new_meaning_of_a_stage_changes_the_keys(write_grid, tmp_path, monkeypatch):
    from anomaly_cli.scans import meaning

    old = plan(write_grid(), tmp_path / "a")
    monkeypatch.setitem(meaning.POINT_MEANING, "classify", 1000)
    new = plan(write_grid(), tmp_path / "b")
    assert not set(keys(old).values()) & set(keys(new).values())
    assert [base.key for base in old.bases] == [base.key for base in new.bases]


def test_automatic_windows_overlap_and_hold_enough_events(write_grid, tmp_path):
    import numpy as np

    from anomaly_cli.core.windows import parse_window
    from anomaly_cli.scans.events import background_masses, load_events

    manifest = plan(write_grid(), tmp_path / "scan", "--windows", "auto")
    windows = [parse_window(point.window) for point in manifest.points]
    assert len(windows) > 3
    assert all(second.low < first.high for first, second in pairwise(windows))
    config = manifest.config(manifest.points[0])
    masses = background_masses(load_events(config), config)
    for window in windows:
        edges = (window.low - 300.0, window.low, window.high, window.high + 900.0)
        counts = np.histogram(masses, bins=np.array(edges))[0]
        assert (0.7 * counts >= 500).all()
    assert windows[0].low - 300.0 >= 2600.0  # where the spectrum has begun to fall


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ("[grid2]\n", "did you mean 'grid'?"),
        ("[jobs]\nprocess = 1\n", "did you mean 'processes'?"),
        ("[jobs]\nprocesses = 0\n", "needs processes"),
        ("[variants.all]\n", "choose another name"),
        ("[analysis]\nprocesses = 4\n", "use jobs.processes"),
        ("[variants.other.methods]\ncathode = 3\n", "methods.cathode"),
        ("[jobs]\nseeds_per_job = 0\n", "seeds_per_job >= 1"),
        ("[variants.'a b']\n", "letters, digits"),
        ("[variants.other]\ndata = { inject = 3 }\n", "cannot change 'data'"),
        ("[variants.other]\nclassifiers.trees = { leafs = 3 }\n", "did you mean 'leaves'?"),
        ("[variants.other]\ntemplate = { method = 'cathode' }\n", "use grid.methods"),
        ("[variants]\nother = 3\n", "must be a table"),
        ("[analysis.regions]\nsignal_region = '3-4'\n", "use grid.windows"),
        ("[analysis.methods.cathode]\nepoch = 1\n", "did you mean 'base_epochs'?"),
    ],
)
def test_wrong_settings_end_in_one_sentence(write_grid, tmp_path, more, advice):
    result = invoke("scan", "plan", write_grid(more=more), "--output", tmp_path / "scan")
    assert result.exit_code == 2, result.output
    assert advice in " ".join(result.output.split())
    assert not (tmp_path / "scan").exists()


@pytest.mark.parametrize(
    ("windows", "advice"),
    [
        (("3.3-3.7", "3300-3700GeV"), "is named twice"),
        (("3.3-3.7", "3.3-3.7"), "twice"),
        (("9-9.4",), "choose a region inside"),
        (("auto", "3.3-3.7"), "stands alone"),
        (("3.7-3.3",), "inverted"),
    ],
)
def test_windows_that_cannot_be_scanned_are_refused_before_anything_is_run(write_grid, tmp_path, windows, advice):
    result = invoke("scan", "plan", write_grid(windows=windows), "--output", tmp_path / "scan")
    assert result.exit_code == 2, result.output
    assert advice in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("grid = 3\n", "grid must be a table"),
        ("[analysis]\ndata = 3\n", "data must be a table"),
        ("[analysis.data]\nfile = 'gone.h5'\n", "gone.h5: cannot be read"),
        ("nonsense", "not valid TOML"),
    ],
)
def test_files_that_describe_no_scan_are_refused(tmp_path, text, advice):
    (tmp_path / "scan.toml").write_text(text)
    for windows in ((), ("--windows", "3.3-3.7")):
        result = invoke("scan", "plan", tmp_path / "scan.toml", "--output", tmp_path / "scan", *windows)
        assert result.exit_code in (2, 3), result.output
        assert advice in " ".join(result.output.split())


def test_a_method_that_needs_simulation_says_so_when_planned(write_grid, tmp_path):
    grid = write_grid()
    grid.write_text(grid.read_text().replace('["curtains_f4f_efficient"]', '["salad"]'))
    result = invoke("scan", "plan", grid, "--output", tmp_path / "scan")
    assert result.exit_code == 2
    assert "needs simulated background" in " ".join(result.output.split())


def test_a_directory_without_a_manifest_or_with_another_is_refused(write_grid, tmp_path):
    result = invoke("scan", "status", tmp_path / "none")
    assert (result.exit_code, "anomaly scan plan" in result.output) == (4, True)
    plan(write_grid(), tmp_path / "scan")
    path = tmp_path / "scan" / "scan.json"
    tree = json.loads(path.read_text())
    for change, advice in (({"version": 99}, "has version 99"), ({"format": "x"}, "no manifest")):
        path.write_text(json.dumps({**tree, **change}))
        result = invoke("scan", "status", tmp_path / "scan")
        assert (result.exit_code, advice in " ".join(result.output.split())) == (4, True)
    path.write_text(json.dumps(tree)[:-20])
    assert "damaged" in invoke("scan", "status", tmp_path / "scan").output


def test_an_unwritable_directory_is_refused(write_grid, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = invoke("scan", "plan", write_grid(), "--output", blocked / "scan")
    assert (result.exit_code, "cannot be created" in " ".join(result.output.split())) == (4, True)
    assert "--run" not in result.output


def test_every_setting_of_the_closure_changes_the_keys(write_grid, tmp_path):
    old = plan(write_grid(), tmp_path / "a")
    new = plan(write_grid(more="[analysis.closure]\nwindows = true\n"), tmp_path / "b")
    assert not set(keys(old).values()) & set(keys(new).values())


def test_the_version_of_a_result_is_that_of_its_file():
    from anomaly_cli.artifacts.scan_kinds import SCAN_POINT
    from anomaly_cli.scans.meaning import POINT_MEANING

    assert POINT_MEANING["result"] == SCAN_POINT.version


@pytest.mark.parametrize(
    ("inject", "advice"),
    [
        ('"abc"', "grid.inject = abc: must be a whole number of events"),
        ('"a/b"', "must be a whole number of events"),
        ("-1", "must be a whole number of events, 0 or more"),
        ("1000000", "signal events; ask for fewer"),
        ('150, "150"', "mean the same here"),
    ],
)
def test_injections_that_the_split_would_refuse_are_refused_when_planned(write_grid, tmp_path, inject, advice):
    grid = write_grid()
    grid.write_text(grid.read_text().replace("inject = [150]", f"inject = [{inject}]"))
    result = invoke("scan", "plan", grid, "--output", tmp_path / "scan")
    assert (result.exit_code, advice in " ".join(result.output.split())) == (2, True)
    assert not (tmp_path / "scan").exists()


def test_a_manifest_with_other_things_than_jobs_is_called_damaged(write_grid, tmp_path):
    plan(write_grid(), tmp_path / "scan")
    path = tmp_path / "scan" / "scan.json"
    tree = json.loads(path.read_text())
    for change in ({"bases": [1]}, {"points": 3}, {"digests": 3}):
        body = {key: value for key, value in {**tree, **change}.items() if key != "digest"}
        path.write_text(json.dumps({**body, "digest": hash_json(body)}))
        result = invoke("scan", "status", tmp_path / "scan")
        assert (result.exit_code, "is damaged" in " ".join(result.output.split())) == (4, True)


def test_paths_of_variants_are_relative_to_the_file_too(write_grid, tmp_path):
    from anomaly_cli.scans.settings import load_scan

    more = "[variants.simulated.template]\nsimulation = 'mc.h5'\n[variants.default]\n"
    scan = load_scan(write_grid(more=more))
    assert scan.variants["simulated"]["template"]["simulation"] == str(tmp_path / "mc.h5")


def test_costs_follow_what_is_done_at_a_point_and_kept_of_it(write_grid, tmp_path):
    from anomaly_cli.scans.costs import MEASURED, estimate

    def cost(method, closure="false", more=""):
        grid = write_grid(more=more)
        text = grid.read_text().replace("closure = false", f"closure = {closure}")
        grid.write_text(text.replace('["curtains_f4f_efficient"]', f'["{method}"]'))
        manifest = plan(grid, tmp_path / method)
        return estimate(ScanDirectory(tmp_path / method), manifest, manifest.points)

    without, whole = cost("curtains_f4f"), cost("curtains_f4f", "true")
    assert (without.n_unknown, whole.n_unknown, cost("cathode").n_unknown) == (0, 0, 2)
    assert whole.cpu_hours - without.cpu_hours == pytest.approx(2 * MEASURED["closure"] / 3600)
    assert cost("curtains_f4f", more="[jobs]\nkeep_runs = true\n").megabytes > 20 * without.megabytes


def test_a_scan_that_is_driven_is_not_planned_anew(write_grid, tmp_path):
    plan(write_grid(), tmp_path / "scan")
    with other_driver() as pid:
        (tmp_path / "scan" / "driver.json").write_text(json.dumps({"host": os.uname().nodename, "pid": pid}))
        result = invoke("scan", "plan", write_grid(seeds=2), "--output", tmp_path / "scan")
    assert (result.exit_code, "is driven by process" in " ".join(result.output.split())) == (4, True)
