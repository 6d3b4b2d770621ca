"""Tables of a scan, made from its artifact alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.tables import make_table, percent, rows_of

MOST_ROWS = 40
"""Rows of a table on the terminal; the artifact has them all."""
MOST_TABLES = 8
"""Tables of one sort on the terminal."""
MOST_NOTES = 8
"""Points named for each thing that can go wrong with them."""


def status_tables(counts: Mapping[str, int], noted: Sequence[tuple[str, ...]]) -> list[RenderableType]:
    """Return how many jobs are in which state, and those that are not simply done or waiting.

    Args:
        counts: jobs by state.
        noted: window, point, state, reason and log of each job to be shown.
    """
    total = sum(counts.values())
    summary = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    parts: list[RenderableType] = [Text(f"{total} points: {summary}")]
    for window, point, state, reason, log in noted[:MOST_ROWS]:
        parts.append(Text(f"{state}: {window} TeV {point}\n    {reason}\n    {log}"))
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
    n_seeds = len({int(point["seed"]) for point in points})
    tables = []
    for name, regions in list(searches.items())[:MOST_TABLES]:
        table = make_table(f"Signal regions: {name}", ("TeV", "done", *_HEADS))
        for (low, high), members in sorted(regions.items())[:MOST_ROWS]:
            n_done = sum(str(points[index]["state"]) in ("done", "blinded") for index in members)
            table.add_row(
                f"{low / 1000:.4g}-{high / 1000:.4g}",
                f"{n_done}/{len(members)}",
                *_at_best_cut([test for index in members for test in counted.get(index, [])]),
                _number([float(points[index]["closure_auc"]) for index in members], ".4f"),
            )
        tables.append(_finish(table, len(regions)))
    if tables:
        last = f" Medians over {n_seeds} seeds, at one cut for all seeds of a row." if n_seeds > 1 else ""
        more = f" {len(searches) - MOST_TABLES} more tables are in the file." if len(searches) > MOST_TABLES else ""
        tables[-1].caption = (
            f"{tables[-1].caption or ''}Each region with its most significant cut; Z is local. {_contents(tests)}"
            " Limit: on signal events after the cut, 95 % CLs. AUC: closure on held-out side-bands, 0.5 is perfect."
            f"{last}{more}"
        )
    return tables


def _at_best_cut(tests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a cut and the medians over seeds at that cut, of all tests in one signal region."""
    if not tests:
        return ["-"] * (1 + len(_COLUMNS))
    cuts: dict[float, list[Mapping[str, Any]]] = {}
    for test in tests:
        cuts.setdefault(float(test["background_efficiency"]), []).append(test)
    best = max(cuts, key=lambda cut: float(np.median([float(test["z"]) for test in cuts[cut]])))
    shown = [_number([float(test[name]) for test in cuts[best]], digits) for name, digits in _COLUMNS]
    return [percent(best), *shown]


_COLUMNS = (("n_observed", ".0f"), ("n_expected", ".1f"), ("z_without", ".2f"), ("z", ".2f"), ("limit", ".1f"))
_HEADS = ("cut", "observed", "expected", "Z\nwithout", "Z", "limit", "AUC")


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
    text = "'Z without' contains statistics and normalisation"
    if not n_closure + n_folds:
        return f"{text}; closure uncertainty and k-fold over-dispersion were not measured, so Z is the same."
    return (
        f"{text}, Z also the closure uncertainty in {n_closure} of {n} tests and the k-fold over-dispersion in"
        f" {n_folds} of {n}."
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
    tables = []
    for name, rows in list(searches.items())[:MOST_TABLES]:
        heads = ("seed", "tests", "at TeV", "cut", "Z local", "p global", "Z global")
        table = make_table(f"Largest excess: {name}", heads)
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
    for reason, number in Counter(str(p["not_measured"]) for p in points if p["not_measured"]).most_common(MOST_NOTES):
        parts.append(Text(f"Not measured at {number} points: {reason}"))
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
    method, variant = str(row["method"]), str(row["variant"])
    return f"{method if variant in ('plain', 'all') else f'{method} {variant}'}, {row['inject']} injected"
