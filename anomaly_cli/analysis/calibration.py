"""Is the significance what it says? Spread, type-I error and distribution of signed Z without signal.

References:
    C. J. Clopper, E. S. Pearson, 1934, Biometrika 26 404 (intervals).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, chi2, kstest

from anomaly_cli.core.folds import FloatArray

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
    """Summary of signed Z over background-only pseudo-experiments.

    Attributes:
        n: pseudo-experiments.
        mean: mean of Z; 0 is right.
        mean_error: its statistical error.
        std: standard deviation with its interval (normal theory); 1 is right.
        type_one: fraction of p-values at or below each of `LEVELS`, with its Clopper-Pearson interval.
        ks_p: Kolmogorov-Smirnov p-value of uniform p-values.
    """

    n: int
    mean: float
    mean_error: float
    std: Interval
    type_one: tuple[Interval, ...]
    ks_p: float


def summarise(z: FloatArray, p0: FloatArray, randomised: FloatArray, confidence: float = 0.68) -> Calibration:
    """Return the calibration of pseudo-experiments without signal, n >= 2.

    Args:
        z: signed Z `(n,)`.
        p0: p-values `(n,)`, those that an analysis quotes.
        randomised: uniform between P(more significant) and P(as significant) `(n,)`: p-values of counts are
            discrete and could not be uniform themselves.
        confidence: of the intervals.
    """
    n = len(z)
    return Calibration(
        n=n,
        mean=float(z.mean()),
        mean_error=float(z.std(ddof=1) / np.sqrt(n)),
        std=spread_interval(z, confidence),
        type_one=tuple(clopper_pearson(int((p0 <= level).sum()), n, confidence) for level in LEVELS),
        ks_p=float(kstest(randomised, "uniform").pvalue),
    )


def spread_interval(z: FloatArray, confidence: float) -> Interval:
    """Return the standard deviation of `z` with its interval for normal data."""
    n, std = len(z), float(z.std(ddof=1))
    tail = (1.0 - confidence) / 2
    low, high = (std * float(np.sqrt((n - 1) / chi2.ppf(q, n - 1))) for q in (1.0 - tail, tail))
    return Interval(std, low, high)


def clopper_pearson(k: int, n: int, confidence: float) -> Interval:
    """Return k/n with its Clopper-Pearson interval."""
    tail = (1.0 - confidence) / 2
    low = float(beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.isf(tail, k + 1, n - k)) if k < n else 1.0
    return Interval(k / n, low, high)
