"""The artifacts of the significance suite."""

from __future__ import annotations

from anomaly_cli.artifacts.columns import Column, Group, Kind

MASS_FIT = {
    "parameters": Column("f8", "p", "", "ln f = c0 + c1 ln(1-x) + c2 ln x + c3 ln^2 x, orthogonalised basis"),
    "n_parameters": Column("i8", "", "", "parameters chosen by the forward likelihood-ratio test"),
    "chi2": Column("f8", "", "", "Poisson deviance of the fit"),
    "ndf": Column("i8", "", "", "degrees of freedom"),
    "p_value": Column("f8", "", "", "goodness of fit"),
    "n_expected": Column("f8", "", "", "predicted background in the signal region, before any cut"),
    "uncertainty": Column(
        "f8", "", "", "its uncertainty: the two below in quadrature, scaled up where the fit is poor"
    ),
    "uncertainty_statistical": Column("f8", "", "", "from the covariance of the parameters"),
    "uncertainty_function": Column("f8", "", "", "difference to the function with one more parameter"),
}


MEASURED = {
    "closure_uncertainty": Column("f8", "t", "", "relative, of the count; NaN where not measured"),
    "overdispersion": Column("f8", "t", "", "k-fold factor of the count; NaN where not measured"),
    "n_windows": Column("i8", "t", "", "windows that the closure uncertainty comes from; 0 for none"),
    "n_experiments": Column("i8", "t", "", "pseudo-experiments that the factor comes from; 0 for none"),
    "correction": Column("f8", "t", "", "factor on the pass rate, from the windows' mean; 1 for none"),
}
"""What a table needs to say which uncertainties its numbers contain."""
EFFICIENCY = Column("f8", "t", "", "fraction of the template that the cut keeps, as asked")


def per_test(**columns: Column) -> dict[str, Column]:
    """Return columns of one row per cut."""
    return {"background_efficiency": EFFICIENCY, **columns}


SYSTEMATICS = Group(
    {
        "test": Column("i8", "s", "", "row in tests"),
        "name": Column("str", "s", "", "of the effect"),
        "parameter": Column("str", "s", "", "nuisance parameter; tests with the same one are shifted together"),
        "on": Column("str", "s", "", "what is shifted: the background that passes, or the efficiency for signal"),
        "up": Column("f8", "s", "", "relative shift at plus one standard deviation"),
        "down": Column("f8", "s", "", "at minus one"),
        "cost": Column("f8", "s", "", "asymptotic z without it minus z with it"),
    },
    "the user's own systematics, one row per test and effect",
    optional=True,
)


LARGEST = {
    "test": Column("i8", "", "", "row in tests; -1 where no claim may be made"),
    "z_local": Column("f8", "", "", "its local significance"),
    "p_global": Column("f8", "", "", "probability of so large a one in any of the tests, from the copula"),
    "p_global_error": Column("f8", "", "", "its statistical error"),
    "z_global": Column("f8", "", "", "its significance"),
    "n_effective": Column("f8", "", "", "number of independent tests that would give p_global"),
}
"""The look-elsewhere effect of the largest of several significances."""
CLAIMABLE = "the same for the claimable Z; missing where that of a test is not known"


