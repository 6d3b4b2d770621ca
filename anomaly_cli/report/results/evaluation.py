"""The significance improvement of templates, measured with truth labels."""

from __future__ import annotations

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.notation import COUNT, PERCENT, Format, fixed
from anomaly_cli.report.table import Column, Priority, Report, Table, build, made, stored
from anomaly_cli.report.tables import measured_of, rows_of

KIND = schema.EVALUATION
SHARE, ROUGH = Format(".1f", is_percent=True), Format(".2g", is_percent=True)
SIC, SUMMARY, CURVES = (KIND.groups[name] for name in ("sic", "summary", "curves"))


def tables(evaluation: Artifact) -> Report:
    """Return the significance improvement per template and background efficiency, and one number each."""
    return [_at_efficiencies(evaluation), _summary(evaluation), _curves(evaluation)]


def _at_efficiencies(evaluation: Artifact) -> Table:
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
        stored(SIC, "purity", "purity", SHARE, Priority.LOW),
    ]
    notes = [
        "The first template is the run's, ranked by its own score; idealised is its classifier against true background,"
        " supervised the same on true signal.",
        f"On {int(counts['n_background']):,} reference background and {int(counts['n_signal']):,} unused signal events."
        " Errors are of these test events alone; another seed trains on other events, and differs by more.",
    ]
    rows = rows_of(evaluation.groups["sic"])
    return build("significance_improvement", "Significance improvement (truth)", fields, rows, notes)


def _summary(evaluation: Artifact) -> Table:
    fields = [
        stored(SUMMARY, "method", "template", priority=Priority.KEY),
        stored(SUMMARY, "n_independent", "independent events", COUNT, Priority.HIGH),
        made(Column("auc", "AUC", format=Format(".4f"), holds=Measured), measured_of("auc", "auc_error"), SUMMARY),
        stored(SUMMARY, "sigma_min", "sigma_min", fixed(2), Priority.HIGH, missing="none reached"),
        stored(SUMMARY, "sigma_min_efficiency", "its cut", ROUGH, Priority.LOW),
        stored(SUMMARY, "least_reliable", "SIC known to 20 % down to", ROUGH),
    ]
    strength = float(evaluation.groups["counts"]["strength"])
    notes = [
        f"sigma_min: the smallest S/sqrt(B) that this classifier, trained at {strength:.2f}, lifts to five sigma"
        " by cuts that keep over 25 reference events, the background being known; a weaker signal trains a worse"
        " classifier.",
        "A classifier that learns the background from fewer independent events than the template is no upper"
        " bound; --reference FILE brings more true background.",
    ]
    return build("evaluation_summary", "One number each (truth)", fields, rows_of(evaluation.groups["summary"]), notes)


def _curves(evaluation: Artifact) -> Table:
    """Return the whole curves, for programs."""
    fields = [stored(CURVES, name, name, priority=Priority.DATA) for name in CURVES.columns]
    return build("evaluation_curves", "", fields, rows_of(evaluation.groups["curves"]))
