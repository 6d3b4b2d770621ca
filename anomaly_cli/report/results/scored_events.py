"""How many events of a file pass the cuts of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.notation import COUNT, PERCENT
from anomaly_cli.report.table import Column, Field, Priority, Report, build, made

KIND = schema.SCORED_EVENTS
REGION = "sr"


def tables(scored: Artifact) -> Report:
    """Return how many events pass each cut."""
    return summarise_scores(scored.groups["events"], scored.groups["cuts"]["background_efficiency"])


def summarise_scores(events: Mapping[str, Any], background_efficiencies: npt.NDArray[np.float64]) -> Report:
    """Return how many events pass each cut, in the signal region and elsewhere.

    Args:
        events: columns of the schema's group.
        background_efficiencies: of the cuts `(k,)`.
    """
    region, score, fold, is_passing = (events[name] for name in ("region", "score", "fold", "is_passing"))
    inside, is_scored, is_known = region == REGION, np.isfinite(score), fold >= 0
    rows = list(zip(background_efficiencies.tolist(), is_passing, strict=True))
    fields = [
        made(Column("background_efficiency", "cut", format=PERCENT, priority=Priority.KEY), lambda row: float(row[0])),
        _passing("n_signal_region", "pass in the signal region", inside),
        _passing("n_elsewhere", "pass elsewhere", ~inside),
    ]
    n_new, n_none = int((is_scored & ~is_known).sum()), int((~is_scored).sum())
    notes = [
        f"{len(region)} events, {int(inside.sum())} of them in the signal region."
        f" {int((is_scored & is_known).sum())} are events of the run and have the score of models that have not seen"
        f" them; {n_new} are not, and have the mean of the models of all folds, cut at the mean of their thresholds.",
        f"{n_none} have no score, since a feature of theirs is not defined." if n_none else "",
    ]
    return [build("scored_events", "Events that pass the cuts", fields, rows, notes)]


def _passing(name: str, header: str, which: npt.NDArray[np.bool_]) -> Field:
    column = Column(name, header, format=COUNT, priority=Priority.HIGH, holds=int)
    return made(column, lambda row: int((row[1] & which).sum()))
