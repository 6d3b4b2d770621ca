"""Look-elsewhere: the probability of the largest local significance anywhere in a scan.

Tests that select the same events fluctuate together. Their correlation follows from the overlap of the
selections, whatever classifiers made them, and the largest of correlated normal variables gives the
global p-value. It is estimated with one test forced above the threshold, so it is accurate at any Z.

References:
    R. J. Adler, J. H. Blanchet, J. Liu, 2012, Ann. Appl. Probab. 22 1167 (the estimator).
    E. Gross, O. Vitells, 2010, arXiv:1005.1891 (up-crossings).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri_exp
from scipy.stats import norm

from anomaly_cli.core.folds import FloatArray, IntArray

REFERENCE_LEVEL = 0.5
"""Level at which up-crossings are counted."""


@dataclass(frozen=True)
class SelectedEvents:
    """What one test selects.

    Attributes:
        observed: ids of observed events that pass.
        template: keys of template events that pass; equal keys mean the same event.
        transfer: template events per expected background event.
    """

    observed: npt.NDArray[np.int64]
    template: npt.NDArray[np.int64]
    transfer: float


@dataclass(frozen=True)
class GlobalResult:
    """Global p-value of the most significant test.

    Attributes:
        z_local: its local significance.
        index: which test.
        p_global: from the copula.
        error: its statistical error.
        gross_vitells: from up-crossings, summed over cuts.
        sidak: for independent tests.
        n_effective: independent tests that would give p_global.
    """

    z_local: float
    index: int
    p_global: float
    error: float
    gross_vitells: float
    sidak: float
    n_effective: float


def overlap_correlation(selections: Sequence[SelectedEvents]) -> FloatArray:
    """Return the correlation `(t, t)` of the excesses n - m/tau from shared observed and template events."""
    t = len(selections)
    covariance = np.zeros((t, t))
    for i, first in enumerate(selections):
        for j, second in enumerate(selections[: i + 1]):
            observed = len(np.intersect1d(first.observed, second.observed, assume_unique=True))
            template = len(np.intersect1d(first.template, second.template, assume_unique=True))
            covariance[i, j] = covariance[j, i] = observed + template / (first.transfer * second.transfer)
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    correlation: FloatArray = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def global_p_value(
    z: FloatArray, correlation: FloatArray, cuts: IntArray, generator: np.random.Generator, n_draws: int = 20_000
) -> GlobalResult:
    """Return the global p-value of the largest of `z`.

    With test i chosen at random and forced above z_max, the others drawn from what remains, the mean of
    t p_local / (number above z_max) is P(any above z_max).

    Args:
        z: local significances `(t,)`, ordered by mass within each cut.
        correlation: their correlation `(t, t)`.
        cuts: which cut each test belongs to `(t,)`; up-crossings are counted along the tests of a cut.
        generator: randomness.
        n_draws: draws.
    """
    t, best = len(z), int(np.argmax(z))
    z_max = float(z[best])
    p_local = float(norm.sf(z_max))
    field = _draw(correlation, n_draws, generator)
    forced = generator.integers(t, size=n_draws)
    rows = np.arange(n_draws)
    log_p = norm.logsf(z_max)
    above = -ndtri_exp(log_p + np.log(1.0 - generator.random(n_draws)))
    shifted = field + (above - field[rows, forced])[:, None] * correlation[forced]
    shifted[rows, forced] = above
    weight = 1.0 / np.maximum((shifted >= z_max).sum(axis=1), 1)
    p_global = min(t * p_local * float(weight.mean()), 1.0)
    error = t * p_local * float(weight.std()) / np.sqrt(n_draws)
    sidak = -np.expm1(t * np.log1p(-p_local)) if p_local < 1.0 else 1.0
    crossings = sum(_up_crossings(field[:, cuts == cut]) for cut in np.unique(cuts))
    vitells = len(np.unique(cuts)) * p_local + crossings * np.exp(-(z_max**2 - REFERENCE_LEVEL**2) / 2)
    n_effective = np.log1p(-min(p_global, 1 - 1e-12)) / np.log1p(-p_local) if 0.0 < p_local < 1.0 else 1.0
    return GlobalResult(z_max, best, p_global, float(error), min(float(vitells), 1.0), float(sidak), float(n_effective))


def _draw(correlation: FloatArray, n: int, generator: np.random.Generator) -> FloatArray:
    values, vectors = np.linalg.eigh(correlation)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn: FloatArray = generator.standard_normal((n, len(values))) @ factor.T
    return drawn


def _up_crossings(field: FloatArray) -> float:
    """Return the mean number of up-crossings of the reference level along the tests."""
    is_above = field > REFERENCE_LEVEL
    return float((~is_above[:, :-1] & is_above[:, 1:]).sum(axis=1).mean())
