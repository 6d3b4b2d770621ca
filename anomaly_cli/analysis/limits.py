"""Upper limits on the signal yield after a cut: CLs, asymptotic for whole scans, by toys for few events.

References:
    A. L. Read, 2002, J. Phys. G 28 2693 (CLs).
    G. Cowan, K. Cranmer, E. Gross, O. Vitells, 2011, arXiv:1007.1727, eq. 59, 66 and 89.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from anomaly_cli.analysis.profile import Experiments, Profile, fit_background, q_tilde
from anomaly_cli.analysis.toys import EQUAL, draw
from anomaly_cli.core.folds import FloatArray

LEVEL = 0.05
"""1 - confidence level."""
BANDS = (2.0, 1.0, 0.0, -1.0, -2.0)
"""Standard deviations of the expected limits, the strongest limit first."""
STEPS = 45
"""Bisections of an asymptotic limit."""
TOY_STEPS = 14
"""Bisections of a limit by toys."""


@dataclass(frozen=True)
class Limits:
    """95 % CLs upper limits on signal events after the cut.

    Attributes:
        observed: `(t,)`.
        expected: `(5, t)`, without signal and before any fit to the data, strongest first.
    """

    observed: FloatArray
    expected: FloatArray


def asymptotic_limits(data: Experiments) -> Limits:
    """Return the asymptotic limits of all experiments `(t,)` at once.

    The observed limit uses the Asimov data of the fit without signal, as pyhf does; the expected ones
    those of the expectation before the fit.
    """
    shape = np.broadcast_shapes(*(np.shape(x) for x in (data.n, data.m, data.tau, data.theta0, data.width)))
    fit = fit_background(data)
    fitted, before = _asimov(data, fit), _prefit(data)
    low, high = np.zeros((6, *shape)), np.broadcast_to(_start(data), (6, *shape)).copy()
    while True:
        is_short = _cls(data, fitted, before, high) > LEVEL
        if not is_short.any():
            break
        high = np.where(is_short, 2.0 * high, high)
    for _ in range(STEPS):
        middle = (low + high) / 2
        is_below = _cls(data, fitted, before, middle) > LEVEL
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    found = (low + high) / 2
    return Limits(found[0], found[1:])


def asymptotic_cls(data: Experiments, signal: FloatArray) -> FloatArray:
    """Return CLs `(6, s)` of one experiment at signal yields `(6, s)`: observed, and expected as in `Limits`."""
    is_none = signal <= 0.0
    cls = _cls(data, _asimov(data, fit_background(data)), _prefit(data), np.where(is_none, 1.0, signal))
    return np.where(is_none, 1.0, cls)


def _start(data: Experiments) -> FloatArray:
    expected = data.expected
    spread = np.sqrt(
        np.maximum(data.n, expected) + expected**2 / np.maximum(data.m, 1.0) + (expected * data.width) ** 2
    )
    start: FloatArray = np.maximum(data.n - expected, 0.0) + 6.0 * spread + 5.0
    return start


def _asimov(data: Experiments, fit: Profile) -> Experiments:
    return Experiments(fit.background, fit.control, data.tau, fit.theta, data.width)


def _prefit(data: Experiments) -> Experiments:
    return Experiments(data.expected, data.m, data.tau, data.theta0, data.width)


def _cls(data: Experiments, fitted: Experiments, before: Experiments, signal: FloatArray) -> FloatArray:
    """Return CLs `(6, t)`: observed, then the five expected ones, each at its own signal."""
    q, q_fitted = q_tilde(data, signal[0]), q_tilde(fitted, signal[0])
    root = np.sqrt(np.maximum(q_fitted, 1e-30))
    value = np.where(q <= q_fitted, np.sqrt(q) - root, (q - q_fitted) / (2.0 * root))
    observed = np.exp(norm.logsf(value + root) - norm.logsf(value))
    shift = np.sqrt(q_tilde(before, signal[1:]))
    sigma = np.array(BANDS).reshape(-1, *([1] * (signal.ndim - 1)))
    expected = np.exp(norm.logsf(sigma + shift) - norm.logsf(sigma))
    return np.concatenate([observed[None], expected])


def toy_limit(data: Experiments, n_toys: int, generator: np.random.Generator) -> float:
    """Return the observed CLs limit of one experiment by toys, the same random numbers at every signal.

    Nuisance parameters are fitted to the data at the tested signal for signal + background, and without
    signal for background alone.
    """
    seed = int(generator.integers(2**31))
    low, high = 0.0, float(asymptotic_limits(data).observed) * 2.0 + 5.0
    while _toy_cls(data, high, n_toys, seed) > LEVEL:
        high *= 2.0
    for _ in range(TOY_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _toy_cls(data, middle, n_toys, seed) > LEVEL else (low, middle)
    return (low + high) / 2


def _toy_cls(data: Experiments, signal: float, n_toys: int, seed: int) -> float:
    best = float(data.n - data.expected)
    if best >= signal:
        return 1.0
    q = float(q_tilde(data, np.asarray(signal)))
    tails = []
    for added, fit in ((signal, fit_background(data, signal)), (0.0, fit_background(data))):
        toys = draw(
            added + float(fit.background),
            float(fit.control),
            float(fit.theta),
            float(data.width),
            n_toys,
            np.random.default_rng(seed),
        )
        drawn = Experiments(toys[0], toys[1], data.tau, toys[2], data.width)
        tails.append(float((q_tilde(drawn, np.asarray(signal)) >= q - EQUAL).mean()))
    return tails[0] / max(tails[1], 1.0 / n_toys)
