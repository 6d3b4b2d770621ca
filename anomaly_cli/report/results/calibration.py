"""Whether Z is calibrated: its mean, spread and type-I errors where there is no signal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import AnyCell, Interval, Measured
from anomaly_cli.report.contents import contents_of
from anomaly_cli.report.notation import COUNT, PROBABILITY, fixed
from anomaly_cli.report.table import Column, Field, Priority, Report, Row, Table, build, made, stored
from anomaly_cli.report.tables import contents_field, cut_of, measured_of, rows_of

KIND = schema.CALIBRATION
TESTS = KIND.groups["tests"]


def tables(calibration: Artifact) -> Report:
    """Return spread and type-I errors of signed Z without signal."""
    rows = rows_of(calibration.groups["tests"])
    return [_spread(calibration, rows), _rates(calibration, rows)]


FEWEST_SETS = 5
"""Of fewer sets the errors are called rough."""
STATISTICS_ONLY = "statistics only: without closure and over-dispersion."


def _spread(calibration: Artifact, rows: Sequence[Row]) -> Table:
    fields = [
        cut_of(TESTS),
        made(
            Column("mean", "mean of Z", format=fixed(2), priority=Priority.HIGH, holds=Measured),
            measured_of("mean", "mean_error"),
            TESTS,
        ),
        made(
            Column("std", "std of Z", format=fixed(2), priority=Priority.HIGH, holds=Interval),
            lambda row: Interval(*(float(row[name]) for name in ("std", "std_low", "std_high"))),
            TESTS,
        ),
        stored(TESTS, "ks_p", "KS p", PROBABILITY),
        stored(TESTS, "n_refused", "no claim", COUNT, Priority.LOW, note="No claim: searches that the windows forbid."),
        stored(TESTS, "mean_statistical", "statistics only: mean", fixed(2), Priority.LOW, note=STATISTICS_ONLY),
        stored(TESTS, "std_statistical", "statistics only: std", fixed(2), Priority.LOW, note=STATISTICS_ONLY),
        contents_field(contents_of(calibration)),
    ]
    n, n_failed = (len(calibration.groups[group]["index"]) for group in ("experiments", "failed"))
    n_sets = len(calibration.groups["sets"]["file"])
    notes = [
        "A calibrated Z has mean 0 and standard deviation 1. Closure and over-dispersion are measured anew in every"
        " search. Errors are from the scatter of sets, intervals at 68 % confidence.",
        "One set says nothing of its own scatter: name further files with --background." if n_sets == 1 else "",
        f"The scatter of {n_sets} sets is known badly, and with it these errors." if 1 < n_sets < FEWEST_SETS else "",
        f"{n_failed} more gave no result." if n_failed else "",
    ]
    sets = f"{n_sets} disjoint sets" if n_sets > 1 else "one set"
    title = f"Calibration: {n} searches without signal in {sets} of background"
    return build("calibration", title, fields, rows, notes)


def _rates(calibration: Artifact, rows: Sequence[Row]) -> Table:
    levels = [float(level) for level in calibration.groups["levels"]["level"]]
    fields: list[Field] = [cut_of(TESTS)]
    for index, level in enumerate(levels):
        name = f"type_one_{level:g}".replace(".", "p").replace("-", "m")
        column = Column(
            name,
            f"{level:g}",
            meaning=f"share of searches with p0 below {level:g}",
            format=fixed(3),
            holds=Interval,
        )
        fields.append(made(column, _rate(index)))
    return build(
        "type_one_errors",
        "Calibration: how often p0 is smaller than",
        fields,
        rows,
        ["68 % Clopper-Pearson intervals of as many independent searches as the sets amount to."],
    )


def _rate(index: int) -> Callable[[Row], AnyCell]:
    return lambda row: Interval(*(float(row[name][index]) for name in ("type_one", "type_one_low", "type_one_high")))
