"""The artifacts that say how good a template and its scores are."""

from __future__ import annotations

from anomaly_cli.artifacts.columns import Column, Group, Kind, event_columns

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
    4,
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
                "purity": Column("f8", "s", "", "expected share of signal among the pseudo-data that pass"),
            },
            "significance improvement at fixed background efficiency",
        ),
        "curves": Group(
            {
                "method": Column("str", "c", "", "source of the template"),
                "background_efficiency": Column("f8", "c", "", "on reference background in the signal region"),
                "signal_efficiency": Column("f8", "c", "", "on unused signal in the signal region"),
                "sic": Column("f8", "c", "", "signal efficiency / sqrt(background efficiency)"),
                "sic_error": Column("f8", "c", "", "of the numbers of background and signal events; NaN where unknown"),
                "n_background": Column("f8", "c", "", "independent reference background events above the cuts"),
            },
            "the whole ROC and SIC curve of each template, one after the other",
        ),
        "summary": Group(
            {
                "method": Column("str", "m", "", "source of the template"),
                "auc": Column("f8", "m", "", "area under the ROC curve"),
                "auc_error": Column("f8", "m", "", "its statistical error"),
                "least_reliable": Column(
                    "f8", "m", "", "background efficiency below which the relative error of SIC exceeds 20 %"
                ),
                "sigma_min": Column(
                    "f8",
                    "m",
                    "",
                    "smallest S/sqrt(B) that this classifier lifts to five sigma, by cuts that keep over"
                    " 25 reference events; NaN where none does",
                ),
                "sigma_min_efficiency": Column("f8", "m", "", "background efficiency of that cut"),
                "n_independent": Column(
                    "f8", "m", "", "independent events behind what the classifier was compared with"
                ),
            },
            "one number each",
        ),
        "counts": Group(
            {
                "n_background": Column("i8", "", "", "reference background events in the signal region"),
                "n_signal": Column("i8", "", "", "unused signal events in the signal region"),
                "strength": Column("f8", "", "", "S/sqrt(B) of the pseudo-data in the signal region"),
            },
            "size of the test set, and strength of the signal",
        ),
        "background": Group(SCORED, "reference background, at unit weight, ranked by the run's score"),
        "signal": Group(SCORED, "unused signal, ranked by the run's score"),
    },
    parents=("split", "template", "scores"),
)

SCORED_EVENTS = Kind(
    "scored_events",
    1,
    "events of a file, scored by the kept models of a run; each in the order of the file",
    "anomaly score",
    {
        "events": Group(
            {
                "row": Column("i8", "n", "", "row in the file"),
                "mjj": Column("f8", "n", "GeV", "dijet invariant mass"),
                "score": Column("f8", "n", "", "mean log-odds; NaN where a feature is not defined"),
                "fold": Column("i8", "n", "", "fold whose models scored an event of the run; -1 for all of them"),
                "region": Column("str", "n", "", "sb1, sr, sb2 or rest"),
                "is_passing": Column("b1", "k,n", "", "whether the event passes each cut of the run"),
            },
            "scored events",
        ),
        "cuts": Group({"background_efficiency": Column("f8", "k", "", "of the run's template")}, "the cuts"),
    },
)

EXPLANATION = Kind(
    "explanation",
    1,
    "which features drive the score, without labels: what is selected in data against what is in the template",
    "anomaly explain",
    {
        "importance": Group(
            {
                "background_efficiency": Column("f8", "i", "", "of the cut"),
                "feature": Column("str", "i", "", "feature"),
                "excess": Column("f8", "i", "", "(selected - expected) / sqrt(expected)"),
                "excess_without": Column(
                    "f8", "i", "", "the same with the feature drawn from the template, on average"
                ),
                "spread": Column("f8", "i", "", "standard deviation of that over draws"),
            },
            "how much of the excess is due to each feature",
            tells_region=True,
        ),
        "distributions": Group(
            {
                "background_efficiency": Column("f8", "i", "", "of the cut"),
                "feature": Column("str", "i", "", "feature"),
                "edges": Column("f8", "i,y", "as the feature", "of the bins; the outermost hold what lies outside"),
                "n_selected": Column("i8", "i,b", "", "observed events that pass"),
                "n_expected": Column("f8", "i,b", "", "template events that pass, scaled to the expected background"),
                "n_all": Column("f8", "i,b", "", "all template events, scaled to the observed ones"),
            },
            "the features of what is selected",
            tells_region=True,
        ),
        "events": Group(
            event_columns(
                {
                    "tail": Column("f8", "n", "", "share of the template of its fold that scores no lower"),
                    "score": Column("f8", "n", "", "mean log-odds; not comparable between folds"),
                }
            ),
            "the most signal-like events, the first one first",
            tells_region=True,
            holds_events=True,
        ),
    },
    parents=("split", "template", "scores"),
)

SHARPNESS = Kind(
    "sharpness",
    1,
    "how sharp the minima are that the training of networks found",
    "anomaly evaluate --sharpness",
    {
        "rises": Group(
            {
                "fold": Column("i8", "r", "", "whose first model it is"),
                "radius": Column("f8", "r", "", "distance in weight space, relative to the length of all weights"),
                "rise": Column("f8", "r", "", "of the loss at most on the way uphill within that distance"),
            },
            "gradient ascent around the minimum",
            tells_region=True,
        ),
        "curvatures": Group(
            {
                "fold": Column("i8", "e", "", "whose first model it is"),
                "rank": Column("i8", "e", "", "1 for the largest"),
                "curvature": Column("f8", "e", "", "eigenvalue of the second derivatives of the loss"),
            },
            "largest eigenvalues of the Hessian",
            tells_region=True,
        ),
        "models": Group(
            {
                "fold": Column("i8", "f", "", "whose first model it is"),
                "n_events": Column("i8", "f", "", "training events that the loss is the mean of"),
                "loss": Column("f8", "f", "", "mean cross-entropy of these, both classes having the same weight"),
                "loss_unseen": Column("f8", "f", "", "the same of the events of the fold, which it has not seen"),
            },
            "the models that were looked at",
            tells_region=True,
        ),
    },
    parents=("split", "template", "scores"),
)
