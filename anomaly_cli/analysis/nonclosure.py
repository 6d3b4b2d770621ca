"""Closure uncertainty: how far pass rates in signal-free windows are from the template's beyond what is known.

In window k of the N_k events n_k pass the cut, and the template expects a fraction eff_k. Poisson statistics, those of
the template and of its models, and k-fold over-dispersion explain a part of the differences; the rest is a factor
exp(x_k) that the search may be off by. Two descriptions of it are fitted to all windows:

- about 0, x_k ~ Normal(0, s): the size s is the root of the mean of s^2 over its posterior, with the prior
  1/(s + s0)^2, s0 the statistical error of a window; for large s it is that of k - 1 degrees of freedom. The most
  likely value is often 0 with six windows, and would then claim perfection; the upper edge of its interval, used in
  earlier releases, is mostly noise of the estimate.
- x_k ~ Normal(b, a): a correction of the expectation by exp(b) leaves an error of its own. That is the root of the mean
  of a^2 + (b - b')^2 over the posterior of both, b' the correction, with the same prior for a and none for b.

Where the template's models have a statistical error at every cut, all cuts are fitted together in units of it instead
(`analysis.scaled_nonclosure`): a few windows say little about tight cuts on their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp

from anomaly_cli.analysis.scaled_nonclosure import NestedCounts, ScaledNonclosure, measure_scaled
from anomaly_cli.analysis.tails import chi2_tail
from anomaly_cli.core.arrays import FloatArray

FEWEST_EXPECTED = 20.0
"""A window that expects fewer background events after a cut does not measure the closure of that cut."""
FEWEST_FOR_PULLS = 5.0
"""With fewer, its pull follows no normal distribution."""
FEWEST_WINDOWS = 3
"""Fewer windows measure no scatter."""
LARGEST = 3.0
"""Upper end of the search for ln(1 + d)."""
NARROWEST = 1e-6
"""A smaller spread is as good as none."""
NEWTON_STEPS = 40
"""Enough to find the peak of a concave function from near it."""
SHIFTS = 121
"""Values of the mean that are tried."""
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


@dataclass(frozen=True)
class WindowCounts:
    """Counts of one cut in the validation windows, `(k,)` each.

    Attributes:
        n_passing: events that pass.
        n_all: events in the window.
        efficiency: fraction of the template that passes.
        template_uncertainty: its relative uncertainty from the statistics of the template.
        model_uncertainty: the same from those of its models, 0 where they have none.
        window: number of each window.
    """

    n_passing: FloatArray
    n_all: FloatArray
    efficiency: FloatArray
    template_uncertainty: FloatArray
    model_uncertainty: FloatArray
    window: npt.NDArray[np.int64]

    @property
    def n_expected(self) -> FloatArray:
        """Events expected to pass."""
        return self.n_all * self.efficiency

    def take(self, is_kept: npt.NDArray[np.bool_]) -> WindowCounts:
        """Return the counts of some windows."""
        return WindowCounts(*(column[is_kept] for column in vars(self).values()))


@dataclass(frozen=True)
class Nonclosure:
    """Closure uncertainty of one cut.

    Attributes:
        size: relative uncertainty of the expectation as it is: what enters a model.
        best: its most likely value.
        upper: upper edge of its 68 % interval.
        mean: b, by which the windows exceed their expectation on average, relative.
        mean_error: its statistical error.
        spread: a, the most likely scatter about it, relative.
        residual: relative uncertainty of an expectation that is corrected by the mean.
        residual_p: probability of larger pulls of the windows from corrected expectations, chi2 with `residual`.
        mean_ratio: observed over expected, all windows together.
        p_value: probability of larger pulls of the windows, chi2 with `size` among their uncertainties.
        n_windows: windows that it comes from, those that expect enough events.
        is_transferred: whether it comes from looser cuts, this one having too few such windows.
        size_in_errors: `size` in statistical errors of the template's models, alike for all cuts; NaN without these.
        mean_in_errors: the same of the logarithm of 1 + `mean`.
        residual_in_errors: the same of `residual`.
    """

    size: float
    best: float
    upper: float
    mean: float
    mean_error: float
    spread: float
    residual: float
    residual_p: float
    mean_ratio: float
    p_value: float
    n_windows: int
    is_transferred: bool
    size_in_errors: float = math.nan
    mean_in_errors: float = math.nan
    residual_in_errors: float = math.nan


def measure_nonclosure(counts: WindowCounts, overdispersion: float) -> Nonclosure:
    """Return what the windows measure.

    Args:
        counts: of one cut.
        overdispersion: k-fold factor on the statistical standard deviation, 1 where it is not measured;
            then what it would explain is counted as non-closure.
    """
    expected, known = counts.n_expected, _known_variance(counts, overdispersion)
    grid = np.concatenate([[0.0], np.geomspace(1e-4, LARGEST, 600)])
    log_likelihood = _log_likelihood(counts, grid, known)
    best = int(np.argmax(log_likelihood))
    allowed = np.flatnonzero(2.0 * (log_likelihood[best] - log_likelihood) <= 1.0)
    statistical = float(np.sqrt(np.median(1.0 / np.maximum(expected, 1.0) + known)))
    weight = np.exp(log_likelihood - log_likelihood[best]) * _prior(grid, statistical)
    size = float(np.sqrt((weight * np.expm1(grid) ** 2).sum() / weight.sum()))
    mean, mean_error, spread, residual = _fit_mean(counts, known, statistical)
    corrected = replace(counts, efficiency=np.minimum(counts.efficiency * (1.0 + mean), 1.0))
    return Nonclosure(
        size=size,
        best=float(np.expm1(grid[best])),
        upper=float(np.expm1(grid[allowed[-1]])),
        mean=mean,
        mean_error=mean_error,
        spread=spread,
        residual=residual,
        residual_p=_compatibility(corrected, known + np.log1p(residual) ** 2, n_fitted=1),
        mean_ratio=_mean_ratio(counts),
        p_value=_compatibility(counts, known + np.log1p(size) ** 2),
        n_windows=len(expected),
        is_transferred=False,
    )


def _known_variance(counts: WindowCounts, overdispersion: float) -> FloatArray:
    """Return the variance of each window's logarithm that is known, its own Poisson variance apart `(k,)`."""
    poisson = (1.0 - counts.efficiency) / np.maximum(counts.n_expected, 1e-9)
    template = counts.template_uncertainty**2 + counts.model_uncertainty**2
    known: FloatArray = template + (overdispersion**2 - 1.0) * (poisson + template)
    return known


