"""What a search can find, before anybody looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Above, AnyCell, Measured, Missing, Range
from anomaly_cli.report.contents import NOT_MEASURED, describe_tests
from anomaly_cli.report.notation import fixed
from anomaly_cli.report.table import Column, Field, Priority, Report, Row, Table, build, made
from anomaly_cli.report.tables import contents_field, cut_of, measured_of, percent, rows_of

KIND = schema.SENSITIVITY
TESTS = KIND.groups["tests"]
TERMS = {
    "template": "template",
    "model": "model",
    "norm": "side-bands",
    "closure": "closure",
    "kfold": "k-fold",
}
"""Names of the terms of a model in tables; the user's own have theirs."""


def tables(sensitivity: Artifact) -> Report:
    """Return the signal that each cut can find or exclude, and what each uncertainty costs."""
    tests, costs = rows_of(sensitivity.groups["tests"]), rows_of(sensitivity.groups["costs"])
    contents = describe_tests(sensitivity.groups["tests"])
    fields = [
        cut_of(TESTS),
        made(
            Column("n_expected", "background", format=fixed(1), holds=Measured),
            measured_of("n_expected", "uncertainty"),
            TESTS,
        ),
        made(
            Column("limit", "95 % limit", meaning="expected, median", format=fixed(1), priority=Priority.HIGH),
            lambda row: float(row["limits"][2]),
        ),
        made(
            Column(
                "limit_band", "its 68 % band", meaning="expected", format=fixed(1), priority=Priority.LOW, holds=Range
            ),
            lambda row: Range(float(row["limits"][1]), float(row["limits"][3])),
        ),
        _yield("evidence", "for 3 sigma", Priority.NORMAL),
        _yield("discovery", "for 5 sigma", Priority.HIGH),
        made(Column("claimable", "for claimable 5", format=fixed(1)), _claimable, TESTS),
        contents_field(contents),
    ]
    notes = [
        "Signal events after the cut. Expected data, asymptotic; of the signal region only what the side-bands predict."
    ]
    notes += [
        f"No claim at {percent(row['background_efficiency'])}: {row['no_claim']}." for row in tests if row["no_claim"]
    ]
    title = f"What this search can find, {contents}"
    return [build("sensitivity", title, fields, tests, notes), _costs(tests, costs)]


def _yield(name: str, header: str, priority: Priority) -> Field:
    return made(Column(name, header, format=fixed(1), priority=priority), _number(name), TESTS)


def _number(name: str) -> Callable[[Row], AnyCell]:
    return lambda row: _refused(row) or (Above(1e18) if row[name] > 1e18 else float(row[name]))


def _claimable(row: Row) -> AnyCell:
    return _number("claimable")(row) if row["n_windows"] or row["no_claim"] else Missing(NOT_MEASURED)


def _refused(row: Row) -> Missing | None:
    return Missing("no claim") if row["no_claim"] else None


def _costs(tests: Sequence[Row], costs: Sequence[Row]) -> Table:
    names = list(dict.fromkeys(str(row["term"]) for row in costs))

    def gained(name: str) -> Callable[[int], AnyCell]:
        by_test = {int(row["test"]): float(row["z_gained"]) for row in costs if row["term"] == name}
        return by_test.get

    percent = cut_of(TESTS).column.format
    cut = Column("cut", "cut", meaning="background efficiency", format=percent, priority=Priority.KEY)
    fields = [made(cut, lambda index: float(tests[index]["background_efficiency"]))]
    for name in names:
        column = Column(f"cost_{name}", TERMS.get(name, name), meaning="Z gained without it", format=fixed(2))
        fields.append(made(column, gained(name)))
    notes = ["How much larger the Z of the signal for 5 sigma would be without each uncertainty."]
    return build("costs", "What each uncertainty costs in Z", fields, list(range(len(tests))), notes)
