"""Which features drive the score, and the most signal-like events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.notation import COUNT, Format, fixed
from anomaly_cli.report.table import Column, Priority, Report, Table, build, made, stored
from anomaly_cli.report.tables import cut_of, measured_of, rows_of

KIND = schema.EXPLANATION
IMPORTANCE, EVENTS = KIND.groups["importance"], KIND.groups["events"]
EVENT_COLUMNS = ("event_id", "mjj", "tail", "score")
MOST_SHOWN = 10
"""Events that a terminal shows."""


def tables(explanation: Artifact) -> Report:
    """Return importances, distributions for programs, and the most signal-like events."""
    return [_importances(explanation), _events(explanation), _distributions(explanation)]


def _importances(explanation: Artifact) -> Table:
    """Return the features of each cut, the most important one first, with where what is selected lies."""
    rows = rows_of(explanation.groups["importance"])
    for row, spread in zip(rows, rows_of(explanation.groups["distributions"]), strict=True):
        middle = 0.5 * (spread["edges"][1:] + spread["edges"][:-1])
        row["selected"], row["expected"] = (_mean(middle, spread[key]) for key in ("n_selected", "n_expected"))
    rows.sort(key=lambda row: (-row["background_efficiency"], row["excess_without"] - row["excess"]))
    fields = [
        cut_of(IMPORTANCE),
        stored(IMPORTANCE, "feature", "feature taken away", priority=Priority.KEY),
        stored(IMPORTANCE, "excess", "excess", fixed(1), Priority.HIGH),
        made(
            Column("excess_without", "left", format=fixed(1), priority=Priority.KEY, holds=Measured),
            measured_of("excess_without", "spread"),
            IMPORTANCE,
        ),
        *(
            made(Column(name, header, meaning=f"mean of {which}, from bins", format=Format(".3g")), _number(name))
            for name, header, which in (
                ("selected", "mean, data", "the observed events that pass"),
                ("expected", "mean, template", "the template events that pass"),
            )
        ),
    ]
    note = (
        "Excess: (selected - expected) / sqrt(expected), expected being the cut's share of all observed events, signal"
        " among them; it is no significance. Left: what"
        " remains of it with the feature drawn anew from the template, +- spread of draws. Little left means"
        " that the score needs the feature; of features that tell the same, each is missed little."
    )
    return build("feature_importance", "Which features drive the score", fields, rows, [note])


def _mean(middle: Any, weight: Any) -> float:
    return float(np.average(middle, weights=weight)) if weight.sum() > 0 else float("nan")


def _number(name: str) -> Any:
    return lambda row: row[name]


def _events(explanation: Artifact) -> Table:
    group = explanation.groups["events"]
    rows = rows_of({name: group[name] for name in (*EVENT_COLUMNS, "features")})
    features = [
        made(Column(free, name, meaning="feature", format=Format(".4g"), priority=Priority.LOW), _feature(index))
        for index, (name, free) in enumerate(zip(explanation.features, _free(explanation.features), strict=True))
    ]
    fields = [
        stored(EVENTS, "event_id", "event", COUNT, Priority.KEY),
        stored(EVENTS, "mjj", "mjj", fixed(0), Priority.HIGH),
        stored(EVENTS, "tail", "template above", Format(".2g", is_percent=True), Priority.HIGH),
        stored(EVENTS, "score", "score", fixed(3), Priority.LOW),
        *features,
    ]
    notes = [
        "template above: share of the template that scores higher in the event's own fold, by which they are ordered."
        f" All {len(rows)} are in explanation.h5 and in what --json prints."
    ]
    return build("most_signal_like", "The most signal-like events", fields, rows, notes, most_rows=MOST_SHOWN)


def _free(features: Sequence[str]) -> list[str]:
    """Return names of features that no other column of the table has: an external score may be called `score`."""
    return [f"feature_{name}" if name in EVENT_COLUMNS else name for name in features]


def _feature(index: int) -> Any:
    return lambda row: float(row["features"][index])


def _distributions(explanation: Artifact) -> Table:
    """Return the distributions, one row per bin, for programs."""
    rows = [
        {
            **{name: row[name] for name in ("background_efficiency", "feature")},
            **{"low": row["edges"][index], "high": row["edges"][index + 1]},
            **{name: row[name][index] for name in ("n_selected", "n_expected", "n_all")},
        }
        for row in rows_of(explanation.groups["distributions"])
        for index in range(len(row["n_selected"]))
    ]
    named = {"background_efficiency": float, "feature": str, "low": float, "high": float}
    named |= {"n_selected": int, "n_expected": float, "n_all": float}
    fields = [
        made(Column(name, name, priority=Priority.DATA, holds=kind), _of(name, kind)) for name, kind in named.items()
    ]
    return build("feature_distributions", "", fields, rows)


def _of(name: str, kind: type) -> Any:
    return lambda row: kind(row[name])