def _log_likelihood(counts: WindowCounts, spread: FloatArray, known: FloatArray, shift: float = 0.0) -> FloatArray:
    """Return the log-likelihood of all windows at each spread `(grid,)`, the expectations multiplied by exp(shift)."""
    width = np.sqrt(spread[:, None] ** 2 + known)
    total: FloatArray = _log_marginal(counts, np.maximum(width, NARROWEST), shift).sum(axis=1)
    return total


def _prior(grid: FloatArray, statistical: float) -> FloatArray:
    """Return the prior weight of each spread of a grid, whose steps differ."""
    weight: FloatArray = np.gradient(grid) / (grid + statistical) ** 2
    return weight


def _fit_mean(counts: WindowCounts, known: FloatArray, statistical: float) -> tuple[float, float, float, float]:
    """Return the most likely mean, its error, the most likely spread about it, and what a correction by it leaves."""
    grid = np.concatenate([[0.0], np.geomspace(1e-3, LARGEST, 60)])
    ratio = (counts.n_passing.sum() + 0.5) / (counts.n_expected.sum() + 0.5)
    reach = 5.0 * float(np.sqrt((1.0 / np.maximum(counts.n_expected, 1.0) + known).mean())) + abs(np.log(ratio))
    shifts = np.linspace(-reach, reach, SHIFTS) + np.log(ratio)
    surface = np.array([_log_likelihood(counts, grid, known, shift) for shift in shifts])
    top, width = np.unravel_index(int(surface.argmax()), surface.shape)
    shift, spread = float(shifts[top]), float(grid[width])
    k, scale = len(known), np.exp(shift)
    variance = 1.0 / np.maximum(scale * counts.n_expected, 1.0) + known + spread**2
    error = float(np.sqrt(k / (max(k - 1, 1) * (1.0 / variance).sum())))  # the spread is too small by (k - 1)/k
    weight = np.exp(surface - surface.max()) * _prior(grid, statistical)
    distance = np.expm1(grid) ** 2 + np.expm1(np.abs(shifts - shift))[:, None] ** 2
    residual = float(np.sqrt((weight * distance).sum() / weight.sum()))
    return float(np.expm1(shift)), float(scale * error), float(np.expm1(spread)), residual


def _compatibility(counts: WindowCounts, variance: FloatArray, n_fitted: int = 0) -> float:
    """Return the probability of a larger sum of squared pulls; `variance` is that of the logarithm of each rate."""
    expected = np.maximum(counts.n_expected, 1e-9)
    total = expected * (1.0 - counts.efficiency) + expected**2 * variance
    return float(chi2_tail(((counts.n_passing - expected) ** 2 / total).sum(), max(len(expected) - n_fitted, 1)))


def _log_marginal(counts: WindowCounts, spread: FloatArray, shift: float) -> FloatArray:
    """Return the log-probability of every count, its rate being log-normal about the expectation `(grid, k)`.

    n of N at pass probability p has variance N p (1 - p); a Poisson of n/(1 - p) has the same relative
    variance, so counts are divided by 1 - eff. The integral over the logarithm y of the rate is done by
    Gauss-Hermite quadrature about the integrand's own peak: about that of y alone, the nodes would miss the
    narrow Poisson peak of a large count.

    References:
        Q. Liu, D. A. Pierce, "A note on Gauss-Hermite quadrature", Biometrika 81 (1994) 624.

    Args:
        counts: of one cut.
        spread: standard deviation of y `(grid, k)`, above 0.
        shift: of its mean from the logarithm of the expectation.
    """
    factor = 1.0 / (1.0 - counts.efficiency)
    n, centre = counts.n_passing * factor, np.log(np.maximum(counts.n_expected * factor, 1e-9)) + shift
    precision = spread**-2
    y = (np.log(np.maximum(n, 0.5)) * n + centre * precision) / (n + precision)
    for _ in range(NEWTON_STEPS):
        step = (n - np.exp(y) - (y - centre) * precision) / (np.exp(y) + precision)
        y = y + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    width = 1.0 / np.sqrt(np.exp(y) + precision)
    nodes = y[..., None] + width[..., None] * _NODES
    log_integrand = (
        n[:, None] * nodes
        - np.exp(nodes)
        - 0.5 * ((nodes - centre[:, None]) / spread[..., None]) ** 2
        + 0.5 * _NODES**2
        + np.log(_NODE_WEIGHTS)
    )
    integral: FloatArray = logsumexp(log_integrand, axis=-1) + np.log(width / spread) - gammaln(n + 1.0)
    return integral


