"""The artifacts of studies with pseudo-experiments."""

from __future__ import annotations

from anomaly_cli.artifacts.columns import Column, Group, Kind
from anomaly_cli.artifacts.significance_kinds import EFFICIENCY, MEASURED, per_test

SMOOTH_MODEL = Kind(
    "smooth_model",
    2,
    "smooth model of the background, from which pseudo-experiments are drawn",
    "anomaly significance inject-scan",
    {
        "weights": Group({}, "conditional density of the features and its scaling"),
        "spectrum": Group(
            {
                "parameters": Column("f8", "p", "", "dijet function in the orthogonalised basis"),
                "rotation": Column("f8", "p,p", "", "from the orthogonalised basis to powers of ln x"),
                "low": Column("f8", "", "GeV", "lower end of the spectrum"),
                "high": Column("f8", "", "GeV", "upper end"),
                "n_expected": Column("f8", "", "", "events per pseudo-experiment, on average"),
                "p_value": Column("f8", "", "", "goodness of fit"),
            },
            "dijet spectrum over side-bands and signal region",
        ),
    },
    parents=("split", "truth"),
)

_EXPERIMENTS = {
    "index": Column("i8", "n", "", "number of the job"),
    "seed": Column("i8", "n", "", "seed of its random streams"),
    "n_injected": Column("i8", "n", "", "signal events put in"),
    "low": Column("f8", "n", "GeV", "lower end of the region that was searched"),
    "high": Column("f8", "n", "GeV", "upper end"),
    "n_observed": Column("i8", "n,t", "", "observed events after the cut"),
    "n_expected": Column("f8", "n,t", "", "expected background"),
    "n_signal": Column("f8", "n,t", "", "of the observed events, injected ones (truth), for the signal put in"),
    "z": Column("f8", "n,t", "", "signed z in closed form, with what is measured for this configuration"),
    "p0": Column("f8", "n,t", "", "p-value by toys, as an analysis quotes it"),
    "p0_randomised": Column("f8", "n,t", "", "uniform between P(more significant) and p0: counts are discrete"),
    "z_statistical": Column("f8", "n,t", "", "signed z without closure and over-dispersion"),
    "limit": Column("f8", "n,t", "", "95 % CLs limit on signal events after the cut, asymptotic"),
    "is_refused": Column("b1", "n,t", "", "whether the cut allows no claim"),
}

_FAILED = Group(
    {
        "index": Column("i8", "o", "", "number of the job"),
        "reason": Column("str", "o", "", "why it gave no result"),
    },
    "pseudo-experiments without a result, which are in no figure",
)

CALIBRATION = Kind(
    "calibration",
    3,
    "searches of background in disjoint sets, everything measured anew in each",
    "anomaly significance calibrate",
    {
        "experiments": Group(
            {**_EXPERIMENTS, "set": Column("i8", "n", "", "row in sets")},
            "one row per search, one column per cut",
        ),
        "sets": Group(
            {
                "file": Column("str", "s", "", "file of background"),
                "digest": Column("str", "s", "", "SHA-256 of the file; where a manifest describes it, of both"),
                "part": Column("i8", "s", "", "number of the set among those of the file"),
            },
            "sets of events that share none",
        ),
        "failed": _FAILED,
        "tests": Group(
            per_test(
                mean=Column("f8", "t", "", "mean of signed z"),
                mean_error=Column("f8", "t", "", "its error from the scatter of sets; NaN for one set"),
                std=Column("f8", "t", "", "standard deviation of signed z"),
                std_low=Column("f8", "t", "", "lower edge of its 68 % interval"),
                std_high=Column("f8", "t", "", "upper edge"),
                mean_statistical=Column("f8", "t", "", "mean of signed z without closure and over-dispersion"),
                std_statistical=Column("f8", "t", "", "standard deviation of that"),
                type_one=Column("f8", "t,l", "", "fraction of p-values below each level"),
                type_one_low=Column("f8", "t,l", "", "lower edge of its 68 % interval"),
                type_one_high=Column("f8", "t,l", "", "upper edge"),
                ks_p=Column("f8", "t", "", "Kolmogorov-Smirnov probability of uniform p-values"),
                n_refused=Column("i8", "t", "", "searches in which the cut allowed no claim"),
            ),
            "per cut",
        ),
        "levels": Group({"level": Column("f8", "l", "", "nominal p-value")}, "levels of the type-I error"),
    },
)

INJECTION = Kind(
    "injection",
    3,
    "pseudo-experiments with injected signal through the whole chain",
    "anomaly significance inject-scan",
    {
        "experiments": Group(_EXPERIMENTS, "one row per pseudo-experiment, one column per cut"),
        "failed": _FAILED,
        "tests": Group(
            {
                "n_injected": Column("i8", "t", "", "signal events put in"),
                "background_efficiency": EFFICIENCY,
                "n_experiments": Column("i8", "t", "", "pseudo-experiments"),
                "z_mean": Column("f8", "t", "", "mean of signed z"),
                "z_std": Column("f8", "t", "", "spread over pseudo-experiments"),
                "z_quantiles": Column("f8", "t,q", "", "quantiles 0.025, 0.16, 0.5, 0.84, 0.975 of signed z"),
                "limit_mean": Column("f8", "t", "", "mean limit on signal events after the cut"),
                "limit_std": Column("f8", "t", "", "spread"),
                "limit_quantiles": Column("f8", "t,q", "", "the same quantiles of the limit"),
                "signal_efficiency": Column("f8", "t", "", "mean fraction of injected signal that is selected"),
                "signal_efficiency_std": Column("f8", "t", "", "spread"),
            },
            "per injected yield and cut",
        ),
    },
)

SENSITIVITY = Kind(
    "sensitivity",
    2,
    "what a search can find: expected limits, and signals that would be significant",
    "anomaly significance expected",
    {
        "tests": Group(
            per_test(
                n_expected=Column("f8", "t", "", "background that the side-bands predict after the cut"),
                uncertainty=Column("f8", "t", "", "its total uncertainty"),
                limits=Column("f8", "t,q", "", "expected 95 % CLs limits on signal events, the strongest first"),
                evidence=Column("f8", "t", "", "signal events after the cut for an expected Z of 3"),
                discovery=Column("f8", "t", "", "signal events after the cut for an expected Z of 5"),
                no_claim=Column("str", "t", "", "why the cut will allow no claim; empty where it may"),
                claimable=Column("f8", "t", "", "the same for a claimable Z of 5; infinite where none reaches it"),
                **MEASURED,
            ),
            "one row per cut",
        ),
        "costs": Group(
            {
                "test": Column("i8", "c", "", "row in tests"),
                "term": Column("str", "c", "", "uncertainty"),
                "z_gained": Column("f8", "c", "", "Z that the signal of discovery would gain without it"),
            },
            "what each uncertainty costs",
        ),
    },
    parents=("split", "scores"),
)
