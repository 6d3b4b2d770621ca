"""What k-fold training alone does to Z: significances after permuting the labels."""

from __future__ import annotations

import math
from collections.abc import Callable

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import HIDDEN, AnyCell, Measured
from anomaly_cli.report.contents import FEWEST_EXPERIMENTS
from anomaly_cli.report.notation import Format, fixed
from anomaly_cli.report.table import Column, Priority, Report, Row, build, made, stored
from anomaly_cli.report.tables import cut_of, measured_of, rows_of

KIND = schema.PERMUTATION
TESTS = KIND.groups["tests"]


def tables(permutation: Artifact) -> Report:
    """Return the spread of Z per cut; while the signal region is blinded without its Z, and without counts."""
    n = len(permutation.groups["permutations"]["z"])
    counts = permutation.groups["counts"]
    rows = rows_of(permutation.groups["tests"])
    is_blinded = any(math.isnan(row["z_observed"]) for row in rows)

    def unless_blinded(name: str) -> Callable[[Row], AnyCell]:
        return lambda row: HIDDEN if is_blinded else float(row[name])

    fields = [
        cut_of(TESTS),
        made(
            Column("overdispersion", "std of Z", format=fixed(2), priority=Priority.HIGH, holds=Measured),
            measured_of("overdispersion", "overdispersion_error"),
            TESTS,
        ),
        stored(TESTS, "mean", "mean Z", fixed(2)),
        made(Column("z_observed", "Z with true labels", format=fixed(2)), unless_blinded("z_observed"), TESTS),
        made(Column("p_permutation", "permutation p", format=Format(".3g")), unless_blinded("p_permutation"), TESTS),
    ]
    size = f" of {int(counts['n_observed'])} observed and {int(counts['n_template'])} template events"
    too_few = f"Fewer than {FEWEST_EXPERIMENTS} permutations are TOO FEW." if n < FEWEST_EXPERIMENTS else ""
    notes = [
        "This tests whether template and data are alike to the classifier; a template that is off is an excess here, so"
        " permutation p is no significance. Each source is used once.",
        too_few,
    ]
    return [
        build("permutation", f"Label permutation: {n} permutations{'' if is_blinded else size}", fields, rows, notes)
    ]
