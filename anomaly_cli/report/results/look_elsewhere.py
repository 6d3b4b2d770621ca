"""The global significance of the largest excess."""

from __future__ import annotations

import math

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import AnyCell, Measured
from anomaly_cli.report.contents import contents_of
from anomaly_cli.report.notation import PROBABILITY, fixed
from anomaly_cli.report.results.significance import claimable_cell, probability_cell, significance_cell
from anomaly_cli.report.table import Column, Priority, Report, build, made
from anomaly_cli.report.tables import contents_field, percent, rows_of

KIND = schema.GLOBAL


def tables(result: Artifact) -> Report:
    """Return local and global probabilities of the largest excess."""
    tests = rows_of(result.groups["tests"])
    values = {name: float(value) for name, value in result.groups["result"].items()}
    best = tests[int(values["test"])]
    rows: list[tuple[str, AnyCell, AnyCell]] = [
        (
            "local",
            probability_cell(0.5 * math.erfc(values["z_local"] / math.sqrt(2.0))),
            significance_cell(values["z_local"]),
        ),
        (
            "global",
            probability_cell(values["p_global"], values["p_global_error"]),
            significance_cell(values["z_global"]),
        ),
        ("global, of claimable Z", None, claimable_cell(values)),
        ("global, Gross-Vitells", probability_cell(values["p_gross_vitells"]), None),
        ("global, Sidak (independent)", probability_cell(values["p_sidak"]), None),
    ]
    fields = [
        made(Column("probability", "", meaning="of what", priority=Priority.KEY, holds=str), lambda row: row[0]),
        made(Column("p", "p", format=PROBABILITY, priority=Priority.HIGH, holds=Measured), lambda row: row[1]),
        made(Column("z", "Z", meaning="significance", format=fixed(2), priority=Priority.HIGH), lambda row: row[2]),
        contents_field(contents_of(result)),
    ]
    title = (
        f"Largest of {len(tests)} tests: {best['low'] / 1000:.4g}-{best['high'] / 1000:.4g} TeV,"
        f" {percent(best['background_efficiency'])}; {contents_of(result)}"
    )
    return [build("global", title, fields, rows, [f"Worth {values['n_effective']:.1f} independent tests."])]
