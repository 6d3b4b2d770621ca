"""What is found where a signal is injected."""

from __future__ import annotations

from collections.abc import Callable

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import AnyCell, Spread, number_or
from anomaly_cli.report.contents import contents_of, searches_of
from anomaly_cli.report.notation import COUNT, fixed
from anomaly_cli.report.table import Column, Priority, Report, Row, build, made, stored
from anomaly_cli.report.tables import contents_field, cut_of, rows_of

KIND = schema.INJECTION
TESTS = KIND.groups["tests"]


SELECTED = (
    "Selected: share of all injected events that passes; its change with the strength is why a constant efficiency"
    " gives no limit on the signal."
)


def tables(injection: Artifact) -> Report:
    """Return found significance and limits against the injected signal."""
    fields = [
        stored(TESTS, "n_injected", "injected", COUNT, Priority.KEY),
        cut_of(TESTS),
        stored(TESTS, "n_experiments", "runs", COUNT, Priority.LOW),
        made(
            Column("z_mean", "Z", format=fixed(2), priority=Priority.HIGH, holds=Spread),
            _spread("z_mean", "z_std"),
            TESTS,
        ),
        made(
            Column("limit_mean", "limit", format=fixed(1), holds=Spread, note="Limit: on signal events after the cut."),
            _spread("limit_mean", "limit_std"),
            TESTS,
        ),
        made(
            Column("signal_efficiency", "selected", format=fixed(3), holds=Spread, note=SELECTED),
            _spread("signal_efficiency", "signal_efficiency_std"),
            TESTS,
        ),
        contents_field(contents_of(injection)),
    ]
    title = f"Injection study: mean (spread) over {searches_of(injection)}, {contents_of(injection)}"
    return [build("injection", title, fields, rows_of(injection.groups["tests"]))]


def _spread(mean: str, spread: str) -> Callable[[Row], AnyCell]:
    """Return what makes a cell of two columns; nothing where nothing was injected."""
    return lambda row: None if number_or(row[mean], None) is None else Spread(float(row[mean]), float(row[spread]))
