"""The artifacts of a scan: the result of one point, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_cli.artifacts.columns import ID_SET, Column, Group, Kind
from anomaly_cli.artifacts.significance_kinds import SYSTEMATICS

ONLY_VARIANT = "default"
"""Name of the only variant of a scan that has none."""
EVERYTHING = "all"
"""In place of a method and of a variant: all of them."""


def search_words(method: str, variant: str, inject: int | str) -> str:
    """Return method, variant and injection for people."""
    return f"{method if variant in (ONLY_VARIANT, EVERYTHING) else f'{method} {variant}'}, {inject} injected"


def _identity(shape: str) -> dict[str, Column]:
    return {
        "low": Column("f8", shape, "GeV", "lower edge of the signal region, included"),
        "high": Column("f8", shape, "GeV", "upper edge, excluded"),
        "method": Column("str", shape, "", "template method"),
        "inject": Column("str", shape, "", "signal events put into labelled data, as asked"),
        "seed": Column("i8", shape, "", "seed of every random stream"),
        "key": Column("str", shape, "", "hash of everything that the result depends on"),
    }


_TESTS: Mapping[str, Column] = {
    "test": Column("str", "t", "", "control sample: 'pass/fail' (data that fail) or 'template'"),
    "background_efficiency": Column("f8", "t", "", "fraction of the template that the cut keeps, as asked"),
    "n_observed": Column("i8", "t", "", "observed events after the cut"),
    "n_expected": Column("f8", "t", "", "expected background after the cut"),
    "uncertainty": Column("f8", "t", "", "total uncertainty of n_expected that the model contains"),
    "transfer": Column("f8", "t", "", "control events per expected background event"),
    "n_template": Column("i8", "t", "", "template events after the cut"),
    "template_uncertainty": Column("f8", "t", "", "relative, from template statistics"),
    "closure_uncertainty": Column("f8", "t", "", "relative; NaN where not measured"),
    "overdispersion": Column("f8", "t", "", "k-fold factor on the standard deviation; NaN where not measured"),
    "signal_yield": Column("f8", "t", "", "fitted signal events after the cut"),
    "z": Column("f8", "t", "", "local one-sided significance with what was measured; negative for a deficit"),
    "z_claimable": Column("f8", "t", "", "the same with the tails that so few windows allow, asymptotic"),
    "no_claim": Column("str", "t", "", "why z may not be quoted; empty where it may"),
    "z_without": Column("f8", "t", "", "the same without closure uncertainty and over-dispersion"),
    "p0": Column("f8", "t", "", "local one-sided p-value"),
    "limit": Column("f8", "t", "", "95 % CLs upper limit on signal events after the cut"),
    "limit_expected": Column("f8", "t", "", "its median where there is no signal"),
}
"""What is kept of every test; names and meanings are those of the significance and limits artifacts."""

_CLOSURE: Mapping[str, Column] = {
    "check": Column("str", "k", "", "what the template is compared with"),
    "auc": Column("f8", "k", "", "AUC of boosted trees, 0.5 is perfect"),
    "auc_error": Column("f8", "k", "", "statistical error"),
    "baseline_auc": Column("f8", "k", "", "the same for untouched side-band events"),
    "uses_truth": Column("b1", "k", "", "whether truth labels were needed"),
}

_SELECTED: Mapping[str, Column] = {
    "test": Column("i8", "e", "", "row in tests"),
    "event_id": Column("i8", "e", "", "identity of the event, the same in all points with these events"),
}

SCAN_POINT = Kind(
    "scan_point",
    6,
    "the result of one point of a scan, or why there is none",
    "anomaly scan job",
    {
        "point": Group(_identity(""), "which point"),
        "outcome": Group(
            {
                "is_done": Column("b1", "", "", "whether the analysis came to its end"),
                "reason": Column("str", "", "", "why not, in one sentence"),
            },
            "how it ended",
        ),
        "events": Group(
            {
                "identity": Column("str", "", "", "hash of what determines the events; equal: the same events"),
                "not_measured": Column("str", "", "", "why something that was to be measured is not in z, or empty"),
                "n_observed": Column("i8", "", "", "events in the signal region; -1 while it is blinded"),
                "n_expected": Column("f8", "", "", "side-band fit in the signal region, before any cut"),
                "uncertainty": Column("f8", "", "", "its uncertainty"),
                "fit_p_value": Column("f8", "", "", "goodness of the side-band fit"),
            },
            "before any cut",
            optional=True,
        ),
        "tests": Group(_TESTS, "one row per cut; missing where the signal region is blinded", optional=True),
        "selected": Group(_SELECTED, "observed events that pass", optional=True),
        "selected_template": Group(_SELECTED, "template events that pass", optional=True),
        "systematics": SYSTEMATICS,
        "region": Group(ID_SET, "observed events before any cut; missing where no test is pass/fail", optional=True),
        "region_template": Group(ID_SET, "template events before any cut; missing as the above", optional=True),
        "closure": Group(_CLOSURE, "how well the template describes background", optional=True),
        "chain": Group(
            {
                "kind": Column("str", "c", "", "artifact of the run directory"),
                "digest": Column("str", "c", "", "its digest"),
            },
            "artifacts that the result was made from",
            optional=True,
        ),
    },
)

SCAN = Kind(
    "scan",
    6,
    "all results of a scan",
    "anomaly scan collect",
    {
        "points": Group(
            {
                **_identity("p"),
                "variant": Column("str", "p", "", "variant of the settings"),
                "state": Column("str", "p", "", "done, failed, blinded or missing"),
                "reason": Column("str", "p", "", "why it failed, or why its result cannot be read"),
                "not_measured": Column("str", "p", "", "why something that was to be measured is not in z, or empty"),
                "events": Column("str", "p", "", "hash of what determines the events"),
                "n_observed": Column("i8", "p", "", "events in the signal region; -1 where unknown or blinded"),
                "n_expected": Column("f8", "p", "", "side-band fit in the signal region; NaN where unknown"),
                "closure_auc": Column("f8", "p", "", "template against held-out side-bands; NaN where unknown"),
                "closure_auc_error": Column("f8", "p", "", "statistical error"),
            },
            "one row per point of the grid",
        ),
        "tests": Group(
            {"point": Column("i8", "t", "", "row in points"), **_TESTS},
            "one row per point and cut",
        ),
        "global": Group(
            {
                "method": Column("str", "g", "", "template method, or 'all'"),
                "variant": Column("str", "g", "", "variant of the settings, or 'all'"),
                "inject": Column("str", "g", "", "signal events put in"),
                "seed": Column("i8", "g", "", "seed"),
                "n_tests": Column("i8", "g", "", "tests that count as looked at"),
                "n_refused": Column("i8", "g", "", "further tests that allow no claim and are left out"),
                "test": Column("i8", "g", "", "row in tests of the largest excess"),
                "z_local": Column("f8", "g", "", "its local significance"),
                "p_global": Column("f8", "g", "", "probability of so large an excess in any of the tests"),
                "p_global_error": Column("f8", "g", "", "statistical error"),
                "z_global": Column("f8", "g", "", "its significance"),
                "test_claimable": Column("i8", "g", "", "row of the largest claimable Z; -1 if one is not known"),
                "z_local_claimable": Column("f8", "g", "", "its local significance"),
                "z_global_claimable": Column("f8", "g", "", "its global one"),
                "n_effective": Column("f8", "g", "", "number of independent tests that would give p_global"),
            },
            "look-elsewhere effect on the same events, per method and variant and over all of them",
        ),
    },
)
