"""The significance improvement of templates, measured with truth labels."""

from __future__ import annotations

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.notation import PERCENT, fixed
from anomaly_cli.report.table import Column, Priority, Report, build, made, stored
from anomaly_cli.report.tables import measured_of, rows_of

KIND = schema.EVALUATION
SIC = KIND.groups["sic"]


def tables(evaluation: Artifact) -> Report:
    """Return the significance improvement per template and background efficiency."""
    counts = evaluation.groups["counts"]
    fields = [
        stored(SIC, "method", "template", priority=Priority.KEY),
        stored(SIC, "background_efficiency", "background efficiency", PERCENT, Priority.KEY),
        stored(SIC, "signal_efficiency", "signal efficiency", fixed(4)),
        made(
            Column("sic", "SIC", format=fixed(2), priority=Priority.HIGH, holds=Measured),
            measured_of("sic", "sic_error"),
            SIC,
        ),
    ]
    notes = [
        f"On {int(counts['n_background'])} reference background and {int(counts['n_signal'])} unused signal events."
        " Errors are of these test events alone; another seed trains on other events, and differs by more."
    ]
    rows = rows_of(evaluation.groups["sic"])
    return [build("significance_improvement", "Significance improvement (truth)", fields, rows, notes)]
