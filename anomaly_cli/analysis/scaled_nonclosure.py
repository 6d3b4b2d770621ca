"""Closure in units of the statistical error of a template's models: one size for all cuts.

Replicas of a template's models through the fixed classifiers say by what relative error m(cut) their statistics move
the pass rate of each cut, and so how sensitive the cut is to errors of the template's features. What else is wrong with
the features moves it much alike: in 20 searches of four simulated sets without signal (`curtains_f4f`, thirds,
`benchmarks/crossfit.py`), the mean square of what neither Poisson statistics nor those of the template explain is
2.8 +- 1.1, 3.7 +- 2.8, 1.0 +- 1.4 and 3.0 +- 4.1 m^2 in cuts of 20, 5, 1 and 0.1 %, where m grows from 0.015 to 0.2 and
1 m^2 is that of the models themselves. So window k is off by exp(x_k m_k(cut)) at every cut,
x_k ~ Normal(b, sqrt(1 + s^2)), and loose cuts say how far tight ones may be off, which hold too few events to tell on
their own.

What falls between two cuts is independent: the counts of a window are multinomial, with the logarithm of each share
shifted in proportion to x_k. The prior of s is 1/(1 + s)^2: as likely below the statistical errors of the models as
above them. Sizes are medians of the posterior, so that the core of Z is right; that s may be much larger, which few
windows do not exclude, is in the tails of the claimable Z (`analysis.claim`). Median, mean and root of the mean square
were compared on four sets without signal (dev-0, dev-1, qcd-2001, qcd-2002 of `benchmarks/null.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_cli.core.arrays import FloatArray

LARGEST_SHIFT = 7.0
"""Shifts x are tried up to sinh of this."""
N_SHIFTS = 801
"""How many."""
LARGEST_SPREAD = 300.0
"""Spreads s are tried up to this."""
N_SPREADS, N_MEANS = 50, 61
"""How many spreads, and means, are tried."""
REACH = 6.0
"""Means are tried up to so many of their errors away."""


@dataclass(frozen=True)
class NestedCounts:
    """Counts of one window in all its cuts, the loosest first.

    Attributes:
        n_all: events in the window.
        n_passing: events that pass each cut `(c,)`.
        efficiency: fraction of the template that passes `(c,)`.
        model_uncertainty: relative error of `efficiency` from the statistics of the models `(c,)`, above 0.
        dispersion: variance of the counts over that of Poisson, from the template's statistics and what folds share.
    """

    n_all: float
    n_passing: FloatArray
    efficiency: FloatArray
    model_uncertainty: FloatArray
    dispersion: float


@dataclass(frozen=True)
class ScaledNonclosure:
    """By how many statistical errors of its models a template is off.

    Attributes:
        n_windows: windows that say so.
        size: s about 0.
        best: its most likely value.
        upper: upper edge of its 68 % interval.
        mean: b, what windows exceed their expectation by on average.
        mean_error: standard deviation of b over its posterior.
        spread: the most likely spread about b.
        residual: what a correction by b leaves, from the spread about it and its error.
    """

    n_windows: int
    size: float
    best: float
    upper: float
    mean: float
    mean_error: float
    spread: float
    residual: float


def measure_scaled(windows: Sequence[NestedCounts]) -> ScaledNonclosure:
    """Return what the windows measure together, at least two of them."""
    shifts = np.sinh(np.linspace(-LARGEST_SHIFT, LARGEST_SHIFT, N_SHIFTS))
    likelihood = np.array([_log_likelihood(window, shifts) for window in windows])
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True)) * np.gradient(shifts)
    first = (likelihood * shifts).sum(axis=1) / likelihood.sum(axis=1)
    second = (likelihood * (shifts - first[:, None]) ** 2).sum(axis=1) / likelihood.sum(axis=1)
    variance = second + 1.0
    spreads = np.concatenate([[0.0], np.geomspace(1e-2, LARGEST_SPREAD, N_SPREADS)])
    prior = np.gradient(spreads) / (1.0 + spreads) ** 2
    about_none = _log_marginal(likelihood, shifts, np.zeros(1), spreads)[0]
    reach = REACH * float(np.sqrt((variance.mean() + first.var()) / len(windows)))
    means = first.mean() + np.linspace(-reach, reach, N_MEANS)
    surface = _log_marginal(likelihood, shifts, means, spreads)
    posterior = np.exp(surface - surface.max()) * prior
    posterior /= posterior.sum()
    mean = float((posterior.sum(axis=1) * means).sum())
    mean_error = float(np.sqrt((posterior.sum(axis=1) * (means - mean) ** 2).sum()))
    weight = np.exp(about_none - about_none.max()) * prior
    allowed = np.flatnonzero(2.0 * (about_none.max() - about_none) <= 1.0)
    return ScaledNonclosure(
        size=_median(spreads, weight),
        best=float(spreads[int(about_none.argmax())]),
        upper=float(spreads[allowed[-1]]),
        mean=mean,
        mean_error=mean_error,
        spread=float(spreads[int(surface.max(axis=0).argmax())]),
        residual=math.hypot(_median(spreads, posterior.sum(axis=0)), mean_error),
        n_windows=len(windows),
    )


def _median(values: FloatArray, weight: FloatArray) -> float:
    below = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    return float(np.interp(0.5, below, values))


def _log_likelihood(window: NestedCounts, shifts: FloatArray) -> FloatArray:
    """Return the logarithm of the probability of a window's counts at every shift `(n,)`, up to a constant."""
    bounds = np.concatenate([[1.0], window.efficiency, [0.0]])
    moved = np.concatenate([[0.0], window.efficiency * window.model_uncertainty, [0.0]])
    passing = np.concatenate([[window.n_all], window.n_passing, [0.0]])
    share, n = np.maximum(-np.diff(bounds), 1e-12), -np.diff(passing)
    slope = -np.diff(moved) / share
    exponent = np.clip(shifts[:, None] * slope, -300.0, 300.0)
    rates = share * np.exp(exponent)
    found: FloatArray = ((exponent * n).sum(axis=1) - window.n_all * np.log(rates.sum(axis=1))) / window.dispersion
    return found


def _log_marginal(likelihood: FloatArray, shifts: FloatArray, means: FloatArray, spreads: FloatArray) -> FloatArray:
    """Return the log-probability of all windows at every mean and spread `(means, spreads)`.

    Args:
        likelihood: of every window and shift, times the step between shifts `(k, n)`.
        shifts: `(n,)`.
        means: b.
        spreads: s.
    """
    width = np.sqrt(1.0 + spreads**2)[:, None]
    total = np.empty((len(means), len(spreads)))
    for index, mean in enumerate(means):
        density = np.exp(-0.5 * ((shifts - mean) / width) ** 2) / width
        total[index] = np.log(np.maximum(density @ likelihood.T, 1e-300)).sum(axis=1)
    return total
