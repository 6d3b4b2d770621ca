"""What cuts on a score do to protected spectra, before and after it was decorrelated."""

from __future__ import annotations

from anomaly_cli.artifacts.decorrelation_kinds import DECORRELATION
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.notation import COMPACT, PERCENT, fixed
from anomaly_cli.report.table import Column, Priority, Report, build, made, stored
from anomaly_cli.report.tables import measured_of, rows_of

KIND = DECORRELATION
CUTS, TAGGING = KIND.groups["cuts"], KIND.groups["tagging"]
MEANING = (
    "chi2/ndf of the passing fraction of background along the spectrum; its error is the scatter where a cut shapes"
    " nothing, so 1 within it is what can be asked for."
)


def tables(decorrelation: Artifact) -> Report:
    """Return the shape that cuts leave, and rejection against divergence where there is a label."""
    cuts = [
        stored(CUTS, "protected", "spectrum", priority=Priority.KEY),
        stored(CUTS, "points", "score", priority=Priority.KEY),
        stored(CUTS, "efficiency", "background kept", PERCENT, Priority.KEY),
        made(
            Column("chi2_per_ndf", "chi2/ndf", format=fixed(2), priority=Priority.HIGH, holds=Measured),
            measured_of("chi2_per_ndf", "chi2_error"),
            CUTS,
        ),
        stored(CUTS, "ndf", "ndf", priority=Priority.LOW),
    ]
    found = [build("sculpting", "Shape after cuts", cuts, rows_of(decorrelation.groups["cuts"]), [MEANING])]
    if "tagging" in decorrelation.groups:
        tagging = [
            stored(TAGGING, "protected", "spectrum", priority=Priority.KEY),
            stored(TAGGING, "points", "score", priority=Priority.KEY),
            stored(TAGGING, "rejection", "R50", COMPACT),
            stored(TAGGING, "inverse_divergence", "1/JSD", COMPACT),
        ]
        rows = rows_of(decorrelation.groups["tagging"])
        notes = ["At half of the signal: inverse background efficiency, and 1/JSD of passing and failing background."]
        found.append(build("tagging", "Rejection against divergence", tagging, rows, notes))
    return found
