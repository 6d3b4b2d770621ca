"""How well a template describes background: AUC of a classifier, and distances."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import AnyCell, Measured, Missing, marked
from anomaly_cli.report.notation import COMPACT, fixed
from anomaly_cli.report.table import Column, Level, Message, Priority, Report, Row, Table, build, made, stored
from anomaly_cli.report.tables import measured_of, number_of, rows_of

KIND = schema.CLOSURE
CHECKS, DISTANCES = KIND.groups["checks"], KIND.groups["distances"]
NOT_CHECKED = (
    "Closure of the template was not measured: this method leaves no side-band event out to compare with, and there are"
    " no labels."
)
IN_WINDOWS = " Before unblinding, measure it in signal-free windows by 'anomaly closure --windows --overwrite'."
NO_WINDOWS = " Nor can this method be used in signal-free windows; compare its result with one of a method that can."
DOUBTFUL = 3.0
"""Standard deviations from which an AUC is told to differ from 0.5."""
WEAK_BASELINE = 0.55
"""A check that tells untouched side-bands no better than this proves no closure."""
WEAK = "a check that could hardly have found a difference, as it does not tell untouched side-bands either"
MEANINGS = (
    "W: Wasserstein distance of the worst feature, and sliced, in standard deviations; FPD is in their square, errors"
    " of the last digits in brackets. Correlation: the largest difference. FPD and KPD scatter about 0 where there is"
    " no difference. In the side-bands the AUC also sees how features change with mjj; the distances do not."
)


def tables(closure: Artifact) -> Report:
    """Return the AUC of every check, or why there is none."""
    rows = rows_of(closure.groups["checks"])
    if not rows:
        advice = IN_WINDOWS if closure.groups["counts"]["has_windows"] else NO_WINDOWS
        return [Message(NOT_CHECKED + advice, Level.HEADLINE)]
    fields = [
        made(
            Column("check", "compared with", priority=Priority.KEY, holds=str),
            lambda row: f"{row['check']} (truth)" if row["uses_truth"] else str(row["check"]),
            CHECKS,
        ),
        made(
            Column("auc", "AUC (0.5 is perfect)", format=fixed(4), priority=Priority.HIGH, holds=Measured),
            measured_of("auc", "auc_error"),
            CHECKS,
        ),
        made(
            Column("baseline_auc", "untouched side-bands", format=fixed(4), marks={"weak": WEAK}),
            lambda row: marked(float(row["baseline_auc"]), "weak" if row["baseline_auc"] < WEAK_BASELINE else ""),
            CHECKS,
        ),
        made(
            Column("uses_truth", "truth", priority=Priority.DATA, holds=bool),
            lambda row: bool(row["uses_truth"]),
            CHECKS,
        ),
    ]
    notes = ["AUC of boosted trees that try to tell the template from background."]
    doubts = [Message(f"{sentence} An excess can come from that.", Level.WARNING) for sentence in told_apart(rows)]
    return [build("closure", "Closure of the template", fields, rows, notes), *doubts]


def told_apart(checks: Sequence[Row]) -> list[str]:
    """Return sentences on the checks in which a template can be told from background."""
    return [
        f"The template can be told from background ({row['check']}): AUC {row['auc']:.4f} +- {row['auc_error']:.4f}."
        for row in checks
        if abs(row["auc"] - 0.5) > DOUBTFUL * row["auc_error"]
    ]


def distance_tables(closure: Artifact, is_blinded: bool) -> Report:
    """Return the distances between template and background, beside those of untouched side-band events."""
    rows = rows_of(closure.groups["distances"])
    return [_distances(closure, rows, is_blinded)] if rows else []


def _distances(closure: Artifact, rows: Sequence[Row], is_blinded: bool) -> Table:
    fields = [
        stored(DISTANCES, "check", "compared with", priority=Priority.KEY),
        stored(DISTANCES, "points", "points", priority=Priority.KEY),
        made(
            Column("wasserstein", "W, worst", "", "Wasserstein distance of the worst feature [std]", fixed(3)),
            lambda row: float(np.max(row["wasserstein"])),
        ),
        made(
            Column("sliced_wasserstein", "W, sliced", "", "mean over random directions [std]", fixed(3), Priority.HIGH),
            number_of("sliced_wasserstein"),
        ),
        stored(DISTANCES, "correlation", "correlation", fixed(3), Priority.LOW),
        made(
            Column("fpd", "FPD", "", f"{DISTANCES.columns['fpd'].meaning} [std^2]", COMPACT, holds=Measured),
            _with_error("fpd"),
        ),
        made(Column("kpd", "KPD", format=COMPACT, holds=Measured), _with_error("kpd"), DISTANCES),
    ]
    notes = [_size(closure.groups["counts"], is_blinded), MEANINGS, _clipped(closure.groups["counts"])]
    return build("distances", "Distances from background", fields, rows, notes, group_by="check")


def _with_error(name: str) -> Callable[[Row], AnyCell]:
    def cell(row: Row) -> AnyCell:
        value = float(row[name])
        return Measured(value, float(row[f"{name}_error"])) if math.isfinite(value) else Missing("too few")

    return cell


def _size(counts: Row, is_blinded: bool) -> str:
    events = f"{counts['n_template']} template events from {counts['n_sources']:.0f} independent ones."
    return "" if is_blinded else events


def _clipped(counts: Row) -> str:
    training, template = 100 * counts["clipped_training"], 100 * counts["clipped_template"]
    return (
        f"At most {training:.2f} % of a feature lie outside the spline range in training, {template:.2f} % are held at"
        " the edge of its range in the template."
    )
