"""The global significance of the largest excess."""

from __future__ import annotations

import math

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.contents import contents_of
from anomaly_cli.report.notation import PERCENT, PROBABILITY, fixed
from anomaly_cli.report.results.significance import (
    INDEPENDENT,
    OF,
    global_fields,
    largest_of,
    probability_cell,
    significance_cell,
)
from anomaly_cli.report.table import Column, Priority, Report, build, made, stored
from anomaly_cli.report.tables import contents_field, rows_of, window_field

KIND = schema.GLOBAL
RESULT = KIND.groups["result"]


def tables(result: Artifact) -> Report:
    """Return local and global probabilities of the largest Z and, where windows tell, of the largest claimable Z."""
    tests = rows_of(result.groups["tests"])
    rows = [{**tests[int(row["test"])], **row} for row in largest_of(result, ("result", "claimable"))]
    contents = contents_of(result)
    fields = [
        made(OF, lambda row: str(row["of"])),
        window_field("window", "at", priority=Priority.HIGH),
        made(
            Column("background_efficiency", "cut", priority=Priority.HIGH, format=PERCENT),
            lambda row: float(row["background_efficiency"]),
        ),
        made(
            Column("p_local", "p0", format=PROBABILITY, priority=Priority.LOW),
            lambda row: probability_cell(0.5 * math.erfc(row["z_local"] / math.sqrt(2.0))),
        ),
        made(
            Column("z_local", "Z", format=fixed(2)),
            lambda row: significance_cell(row["z_local"]),
            RESULT,
        ),
        *global_fields(RESULT),
        stored(RESULT, "p_gross_vitells", "Gross-Vitells", PROBABILITY),
        stored(RESULT, "p_sidak", "Sidak", PROBABILITY),
        stored(RESULT, "n_effective", "independent tests", fixed(1), Priority.LOW, note=INDEPENDENT),
        contents_field(contents),
    ]
    notes = ["Gross-Vitells, Sidak: global p0 from up-crossings, and if no two tests shared an event."]
    title = f"Probability of so large an excess in any of {len(tests)} tests; {contents}"
    return [build("global", title, fields, rows, notes)]
