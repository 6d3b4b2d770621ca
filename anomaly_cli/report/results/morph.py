"""How alike moved events and their target are, and how far they were moved."""

from __future__ import annotations

from anomaly_cli.artifacts.morph_schema import MORPH
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.notation import Format, fixed
from anomaly_cli.report.table import Column, Priority, Report, Table, build, made, stored
from anomaly_cli.report.tables import measured_of, number_of, rows_of

KIND = MORPH
QUALITY, FEATURES = KIND.groups["quality"], KIND.groups["features"]
CHANGES = {
    "standard_deviation": "standard deviation",
    "wasserstein_before": "Wasserstein before",
    "wasserstein_after": "Wasserstein after",
    "mean_change": "mean change",
}


def tables(morph: Artifact) -> Report:
    """Return the quality of the move, and what it did to each feature."""
    return [_quality(morph), _features(morph)]


def _quality(morph: Artifact) -> Table:
    fields = [
        stored(QUALITY, "compared", "", priority=Priority.KEY),
        made(
            Column("auc", "AUC", format=fixed(4), priority=Priority.HIGH, holds=Measured),
            measured_of("auc", "auc_error"),
            QUALITY,
        ),
        stored(QUALITY, "sliced_wasserstein", "sliced Wasserstein", fixed(4)),
        stored(QUALITY, "distance_moved", "distance moved", fixed(3)),
    ]
    n_source, n_target = (int(morph.groups[name]["is_test"].sum()) for name in ("moved", "target"))
    title = f"Compared with the target, on {n_source} source and {n_target} target events kept out of the training"
    notes = ["AUC of boosted trees, 0.5 is perfect. Distances in standard deviations of the features."]
    return build("quality", title, fields, rows_of(morph.groups["quality"]), notes)


def _features(morph: Artifact) -> Table:
    fields = [
        stored(FEATURES, "feature", "", priority=Priority.KEY),
        *(
            made(
                Column(name, header, meaning=FEATURES.columns[name].meaning, format=Format(".4g")),
                number_of(name),
            )
            for name, header in CHANGES.items()
        ),
    ]
    return build("features", "Features, in their own units", fields, rows_of(morph.groups["features"]))
