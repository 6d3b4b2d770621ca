"""Closure uncertainty: how far pass rates in signal-free windows scatter about the template's.

In window k of the N_k events n_k pass the cut, and the template expects a fraction eff_k +- t_k. Where
the template is off by a factor exp(x_k), x_k ~ Normal(0, ln(1 + d)), the counts scatter more than
statistics allow; the likelihood of all windows measures d, and the upper edge of its 68 % interval is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import poisson

from anomaly_cli.core.folds import FloatArray

FEWEST_EXPECTED = 20.0
"""Below this mean number of background events per window a cut cannot measure its own closure."""
FEWEST_WINDOWS = 2
"""Fewer windows measure no scatter."""
LARGEST = 3.0
"""Upper end of the search for ln(1 + d)."""
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(61)


@dataclass(frozen=True)
class WindowCounts:
    """Counts of one cut in the validation windows, `(k,)` each.

    Attributes:
        n_passing: events that pass.
        n_all: events in the window.
        efficiency: fraction of the template that passes.
        efficiency_uncertainty: its relative uncertainty from the template's statistics.
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
    rates = expected[:, None] * np.exp(spread[..., None] * _NODES)  # (grid, k, nodes)
    likelihood = np.exp(_log_binomial_like(counts, rates)) @ (_NODE_WEIGHTS / _NODE_WEIGHTS.sum())
    with np.errstate(divide="ignore"):
        log_likelihood = np.log(likelihood).sum(axis=1)
    best = int(np.argmax(log_likelihood))
    allowed = np.flatnonzero(2.0 * (log_likelihood[best] - log_likelihood) <= 1.0)
    ratio = float(counts.n_passing.sum() / expected.sum()) if expected.sum() > 0.0 else 1.0
    return Nonclosure(float(np.expm1(grid[best])), float(np.expm1(grid[allowed[-1]])), ratio, False)


def _log_binomial_like(counts: WindowCounts, rates: FloatArray) -> FloatArray:
    """Return the log-probability of n given the rate, with the binomial's smaller variance at large efficiency.

    n of N at pass probability p has variance N p (1 - p); a Poisson of n/(1 - p) has the same relative
    variance, so both counts are divided by 1 - eff.
    """
    factor = 1.0 / (1.0 - counts.efficiency)
    scaled, rate = counts.n_passing * factor, rates * factor[:, None]
    log_p: FloatArray = poisson.logpmf(np.round(scaled)[None, :, None], rate)
    return log_p


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