SIGNIFICANCE = Kind(
    "significance",
    7,
    "counts after each cut, their expectation and their significance",
    "anomaly significance",
    {
        "mass_fit": Group(MASS_FIT, "side-band fit"),
        "tests": Group(
            {
                "test": Column("str", "t", "", "control sample: 'pass/fail' (data that fail) or 'template'"),
                "background_efficiency": EFFICIENCY,
                "n_observed": Column("i8", "t", "", "observed events after the cut"),
                "n_expected": Column("f8", "t", "", "expected background after the cut"),
                "uncertainty": Column("f8", "t", "", "total uncertainty of n_expected that the model contains"),
                "n_control": Column("f8", "t", "", "events of the control sample"),
                "transfer": Column("f8", "t", "", "control events per expected background event"),
                "width": Column("f8", "t", "", "uncertainty of ln(transfer) from all log-normal terms"),
                "efficiency": Column("f8", "t", "", "fraction of the template that passes, unbiased"),
                "n_template": Column("i8", "t", "", "template events after the cut"),
                "n_template_all": Column("i8", "t", "", "template events before the cut"),
                "n_sources": Column("f8", "t", "", "effective number of independent template events after the cut"),
                "template_uncertainty": Column("f8", "t", "", "relative, from template statistics"),
                "model_uncertainty": Column(
                    "f8", "t", "", "relative, from the statistics of the template's models; NaN where not known"
                ),
                "norm_uncertainty": Column("f8", "t", "", "relative, from the side-band fit; 0 for pass/fail"),
                "closure_uncertainty": Column("f8", "t", "", "relative; NaN where not measured"),
                "correction": Column("f8", "t", "", "factor on the pass rate, from the windows' mean; 1 for none"),
                "is_closure_transferred": Column("b1", "t", "", "whether it was taken from looser cuts"),
                "overdispersion": Column(
                    "f8", "t", "", "k-fold factor on the standard deviation, at least 1; NaN where not measured"
                ),
                "overdispersion_measured": Column("f8", "t", "", "the factor as measured; may be below 1"),
                "overdispersion_error": Column("f8", "t", "", "its statistical error"),
                "n_experiments": Column("i8", "t", "", "pseudo-experiments that it comes from; 0 where not measured"),
                "signal_yield": Column("f8", "t", "", "fitted signal events after the cut"),
                "n_windows": Column("i8", "t", "", "windows that the closure uncertainty comes from; 0 for none"),
                "no_claim": Column("str", "t", "", "why the significance may not be quoted; empty where it may"),
                "z": Column("f8", "t", "", "local one-sided significance from toys; negative for a deficit"),
                "z_claimable": Column("f8", "t", "", "the same with the tails that so few windows allow, asymptotic"),
                "z_statistical": Column("f8", "t", "", "from statistics only, asymptotic"),
                "p0": Column("f8", "t", "", "local one-sided p-value from toys"),
                "p0_error": Column("f8", "t", "", "its statistical error"),
                "q0": Column("f8", "t", "", "discovery statistic, from pyhf"),
                "z_asymptotic": Column("f8", "t", "", "asymptotic significance, from pyhf; 0 for a deficit"),
                "p0_asymptotic": Column("f8", "t", "", "its p-value"),
                "z_closed_form": Column("f8", "t", "", "signed asymptotic z in closed form, a check of the fit"),
                "z_binomial": Column("f8", "t", "", "Z_Bi, conservative"),
                "fold_p": Column("f8", "t", "", "probability that the folds' excesses differ more than these"),
                "workspace": Column("str", "t", "", "HistFactory JSON of the test"),
            },
            "one row per test",
        ),
        "largest": Group(LARGEST, "the largest Z of all cuts, closure of the cuts taken as independent"),
        "largest_claimable": Group(LARGEST, CLAIMABLE, optional=True),
        "folds": Group(
            {
                "test": Column("i8", "f", "", "row in tests"),
                "fold": Column("i8", "f", "", "fold"),
                "threshold": Column("f8", "f", "", "score cut in this fold"),
                "n_observed": Column("i8", "f", "", "observed events above it"),
                "n_template": Column("i8", "f", "", "template events at or above it"),
            },
            "thresholds and counts per fold",
        ),
        "selected": Group(
            {
                "test": Column("i8", "e", "", "row in tests"),
                "event_id": Column("i8", "e", "", "identity of a selected observed event"),
            },
            "observed events that pass, for overlaps between tests",
        ),
        "selected_template": Group(
            {
                "test": Column("i8", "e", "", "row in tests"),
                "event_id": Column("i8", "e", "", "identity of a selected template event"),
            },
            "template events that pass, for overlaps between tests",
        ),
        "systematics": SYSTEMATICS,
    },
    parents=("split", "scores"),
)

