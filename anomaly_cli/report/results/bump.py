"""What a bump hunt tells, and what may fake a bump; one row per cut."""

from __future__ import annotations

import math
from collections.abc import Sequence

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.contents import NOT_MEASURED, contents_of
from anomaly_cli.report.notation import COUNT, PROBABILITY, Format, fixed
from anomaly_cli.report.results.significance import probability_cell
from anomaly_cli.report.table import Column, Message, Priority, Report, Row, Table, build, made, stored
from anomaly_cli.report.tables import contents_field, cut_of, measured_of, percent, rows_of

KIND = schema.BUMP
TESTS, SCAN = KIND.groups["tests"], KIND.groups["scan"]
GOODNESS = Format(".2f", smallest=0.01)
NOT_EXPORTED = "so few events are not linear in the modes of the background"


def tables(bump: Artifact) -> Report:
    """Return the bump hunt, what sculpts the spectrum, and which cuts have no result or no likelihood."""
    rows = rows_of(bump.groups["tests"])
    left_out = [
        Message(f"{percent(row['background_efficiency'])} is left out: {row['reason']}.")
        for row in rows_of(bump.groups["left_out"])
    ]
    without = [percent(row["background_efficiency"]) for row in rows if not row["workspace"]]
    if without:
        left_out.append(Message(f"No likelihood is exported for {', '.join(without)}: {NOT_EXPORTED}."))
    return [_found(bump, rows), _scanned(rows_of(bump.groups["scan"])), _sculpting(rows), *left_out]


def _found(bump: Artifact, rows: Sequence[Row]) -> Table:
    resonance = bump.groups["resonance"]
    mass, width = float(resonance["mass"]), float(resonance["width"])
    fields = [
        cut_of(TESTS),
        stored(TESTS, "n_events", "events", COUNT),
        made(
            Column("signal_yield", "signal", format=fixed(0), priority=Priority.HIGH, holds=Measured),
            measured_of("signal_yield", "signal_error"),
            TESTS,
        ),
        stored(TESTS, "z", "Z", fixed(2), Priority.HIGH),
        stored(TESTS, "z_asymptotic", "statistics only", fixed(2), Priority.LOW),
        made(
            Column("p0", "p0 (statistics)", format=PROBABILITY, holds=Measured),
            lambda row: probability_cell(row["p0"], row["p0_error"]),
            TESTS,
        ),
        stored(TESTS, "n_parameters", "parameters", COUNT, Priority.LOW, note="parameters: of the smooth part."),
        stored(TESTS, "p_value", "fit p", GOODNESS, note="fit p: goodness of fit without and with signal."),
        stored(TESTS, "p_value_with_signal", "with signal", GOODNESS),
        stored(TESTS, "overdispersion", "k-fold factor", fixed(2), Priority.LOW, missing=NOT_MEASURED),
        stored(TESTS, "p0_asymptotic", "p0", priority=Priority.DATA),
        contents_field(contents_of(bump)),
        made(Column("mass", "mass", "GeV", "of the resonance", priority=Priority.DATA), lambda _: mass),
        made(Column("width", "width", "GeV", "of its core", priority=Priority.DATA), lambda _: width),
    ]
    title = f"Bump hunt at {mass / 1000:.3g} TeV, width {width:.0f} GeV; local, {contents_of(bump)}"
    return build("bump_hunt", title, fields, rows, [_on_folds(rows)])


def _on_folds(rows: Sequence[Row]) -> str:
    """Return what folds do to the significance."""
    why = "Signal-region events take part in the training and scatter more for it, side-band events do not;"
    if any(math.isnan(row["overdispersion"]) for row in rows):
        return f"{why} how much is not measured ('anomaly significance overdispersion'), and Z is TOO LARGE by that."
    return f"{why} Z contains the factor that follows for the fitted signal."


def _scanned(rows: Sequence[Row]) -> Table:
    fields = [
        cut_of(SCAN),
        made(
            Column("mass", "mass", "TeV", format=fixed(3), priority=Priority.HIGH),
            lambda row: float(row["mass"]) / 1000.0,
        ),
        stored(SCAN, "width", "width", fixed(0)),
        made(
            Column("signal_yield", "signal", format=fixed(0), holds=Measured),
            measured_of("signal_yield", "signal_error"),
            SCAN,
        ),
        stored(SCAN, "z", "local Z", fixed(2), Priority.HIGH),
        made(
            Column("p_global", "global p", format=PROBABILITY, priority=Priority.HIGH, holds=Measured),
            lambda row: probability_cell(row["p_global"], row["p_global_error"]),
            SCAN,
        ),
        stored(SCAN, "z_global", "global Z", fixed(2), Priority.HIGH),
        stored(SCAN, "p_toys", "p (toys)", PROBABILITY, Priority.LOW, missing="too few"),
        stored(SCAN, "n_effective", "independent", fixed(1), Priority.LOW),
    ]
    notes = ["The most significant mass and width after each cut. Global: over all masses and widths of one cut."]
    return build("bump_scan", "Scan in mass and width, over the signal region", fields, rows, notes)


def _sculpting(rows: Sequence[Row]) -> Table:
    fields = [
        cut_of(TESTS),
        stored(
            TESTS,
            "spurious_signal",
            "spurious signal",
            fixed(0),
            Priority.HIGH,
            note="spurious signal: what the same fit finds where the template replaces the signal region.",
        ),
        made(
            Column("spurious_share", "in standard deviations", meaning="of the fitted signal", format=fixed(2)),
            lambda row: float(row["spurious_signal"] / row["signal_error"]),
        ),
        stored(
            TESTS,
            "sculpting_p",
            "flat pass rate, p",
            PROBABILITY,
            note="flat pass rate: of the template against mass, in the signal region.",
        ),
    ]
    return build("sculpting", "Sculpting", fields, rows)
