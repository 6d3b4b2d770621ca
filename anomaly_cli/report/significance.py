"""Tables of the significance suite, made from its artifacts alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.contents import (
    FEWEST_PERMUTATIONS,
    NOT_MEASURED,
    contents_of,
    describe,
    factor_text,
    missing_uncertainties,
)
from anomaly_cli.report.tables import make_table, percent, rows_of

DOUBTFUL_FIT = 0.01
"""A side-band fit with a smaller p-value is pointed out."""
SCALED_FIT = 0.001
"""With a smaller one its uncertainty is scaled up (`analysis/mass_fit.py`)."""

SMALLEST_P = sys.float_info.min
"""The smallest probability that a float holds in full precision."""
LARGEST_Z = 37.5194
"""Its one-sided significance."""
SMALLEST_SHOWN = 0.01
"""Smaller probabilities are shown as smaller than this."""


def significance_tables(significance: Artifact, calibration: Artifact | None = None) -> list[RenderableType]:
    """Return the side-band expectation, one row per cut, and what is known about the calibration."""
    fit = significance.groups["mass_fit"]
    rows = rows_of(significance.groups["tests"])
    missing = missing_uncertainties(significance.groups["tests"])
    table = make_table(
        f"Counting experiment; local, {describe(missing)}",
        ["cut", "expected", "observed", "Z", "p0", "Z (pyhf)", "Z_Bi"],
        "Z and p0 from pseudo-experiments, Z (pyhf) asymptotic, Z_Bi conservative.",
    )
    for row in rows:
        table.add_row(
            percent(row["background_efficiency"]),
            f"{row['n_expected']:.1f} +- {row['uncertainty']:.1f}",
            str(row["n_observed"]),
            show_z(row["z"]),
            show_p(row["p0"]),
            show_z(row["z_asymptotic"]),
            "" if math.isinf(row["z_binomial"]) else show_z(row["z_binomial"]),
        )
    expectation = Text(
        f"Side-band fit: {float(fit['n_expected']):.0f} +- {float(fit['uncertainty']):.0f} background events expected"
        f" in the signal region before any cut (goodness of fit p = {float(fit['p_value']):.2g})"
    )
    if float(fit["p_value"]) < DOUBTFUL_FIT:
        scaled = ", so that its uncertainty is scaled up" if float(fit["p_value"]) < SCALED_FIT else ""
        advice = f"; the fit is poor{scaled}: narrow the side-bands with --side-bands"
        expectation.append(advice, style="bold red")
    parts: list[RenderableType] = [expectation, table, uncertainty_table(rows)]
    if missing:
        parts.append(Text(f"Not measured for these settings: {', '.join(missing)}.", style="bold"))
    if calibration is not None:
        parts += calibration_tables(calibration)
    return parts


def uncertainty_table(rows: list[dict[str, Any]]) -> Table:
    """Return the relative uncertainties of every cut."""
    table = make_table(
        "Relative uncertainties of the expectation",
        ["cut", "template", "side-bands", "closure", "k-fold factor", "folds alike"],
        "side-bands: of their fit; 'fail' where the events that fail the cut normalise instead. (t): transferred from"
        " looser cuts. k-fold factor: one measured below 1 is used as 1; (few): from fewer than"
        f" {FEWEST_PERMUTATIONS} permutations, too few. folds alike: probability that folds of one pass rate scatter as"
        " much.",
    )
    for row in rows:
        closure = row["closure_uncertainty"]
        mark = " (t)" if row["is_closure_transferred"] else ""
        table.add_row(
            percent(row["background_efficiency"]),
            _share(row["template_uncertainty"]),
            "fail" if row["test"] == "pass/fail" else _share(row["norm_uncertainty"]),
            NOT_MEASURED if math.isnan(closure) else _share(closure) + mark,
            factor_text(row),
            f"{row['fold_p']:.2f}" if row["fold_p"] >= SMALLEST_SHOWN else f"<{SMALLEST_SHOWN}",
        )
    return table


def show_z(z: float) -> str:
    """Return a significance as text; at the smallest probability that a float holds it is only a bound."""
    return "> 37.5" if abs(z - LARGEST_Z) < 1e-3 else f"{z:.2f}"


def show_p(p: float) -> str:
    """Return a probability as text."""
    return f"< {SMALLEST_P:.1e}" if p <= SMALLEST_P else f"{p:.2g}"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def calibration_tables(calibration: Artifact) -> list[RenderableType]:
    """Return spread and type-I errors of signed Z without signal."""
    n, n_failed = (len(calibration.groups[group]["index"]) for group in ("experiments", "failed"))
    levels, settings = calibration.groups["levels"]["level"], calibration.provenance.settings
    missing = [name for key, name in (("closure", "closure"), ("overdispersion", "k-fold")) if not settings[key]]
    contents = f", WITHOUT {' and '.join(missing)}" if missing else ""
    spread = make_table(
        f"Calibration: {n} background-only pseudo-experiments through the whole chain{contents}",
        ["cut", "mean of Z", "std of Z", "KS p", "statistics only: mean", "std"],
        "Right are 0 and 1; 68 % intervals. statistics only: without closure and over-dispersion."
        + (f" {n_failed} more gave no result." if n_failed else ""),
    )
    rates = make_table(
        "Calibration: how often p0 is smaller than",
        ["cut", *(f"{level:g}" for level in levels)],
        "68 % Clopper-Pearson intervals.",
    )
    for row in rows_of(calibration.groups["tests"]):
        cut = percent(row["background_efficiency"])
        spread.add_row(
            cut,
            f"{row['mean']:.2f} +- {row['mean_error']:.2f}",
            f"{row['std']:.2f} [{row['std_low']:.2f}, {row['std_high']:.2f}]",
            f"{row['ks_p']:.2g}",
            f"{row['mean_statistical']:.2f}",
            f"{row['std_statistical']:.2f}",
        )
        found = zip(row["type_one"], row["type_one_low"], row["type_one_high"], strict=True)
        rates.add_row(cut, *(f"{rate:.3f} [{low:.3f}, {high:.3f}]" for rate, low, high in found))
    return [spread, rates]


def validation_tables(validation: Artifact) -> list[RenderableType]:
    """Return the windows and the closure uncertainty that they measure."""
    windows = make_table(
        "Validation windows: signal-free, the signal region left out",
        ["TeV", "with side-bands", "events", "side-band fit", "template"],
    )
    for row in rows_of(validation.groups["windows"]):
        windows.add_row(
            f"{row['low'] / 1000:.4g}-{row['high'] / 1000:.4g}",
            f"{row['side_band_low'] / 1000:.4g}-{row['side_band_high'] / 1000:.4g}",
            str(row["n_events"]),
            f"{row['mass_fit_expected']:.0f} +- {row['mass_fit_uncertainty']:.0f}",
            str(row["n_template"]),
        )
    closure = make_table(
        "Closure uncertainty of the pass rate",
        ["cut", "per window", "observed/expected", "most likely", "68 % upper edge"],
        "The upper edge is used. (t): transferred from looser cuts, fewer than 20 expected per window. Over-dispersion"
        " counts as non-closure here; the counting takes it out where it is measured.",
    )
    for row in rows_of(validation.groups["closure"]):
        closure.add_row(
            percent(row["background_efficiency"]),
            f"{row['mean_expected']:.1f}",
            f"{row['mean_ratio']:.3f}",
            _share(row["best"]),
            _share(row["upper"]) + (" (t)" if row["is_transferred"] else ""),
        )
    return [windows, closure]


def permutation_table(permutation: Artifact) -> Table:
    """Return what k-fold training alone does to Z."""
    n = len(permutation.groups["permutations"]["z"])
    counts = permutation.groups["counts"]
    rows = rows_of(permutation.groups["tests"])
    is_blinded = any(math.isnan(row["z_observed"]) for row in rows)
    size = f" of {int(counts['n_observed'])} observed and {int(counts['n_template'])} template events"
    table = make_table(
        f"Label permutation: {n} permutations{'' if is_blinded else size}",
        ["cut", "std of Z", "mean Z", "Z with true labels", "permutation p"],
        "The std of Z is the k-fold factor; below 1 it is used as 1. Each source is used once, so Z differs from the"
        " counting experiment's."
        + (f" Fewer than {FEWEST_PERMUTATIONS} permutations are TOO FEW." if n < FEWEST_PERMUTATIONS else ""),
    )
    for row in rows:
        table.add_row(
            percent(row["background_efficiency"]),
            f"{row['overdispersion']:.2f} +- {row['overdispersion_error']:.2f}",
            f"{row['mean']:.2f}",
            "blinded" if is_blinded else f"{row['z_observed']:.2f}",
            "blinded" if is_blinded else f"{row['p_permutation']:.3g}",
        )
    return table


def bump_tables(bump: Artifact) -> list[RenderableType]:
    """Return the bump hunt and what may fake a bump, one row per cut."""
    resonance = bump.groups["resonance"]
    found = make_table(
        f"Bump hunt at {float(resonance['mass']) / 1000:.3g} TeV, width {float(resonance['width']):.0f} GeV; local,"
        f" {contents_of(bump)}",
        ["cut", "events", "signal", "Z", "p0 (toys)", "parameters", "fit p"],
        "parameters: of the smooth part. fit p: goodness of fit without signal. Signal-region events take part in the"
        " training and scatter more for it (k-fold factor), side-band events do not; the fit leaves that out.",
    )
    checks = make_table(
        "Sculpting",
        ["cut", "spurious signal", "in standard deviations", "flat pass rate, p"],
        "spurious signal: what the same fit finds where the template replaces the signal region. flat pass rate: of the"
        " template against mass, in the signal region.",
    )
    for row in rows_of(bump.groups["tests"]):
        cut = percent(row["background_efficiency"])
        found.add_row(
            cut,
            str(row["n_events"]),
            f"{row['signal_yield']:.0f} +- {row['signal_error']:.0f}",
            f"{row['z_asymptotic']:.2f}",
            "too few" if math.isnan(row["p0"]) else f"{row['p0']:.2g}",
            str(row["n_parameters"]),
            f"{row['p_value']:.2f}",
        )
        share = row["spurious_signal"] / row["signal_error"]
        checks.add_row(cut, f"{row['spurious_signal']:.0f}", f"{share:.2f}", f"{row['sculpting_p']:.2g}")
    left_out = [
        Text(f"{percent(row['background_efficiency'])} is left out: {row['reason']}.")
        for row in rows_of(bump.groups["left_out"])
    ]
    without = [percent(row["background_efficiency"]) for row in rows_of(bump.groups["tests"]) if not row["workspace"]]
    if without:
        reason = "so few events are not linear in the modes of the background"
        left_out.append(Text(f"No likelihood is exported for {', '.join(without)}: {reason}."))
    return [found, checks, *left_out]


def limits_tables(limits: Artifact) -> list[RenderableType]:
    """Return the upper limits, one row per cut: on events after the cut, and on the strength where it is known."""
    headers = ["cut", "observed", "expected", "68 % of cases", "95 % of cases"]
    yields = make_table(
        f"95 % CLs upper limits on signal events after the cut, {contents_of(limits)}",
        headers,
        "Expected before the fit to the data, without signal. (toys): observed and expected from pseudo-experiments;"
        " few counts are possible then, so expected limits may coincide.",
    )
    for row in rows_of(limits.groups["tests"]):
        observed = f"{row['observed']:.1f}" + (" (toys)" if row["by_toys"] else "")
        yields.add_row(percent(row["background_efficiency"]), observed, *_bands(row["expected"], math.inf))
    if "strength" not in limits.groups:
        missing = "A limit on the strength of the signal needs the efficiency as a function of the strength"
        return [yields, Text(f"{missing}: 'anomaly significance inject-scan' measures it.")]
    strengths = make_table(
        f"95 % CLs upper limits on signal events over the whole spectrum, before any cut, {contents_of(limits)}",
        headers,
        "The yield of each strength and its spread over trainings are from the injection study."
        if limits.provenance.settings["signal_efficiencies"] == []
        else "With the given efficiencies: the classifier is not trained on the data.",
    )
    for row in rows_of(limits.groups["strength"]):
        observed = _limit(row["observed"], row["largest"])
        strengths.add_row(percent(row["background_efficiency"]), observed, *_bands(row["expected"], row["largest"]))
    return [yields, strengths]


def _bands(expected: Any, largest: float) -> list[str]:
    low2, low1, median, high1, high2 = (_limit(value, largest) for value in expected)
    return [median, f"{low1} to {high1}", f"{low2} to {high2}"]


def _limit(value: float, largest: float) -> str:
    """Return a limit, or that it lies above the largest strength that was studied."""
    return f"above {largest:.0f}" if math.isinf(value) else f"{value:.1f}"


def global_table(result: Artifact) -> Table:
    """Return the global significance."""
    found, tests = result.groups["result"], rows_of(result.groups["tests"])
    best = tests[int(found["test"])]
    table = make_table(
        f"Largest of {len(tests)} tests: {best['low'] / 1000:.4g}-{best['high'] / 1000:.4g} TeV,"
        f" {percent(best['background_efficiency'])}; {contents_of(result)}",
        ["", "p", "Z"],
        f"Worth {float(found['n_effective']):.1f} independent tests.",
    )
    values = {name: float(value) for name, value in found.items()}
    error = f" +- {values['p_global_error']:.1g}" if values["p_global_error"] > 0.0 else ""
    table.add_row("local", show_p(0.5 * math.erfc(values["z_local"] / math.sqrt(2.0))), show_z(values["z_local"]))
    table.add_row("global", f"{show_p(values['p_global'])}{error}", show_z(values["z_global"]))
    table.add_row("global, Gross-Vitells", show_p(values["p_gross_vitells"]), "")
    table.add_row("global, Sidak (independent)", show_p(values["p_sidak"]), "")
    return table


def injection_table(injection: Artifact) -> Table:
    """Return found significance and limits against the injected signal."""
    table = make_table(
        f"Injection study: mean (spread) over pseudo-experiments, {contents_of(injection)}",
        ["injected", "cut", "runs", "Z", "limit", "selected"],
        "Limit: on signal events after the cut. Selected: share of all injected events that passes; its change with"
        " the strength is why a constant efficiency gives no limit on the signal.",
    )
    for row in rows_of(injection.groups["tests"]):
        share = (
            ""
            if math.isnan(row["signal_efficiency"])
            else f"{row['signal_efficiency']:.3f} ({row['signal_efficiency_std']:.3f})"
        )
        table.add_row(
            str(row["n_injected"]),
            percent(row["background_efficiency"]),
            str(row["n_experiments"]),
            f"{row['z_mean']:.2f} ({row['z_std']:.2f})",
            f"{row['limit_mean']:.1f} ({row['limit_std']:.1f})",
            share,
        )
    return table


def result_tables(result: Artifact) -> list[RenderableType]:
    """Return the tables of a further result of a run that has been counted."""
    tables: dict[str, Callable[[Artifact], RenderableType | list[RenderableType]]] = {
        schema.BUMP.name: bump_tables,
        schema.LIMITS.name: limits_tables,
        schema.GLOBAL.name: global_table,
        schema.PERMUTATION.name: permutation_table,
        schema.VALIDATION.name: validation_tables,
        schema.CALIBRATION.name: calibration_tables,
        schema.INJECTION.name: injection_table,
    }
    made = tables[result.kind.name](result)
    return made if isinstance(made, list) else [made]
