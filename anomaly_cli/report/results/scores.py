"""What a score tells of itself, where it tells anything."""

from __future__ import annotations

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.notation import fixed
from anomaly_cli.report.table import Column, Priority, Report, build, made, stored
from anomaly_cli.report.tables import measured_of, rows_of

KIND = schema.SCORES
TOLD = KIND.groups["diagnostics"]


def tables(scores: Artifact) -> Report:
    """Return the diagnostics of the score; nothing of a score that has none."""
    if "diagnostics" not in scores.groups:
        return ()
    fields = [
        stored(TOLD, "name", "diagnostic", priority=Priority.KEY),
        made(
            Column("value", "mean, spread", format=fixed(4), priority=Priority.HIGH, holds=Measured),
            measured_of("value", "spread"),
            TOLD,
        ),
        stored(TOLD, "meaning", "meaning", priority=Priority.LOW),
    ]
    notes = [
        "Diagnostics, no results: a signal fraction takes up what the background misses; the yield is the count's."
    ]
    name = scores.provenance.settings["score"]["name"]
    return [
        build("diagnostics", f"Diagnostics of the score {name}", fields, rows_of(scores.groups["diagnostics"]), notes)
    ]
