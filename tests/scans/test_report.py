"""Tables and picture of a scan, made from results that are written down here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.plots.scan_p_values import PLOT
from anomaly_cli.report.plots.scan_searches import stamp
from anomaly_cli.report.plots.sources import of_artifact
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.render.text import render
from anomaly_cli.report.results.scan import MOST_NOTES, global_table, regions_table, scan_notes, tables
from anomaly_cli.report.table import Message
from anomaly_cli.scans.collect import _global, _Selected
from anomaly_cli.scans.parts import Point

NUMBERS = {"n_expected": 100.0, "limit": 30.0, "z_without": 0.0, "p0": 0.5, "no_claim": ""}


def make_scan(points, tests, searches=()):
    """Return a collected scan.

    Args:
        points: low and high edge, method, seed and state of each point.
        tests: point, cut, Z and observed events of each test.
        searches: method, seed and test of each global significance.
    """
    names = ("low", "high", "method", "seed", "state")
    rows = [dict(zip(names, row, strict=True)) for row in points]
    defaults = {"variant": "default", "inject": "420", "key": "", "events": "", "reason": "", "not_measured": ""}
    defaults |= {"n_observed": 1, "n_expected": 1.0, "closure_auc": 0.5123, "closure_auc_error": 0.01}
    rows = [{**defaults, **row, "reason": "too few" if row["state"] == "failed" else ""} for row in rows]
    counted = []
    for point, cut, z, n_observed in tests:
        row = dict.fromkeys(SCAN.groups["tests"].columns, float("nan"))
        counted.append(
            {**row, **NUMBERS, "point": point, "background_efficiency": cut, "z": z, "n_observed": n_observed}
        )
    found = [
        {**dict.fromkeys(SCAN.groups["global"].columns, 1.0), "variant": "default", "inject": "420"}
        | {"method": method, "seed": seed, "test": test}
        for method, seed, test in searches
    ]
    groups = {
        name: {column: np.array([row[column] for row in table]) for column in SCAN.groups[name].columns}
        for name, table in (("points", rows), ("tests", counted), ("global", found))
    }
    return Artifact(Path("scan_result.h5"), SCAN, groups, (), Provenance("scan", 1, {}, 1, {}), "")


def rendered(parts, width):
    return render(parts, About(width=width))


TWO_SEEDS = make_scan(
    [(3300.0, 3700.0, "cathode", seed, "done") for seed in (1, 2)],
    [(0, 0.2, 3.0, 100), (0, 0.01, 1.0, 10), (1, 0.2, 1.1, 110), (1, 0.01, 2.9, 20)],
)


def test_a_row_shows_one_cut_for_all_seeds_and_medians_at_that_cut():
    (row,) = [line for line in rendered([regions_table(TWO_SEEDS)], 120).splitlines() if "3.3-3.7" in line]
    assert row.split() == ["3.3-3.7", "2/2", "20", "%", "105", "100.0", "2.05", "30.0", "0.5123"]


def test_tables_and_picture_say_what_z_leaves_out_and_show_both_where_something_was_measured(tmp_path):
    point, rows = [(3300.0, 3700.0, "cathode", 1, "done")], [(0, 0.2, 3.0, 100)]
    searches = [("cathode", 1, 0)]
    without, with_both = make_scan(point, rows, searches), make_scan(point, rows, searches)
    with_both.groups["tests"]["closure_uncertainty"][:] = 0.1
    for table in (regions_table, global_table):
        assert "WITHOUT closure uncertainty and k-fold over-dispersion" in table(without).title
        assert "WITHOUT" not in table(with_both).title
    assert "an excess may be a flaw of the template" in " ".join(regions_table(without).notes)
    assert "closure uncertainty in 1 of 1 tests" in " ".join(regions_table(with_both).notes)
    names = [[column.name for column in regions_table(scan).columns] for scan in (without, with_both)]
    assert ["z_without" in row for row in names] == [False, True]


def test_a_blinded_scan_says_that_and_nothing_of_significances():
    scan = make_scan([(3300.0, 3700.0, "cathode", seed, "blinded") for seed in (1, 2)], [])
    text = rendered(tables(scan), 120)
    assert "2 points blinded: scored, not counted; to look, plan with grid.unblind = true" in text
    assert "measured" not in text


def test_points_without_closure_have_no_column_and_no_word_of_it():
    scan = make_scan([(3300.0, 3700.0, "cathode", 1, "done")], [(0, 0.2, 3.0, 100)])
    scan.groups["points"]["closure_auc"][:] = np.nan
    assert "AUC" not in rendered([regions_table(scan)], 120)
    assert "AUC" in rendered([regions_table(TWO_SEEDS)], 120)


def test_medians_are_said_to_be_over_the_seeds_that_have_results():
    scan = make_scan(
        [(3300.0, 3700.0, "cathode", seed, "done" if seed < 3 else "failed") for seed in (1, 2, 3)],
        [(0, 0.2, 3.0, 100), (1, 0.2, 2.0, 100)],
    )
    assert "Medians over 2 seeds" in " ".join(rendered([regions_table(scan)], 120).split())


@pytest.mark.parametrize("width", [80, 120])
def test_every_row_is_one_line_whatever_is_scanned(width):
    methods = ("curtains_f4f_efficient", "cathode")
    scan = make_scan(
        [(low, low + 400.0, method, 1, "done") for method in methods for low in (3100.0, 3300.0)],
        [(point, cut, -1.25, 12345) for point in range(4) for cut in (0.2, 0.001)],
        [(method, 1, test) for test, method in enumerate((*methods, "all"))],
    )
    assert list(regions_table(scan).groups()) == [f"{method}, 420 injected" for method in methods]
    lines = rendered([regions_table(scan)], width).splitlines()
    rows = [line.split() for line in lines if line.lstrip().startswith(("3.1-3.5", "3.3-3.7"))]
    assert len(rows) == 4
    assert all(row[1:] == ["1/1", "20", "%", "12345", "100.0", "-1.25", "30.0", "0.5123"] for row in rows)
    assert list(global_table(scan).groups()) == [f"{method}, 420 injected" for method in (*methods, "all")]
    assert max(len(line) for line in rendered(tables(scan), width).splitlines()) <= width


def test_what_failed_and_what_is_missing_is_named_with_its_reason():
    states = ["failed", "done", *["missing"] * (MOST_NOTES + 2)]
    scan = make_scan([(3300.0, 3700.0, "cathode", seed, state) for seed, state in enumerate(states)], [])
    text = [note.text for note in scan_notes(scan) if isinstance(note, Message)]
    assert text[0] == "failed: 3.3-3.7 TeV cathode, 420 injected, seed 0: too few"
    assert text[1] == "missing: 3.3-3.7 TeV cathode, 420 injected, seed 2"
    assert text[-1] == "... and 2 more missing"
    assert len(text) == 1 + MOST_NOTES + 1


def test_the_picture_has_a_bar_as_wide_as_its_region_at_the_median_z_and_joins_none():
    scan = make_scan(
        [(low, high, "cathode", seed, "done") for low, high in ((3300.0, 3700.0), (3400.0, 3600.0)) for seed in (1, 2)],
        [(0, 0.2, 0.0, 9), (1, 0.2, 2.0, 9), (2, 0.2, 3.0, 9), (3, 0.2, 5.0, 9)],
        [("cathode", 1, 0)],
    )
    sources = of_artifact(scan)
    assert PLOT.panels(sources) == ["cathode, 420 injected"]
    axes = Figure().subplots()
    PLOT.draw(axes, sources, "cathode, 420 injected")
    (points, _, (bars,)) = axes.containers[0]
    assert points.get_linestyle() == "None"  # nothing joins regions, which overlap
    assert points.get_ydata() == pytest.approx([0.158655, 3.167e-5], rel=1e-3)  # Z of 1 and 4, not the median of p
    widths = [bar[1, 0] - bar[0, 0] for bar in bars.get_segments()]
    assert widths == pytest.approx([0.4, 0.2])
    (right,) = axes.child_axes
    labels = {label.get_text(): place for label, place in zip(right.get_yticklabels(), right.get_yticks(), strict=True)}
    assert labels[r"$3\sigma$"] == pytest.approx(1.35e-3, rel=1e-2)
    assert any("global: Z = 1.0" in str(line.get_label()) for line in axes.get_lines())
    assert PLOT.stamp(sources) == "WITHOUT closure uncertainty and k-fold over-dispersion; medians of 2 seeds"


def test_no_global_line_stands_for_several_seeds():
    points, tests = [(3300.0, 3700.0, "cathode", seed, "done") for seed in (1, 2)], [(0, 0.2, 0.0, 9), (1, 0.2, 2.0, 9)]
    axes = Figure().subplots()
    scan = make_scan(points, tests, [("cathode", 1, 0), ("cathode", 2, 1)])
    PLOT.draw(axes, of_artifact(scan), "cathode, 420 injected")
    assert not any("global" in str(line.get_label()) for line in axes.get_lines())


def test_no_picture_is_made_of_a_scan_that_counted_nothing():
    blinded = make_scan([(3300.0, 3700.0, "cathode", 1, "blinded")], [])
    assert PLOT.lacks(of_artifact(blinded)) == "its points are blinded"
    missing = make_scan([(3300.0, 3700.0, "cathode", 1, "missing")], [])
    assert PLOT.lacks(of_artifact(missing)) == "no point has been counted"


def test_a_point_that_observes_nothing_is_in_the_family_as_a_cut_that_observes_nothing_is():
    from anomaly_cli.analysis.lookelsewhere import SelectedEvents

    def member(position, observed):
        point = Point(f"3.{position}-3.9", "cathode", "default", 0, 1, "", "")
        template = np.arange(20) + 100 * position
        tests = {"z": np.array([-1.0]), "z_claimable": np.array([np.nan]), "no_claim": np.array([""])}
        tests |= {"background_efficiency": np.array([0.01])}
        selection = SelectedEvents(np.arange(observed), template, 4.0)
        return _Selected(point, "same", tests, [selection], range(position, position + 1))

    (row,) = _global([member(0, 5), member(1, 0)], "0", 1, 1)
    assert row["n_tests"] == 2
    assert np.isnan(row["z_global_claimable"])


def test_a_cut_that_allows_no_claim_shows_no_significance():
    scan = make_scan([(3300.0, 3700.0, "cathode", 1, "done")], [(0, 0.2, 1.0, 9), (0, 0.01, 30.0, 900)])
    tests = scan.groups["tests"]
    tests["no_claim"] = np.array(["", "the windows disagree"])
    tests["closure_uncertainty"] = np.array([0.1, 0.1])
    shown = rendered([regions_table(scan)], 100)
    assert "30.00" not in shown
    assert "1.00" in shown
    assert "No claim in 1 of 2 tests" in shown
    tests["no_claim"] = np.array(["the windows disagree"] * 2)
    assert "no claim" in rendered([regions_table(scan)], 100)
    assert "NO CLAIM in 2 of 2 tests" in stamp(of_artifact(scan))
