"""p-values from pseudo-experiments, at any significance.

The ensemble is the usual unconditional one: nuisance parameters at their values fitted without signal,
the control count and the constraint terms fluctuate too. Half of the experiments are drawn from it, half
from the same distributions centred at what was observed, and each is weighted by the ratio of the
densities. The observed point is the most probable one of all that are as significant (its deviance from
the fit is q0 by definition), so this is the best exponential tilt, and 100,000 experiments give p to one
or two per cent at 1 sigma and at 10. The plain half bounds every weight by 2. Of a deficit, 1 - p0 is estimated so.

References:
    J. A. Bucklew, "Introduction to Rare Event Simulation", 2004 (dominating points).
    T. Hesterberg, 1995, "Weighted average importance sampling and defensive mixture distributions".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, ndtri_exp, xlogy

from anomaly_cli.analysis.profile import Experiments, fit_background, signed_root
from anomaly_cli.core.arrays import FloatArray

EQUAL = 1e-9
"""Experiments whose statistic is smaller by less than this count as equal."""


@dataclass(frozen=True)
class ToyResult:
    """p-value of one test from pseudo-experiments.

    Attributes:
        p0: probability of an excess at least as significant, without signal.
        error: its statistical error.
        p_above: probability of a more significant one; counts are discrete, so this is smaller.
        z: one-sided significance of p0, also where p0 is too small or too near 1 for a floating-point number;
            negative for deficits.
    """

    p0: float
    error: float
    p_above: float
    z: float


def toy_p_value(data: Experiments, n_toys: int, generator: np.random.Generator) -> ToyResult:
    """Return the p-value of one experiment (arrays of one element)."""
    fit = fit_background(data)
    null = (float(fit.background), float(fit.control), float(fit.theta))
    observed = (float(data.n), float(data.m), float(data.theta0))
    width = float(data.width)
    n_plain = n_toys // 2
    parts = [draw(*null, width, n_plain, generator), draw(*observed, width, n_toys - n_plain, generator)]
    n, m, theta0 = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    centres = [(float(one.measured), float(alpha)) for one, alpha in zip(data.skewed, fit.skewed, strict=True)]
    found = [_draw_skewed(own, fitted, n_plain, n_toys, generator) for own, fitted in centres]
    toys = replace(data, n=n, m=m, theta0=theta0).measuring(found)
    root = float(signed_root(data))
    is_extreme, is_above = (signed_root(toys) >= root + edge for edge in (-EQUAL, EQUAL))
    log_ratio = _log_density(n, m, theta0, observed, width) - _log_density(n, m, theta0, null, width)
    for (own, fitted), value in zip(centres, found, strict=True):
        log_ratio = log_ratio + ((value - fitted) ** 2 - (value - own) ** 2) / 2
    share = n_plain / n_toys
    log_weight = -np.logaddexp(np.log(share), np.log1p(-share) + log_ratio)

    def tail(mask: npt.NDArray[np.bool_]) -> float:
        """Return the logarithm of the probability of the experiments in a mask."""
        return float(logsumexp(log_weight[mask]) - np.log(n_toys)) if mask.any() else -np.inf

    # the smaller tail is what is estimated well: p0 of an excess, 1 - p0 of a deficit
    counted = is_extreme if root > 0.0 else ~is_extreme
    weight = np.where(counted, np.exp(log_weight), 0.0)
    # the two halves are strata: their variances add
    variance = sum(part.var() * len(part) for part in (weight[:n_plain], weight[n_plain:])) / n_toys**2
    error, log_tail = float(np.sqrt(variance)), tail(counted)
    if root > 0.0:
        p0, p_above, z = np.exp(log_tail), np.exp(tail(is_above)), -ndtri_exp(log_tail)
    else:
        p0, p_above = -np.expm1(log_tail), -np.expm1(tail(~is_above))
        z = ndtri_exp(log_tail) if np.isfinite(log_tail) else root  # nothing is less significant than this
    p0 = float(np.clip(p0, np.finfo(float).tiny, 1.0))
    return ToyResult(p0, error, float(np.clip(p_above, 0.0, p0)), float(z))


def draw(
    background: float, control: float, theta: float, width: float, n_toys: int, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw counts, control counts and constraint terms `(n_toys,)`."""
    n = generator.poisson(background, n_toys).astype(np.float64)
    m = generator.poisson(control, n_toys).astype(np.float64)
    return n, m, theta + width * generator.standard_normal(n_toys)


def _draw_skewed(own: float, fitted: float, n_plain: int, n_toys: int, generator: np.random.Generator) -> FloatArray:
    """Draw auxiliary measurements `(n_toys,)`, the plain ones about the fit and the others about the observation."""
    centre = np.where(np.arange(n_toys) < n_plain, fitted, own)
    drawn: FloatArray = centre + generator.standard_normal(n_toys)
    return drawn


def _log_density(
    n: FloatArray, m: FloatArray, theta0: FloatArray, at: tuple[float, float, float], width: float
) -> FloatArray:
    """Return the log-density up to terms that do not depend on where it is centred."""
    rate, control, theta = at
    log_density: FloatArray = xlogy(n, rate) - rate + xlogy(m, control) - control
    if width > 0.0:
        log_density = log_density - ((theta0 - theta) / width) ** 2 / 2
    return log_density
