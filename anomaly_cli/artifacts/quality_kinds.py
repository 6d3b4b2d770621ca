"""The artifacts that say how good a template and its scores are."""

from __future__ import annotations

from anomaly_cli.artifacts.columns import Column, Group, Kind

SCORED = {
    "mjj": Column("f8", "n", "GeV", "dijet invariant mass"),
    "event_id": Column("i8", "n", "", "identity of the event"),
    "source_id": Column("i8", "n", "", "id of the observed event that this one was made from, or its own"),
    "weight": Column("f8", "n", "", "event weight"),
    "fold": Column("i8", "n", "", "fold of the source event; the score comes from models trained on the other folds"),
    "score": Column("f8", "n", "", "mean log-odds of the ensemble; not comparable between folds"),
}
"""Columns of scored events."""

DIAGNOSTICS = Group(
    {
        "name": Column("str", "k", "", "what it is"),
        "value": Column("f8", "k", "", "its mean"),
        "spread": Column("f8", "k", "", "its standard deviation"),
        "meaning": Column("str", "k", "", "what both are"),
    },
    "numbers that the score tells of itself; no results",
    optional=True,
    tells_region=True,
)
"""What a score tells of itself."""

CLOSURE = Kind(
    "closure",
    3,
    "how well the template describes background",
    "anomaly closure",
    {
        "checks": Group(
            {
                "check": Column("str", "k", "", "what is compared"),
                "auc": Column("f8", "k", "", "AUC of boosted trees, 0.5 is perfect"),
                "auc_error": Column("f8", "k", "", "statistical error"),
                "baseline_auc": Column(
                    "f8", "k", "", "the same for untouched side-band events; near 0.5 the check proves nothing"
                ),
                "n_template": Column("i8", "k", "", "template events compared"),
                "n_compared": Column("i8", "k", "", "events compared with"),
                "uses_truth": Column("b1", "k", "", "whether truth labels were needed"),
            },
            "one row per check",
        ),
        "distances": Group(
            {
                "check": Column("str", "k", "", "what is compared with"),
                "points": Column("str", "k", "", "template, or untouched side-bands"),
                "wasserstein": Column("f8", "k,d", "std", "distance of each column, in standard deviations"),
                "sliced_wasserstein": Column("f8", "k", "std", "mean over random directions"),
                "correlation": Column("f8", "k", "", "largest difference of a correlation coefficient"),
                "fpd": Column("f8", "k", "std^2", "Frechet distance, extrapolated to endless statistics"),
                "fpd_error": Column("f8", "k", "std^2", "its uncertainty"),
                "kpd": Column("f8", "k", "", "kernel distance (squared maximum mean discrepancy)"),
                "kpd_error": Column("f8", "k", "", "its uncertainty"),
            },
            "distances in the features (and mjj, where the check has it)",
        ),
        "counts": Group(
            {
                "n_template": Column("i8", "", "", "template events"),
                "n_sources": Column("f8", "", "", "effective number of independent events behind them"),
                "clipped_training": Column("f8", "", "", "largest fraction of a feature outside the spline range"),
                "clipped_template": Column("f8", "", "", "largest fraction of a feature held at its range's edge"),
                "has_windows": Column("b1", "", "", "whether the method can be used in signal-free windows"),
                "mixes_sources": Column("b1", "", "", "whether an event is made from several side-band events"),
            },
            "what stands behind the template",
            tells_region=True,
        ),
    },
    parents=("split", "template"),
)

EVALUATION = Kind(
    "evaluation",
    3,
    "performance against truth labels",
    "anomaly evaluate",
    {
        "sic": Group(
            {
                "method": Column("str", "s", "", "source of the template"),
                "background_efficiency": Column("f8", "s", "", "on reference background in the signal region"),
                "signal_efficiency": Column("f8", "s", "", "on unused signal in the signal region"),
                "sic": Column("f8", "s", "", "signal efficiency / sqrt(background efficiency)"),
                "sic_error": Column("f8", "s", "", "of the numbers of background and signal events; NaN where unknown"),
            },
            "significance improvement at fixed background efficiency",
        ),
        "counts": Group(
            {
                "n_background": Column("i8", "", "", "reference background events in the signal region"),
                "n_signal": Column("i8", "", "", "unused signal events in the signal region"),
            },
            "size of the test set",
        ),
        "background": Group(SCORED, "reference background, at unit weight, ranked by the run's score"),
        "signal": Group(SCORED, "unused signal, ranked by the run's score"),
    },
    parents=("split", "template", "scores"),
)
