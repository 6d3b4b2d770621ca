"""What folds share does to Z: its scatter over pseudo-experiments without signal."""

from __future__ import annotations

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.contents import FEWEST_EXPERIMENTS
from anomaly_cli.report.notation import fixed
from anomaly_cli.report.table import Column, Priority, Report, build, made
from anomaly_cli.report.tables import cut_of, measured_of, rows_of

KIND = schema.OVERDISPERSION
TESTS = KIND.groups["tests"]


def tables(overdispersion: Artifact) -> Report:
    """Return mean and spread of Z per cut."""
    n = len(overdispersion.groups["experiments"]["z"])
    fields = [
        cut_of(TESTS),
        made(
            Column("overdispersion", "std of Z", format=fixed(2), priority=Priority.HIGH, holds=Measured),
            measured_of("overdispersion", "overdispersion_error"),
            TESTS,
        ),
        made(Column("mean", "mean Z", format=fixed(2), holds=Measured), measured_of("mean", "mean_error"), TESTS),
    ]
    too_few = f"Fewer than {FEWEST_EXPERIMENTS} pseudo-experiments are TOO FEW." if n < FEWEST_EXPERIMENTS else ""
    notes = ["The std of Z is the k-fold factor on statistical errors; below 1 it is used as 1.", too_few]
    title = f"Over-dispersion: {n} pseudo-experiments drawn from the template, without signal"
    return [build("overdispersion", title, fields, rows_of(overdispersion.groups["tests"]), notes)]
