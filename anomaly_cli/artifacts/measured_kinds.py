"""The artifacts that hold what is measured for a configuration: windows, pseudo-experiments, permutations."""

from __future__ import annotations

from anomaly_cli.artifacts.columns import Column, Group, Kind
from anomaly_cli.artifacts.significance_kinds import per_test

VALIDATION = Kind(
    "validation",
    3,
    "the whole method in signal-free windows: how far its expectation is off",
    "anomaly significance windows",
    {
        "windows": Group(
            {
                "low": Column("f8", "w", "GeV", "lower edge of the window, included"),
                "high": Column("f8", "w", "GeV", "upper edge, excluded"),
                "side_band_low": Column("f8", "w", "GeV", "lower end of its lower side-band"),
                "side_band_high": Column("f8", "w", "GeV", "upper end of its upper side-band"),
                "n_events": Column("i8", "w", "", "events in the window"),
                "n_side_bands": Column("i8", "w", "", "events in its side-bands"),
                "n_template": Column("i8", "w", "", "template events"),
                "mass_fit_expected": Column("f8", "w", "", "yield of the side-band fit in the window"),
                "mass_fit_uncertainty": Column("f8", "w", "", "its uncertainty"),
            },
            "validation windows; neither they nor their side-bands hold signal-region events",
        ),
        "left_out": Group(
            {
                "low": Column("f8", "l", "GeV", "lower edge"),
                "high": Column("f8", "l", "GeV", "upper edge"),
                "reason": Column("str", "l", "", "why it validates nothing"),
            },
            "windows that were left out",
        ),
        "counts": Group(
            {
                "window": Column("i8", "c", "", "row in windows"),
                "background_efficiency": Column("f8", "c", "", "fraction of the template asked for"),
                "n_passing": Column("i8", "c", "", "events of the window that pass"),
                "n_all": Column("i8", "c", "", "events of the window"),
                "efficiency": Column("f8", "c", "", "fraction of the template that passes, unbiased"),
                "efficiency_uncertainty": Column("f8", "c", "", "relative, from the template's sources"),
                "model_uncertainty": Column("f8", "c", "", "relative, from the statistics of its models"),
            },
            "counts per window and cut",
        ),
        "closure": Group(
            per_test(
                size=Column("f8", "t", "", "relative closure uncertainty about 0, which is used"),
                best=Column("f8", "t", "", "its most likely value"),
                upper=Column("f8", "t", "", "upper edge of its 68 % interval"),
                mean=Column("f8", "t", "", "mean relative excess of the windows"),
                mean_error=Column("f8", "t", "", "its statistical error"),
                spread=Column("f8", "t", "", "most likely relative scatter about that mean"),
                residual=Column("f8", "t", "", "relative uncertainty of expectations corrected by the mean"),
                residual_p=Column("f8", "t", "", "probability of larger pulls from corrected expectations"),
                mean_ratio=Column("f8", "t", "", "observed over expected, all windows together"),
                mean_expected=Column("f8", "t", "", "mean expected events per window"),
                p_value=Column("f8", "t", "", "probability of larger pulls of the windows with all uncertainties"),
                n_windows=Column("i8", "t", "", "windows that expect enough events for this cut"),
                is_transferred=Column("b1", "t", "", "whether all this comes from looser cuts"),
                size_in_errors=Column("f8", "t", "", "size in statistical errors of the models; NaN without"),
                mean_in_errors=Column("f8", "t", "", "logarithm of 1 + mean in those errors"),
                residual_in_errors=Column("f8", "t", "", "residual in those errors"),
            ),
            "closure uncertainty per cut, k-fold over-dispersion counted as non-closure",
        ),
    },
)

OVERDISPERSION = Kind(
    "overdispersion",
    1,
    "pseudo-experiments without signal: what folds share makes Z scatter more than the errors in a model",
    "anomaly significance overdispersion",
    {
        "experiments": Group(
            {"z": Column("f8", "p,t", "", "signed z of each pseudo-experiment and cut")}, "one row per experiment"
        ),
        "tests": Group(
            per_test(
                overdispersion=Column("f8", "t", "", "standard deviation of z"),
                overdispersion_error=Column("f8", "t", "", "its statistical error"),
                mean=Column("f8", "t", "", "mean of z"),
                mean_error=Column("f8", "t", "", "its statistical error"),
            ),
            "per cut",
        ),
        "counts": Group(
            {
                "n_observed": Column("i8", "", "", "pseudo-observed events of each experiment"),
                "n_template": Column("i8", "", "", "template events of each"),
            },
            "size of the pseudo-experiments",
            tells_region=True,
        ),
    },
)

PERMUTATION = Kind(
    "permutation",
    1,
    "significances after permuting the labels: what k-fold training alone does to the counts",
    "anomaly significance permute",
    {
        "permutations": Group(
            {"z": Column("f8", "p,t", "", "signed z of each permutation and cut")}, "one row per permutation"
        ),
        "tests": Group(
            per_test(
                overdispersion=Column("f8", "t", "", "standard deviation of z over permutations"),
                overdispersion_error=Column("f8", "t", "", "its statistical error"),
                mean=Column("f8", "t", "", "mean of z over permutations"),
                z_observed=Column("f8", "t", "", "z with the true labels, each source once; NaN while blinded"),
                p_permutation=Column("f8", "t", "", "fraction of permutations at least as large; NaN while blinded"),
            ),
            "per cut",
        ),
        "counts": Group(
            {
                "n_observed": Column("i8", "", "", "observed events used"),
                "n_template": Column("i8", "", "", "template events used, one per source"),
            },
            "size of the exchangeable sample",
            tells_region=True,
        ),
    },
)
