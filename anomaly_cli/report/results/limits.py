"""Upper limits, one row per cut: on events after the cut, and on the strength of the signal where that is known."""

from __future__ import annotations

import math
from collections.abc import Callable

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Above, AnyCell, Range, marked
from anomaly_cli.report.contents import contents_of
from anomaly_cli.report.notation import fixed
from anomaly_cli.report.table import Column, Field, Message, Priority, Report, Row, Table, build, made
from anomaly_cli.report.tables import contents_field, cut_of, rows_of

KIND = schema.LIMITS
TESTS, STRENGTH = KIND.groups["tests"], KIND.groups["strength"]
DIGITS = fixed(1)
BY_TOYS = {
    "toys": "observed and expected from pseudo-experiments; few counts are possible then, so limits may coincide"
}
NEEDS_EFFICIENCY = (
    "A limit on the strength of the signal needs the efficiency as a function of the strength: 'anomaly significance"
    " inject-scan' measures it."
)


def tables(limits: Artifact) -> Report:
    """Return the limits on events after the cut, and on the strength, or what that needs."""
    if "strength" not in limits.groups:
        return [_yields(limits), Message(NEEDS_EFFICIENCY)]
    return [_yields(limits), _strengths(limits)]


def _yields(limits: Artifact) -> Table:
    contents = contents_of(limits)
    observed = Column("observed", "observed", format=DIGITS, priority=Priority.HIGH, marks=BY_TOYS)
    fields = [
        cut_of(TESTS),
        made(observed, lambda row: marked(float(row["observed"]), "toys" if row["by_toys"] else ""), TESTS),
        *_expected(lambda _, value: float(value)),
        contents_field(contents),
    ]
    title = f"95 % CLs upper limits on signal events after the cut, {contents}"
    notes = ["Expected before the fit to the data, without signal."]
    return build("limits", title, fields, rows_of(limits.groups["tests"]), notes)


def _strengths(limits: Artifact) -> Table:
    contents = contents_of(limits)
    observed = Column("observed", "observed", format=DIGITS, priority=Priority.HIGH)
    fields = [
        cut_of(STRENGTH),
        made(observed, lambda row: _limit(row, row["observed"]), STRENGTH),
        *_expected(_limit),
        contents_field(contents),
    ]
    note = (
        "The yield of each strength and its spread over trainings are from the injection study."
        if limits.provenance.settings["signal_efficiencies"] == []
        else "With the given efficiencies: the classifier is not trained on the data."
    )
    title = f"95 % CLs upper limits on signal events over the whole spectrum, before any cut, {contents}"
    return build("strength_limits", title, fields, rows_of(limits.groups["strength"]), [note])


def _expected(limit: Callable[[Row, float], AnyCell]) -> list[Field]:
    """Return the expected limit and its bands; `limit` makes a cell of a row and one of its limits."""

    def band(low: int, high: int) -> Callable[[Row], AnyCell]:
        return lambda row: Range(limit(row, row["expected"][low]), limit(row, row["expected"][high]))  # type: ignore[arg-type]

    return [
        made(
            Column("expected", "expected", meaning="median, without signal", format=DIGITS, priority=Priority.HIGH),
            lambda row: limit(row, row["expected"][2]),
        ),
        made(Column("band_68", "68 % of cases", format=DIGITS, holds=Range), band(1, 3)),
        made(Column("band_95", "95 % of cases", format=DIGITS, priority=Priority.LOW, holds=Range), band(0, 4)),
    ]


def _limit(row: Row, value: float) -> AnyCell:
    """Return a limit, or that it lies above the largest strength that was studied."""
    return Above(float(row["largest"])) if math.isinf(value) else float(value)