def measure_cuts(cuts: Sequence[tuple[WindowCounts, float]]) -> list[Nonclosure]:
    """Return the closure uncertainty of every cut, from loose to tight.

    Only windows that expect 20 events or more after a cut measure it. Where there are fewer than three, the uncertainty
    is that of the tightest looser cut that is measured, and marked as transferred; without one, all windows count.
    Where the models have errors at all cuts, sizes are in units of those.

    Args:
        cuts: counts and over-dispersion, loosest cut first.
    """
    found: list[Nonclosure] = []
    scaled = _measure_together(cuts)
    for counts, overdispersion in cuts:
        enough = counts.take(counts.n_expected >= FEWEST_EXPECTED)
        measured = [item for item in found if not item.is_transferred]
        if len(enough.window) >= FEWEST_WINDOWS or not measured:
            own = enough if len(enough.window) >= FEWEST_WINDOWS else counts
            if scaled is None:
                found.append(measure_nonclosure(own, overdispersion))
            else:
                found.append(_in_errors(own, overdispersion, scaled, _mean_ratio(own)))
        elif scaled is None:
            found.append(replace(measured[-1], is_transferred=True))
        else:
            own = counts.take(counts.n_expected >= FEWEST_FOR_PULLS)
            own = own if len(own.window) else counts
            found.append(_in_errors(own, overdispersion, scaled, measured[-1].mean_ratio, is_transferred=True))
    return found


def _mean_ratio(counts: WindowCounts) -> float:
    expected = counts.n_expected.sum()
    return float(counts.n_passing.sum() / expected) if expected > 0.0 else 1.0


def _measure_together(cuts: Sequence[tuple[WindowCounts, float]]) -> ScaledNonclosure | None:
    """Return what all cuts say together; None where a window lacks an error of its models, or there are too few."""
    windows = []
    for number in cuts[0][0].window.tolist():
        rows = [(counts.take(counts.window == number), factor) for counts, factor in cuts]
        own = [(one, factor) for one, factor in rows if len(one.window) and one.n_expected[0] >= FEWEST_EXPECTED]
        if not own:
            continue
        columns = {name: np.array([vars(one)[name][0] for one, _ in own]) for name in ("n_passing", "efficiency")}
        errors = np.array([one.model_uncertainty[0] for one, _ in own])
        if not errors.min() > 0.0:
            return None
        dispersion = [
            factor**2 * (1.0 + one.template_uncertainty[0] ** 2 * one.n_expected[0] / (1.0 - one.efficiency[0]))
            for one, factor in own
        ]
        n_all = float(own[0][0].n_all[0])
        windows.append(NestedCounts(n_all, **columns, model_uncertainty=errors, dispersion=float(np.mean(dispersion))))
    return measure_scaled(windows) if len(windows) >= FEWEST_WINDOWS else None


def _in_errors(
    counts: WindowCounts,
    overdispersion: float,
    scaled: ScaledNonclosure,
    mean_ratio: float,
    is_transferred: bool = False,
) -> Nonclosure:
    """Return the uncertainty of a cut as all cuts together say."""
    known, errors = _known_variance(counts, overdispersion), counts.model_uncertainty
    corrected = replace(counts, efficiency=np.minimum(counts.efficiency * np.exp(scaled.mean * errors), 0.999))
    return Nonclosure(
        **_relative(scaled, float(np.median(errors))),
        mean_ratio=mean_ratio,
        is_transferred=is_transferred,
        p_value=_compatibility(counts, known + (scaled.size * errors) ** 2),
        residual_p=_compatibility(corrected, known + (scaled.residual * errors) ** 2, n_fitted=1),
    )


def _relative(scaled: ScaledNonclosure, error: float) -> dict[str, Any]:
    """Return what is in units of the models' errors for a cut where that error is typical."""
    sizes = ("size", "best", "upper", "mean", "spread", "residual")
    found: dict[str, Any] = {name: float(np.expm1(getattr(scaled, name) * error)) for name in sizes}
    found |= {f"{name}_in_errors": getattr(scaled, name) for name in ("size", "mean", "residual")}
    mean_error = float(np.exp(scaled.mean * error) * scaled.mean_error * error)
    return found | {"mean_error": mean_error, "n_windows": scaled.n_windows}
