"""Is the significance what it says? Spread, type-I error and distribution of signed Z without signal.

References:
    C. J. Clopper, E. S. Pearson, 1934, Biometrika 26 404 (intervals).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, chi2, kstest, kstwo

from anomaly_cli.core.arrays import FloatArray, IntArray

LEVELS = (0.159, 0.05, 0.01)
"""Nominal p-values at which the type-I error is quoted."""


@dataclass(frozen=True)
class Interval:
    """An estimate with a confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Summary of signed Z over searches without signal.

    Attributes:
        n: searches.
        mean: mean of Z; 0 is right.
        mean_error: its statistical error; NaN for one set.
        std: standard deviation with its interval (normal theory); 1 is right. What searches of a set share, of which
            few sets show little, is in it as far as their scatter tells. No interval for one set.
        type_one: fraction of p-values at or below each of `LEVELS`, with its Clopper-Pearson interval.
        ks_p: Kolmogorov-Smirnov p-value of uniform p-values.
    """

    n: int
    mean: float
    mean_error: float
    std: Interval
    type_one: tuple[Interval, ...]
    ks_p: float


def summarise(
    z: FloatArray, p0: FloatArray, randomised: FloatArray, which: IntArray, confidence: float = 0.68
) -> Calibration:
    """Return the calibration of searches without signal, n >= 2.

    Only sets are independent: searches in several regions of one share events. Errors follow from the scatter of sets,
    and intervals are those of as many independent searches as give these errors.

    Args:
        z: signed Z `(n,)`.
        p0: p-values `(n,)`, those that an analysis quotes.
        randomised: uniform between P(more significant) and P(as significant) `(n,)`: p-values of counts are
            discrete and could not be uniform themselves.
        which: the set of each search, counted from 0 `(n,)`.
        confidence: of the intervals.
    """
    n, error = independent_searches(z, which), error_of_mean(z, which)
    spread = independent_searches((z - z.mean()) ** 2, which)
    std = float(z.std(ddof=1)) if math.isnan(error) else math.hypot(float(z.std()), error)
    distance = kstest(randomised, "uniform").statistic
    return Calibration(
        n=len(z),
        mean=float(z.mean()),
        mean_error=error,
        std=spread_interval(z, confidence, spread, std),
        type_one=tuple(clopper_pearson(n * float((p0 <= level).mean()), n, confidence) for level in LEVELS),
        ks_p=float(kstwo.sf(distance, max(1, round(n)))),
    )


def error_of_mean(values: FloatArray, which: IntArray) -> float:
    """Return the error of the mean of `values` from the scatter of its sets, at least that of independent values.

    NaN for one set.

    Args:
        values: of every search `(n,)`.
        which: the set of each `(n,)`.
    """
    if len(np.unique(which)) < 2:
        return math.nan
    return math.sqrt(max(_variance_of_mean(values, which), float(values.var(ddof=1)) / len(values)))


def _variance_of_mean(values: FloatArray, which: IntArray) -> float:
    """Return the variance of the mean of `values` from the scatter of two sets or more."""
    n_sets, sums = len(np.unique(which)), np.bincount(which, values - values.mean())
    return n_sets / (n_sets - 1) * float((sums**2).sum()) / len(values) ** 2


def independent_searches(values: FloatArray, which: IntArray) -> float:
    """Return as how many independent ones the mean of `values` scatters, from the scatter of its sets.

    At least the number of sets, at most that of values; for one set 1.

    Args:
        values: of every search `(n,)`.
        which: the set of each `(n,)`.
    """
    n, n_sets = len(values), len(np.unique(which))
    if n_sets < 2:
        return 1.0
    between = _variance_of_mean(values, which)
    alone = float(values.var(ddof=1)) / n
    return float(np.clip(n * alone / between, n_sets, n)) if between > 0.0 else float(n)


def spread_interval(
    z: FloatArray, confidence: float, n_independent: float | None = None, std: float | None = None
) -> Interval:
    """Return the standard deviation of `z` with its interval for normal data.

    Args:
        z: values `(n,)`.
        confidence: of the interval.
        n_independent: so many of them are independent; by default all.
        std: their standard deviation; by default that of independent ones.
    """
    n, std = n_independent or float(len(z)), float(z.std(ddof=1)) if std is None else std
    if n <= 1.0:
        return Interval(std, math.nan, math.nan)
    tail = (1.0 - confidence) / 2
    low, high = (std * float(np.sqrt((n - 1) / chi2.ppf(q, n - 1))) for q in (1.0 - tail, tail))
    return Interval(std, low, high)


def clopper_pearson(k: float, n: float, confidence: float) -> Interval:
    """Return k/n with its Clopper-Pearson interval; numbers of independent trials need not be whole."""
    tail = (1.0 - confidence) / 2
    low = float(beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.isf(tail, k + 1, n - k)) if k < n else 1.0
    return Interval(k / n, low, high)
