"""The artifact of `anomaly decorrelate`; only that of a run tells of a signal region."""

from __future__ import annotations

from anomaly_cli.artifacts.columns import Column, Group, Kind

DECORRELATION = Kind(
    "decorrelation",
    1,
    "a score made free of protected columns, and what cuts on it do to their spectra before and after",
    "anomaly decorrelate",
    {
        "events": Group(
            {
                "score": Column("f8", "n", "", "the score as it was"),
                "decorrelated": Column("f8", "n", "", "its CDF at the protected values, by models without the event"),
                "protected": Column("f8", "n,c", "that of the input", "what the score is to be free of"),
                "is_signal": Column("b1", "n", "", "signal, by the label; false where there is none"),
            },
            "every event, in the order of the input",
            tells_region=True,
        ),
        "protected": Group({"name": Column("str", "c", "", "name of the column")}, "what the score is to be free of"),
        "cuts": Group(
            {
                "points": Column("str", "k", "", "before or after"),
                "protected": Column("str", "k", "", "whose spectrum"),
                "efficiency": Column("f8", "k", "", "part of the background that the cut keeps"),
                "chi2_per_ndf": Column("f8", "k", "", "of the passing fraction along the spectrum; 1 without shape"),
                "chi2_error": Column("f8", "k", "", "its standard deviation where the cut shapes nothing"),
                "ndf": Column("i8", "k", "", "bins less one"),
            },
            "one row per cut, on background",
            tells_region=True,
        ),
        "tagging": Group(
            {
                "points": Column("str", "k", "", "before or after"),
                "protected": Column("str", "k", "", "whose spectrum"),
                "rejection": Column("f8", "k", "", "inverse background efficiency at half of the signal (R50)"),
                "inverse_divergence": Column("f8", "k", "", "1/JSD of background that passes and fails, JSD in bits"),
            },
            "one row per spectrum, where there is a label",
            optional=True,
        ),
    },
)