BUMP = Kind(
    "bump",
    2,
    "bump hunt in the dijet mass after each cut, and what sculpts it",
    "anomaly significance bump",
    {
        "tests": Group(
            per_test(
                n_events=Column("i8", "t", "", "events after the cut, side-bands and signal region"),
                n_parameters=Column("i8", "t", "", "parameters of the smooth background"),
                signal_yield=Column("f8", "t", "", "fitted signal events, may be negative"),
                signal_error=Column("f8", "t", "", "its uncertainty"),
                z=Column("f8", "t", "", "local significance from toys, divided by `overdispersion`; quoted"),
                overdispersion=Column(
                    "f8", "t", "", "factor on the yield's standard deviation from folds; NaN where not measured"
                ),
                n_experiments=Column("i8", "t", "", "pseudo-experiments that it comes from; 0 where not measured"),
                z_asymptotic=Column("f8", "t", "", "signed local significance of the counts alone, asymptotic"),
                p0_asymptotic=Column("f8", "t", "", "its p-value"),
                p0=Column("f8", "t", "", "p-value of the counts alone, from weighted toys"),
                p0_error=Column("f8", "t", "", "its statistical error"),
                q0_pyhf=Column(
                    "f8", "t", "", "discovery statistic of the workspace from pyhf; NaN where there is none"
                ),
                p_value=Column("f8", "t", "", "goodness of fit without signal, from toys"),
                p_value_with_signal=Column("f8", "t", "", "goodness of fit with signal, from toys"),
                spurious_signal=Column("f8", "t", "", "signal fitted where the template replaces the signal region"),
                sculpting_p=Column("f8", "t", "", "probability of the template's pass rate being flat in mjj"),
                workspace=Column(
                    "str", "t", "", "HistFactory JSON with free eigen-modes; empty where pyhf finds another z"
                ),
            ),
            "one row per cut",
        ),
        "left_out": Group(
            {
                "background_efficiency": Column("f8", "o", "", "cut"),
                "reason": Column("str", "o", "", "why it could not be fitted"),
            },
            "cuts without a result",
        ),
        "resonance": Group(
            {
                "mass": Column("f8", "", "GeV", "mass of the resonance"),
                "width": Column("f8", "", "GeV", "width of its core"),
            },
            "the signal shape",
        ),
        "bins": Group(
            {
                "low": Column("f8", "b", "GeV", "lower edge"),
                "high": Column("f8", "b", "GeV", "upper edge"),
                "n_observed": Column("f8", "b,t", "", "events per bin and cut"),
                "background": Column("f8", "b,t", "", "fitted background without signal"),
                "with_signal": Column("f8", "b,t", "", "fitted background and signal"),
            },
            "spectra",
        ),
        "scan": Group(
            per_test(
                mass=Column("f8", "t", "GeV", "mass of the most significant resonance"),
                width=Column("f8", "t", "GeV", "width of its core"),
                signal_yield=Column("f8", "t", "", "its fitted signal events"),
                signal_error=Column("f8", "t", "", "their uncertainty"),
                z=Column("f8", "t", "", "its local significance, with over-dispersion where that is measured"),
                p_global=Column("f8", "t", "", "probability of so significant a one at any mass and width"),
                p_global_error=Column("f8", "t", "", "its statistical error"),
                z_global=Column("f8", "t", "", "its significance"),
                n_effective=Column("f8", "t", "", "independent tests that would give p_global"),
                p_toys=Column("f8", "t", "", "the same from toys; NaN where fewer than 25 reach the observed value"),
                n_toys=Column("i8", "t", "", "how many there were"),
            ),
            "scan in mass and width over the signal region, one row per cut",
        ),
        "scan_grid": Group(
            {
                "mass": Column("f8", "g", "GeV", "mass"),
                "width": Column("f8", "g", "GeV", "width of the core"),
                "z": Column("f8", "g,t", "", "signed local significance for each cut"),
            },
            "what the scan tried",
        ),
    },
    parents=("split", "scores"),
)

LIMITS = Kind(
    "limits",
    4,
    "95 % CLs upper limits on signal events after each cut",
    "anomaly significance limits",
    {
        "tests": Group(
            per_test(
                observed=Column("f8", "t", "", "observed limit on signal events after the cut; quoted"),
                observed_asymptotic=Column("f8", "t", "", "the same, asymptotic"),
                by_toys=Column("b1", "t", "", "whether `observed` and `expected` come from toys"),
                expected=Column("f8", "t,b", "", "pre-fit expected limits at -2, -1, 0, +1, +2 standard deviations"),
                expected_asymptotic=Column("f8", "t,b", "", "the same, asymptotic"),
                **MEASURED,
            ),
            "one row per cut",
        ),
        "strength": Group(
            per_test(
                observed=Column("f8", "t", "", "observed limit; infinite above what was studied"),
                expected=Column("f8", "t,b", "", "pre-fit expected limits at -2, -1, 0, +1, +2 standard deviations"),
                largest=Column("f8", "t", "", "largest strength that was studied; infinite for a fixed classifier"),
            ),
            "95 % CLs upper limits on the signal strength: signal events over the whole spectrum, before any cut",
            optional=True,
        ),
    },
    parents=("significance",),
)

_OTHERS = {
    "p_gross_vitells": Column("f8", "", "", "from up-crossings"),
    "p_sidak": Column("f8", "", "", "for independent tests"),
}
GLOBAL = Kind(
    "global",
    6,
    "global significance of the largest excess of a scan",
    "anomaly significance global",
    {
        "tests": Group(
            per_test(
                low=Column("f8", "t", "GeV", "lower edge of the signal region"),
                high=Column("f8", "t", "GeV", "upper edge"),
                z=Column("f8", "t", "", "local significance"),
                z_claimable=Column("f8", "t", "", "the same with the tails that so few windows allow, asymptotic"),
                **MEASURED,
            ),
            "all tests",
        ),
        "correlation": Group(
            {"matrix": Column("f8", "t,t", "", "shared statistical variance over total variance")}, "between the tests"
        ),
        "result": Group({**LARGEST, **_OTHERS}, "the largest Z"),
        "claimable": Group({**LARGEST, **_OTHERS}, CLAIMABLE, optional=True),
    },
)
