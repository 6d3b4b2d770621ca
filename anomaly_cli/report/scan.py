"""Tables of a scan, made from its artifact alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from anomaly_cli.artifacts.scan_kinds import search_words
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.contents import CLOSURE, KFOLD, describe
from anomaly_cli.report.tables import make_table, percent, plural, rows_of

MOST_ROWS = 40
"""Rows of a table on the terminal; the artifact has them all."""
MOST_TABLES = 8
"""Tables of one sort on the terminal."""
MOST_NOTES = 8
"""Points named for each thing that can go wrong with them."""


def status_tables(counts: Mapping[str, Mapping[str, int]], noted: Sequence[tuple[str, ...]]) -> list[RenderableType]:
    """Return how many jobs of each sort are in which state, and those that are not simply done or waiting.

    Args:
        counts: by sort, jobs by state.
        noted: what, state, reason and log (may be empty) of each job to be shown.
    """
    parts: list[RenderableType] = []
    for sort, states in counts.items():
        summary = ", ".join(f"{number} {state}" for state, number in states.items())
        parts.append(Text(f"{plural(sum(states.values()), sort)}: {summary}"))
    for what, state, *more in noted[:MOST_ROWS]:
        parts.append(Text("\n    ".join([f"{state}: {what}", *filter(None, more)])))
    if len(noted) > MOST_ROWS:
        parts.append(Text(f"... and {len(noted) - MOST_ROWS} more"))
    return parts


def scan_tables(scan: Artifact) -> list[Table]:
    """Return a table for each method, variant and injection, with one row per signal region.

    A row shows one cut: that with the largest Z, where there are several seeds the largest median Z. All its
    numbers are at that cut, and medians over the seeds.
    """
    points, tests = rows_of(scan.groups["points"]), rows_of(scan.groups["tests"])
    counted: dict[int, list[dict[str, Any]]] = {}
    for test in tests:
        counted.setdefault(int(test["point"]), []).append(test)
    searches: dict[str, dict[tuple[float, float], list[int]]] = {}
    for index, point in enumerate(points):
        region = (float(point["low"]), float(point["high"]))
        searches.setdefault(_search_name(point), {}).setdefault(region, []).append(index)
    n_seeds = len({int(points[index]["seed"]) for index in counted})
    is_measured, has_closure = is_measured_in(scan), not all(math.isnan(float(p["closure_auc"])) for p in points)
    columns = [column for column in _COLUMNS if is_measured or column.name != "z_without"]
    heads = ["TeV", "done", "cut", *(column.head for column in columns), *(["AUC"] if has_closure else [])]
    tables = []
    for name, regions in list(searches.items())[:MOST_TABLES]:
        table = make_table(f"Signal regions: {name}{'' if is_measured else f'; {WITHOUT}'}", heads)
        for (low, high), members in sorted(regions.items())[:MOST_ROWS]:
            n_done = sum(str(points[index]["state"]) in ("done", "blinded") for index in members)
            table.add_row(
                f"{low / 1000:.4g}-{high / 1000:.4g}",
                f"{n_done}/{len(members)}",
                *_at_best_cut([test for index in members for test in counted.get(index, [])], columns),
                *([_number([float(points[index]["closure_auc"]) for index in members], ".4f")] if has_closure else []),
            )
        tables.append(_finish(table, len(regions)))
    if tables:
        last = f" Medians over {n_seeds} seeds, at one cut for all seeds of a row." if n_seeds > 1 else ""
        more = f" {len(searches) - MOST_TABLES} more tables are in the file." if len(searches) > MOST_TABLES else ""
        closure = " AUC: closure on held-out side-bands, 0.5 is perfect." if has_closure else ""
        if tests:
            tables[-1].caption = (
                f"{tables[-1].caption or ''}Each region with its most significant cut; Z is local. {_contents(tests)}"
                f" Limit: on signal events after the cut, 95 % CLs.{closure}{last}{more}"
            )
    return tables


class _Column(NamedTuple):
    """A column of tests in the table of signal regions."""

    name: str
    digits: str
    head: str


_COLUMNS = (
    _Column("n_observed", ".0f", "observed"),
    _Column("n_expected", ".1f", "expected"),
    _Column("z_without", ".2f", "Z\nwithout"),
    _Column("z", ".2f", "Z"),
    _Column("limit", ".1f", "limit"),
)
WITHOUT = describe([CLOSURE, KFOLD])
"""What a title says where neither was measured."""


def is_measured_in(scan: Artifact) -> bool:
    """Return whether any test contains a measured uncertainty."""
    tests = scan.groups["tests"]
    return not (np.isnan(tests["closure_uncertainty"]) & np.isnan(tests["overdispersion"])).all()


def _at_best_cut(tests: Sequence[Mapping[str, Any]], columns: Sequence[_Column]) -> list[str]:
    """Return a cut and the medians over seeds at that cut, of all tests in one signal region."""
    if not tests:
        return ["-"] * (1 + len(columns))
    cuts: dict[float, list[Mapping[str, Any]]] = {}
    for test in tests:
        cuts.setdefault(float(test["background_efficiency"]), []).append(test)
    best = max(cuts, key=lambda cut: float(np.median([float(test["z"]) for test in cuts[cut]])))
    return [percent(best), *(_number([float(test[c.name]) for test in cuts[best]], c.digits) for c in columns)]


def _finish(table: Table, n_rows: int) -> Table:
    """Keep the columns of a table on one line each, and say how many rows it leaves out."""
    table.collapse_padding = True
    for column in table.columns:
        column.no_wrap = True
    if n_rows > MOST_ROWS:
        table.caption = f"{n_rows - MOST_ROWS} more rows are in the file. "
    return table


def _contents(tests: Sequence[Mapping[str, Any]]) -> str:
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


def _number(values: Iterable[float], digits: str) -> str:
    known = [value for value in values if not math.isnan(value)]
    return f"{float(np.median(known)):{digits}}" if known else "-"


def global_tables(scan: Artifact) -> list[Table]:
    """Return a table for each search, with local and global significance of the largest excess of every seed."""
    tests, points = scan.groups["tests"], scan.groups["points"]
    searches: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(scan.groups["global"]):
        searches.setdefault(_search_name(row), []).append(row)
    order = {_search_name(point): number for number, point in reversed(list(enumerate(rows_of(points))))}
    warning = "" if is_measured_in(scan) else f"; {WITHOUT}"
    tables = []
    for name, rows in sorted(searches.items(), key=lambda item: order.get(item[0], len(order)))[:MOST_TABLES]:
        heads = ("seed", "tests", "at TeV", "cut", "Z local", "p global", "Z global")
        table = make_table(f"Largest excess: {name}{warning}", heads)
        for row in rows[:MOST_ROWS]:
            point = int(tests["point"][int(row["test"])])
            table.add_row(
                str(int(row["seed"])),
                str(int(row["n_tests"])),
                f"{points['low'][point] / 1000:.4g}-{points['high'][point] / 1000:.4g}",
                percent(float(tests["background_efficiency"][int(row["test"])])),
                f"{row['z_local']:.2f}",
                f"{row['p_global']:.2g}",
                f"{row['z_global']:.2f}",
            )
        tables.append(_finish(table, len(rows)))
    if tables:
        more = f" {len(searches) - MOST_TABLES} more tables are in the file." if len(searches) > MOST_TABLES else ""
        tables[-1].caption = (
            f"{tables[-1].caption or ''}Global: probability of so large an excess in any test on the same events, from"
            f" the overlap of the selected events.{more}"
        )
    return tables


def scan_notes(scan: Artifact) -> list[Text]:
    """Return what failed, what is missing and what was not measured, each with its reasons."""
    points = rows_of(scan.groups["points"])
    parts = []
    n_blinded = sum(point["state"] == "blinded" for point in points)
    if n_blinded:
        parts.append(
            Text(f"{plural(n_blinded, 'point')} blinded: scored, not counted; to look, plan with grid.unblind = true")
        )
    for reason, number in Counter(str(p["not_measured"]) for p in points if p["not_measured"]).most_common(MOST_NOTES):
        parts.append(Text(f"Not measured at {plural(number, 'point')}: {reason}"))
    for state in ("failed", "missing"):
        found = [point for point in points if point["state"] == state]
        for point in found[:MOST_NOTES]:
            region = f"{point['low'] / 1000:.4g}-{point['high'] / 1000:.4g} TeV"
            reason = f": {point['reason']}" if point["reason"] else ""
            parts.append(Text(f"{state}: {region} {_search_name(point)}, seed {point['seed']}{reason}"))
        if len(found) > MOST_NOTES:
            parts.append(Text(f"... and {len(found) - MOST_NOTES} more {state}"))
    return parts


def _search_name(row: Mapping[str, Any]) -> str:
    return search_words(str(row["method"]), str(row["variant"]), str(row["inject"]))
