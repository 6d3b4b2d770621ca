"""Closure uncertainty: how far pass rates in signal-free windows scatter about the template's.

In window k of the N_k events n_k pass the cut, and the template expects a fraction eff_k +- t_k. Where
the template is off by a factor exp(x_k), x_k ~ Normal(0, ln(1 + d)), the counts scatter more than
statistics allow; the likelihood of all windows measures d, and the upper edge of its 68 % interval is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp

from anomaly_cli.core.folds import FloatArray

FEWEST_EXPECTED = 20.0
"""Below this mean number of background events per window a cut cannot measure its own closure."""
FEWEST_WINDOWS = 2
"""Fewer windows measure no scatter."""
LARGEST = 3.0
"""Upper end of the search for ln(1 + d)."""
NARROWEST = 1e-6
"""A smaller spread is as good as none."""
NEWTON_STEPS = 40
"""Enough to find the peak of a concave function from near it."""
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


@dataclass(frozen=True)
class WindowCounts:
    """Counts of one cut in the validation windows, `(k,)` each.

    Attributes:
        n_passing: events that pass.
        n_all: events in the window.
        efficiency: fraction of the template that passes.
        efficiency_uncertainty: its relative uncertainty from the statistics of the template and of its models.
    """

    n_passing: FloatArray
    n_all: FloatArray
    efficiency: FloatArray
    efficiency_uncertainty: FloatArray

    @property
    def n_expected(self) -> FloatArray:
        """Events expected to pass."""
        return self.n_all * self.efficiency


@dataclass(frozen=True)
class Nonclosure:
    """Closure uncertainty of one cut.

    Attributes:
        best: most likely relative uncertainty.
        upper: upper edge of its 68 % interval: what enters a model.
        mean_ratio: observed over expected, all windows together.
        is_transferred: whether `upper` comes from looser cuts, this one having too few events.
    """

    best: float
    upper: float
    mean_ratio: float
    is_transferred: bool


def measure_nonclosure(counts: WindowCounts, overdispersion: float) -> Nonclosure:
    """Return the maximum-likelihood estimate and the upper edge where twice the log-likelihood has fallen by 1.

    Args:
        counts: of one cut.
        overdispersion: k-fold factor on the statistical standard deviation, 1 where it is not measured;
            then what it would explain is counted as non-closure.
    """
    expected = counts.n_expected
    with np.errstate(divide="ignore"):
        statistical = counts.efficiency_uncertainty**2 + (overdispersion**2 - 1.0) * (
            (1.0 - counts.efficiency) / np.maximum(expected, 1e-9) + counts.efficiency_uncertainty**2
        )
    grid = np.concatenate([[0.0], np.geomspace(1e-4, LARGEST, 600)])
    spread = np.sqrt(grid[:, None] ** 2 + statistical)  # (grid, k)
    log_likelihood = _log_marginal(counts, np.maximum(spread, NARROWEST)).sum(axis=1)
    best = int(np.argmax(log_likelihood))
    allowed = np.flatnonzero(2.0 * (log_likelihood[best] - log_likelihood) <= 1.0)
    ratio = float(counts.n_passing.sum() / expected.sum()) if expected.sum() > 0.0 else 1.0
    return Nonclosure(float(np.expm1(grid[best])), float(np.expm1(grid[allowed[-1]])), ratio, False)


def _log_marginal(counts: WindowCounts, spread: FloatArray) -> FloatArray:
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
    """
    factor = 1.0 / (1.0 - counts.efficiency)
    n, centre = counts.n_passing * factor, np.log(np.maximum(counts.n_expected * factor, 1e-9))
    precision = spread**-2
    y = (np.log(np.maximum(n, 0.5)) * n + centre * precision) / (n + precision)
    for _ in range(NEWTON_STEPS):
        step = (n - np.exp(y) - (y - centre) * precision) / (np.exp(y) + precision)
        y = y + np.clip(step, -1.0, 1.0)
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


def transfer_nonclosure(cuts: Sequence[tuple[WindowCounts, float]]) -> list[Nonclosure]:
    """Return the closure uncertainty of every cut, from loose to tight.

    A cut that expects fewer than 20 events per window on average takes the largest upper edge of the
    looser cuts that are measured, but never less than its own most likely value.

    Args:
        cuts: counts and over-dispersion, loosest cut first.
    """
    found: list[Nonclosure] = []
    for counts, overdispersion in cuts:
        own = measure_nonclosure(counts, overdispersion)
        measured = [item.upper for item in found if not item.is_transferred]
        if measured and counts.n_expected.mean() < FEWEST_EXPECTED:
            own = Nonclosure(own.best, max([own.best, *measured]), own.mean_ratio, True)
        found.append(own)
    return found
