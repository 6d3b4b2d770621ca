"""The validation windows, and the closure uncertainty that they measure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.placement import FEWEST_WINDOW_EVENTS
from anomaly_cli.report.cells import Measured, marked
from anomaly_cli.report.notation import COUNT, PROBABILITY, SHARE, fixed
from anomaly_cli.report.table import Column, Priority, Report, Row, Table, build, made, stored
from anomaly_cli.report.tables import cut_of, measured_of, rows_of, window_field

KIND = schema.VALIDATION
FEW = f"fewer than {FEWEST_WINDOW_EVENTS} events"
WINDOWS, CLOSURE = KIND.groups["windows"], KIND.groups["closure"]


def tables(validation: Artifact) -> Report:
    """Return the windows and the closure uncertainty per cut."""
    return [_windows(validation), _closure(validation)]


def _windows(validation: Artifact) -> Table:
    fields = [
        window_field("window", "window"),
        window_field("side_bands", "with side-bands", ("side_band_low", "side_band_high"), Priority.LOW),
        stored(WINDOWS, "n_events", "events", COUNT, Priority.HIGH),
        made(
            Column("mass_fit_expected", "side-band fit", format=COUNT, priority=Priority.HIGH, holds=Measured),
            measured_of("mass_fit_expected", "mass_fit_uncertainty"),
            WINDOWS,
        ),
        stored(WINDOWS, "n_template", "template", COUNT),
    ]
    title = "Validation windows: signal-free, the signal region left out"
    notes = [f"Left out: {text}." for text in _left_out(rows_of(validation.groups["left_out"]))]
    return build("validation_windows", title, fields, rows_of(validation.groups["windows"]), notes)


def _left_out(rows: Sequence[Row]) -> list[str]:
    """Return which windows were left out and why; those of a stretch with too few events in one sentence."""
    few = [row for row in rows if str(row["reason"]).endswith(FEW)]
    texts = [f"{_text(row['low'], row['high'])} {row['reason']}" for row in rows if row not in few]
    if few:
        low, high = min(row["low"] for row in few), max(row["high"] for row in few)
        what = "a window" if len(few) == 1 else f"{len(few)} windows"
        texts.append(f"{what} in {_text(low, high)} with {FEW}")
    return texts


def _text(low: float, high: float) -> str:
    return f"{low / 1000:g}-{high / 1000:g} TeV"


def _closure(validation: Artifact) -> Table:
    marks = {"t": "from looser cuts: fewer than three windows expect 20 events or more"}
    fields = [
        cut_of(CLOSURE),
        stored(CLOSURE, "mean_expected", "per window", fixed(1), Priority.LOW),
        stored(CLOSURE, "mean_ratio", "observed/expected", fixed(3)),
        made(
            Column("mean", "mean excess", format=SHARE, holds=Measured),
            measured_of("mean", "mean_error"),
            CLOSURE,
        ),
        stored(CLOSURE, "spread", "spread", SHARE, Priority.LOW),
        stored(CLOSURE, "n_windows", "windows", COUNT, Priority.LOW),
        stored(CLOSURE, "p_value", "p", PROBABILITY, Priority.LOW),
        made(
            Column("size", "uncertainty", format=SHARE, priority=Priority.HIGH, marks=marks),
            lambda row: marked(float(row["size"]), "t" if row["is_transferred"] else ""),
            CLOSURE,
        ),
    ]
    notes = [
        "The uncertainty is the spread about no excess, beyond what statistics explain. Over-dispersion counts as"
        " non-closure here; the counting takes it out where it is measured."
    ]
    rows = rows_of(validation.groups["closure"])
    size = float(rows[0]["size_in_errors"]) if rows else math.nan
    if not math.isnan(size):
        notes.append(
            f"All windows and cuts together: {size:.2g} times the statistical error of the template's models, here that"
            " of a typical window; the count takes it times its own."
        )
    return build("closure_uncertainty", "Closure uncertainty of the pass rate", fields, rows, notes)
