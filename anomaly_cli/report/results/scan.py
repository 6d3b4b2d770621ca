"""What a scan tells: one row per signal region of each search, the largest excesses, and what went wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_cli.artifacts.scan_kinds import SCAN, search_words
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import AnyCell, Missing, OutOf
from anomaly_cli.report.contents import CLOSURE, KFOLD, NOT_MEASURED, describe
from anomaly_cli.report.notation import COUNT, PERCENT, PROBABILITY, Format, fixed
from anomaly_cli.report.results.significance import OF_CLAIMABLE, significance_cell
from anomaly_cli.report.table import Column, Field, Message, Part, Priority, Report, Row, Table, build, made, stored
from anomaly_cli.report.tables import plural, rows_of, window_field, window_of

KIND = SCAN
POINTS, TESTS, GLOBAL = (KIND.groups[name] for name in ("points", "tests", "global"))
MOST_ROWS = 40
"""Rows of a search on the terminal; the artifact has them all."""
MOST_SEARCHES = 8
"""Searches on the terminal."""
MOST_NOTES = 8
"""Points named for each thing that can go wrong with them."""
WITHOUT = describe([CLOSURE, KFOLD])
"""What a title says where neither was measured."""
NUMBERS: tuple[tuple[str, str, Format, Priority], ...] = (
    ("n_observed", "observed", COUNT, Priority.HIGH),
    ("n_expected", "expected", fixed(1), Priority.HIGH),
    ("z_without", "Z without", fixed(2), Priority.LOW),
    ("z", "Z", fixed(2), Priority.HIGH),
    ("z_claimable", "claimable Z", fixed(2), Priority.NORMAL),
    ("limit", "limit", fixed(1), Priority.NORMAL),
)
"""Columns of tests in the table of signal regions."""
SIGNIFICANCES = ("z", "z_claimable", "z_without")
"""Those that are not shown where a cut allows no claim."""


def tables(scan: Artifact) -> Report:
    """Return signal regions, largest excesses, and what failed, is missing or was not measured."""
    report: list[Part] = [regions_table(scan)]
    if len(scan.groups["global"]["seed"]):
        report.append(global_table(scan))
    return [*report, *scan_notes(scan)]


def is_measured_in(scan: Artifact) -> bool:
    """Return whether any test contains a measured uncertainty."""
    tests = scan.groups["tests"]
    return not (np.isnan(tests["closure_uncertainty"]) & np.isnan(tests["overdispersion"])).all()


@dataclass(frozen=True)
class _Region:
    """One signal region of one search: its points, one for each seed, and their tests at the best cut."""

    points: Sequence[Row]
    tests: Sequence[Row]

    @property
    def is_refused(self) -> bool:
        """Whether most of the tests allow no claim."""
        return 2 * sum(bool(test["no_claim"]) for test in self.tests) > len(self.tests)

    @property
    def n_done(self) -> int:
        return sum(str(point["state"]) in ("done", "blinded") for point in self.points)


def regions_table(scan: Artifact) -> Table:
    """Return a table with one row per signal region of each method, variant and injection.

    A row shows one cut: that with the largest Z, where there are several seeds the largest median Z. All its
    numbers are at that cut, and medians over the seeds.
    """
    points, tests = rows_of(scan.groups["points"]), rows_of(scan.groups["tests"])
    is_measured, has_closure = is_measured_in(scan), not all(math.isnan(float(p["closure_auc"])) for p in points)
    fields = [
        *_search_fields(lambda region: region.points[0]),
        made(window_field("window", "window").column, lambda region: _window(region.points[0])),
        made(
            Column("n_done", "done", "", "points with a result, of all", COUNT, Priority.LOW, OutOf),
            lambda region: OutOf(region.n_done, len(region.points)),
        ),
        _median_field("background_efficiency", "cut", PERCENT, Priority.HIGH),
        *(_median_field(*number) for number in NUMBERS if is_measured or number[0] not in ("z_without", "z_claimable")),
    ]
    if has_closure:
        column = Column("closure_auc", "AUC", format=fixed(4), priority=Priority.LOW)
        fields.append(made(column, lambda region: _median(point["closure_auc"] for point in region.points), POINTS))
    title = f"Signal regions{'' if is_measured else f'; {WITHOUT}'}"
    notes = _region_notes(tests, points, has_closure) if tests else ()
    limits = {"most_rows": MOST_ROWS, "most_groups": MOST_SEARCHES}
    return build("signal_regions", title, fields, _regions(points, tests), notes, group_by="search", **limits)


def _regions(points: Sequence[Row], tests: Sequence[Row]) -> list[_Region]:
    """Return the signal regions by search, in the order of the points, and by mass."""
    counted: dict[int, list[Row]] = {}
    for test in tests:
        counted.setdefault(int(test["point"]), []).append(test)
    searches: dict[str, dict[tuple[float, float], list[int]]] = {}
    for index, point in enumerate(points):
        edges = (float(point["low"]), float(point["high"]))
        searches.setdefault(_search_name(point), {}).setdefault(edges, []).append(index)
    return [
        _Region(
            [points[index] for index in members],
            _at_best_cut([test for index in members for test in counted.get(index, [])]),
        )
        for regions in searches.values()
        for _, members in sorted(regions.items())
    ]


def _at_best_cut(tests: Sequence[Row]) -> list[Row]:
    """Return the tests of one signal region at the cut with the largest median Z, of the cuts that may be quoted."""
    cuts: dict[float, list[Row]] = {}
    for test in tests:
        cuts.setdefault(float(test["background_efficiency"]), []).append(test)
    if not cuts:
        return []

    def rank(cut: float) -> tuple[bool, float]:
        claims = [float(test["z"]) for test in cuts[cut] if not test["no_claim"]]
        return 2 * len(claims) >= len(cuts[cut]), float(np.median(claims)) if claims else -math.inf

    return cuts[max(cuts, key=rank)]


def _search_fields(point_of: Callable[[Any], Row]) -> list[Field]:
    """Return the columns that say which search a row belongs to; `point_of` finds its identity in a row."""
    search = Column("search", "search", meaning="method, variant and injection", priority=Priority.KEY, holds=str)
    parts = [
        made(
            Column(name, name, meaning=POINTS.columns[name].meaning, priority=Priority.DATA, holds=str),
            _identity(point_of, name),
        )
        for name in ("method", "variant", "inject")
    ]
    return [made(search, lambda row: _search_name(point_of(row))), *parts]


def _identity(point_of: Callable[[Any], Row], name: str) -> Callable[[Any], AnyCell]:
    return lambda row: str(point_of(row)[name])


def _median_field(name: str, header: str, digits: Format, priority: Priority) -> Field:
    described = TESTS.columns[name]
    column = Column(name, header, described.unit, f"median over seeds: {described.meaning}", digits, priority)
    if name not in SIGNIFICANCES:
        return made(column, lambda region: _median(test[name] for test in region.tests))
    return made(
        column,
        lambda region: (
            Missing("no claim")
            if region.is_refused
            else _median(test[name] for test in region.tests if not test["no_claim"])
        ),
    )


def _median(values: Iterable[Any]) -> AnyCell:
    known = [float(value) for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else None


def _window(point: Row) -> AnyCell:
    return window_of(float(point["low"]), float(point["high"]))


def _region_notes(tests: Sequence[Row], points: Sequence[Row], has_closure: bool) -> list[str]:
    n_seeds = len({int(points[int(test["point"])]["seed"]) for test in tests})
    return [
        f"Each region with its most significant cut; Z is local. {_contents(tests)}"
        " Limit: on signal events after the cut, 95 % CLs.",
        "AUC: closure on held-out side-bands, 0.5 is perfect." if has_closure else "",
        f"Medians over {n_seeds} seeds, at one cut for all seeds of a row." if n_seeds > 1 else "",
        _refusals(tests),
    ]


def _refusals(tests: Sequence[Row]) -> str:
    """Say which tests allow no claim, and why."""
    refused = [test for test in tests if test["no_claim"]]
    if not refused:
        return ""
    reason, number = Counter(str(test["no_claim"]) for test in refused).most_common(1)[0]
    others = f", at {number} of them" if number < len(refused) else ""
    said = f"No claim in {len(refused)} of {len(tests)} tests, which are left out of the largest excess"
    return f"{said}: {reason}{others}."


def _contents(tests: Sequence[Row]) -> str:
    """Say what the two Z contain."""
    n = len(tests)
    n_closure, n_folds = (
        sum(not math.isnan(float(test[name])) for test in tests) for name in ("closure_uncertainty", "overdispersion")
    )
    if not n_closure + n_folds:
        return "It contains statistics and normalisation only: an excess may be a flaw of the template (grid.measure)."
    return (
        "'Z without' contains statistics and normalisation, Z also the closure uncertainty in"
        f" {n_closure} of {n} tests and the k-fold over-dispersion in {n_folds} of {n}."
    )


def global_table(scan: Artifact) -> Table:
    """Return local and global significance of the largest excess of every seed of each search."""
    points, tests = rows_of(scan.groups["points"]), rows_of(scan.groups["tests"])
    order = {_search_name(point): number for number, point in reversed(list(enumerate(points)))}
    rows = sorted(rows_of(scan.groups["global"]), key=lambda row: order.get(_search_name(row), len(order)))
    cut = TESTS.columns["background_efficiency"]
    fields = [
        *_search_fields(lambda row: row),
        stored(GLOBAL, "seed", "seed", COUNT, Priority.KEY),
        stored(GLOBAL, "n_tests", "tests", COUNT, Priority.LOW),
        made(
            window_field("window", "at", priority=Priority.NORMAL).column,
            lambda row: _window(points[int(tests[int(row["test"])]["point"])]),
        ),
        made(
            Column("background_efficiency", "cut", cut.unit, cut.meaning, PERCENT),
            lambda row: float(tests[int(row["test"])]["background_efficiency"]),
        ),
        stored(GLOBAL, "z_local", "Z local", fixed(2), Priority.HIGH),
        stored(GLOBAL, "p_global", "p global", PROBABILITY, Priority.HIGH),
        stored(GLOBAL, "p_global_error", "p global error", priority=Priority.DATA),
        stored(GLOBAL, "z_global", "Z global", fixed(2), Priority.HIGH),
        *(_claimable_fields() if is_measured_in(scan) else []),
    ]
    title = f"Largest excess{'' if is_measured_in(scan) else f'; {WITHOUT}'}"
    notes = [
        "Global: probability of so large an excess in any test on the same events, from the overlap of the selected"
        " events."
    ]
    limits = {"most_rows": MOST_ROWS, "most_groups": MOST_SEARCHES}
    return build("largest_excess", title, fields, rows, notes, group_by="search", **limits)


def _claimable_fields() -> list[Field]:
    """Return the global significance of the largest claimable Z; for programs also where it is, and how large."""
    return [
        made(
            Column("z_global_claimable", "claimable", format=fixed(2), priority=Priority.HIGH, note=OF_CLAIMABLE),
            lambda row: (
                Missing(NOT_MEASURED) if row["test_claimable"] < 0 else significance_cell(row["z_global_claimable"])
            ),
            GLOBAL,
        ),
        stored(GLOBAL, "z_local_claimable", "claimable Z local", fixed(2), Priority.DATA),
        stored(GLOBAL, "test_claimable", "claimable at test", COUNT, Priority.DATA),
    ]


def scan_notes(scan: Artifact) -> list[Part]:
    """Return what failed, what is missing and what was not measured, each with its reasons; for programs all points."""
    points = rows_of(scan.groups["points"])
    report: list[Part] = [_points_table(points)]
    n_blinded = sum(point["state"] == "blinded" for point in points)
    if n_blinded:
        blinded = f"{plural(n_blinded, 'point')} blinded: scored, not counted; to look, plan with grid.unblind = true"
        report.append(Message(blinded))
    for reason, number in Counter(str(p["not_measured"]) for p in points if p["not_measured"]).most_common(MOST_NOTES):
        report.append(Message(f"Not measured at {plural(number, 'point')}: {reason}"))
    for state in ("failed", "missing"):
        found = [point for point in points if point["state"] == state]
        report += [Message(f"{state}: {_point_words(point)}") for point in found[:MOST_NOTES]]
        if len(found) > MOST_NOTES:
            report.append(Message(f"... and {len(found) - MOST_NOTES} more {state}"))
    return report


def _points_table(points: Sequence[Row]) -> Table:
    fields = [
        made(window_field("window", "window", priority=Priority.DATA).column, _window),
        *(
            stored(POINTS, name, name, priority=Priority.DATA)
            for name in ("method", "variant", "inject", "seed", "state", "reason", "not_measured")
        ),
    ]
    return build("points", "Points", fields, points)


def _point_words(point: Row) -> str:
    region = f"{point['low'] / 1000:.4g}-{point['high'] / 1000:.4g} TeV"
    reason = f": {point['reason']}" if point["reason"] else ""
    return f"{region} {_search_name(point)}, seed {point['seed']}{reason}"


def _search_name(row: Mapping[str, Any]) -> str:
    return search_words(str(row["method"]), str(row["variant"]), str(row["inject"]))
