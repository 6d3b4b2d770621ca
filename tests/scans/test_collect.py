"""What a scan makes of the events that its tests share, and that it is what `anomaly significance global` makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import invoke
from grids import GRID

from anomaly_cli.analysis.lookelsewhere import overlap_correlation
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.idsets import pack_ids
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.scan_kinds import SCAN, SCAN_POINT
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.scans import collect
from anomaly_cli.scans.manifest import ScanDirectory
from anomaly_cli.scans.parts import Point

N = 10_000
"""Observed and template events of the regions that are written down here."""
CUTS = (0.2, 0.05)


def made_up(events, template="a", closure=0.0, z=(1.0, 0.0), no_claim=("", ""), claimable=None):
    """Return the result of a point with two nested pass/fail cuts; the template has as many events as the data."""
    n = np.array([round(cut * N) for cut in CUTS])
    transfer = 1.0 / np.array(CUTS) - 1.0
    variance = n + n / transfer + (closure * n) ** 2
    tests = {"z": np.array(z), "background_efficiency": np.array(CUTS), "test": np.full(2, "pass/fail")}
    tests |= {"n_expected": n.astype(float), "n_template": n, "transfer": transfer}
    tests |= {"uncertainty": np.sqrt(variance - n), "template_uncertainty": np.zeros(2)}
    tests |= {"z_claimable": np.array(claimable or z) * 0.5, "no_claim": np.array(no_claim)}
    rows = np.repeat([0, 1], n)
    groups = {
        "events": {"identity": "same"},
        "tests": tests,
        "selected": {"test": rows, "event_id": np.concatenate([events[:k] for k in n])},
        "selected_template": {"test": rows, "event_id": np.concatenate([np.arange(k) for k in n])},
        "region": {name: np.asarray(value) for name, value in pack_ids(events).items()},
        "region_template": {name: np.asarray(value) for name, value in pack_ids(np.arange(N)).items()},
        "chain": {"kind": np.array(["template"]), "digest": np.array([template])},
    }
    return Artifact(Path("point.h5"), SCAN_POINT, groups, (), Provenance("scan point", 1, {}, 1, {}), "")


def selected(*results):
    """Return what the tests of points select, each point in a signal region of its own."""
    points = [Point(f"3.{i}-3.9", "cathode", "default", 0, 1, "", "") for i in range(len(results))]
    return [
        collect._selected(point, result, 2 * i) for i, (point, result) in enumerate(zip(points, results, strict=True))
    ]


def correlation(*results):
    return overlap_correlation([selection for member in selected(*results) for selection in member.selections])


def test_events_that_fail_count_in_the_correlation_of_pass_fail_cuts():
    """Binomial: (e2 - e1 e2) / sqrt(e1 (1 - e1) e2 (1 - e2)), for data and template alike."""
    assert correlation(made_up(np.arange(N)))[0, 1] == pytest.approx((0.05 - 0.01) / np.sqrt(0.16 * 0.0475))


def test_a_closure_uncertainty_that_was_measured_makes_the_cuts_of_a_scan_more_independent():
    plain, measured = (correlation(made_up(np.arange(N), closure=closure))[0, 1] for closure in (0.0, 0.1))
    counted = np.array(CUTS) * N / (1.0 - np.array(CUTS))
    share = counted / (counted + (0.1 * np.array(CUTS) * N) ** 2)
    assert measured == pytest.approx(plain * np.sqrt(share.prod()))
    assert measured < 0.6 * plain


def test_regions_without_a_common_event_are_independent_whatever_numbers_their_template_events_have():
    block = correlation(made_up(np.arange(N), "a"), made_up(np.arange(N, 2 * N), "b"))[:2, 2:]
    assert (block == 0.0).all()


def test_searches_with_the_same_template_share_its_events():
    block = correlation(made_up(np.arange(N), "a"), made_up(np.arange(N, 2 * N), "a"))[:2, 2:]
    assert np.diag(block) == pytest.approx([0.5, 0.5])  # half of the variance is the template's


def test_a_global_p_value_below_any_float_has_a_significance_in_a_scan():
    (row,) = collect._global(selected(made_up(np.arange(N), z=(45.0, 0.0))), "0", 1, 1)
    assert row["p_global"] == 0.0
    assert 44.9 < row["z_global"] < 45.0


@pytest.fixture(scope="module")
def two_regions(tmp_path_factory, data_file):
    """A scan of two regions that overlap, the upper one first, whose runs are kept; one cut uses the side-band fit."""
    folder = tmp_path_factory.mktemp("regions")
    grid = GRID.format(windows='"3.4-3.8", "3.3-3.7"', seeds=1, data=data_file, ensemble=1)
    grid = grid.replace("[0.2, 0.05]", "[0.2, 0.05, 0.02]").replace("seeds = 1", "seeds = 1\nfirst_seed = 7")
    (folder / "scan.toml").write_text(grid + "\n[jobs]\nkeep_runs = true\n")
    assert invoke("scan", "plan", folder / "scan.toml", "--output", folder / "scan").exit_code == 0
    for index in ("0", "1"):
        done = invoke("scan", "job", folder / "scan", "--index", index, "--processes", "1")
        assert done.exit_code == 0, done.output
    return ScanDirectory(folder / "scan")


def test_a_scan_and_the_significance_suite_find_the_same_global_significance(two_regions, tmp_path, monkeypatch):
    matrices = []

    def record(selections):
        matrices.append(overlap_correlation(selections))
        return matrices[-1]

    monkeypatch.setattr(collect, "overlap_correlation", record)
    assert invoke("scan", "collect", two_regions.path).exit_code == 0
    in_scan = {name: column[0] for name, column in read_artifact(two_regions.result, SCAN).groups["global"].items()}
    runs = sorted(path.parent for path in (two_regions.path / "runs").rglob("significance.h5"))
    named = [option for run in runs for option in ("--run", run)]
    done = invoke("significance", "global", *named, "--output", tmp_path / "global.h5")
    assert done.exit_code == 0, done.output
    suite = read_artifact(tmp_path / "global.h5", schema.GLOBAL).groups
    assert len(runs) == 2
    assert suite["correlation"]["matrix"].shape == (6, 6)
    assert 0.03 < suite["correlation"]["matrix"][0, 3] < 0.9
    assert np.array_equal(matrices[0], suite["correlation"]["matrix"])
    for name in ("z_local", "p_global", "p_global_error", "z_global", "n_effective"):
        assert in_scan[name] == suite["result"][name], name
    assert np.isnan(in_scan["z_global_claimable"])  # no window was measured
    assert in_scan["test_claimable"] == -1
    assert "claimable" not in suite


def test_what_a_point_keeps_of_the_events_that_fail_is_small(two_regions):
    point = two_regions.read().points[0]
    groups = read_artifact(two_regions.path / point.output, SCAN_POINT).groups
    kept = {name: sum(column.nbytes for column in groups[name].values()) for name in groups}
    assert kept["region"] + kept["region_template"] < 0.25 * (kept["selected"] + kept["selected_template"])


def test_tests_that_allow_no_claim_are_no_largest_excess():
    events, others = np.arange(N), np.arange(N, 2 * N)
    allowed, refused = made_up(events, z=(1.0, 9.0), no_claim=("", "windows disagree")), made_up(others, z=(2.0, 0.5))
    (row,) = collect._global(selected(allowed, refused), "420", 1, 1)
    assert (row["z_local"], row["test"], row["n_tests"], row["n_refused"]) == (2.0, 2, 3, 1)
    assert 0.0 < row["z_global_claimable"] < row["z_local_claimable"] == 1.0  # the largest that may be claimed
    assert row["test_claimable"] == 2
    (other,) = collect._global(selected(made_up(events, z=(3.0, 2.0), claimable=(1.0, 4.0))), "420", 1, 1)
    assert (other["test"], other["test_claimable"], other["z_local_claimable"]) == (0, 1, 2.0)
    none = made_up(events, z=(5.0, 9.0), no_claim=("a", "b"))
    assert collect._global(selected(none), "420", 1, 1) == []
