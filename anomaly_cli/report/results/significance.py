"""What a count tells: the side-band expectation, one row per cut, and what its uncertainty is made of."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Group
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Above, AnyCell, Below, Measured, Missing, marked, number_or
from anomaly_cli.report.contents import (
    FEWEST_EXPERIMENTS,
    NOT_MEASURED,
    describe,
    describe_tests,
    missing_uncertainties,
)
from anomaly_cli.report.notation import CHANGE, COUNT, PERCENT, PROBABILITY, SHARE, Format, fixed
from anomaly_cli.report.table import Column, Field, Level, Message, Priority, Report, Row, Table, build, made, stored
from anomaly_cli.report.tables import contents_field, cut_of, measured_of, rows_of

KIND = schema.SIGNIFICANCE
TESTS, FIT, SYSTEMATICS, LARGEST = (KIND.groups[name] for name in ("tests", "mass_fit", "systematics", "largest"))
DOUBTFUL_FIT = 0.01
"""A side-band fit with a smaller p-value is pointed out."""
SCALED_FIT = 0.001
"""With a smaller one its uncertainty is scaled up (`analysis/mass_fit.py`)."""
SMALLEST_P = sys.float_info.min
"""The smallest probability that a float holds in full precision."""
LARGEST_Z = 37.5194
"""Its one-sided significance."""
SMALLEST_ERROR = 0.005
"""Smaller relative errors of a probability change none of the digits that are shown."""
SMALLEST_SHOWN = 0.01
"""Smaller probabilities are shown as smaller than this."""
STATISTICS = "template, model: statistics of the template's events, and of the models that made them."
FAILING = (
    "Where the events that fail the cut normalise the background, uncertainties of the pass rate count 1/(1 - cut)"
    " times, and the statistics of these events come on top."
)
OF_CLAIMABLE = "claimable: global Z of the largest claimable Z, which may be that of another region or cut."
OF = Column("of", "of", meaning="which significance", priority=Priority.KEY, holds=str)
"""Which significance a row is the largest of, where there are both."""
INDEPENDENT = (
    "independent tests: how many of them would find so small a p0 by chance as often as these cuts do. That cuts share"
    " events counts for less the smaller p0 is; their excesses are one piece of evidence all the same."
)


def tables(significance: Artifact) -> Report:
    """Return the side-band expectation, the counts, and their uncertainties."""
    missing = missing_uncertainties(significance.groups["tests"])
    rows = rows_of(significance.groups["tests"])
    report: list[Table | Message] = [
        *_fit(significance.groups["mass_fit"]),
        _counts(rows, describe_tests(significance.groups["tests"])),
    ]
    report += _largest(significance, rows, describe(missing) if missing else "")
    report.append(_uncertainties(rows))
    if "systematics" in significance.groups:
        report.append(_systematics(rows, rows_of(significance.groups["systematics"])))
    if missing:
        report.append(Message(f"Not measured for these settings: {', '.join(missing)}.", Level.HEADLINE))
    return report


def _largest(significance: Artifact, rows: Sequence[Row], without: str) -> Report:
    """Return the global significance of the largest excess, where there are several cuts and a claim may be made.

    Args:
        significance: with what is known of it.
        rows: of the cuts.
        without: which uncertainties it lacks; empty where none.
    """
    if len(rows) < 2 or significance.groups["largest"]["test"] < 0:
        return []
    largest = largest_of(significance, ("largest", "largest_claimable"))
    fields = [
        *([made(OF, lambda row: str(row["of"]))] if len(largest) > 1 else []),
        made(
            Column("largest", "largest at", meaning="cut", priority=Priority.KEY, format=PERCENT),
            lambda row: float(rows[int(row["test"])]["background_efficiency"]),
        ),
        *global_fields(LARGEST),
        stored(LARGEST, "n_effective", "independent tests", fixed(1), Priority.LOW, note=INDEPENDENT),
    ]
    title = f"Probability of so large an excess in any of the {len(rows)} cuts"
    return [build("largest", ", ".join(filter(None, [title, without])), fields, largest)]


def global_fields(group: Group) -> list[Field]:
    """Return the columns of the global probability and significance of a largest excess."""
    return [
        made(
            Column("p_global", "global p0", format=PROBABILITY, holds=Measured),
            lambda row: probability_cell(row["p_global"], row["p_global_error"]),
            group,
        ),
        made(
            Column("z_global", "global Z", format=fixed(2), priority=Priority.HIGH),
            lambda row: significance_cell(row["z_global"]),
            group,
        ),
    ]


def largest_of(found: Artifact, groups: tuple[str, str]) -> list[Row]:
    """Return what is known of the largest Z and, where windows tell, of the largest claimable Z, one row each."""
    named = zip(("Z", "claimable Z"), groups, strict=True)
    return [{"of": name, **found.groups[group]} for name, group in named if group in found.groups]


def significance_cell(z: float) -> AnyCell:
    """Return a significance; at the smallest probability that a float holds it is only a bound."""
    return Above(37.5) if abs(z - LARGEST_Z) < 1e-3 else float(z)


def probability_cell(p: float, error: float = 0.0) -> AnyCell:
    """Return a probability and its statistical error, where it has one."""
    if p <= SMALLEST_P:
        return Below(SMALLEST_P)
    return Measured(float(p), float(error)) if error > SMALLEST_ERROR * p else float(p)


def _fit(fit: Row) -> Report:
    fields = [
        made(
            Column("n_expected", "expected background", format=fixed(0), priority=Priority.KEY, holds=Measured),
            measured_of("n_expected", "uncertainty"),
            FIT,
        ),
        stored(FIT, "p_value", "goodness of fit, p", PROBABILITY, Priority.HIGH),
        *(stored(FIT, name, name, priority=Priority.DATA) for name in ("chi2", "ndf", "n_parameters")),
    ]
    table = build("side_band_fit", "Side-band fit: the signal region before any cut", fields, [fit])
    p_value = float(fit["p_value"])
    if p_value >= DOUBTFUL_FIT:
        return [table]
    scaled = ", so that its uncertainty is scaled up" if p_value < SCALED_FIT else ""
    advice = f"The side-band fit is poor{scaled}: narrow the side-bands with --side-bands."
    return [table, Message(advice, Level.WARNING)]


def _counts(rows: Sequence[Row], contents: str) -> Table:
    z = fixed(2)
    fields = [
        cut_of(TESTS),
        made(
            Column("n_expected", "expected", format=fixed(1), priority=Priority.HIGH, holds=Measured),
            measured_of("n_expected", "uncertainty"),
            TESTS,
        ),
        stored(TESTS, "n_observed", "observed", COUNT, Priority.HIGH),
        _significance("z", "Z", z, Priority.HIGH, "Z and p0 from pseudo-experiments."),
        made(
            Column(
                "z_claimable",
                "claimable Z",
                format=z,
                priority=Priority.HIGH if any(row["n_windows"] for row in rows) else Priority.NORMAL,
                note="claimable Z: asymptotic, lower where few signal-free windows say how wrong the template can be.",
            ),
            _unless_refused(_claimable),
            TESTS,
        ),
        made(Column("p0", "p0", format=PROBABILITY), _unless_refused(lambda row: probability_cell(row["p0"])), TESTS),
        _significance("z_statistical", "statistics only", z, Priority.LOW, "statistics only: asymptotic."),
        _significance("z_asymptotic", "Z (pyhf)", z, Priority.DATA),
        _significance("z_binomial", "Z_Bi", z, Priority.DATA),
        stored(TESTS, "no_claim", "no claim", priority=Priority.DATA),
        contents_field(contents),
    ]
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["no_claim"]:
            reasons.setdefault(str(row["no_claim"]), []).append(f"{100 * float(row['background_efficiency']):g} %")
    notes = [f"No claim at {', '.join(cuts)}: {reason}." for reason, cuts in reasons.items()]
    return build("counts", f"Counting experiment; local, {contents}", fields, rows, notes)


def _significance(name: str, header: str, digits: Format, priority: Priority, note: str = "") -> Field:
    """Return a column of significances; nothing where there is none, and where none may be quoted."""
    column = Column(name, header, format=digits, priority=priority, note=note)
    cell = _unless_refused(lambda row: None if math.isinf(row[name]) else significance_cell(row[name]))
    return made(column, cell, TESTS)


def _claimable(row: Row) -> AnyCell:
    """Return what the windows support; without windows nothing can be claimed."""
    return significance_cell(row["z_claimable"]) if row["n_windows"] else Missing(NOT_MEASURED)


def _unless_refused(cell: Callable[[Row], AnyCell]) -> Callable[[Row], AnyCell]:
    return lambda row: Missing("no claim") if row["no_claim"] else cell(row)


def _uncertainties(rows: Sequence[Row]) -> Table:
    marks = {
        "as 1": "measured below 1, used as 1",
        "few": f"from fewer than {FEWEST_EXPERIMENTS} pseudo-experiments, too few",
    }
    is_corrected = any(row["correction"] != 1.0 for row in rows)
    closure_marks = {"t": "transferred from looser cuts"}
    fields = [
        cut_of(TESTS),
        stored(TESTS, "template_uncertainty", "template", SHARE, note=STATISTICS),
        made(
            Column("model_uncertainty", "model", format=SHARE),
            lambda row: number_or(row["model_uncertainty"], "not known"),
            TESTS,
        ),
        _side_bands(),
        made(
            Column(
                "correction", "correction", format=CHANGE, priority=Priority.HIGH if is_corrected else Priority.DATA
            ),
            lambda row: float(row["correction"]) - 1.0,
            TESTS,
        ),
        made(
            Column("closure_uncertainty", "closure", format=SHARE, priority=Priority.HIGH, marks=closure_marks),
            closure_cell,
            TESTS,
        ),
        made(
            Column(
                "overdispersion_measured",
                "k-fold factor",
                format=fixed(2),
                priority=Priority.HIGH,
                holds=Measured,
                marks=marks,
            ),
            factor_cell,
            TESTS,
        ),
        _fold_agreement(),
        stored(TESTS, "overdispersion", "k-fold factor used", priority=Priority.DATA, missing=NOT_MEASURED),
    ]
    corrected = "correction: of the pass rate, by the mean excess of the windows; closure: what it leaves uncertain."
    notes = [FAILING] * any(row["test"] == "pass/fail" for row in rows) + [corrected] * is_corrected
    return build("uncertainties", "Relative uncertainties of pass rate and yield", fields, rows, notes)


def _side_bands() -> Field:
    note = "side-bands: uncertainty of the fit; 'not used' where the events that fail the cut normalise the background."
    return made(
        Column("norm_uncertainty", "side-bands", format=SHARE, note=note),
        lambda row: Missing("not used") if row["test"] == "pass/fail" else float(row["norm_uncertainty"]),
        TESTS,
    )


def _fold_agreement() -> Field:
    note = "fold agreement: probability that folds with the same pass rate differ as much as these do."
    digits = Format(".2f", smallest=SMALLEST_SHOWN)
    return stored(TESTS, "fold_p", "fold agreement", digits, Priority.LOW, note=note)


def _systematics(tests: Sequence[Row], rows: Sequence[Row]) -> Table:
    """Return the user's own systematics, and what each costs."""
    shift = Format("+.2f", is_percent=True)
    fields = [
        made(
            stored(TESTS, "background_efficiency", "cut", PERCENT, Priority.KEY).column,
            lambda row: float(tests[row["test"]]["background_efficiency"]),
        ),
        stored(SYSTEMATICS, "name", "systematic", priority=Priority.KEY),
        stored(SYSTEMATICS, "on", "on", priority=Priority.NORMAL),
        stored(SYSTEMATICS, "up", "+1 sigma", shift, Priority.HIGH),
        stored(SYSTEMATICS, "down", "-1 sigma", shift, Priority.HIGH),
        stored(SYSTEMATICS, "cost", "cost in Z", fixed(2), Priority.HIGH, note="cost in Z: Z without it, minus Z."),
        stored(SYSTEMATICS, "parameter", "parameter", priority=Priority.LOW),
    ]
    notes = ["Tests with the same parameter are shifted together. Signal efficiencies enter limits on the strength."]
    return build("systematics", "Systematics", fields, rows, notes)


def closure_cell(row: Row) -> AnyCell:
    """Return the closure uncertainty of a cut."""
    cell = number_or(row["closure_uncertainty"], NOT_MEASURED)
    return marked(cell, "t" if row["is_closure_transferred"] and not isinstance(cell, Missing) else "")


def factor_cell(row: Row) -> AnyCell:
    """Return the k-fold factor as measured, marked where it is used as 1 or from too few pseudo-experiments."""
    if math.isnan(row["overdispersion"]):
        return Missing(NOT_MEASURED)
    measured = Measured(float(row["overdispersion_measured"]), float(row["overdispersion_error"]))
    is_few = row["n_experiments"] < FEWEST_EXPERIMENTS
    return marked(measured, "as 1" if measured.value < 1.0 else "", "few" if is_few else "")
