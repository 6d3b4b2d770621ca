"""The artifacts of `anomaly morph`."""

from __future__ import annotations

from anomaly_cli.artifacts.columns import TRAINING, Column, Group, Kind

MORPH_MODEL = Kind(
    "morph_model",
    2,
    "trained flows that move one data set into another: arrays, settings in the provenance, training curves",
    "anomaly morph",
    {
        "weights": Group({}, "scalings and weights of the flows"),
        "training": TRAINING,
    },
)

MORPH = Kind(
    "morph",
    1,
    "one data set moved into another, and how alike they are",
    "anomaly morph",
    {
        "conditions": Group({"name": Column("str", "c", "", "what the features depend on")}, "names of the conditions"),
        "moved": Group(
            {
                "source_row": Column("i8", "n", "", "row in the source"),
                "before": Column("f8", "n,d", "that of the input", "features in the source"),
                "after": Column("f8", "n,d", "that of the input", "features after the move"),
                "source_condition": Column("f8", "n,c", "that of the input", "condition in the source"),
                "target_condition": Column("f8", "n,c", "that of the input", "condition that the event was moved to"),
                "is_test": Column("b1", "n", "", "kept out of the training; the quality is measured on these"),
            },
            "every event of the source, in the order of the root attribute 'features'",
        ),
        "target": Group(
            {
                "row": Column("i8", "m", "", "row in the target"),
                "values": Column("f8", "m,d", "that of the input", "features"),
                "condition": Column("f8", "m,c", "that of the input", "condition"),
                "is_test": Column("b1", "m", "", "kept out of the training"),
            },
            "every event of the target",
        ),
        "quality": Group(
            {
                "compared": Column("str", "k", "", "what is compared with the target's test events"),
                "auc": Column("f8", "k", "", "AUC of boosted trees, 0.5 is perfect"),
                "auc_error": Column("f8", "k", "", "statistical error"),
                "sliced_wasserstein": Column("f8", "k", "", "mean over directions; features in standard deviations"),
                "distance_moved": Column("f8", "k", "", "mean Euclidean distance; features in standard deviations"),
            },
            "one row per comparison",
        ),
        "features": Group(
            {
                "feature": Column("str", "d", "", "feature"),
                "standard_deviation": Column("f8", "d", "that of the input", "of source and target together"),
                "wasserstein_before": Column("f8", "d", "that of the input", "source against target"),
                "wasserstein_after": Column("f8", "d", "that of the input", "moved against target"),
                "mean_change": Column("f8", "d", "that of the input", "mean of |after - before|"),
            },
            "one row per feature, on test events",
        ),
    },
)
