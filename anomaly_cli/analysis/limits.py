"""Upper limits on the signal yield after a cut: CLs, asymptotic for whole scans, by toys for few events.

References:
    A. L. Read, 2002, J. Phys. G 28 2693 (CLs).
    G. Cowan, K. Cranmer, E. Gross, O. Vitells, 2011, arXiv:1007.1727, eq. 59, 66 and 89.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm, poisson, qmc

from anomaly_cli.analysis.profile import Experiments, Profile, fit_background, q_tilde
from anomaly_cli.analysis.toys import EQUAL
from anomaly_cli.core.arrays import FloatArray

LEVEL = 0.05
"""1 - confidence level."""
BANDS = (2.0, 1.0, 0.0, -1.0, -2.0)
"""Standard deviations of the expected limits, the strongest limit first."""
STEPS = 45
"""Bisections of an asymptotic limit."""
TOY_STEPS = 11
"""Bisections of a limit by toys."""
N_PREDICTED = 100_000
"""Draws of the count that is expected before it is known."""
SMALLEST_TAIL = 1e-300
LARGEST_RATE = 1e12
"""Larger expected counts are drawn as this."""


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
    shape, fit = data.shape, fit_background(data)
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
        np.maximum(data.n, expected) + expected**2 / np.maximum(data.m, 1.0) + (expected * data.total_width) ** 2
    )
    start: FloatArray = np.maximum(data.n - expected, 0.0) + 6.0 * spread + 5.0
    return start


def _asimov(data: Experiments, fit: Profile) -> Experiments:
    return replace(data, n=fit.background, m=fit.control, theta0=fit.theta).measuring(fit.skewed)


def _prefit(data: Experiments) -> Experiments:
    return replace(data, n=data.expected)


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


def toy_limit(data: Experiments, n_draws: int, generator: np.random.Generator) -> float:
    """Return the observed CLs limit of one experiment by toys, the same random numbers at every signal.

    Nuisance parameters are fitted to the data at the tested signal for signal + background, and without
    signal for background alone. Control counts and constraint terms are drawn (evenly, by Sobol's sequence); over
    the count, the probability is summed exactly, so that the limit is as good for a rare downward fluctuation as
    for a usual count.
    """
    sequence = qmc.Sobol(2 + len(data.skewed), seed=generator).random(n_draws)
    uniform = np.clip(sequence, SMALLEST_TAIL, 1.0 - np.finfo(np.float64).eps)
    low, high = 0.0, float(asymptotic_limits(data).observed) * 2.0 + 5.0
    while _toy_cls(data, high, uniform) > LEVEL:
        high *= 2.0
    for _ in range(TOY_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _toy_cls(data, middle, uniform) > LEVEL else (low, middle)
    return (low + high) / 2


def expected_toy_limits(data: Experiments, n_draws: int, generator: np.random.Generator) -> FloatArray:
    """Return the expected CLs limits of one experiment by toys `(5,)`, strongest first.

    Before the count is known, it scatters about its expectation with Poisson's fluctuation, the control sample's
    (gamma, given m, as Gamma(m)) and the constraint's. At the quantiles of that distribution that belong to -2 to
    +2 standard deviations the limit is what `toy_limit` would give for that count, with the same random numbers.
    """
    rate = generator.standard_gamma(float(data.m), N_PREDICTED) / float(data.tau)
    shift = float(data.theta0) + float(data.width) * generator.standard_normal(N_PREDICTED)
    for one in data.skewed:
        shift = shift + one.shift(one.measured + generator.standard_normal(N_PREDICTED))[0]
    predicted = generator.poisson(np.minimum(rate * np.exp(shift), LARGEST_RATE))
    counts = np.quantile(predicted, norm.cdf(-np.array(BANDS)), method="inverted_cdf")
    seed = int(generator.integers(2**31))
    limits = {n: toy_limit(replace(data, n=np.asarray(n)), n_draws, np.random.default_rng(seed)) for n in set(counts)}
    return np.array([limits[n] for n in counts])


def _toy_cls(data: Experiments, signal: float, uniform: FloatArray) -> float:
    best = float(data.n - data.expected)
    if best >= signal:
        return 1.0
    q = float(q_tilde(data, np.asarray(signal)))
    tails = []
    for added, fit in ((signal, fit_background(data, signal)), (0.0, fit_background(data))):
        m = poisson.ppf(uniform[:, 0], float(fit.control)) if fit.control > 0.0 else np.zeros(len(uniform))
        theta0 = float(fit.theta) + float(data.width) * norm.ppf(uniform[:, 1])
        found = [alpha + norm.ppf(column) for alpha, column in zip(fit.skewed, uniform[:, 2:].T, strict=True)]
        drawn = replace(data, n=np.zeros(len(m)), m=m, theta0=theta0).measuring(found)
        largest = _largest_count(drawn, signal, q)
        tails.append(float(poisson.cdf(largest, added + float(fit.background)).mean()))
    if tails[1] < SMALLEST_TAIL:  # a deficit that no pseudo-experiment shows: only the ratio is known, from asymptotics
        return float(asymptotic_cls(data, np.full((6, 1), signal))[0, 0])
    return tails[0] / tails[1]


def _largest_count(drawn: Experiments, signal: float, q: float) -> FloatArray:
    """Return the largest count of each experiment at which the statistic, which falls with the count, is at least q.

    It is -1 where there is none.
    """
    low, high = np.full(len(drawn.m), -1.0), np.ceil(drawn.expected + signal)  # there, the statistic is 0
    while (high - low > 1.0).any():
        middle = np.floor((low + high) / 2)
        is_reached = q_tilde(replace(drawn, n=np.maximum(middle, 0.0)), np.asarray(signal)) >= q - EQUAL
        is_reached |= middle < 0.0
        low, high = np.where(is_reached, middle, low), np.where(is_reached, high, middle)
    return low
