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


def scan_table(scan: Artifact) -> Table:
    """Return one row per signal region, method, variant and injection: its most significant test, closure and limit.

    Where there are several seeds, the median over seeds is shown.
    """
    points, tests = rows_of(scan.groups["points"]), rows_of(scan.groups["tests"])
    best: dict[int, dict[str, Any]] = {}
    for test in tests:
        index = int(test["point"])
        if index not in best or test["z"] > best[index]["z"]:
            best[index] = test
    families: dict[tuple[Any, ...], list[int]] = {}
    for index, point in enumerate(points):
        names = (point["low"], point["high"], str(point["method"]), str(point["variant"]), str(point["inject"]))
        families.setdefault(names, []).append(index)
    plain = {(name[2], name[3], name[4]) for name in families}
    n_seeds = len({int(point["seed"]) for point in points})
    table = make_table(
        "Signal regions, each with its most significant cut",
        [
            *("TeV", *(["search"] if len(plain) > 1 else []), "done", "cut", "observed", "expected"),
            *("Z without", "Z", "limit", "AUC"),
        ],
        f"Z is local. {_contents(tests)} Limit: on signal events after the cut, 95 % CLs. AUC: closure on held-out"
        f" side-bands, 0.5 is perfect.{f' Medians over {n_seeds} seeds.' if n_seeds > 1 else ''}",
    )
    for names, members in sorted(families.items())[:MOST_ROWS]:
        counted = [best[index] for index in members if index in best]
        row = [f"{names[0] / 1000:.4g}-{names[1] / 1000:.4g}"]
        row += [f"{names[2]} {names[3]}, {names[4]} injected"] if len(plain) > 1 else []
        n_done = sum(str(points[index]["state"]) in ("done", "blinded") for index in members)
        row.append(f"{n_done}/{len(members)}")
        row += _medians(counted)
        aucs = [float(points[index]["closure_auc"]) for index in members]
        row.append(_number(aucs, ".4f"))
        table.add_row(*row)
    if len(families) > MOST_ROWS:
        table.caption = f"{table.caption} {len(families) - MOST_ROWS} more rows are in the file."
    return table


def _medians(tests: Sequence[Mapping[str, Any]]) -> list[str]:
    if not tests:
        return ["-"] * (1 + len(_COLUMNS))
    cuts = Counter(percent(float(test["background_efficiency"])) for test in tests)
    shown = [_number([float(test[name]) for test in tests], digits) for name, digits in _COLUMNS]
    return [cuts.most_common(1)[0][0], *shown]


_COLUMNS = (("n_observed", ".0f"), ("n_expected", ".1f"), ("z_without", ".2f"), ("z", ".2f"), ("limit", ".1f"))


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


def global_table(scan: Artifact) -> Table:
    """Return local and global significance of the largest excess, per search and seed."""
    tests, points = scan.groups["tests"], scan.groups["points"]
    rows = rows_of(scan.groups["global"])
    names = [_search_name(row) for row in rows]
    is_one = len(set(names)) == 1
    table = make_table(
        f"Largest excess: {names[0]}" if is_one else "Largest excess of each search",
        [*([] if is_one else ["search"]), "seed", "tests", "at TeV", "cut", "Z local", "p global", "Z global"],
        "Global: probability of so large an excess in any test on the same events, from the overlap of the selected"
        " events." + ("" if is_one else " 'all': over all methods and variants."),
    )
    for name, row in list(zip(names, rows, strict=True))[:MOST_ROWS]:
        point = int(tests["point"][int(row["test"])])
        table.add_row(
            *([] if is_one else [name]),
            str(int(row["seed"])),
            str(int(row["n_tests"])),
            f"{points['low'][point] / 1000:.4g}-{points['high'][point] / 1000:.4g}",
            percent(float(tests["background_efficiency"][int(row["test"])])),
            f"{row['z_local']:.2f}",
            f"{row['p_global']:.2g}",
            f"{row['z_global']:.2f}",
        )
    if len(rows) > MOST_ROWS:
        table.caption = f"{table.caption} {len(rows) - MOST_ROWS} more rows are in the file."
    return table


def _search_name(row: Mapping[str, Any]) -> str:
    method, variant = str(row["method"]), str(row["variant"])
    return f"{method if variant in ('plain', 'all') else f'{method} {variant}'}, {row['inject']} injected"
