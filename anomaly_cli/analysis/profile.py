"""The counting likelihood in closed form, for arrays of experiments at once.

Every counting test is one model: a count, a control count, and a transfer factor with an uncertainty,

    n ~ Poisson(s + b),  b = gamma/tau exp(theta),  m ~ Poisson(gamma),  theta0 ~ Normal(theta, d).

- template as control: m template events expect m/tau in the data; d collects the log-normal
  uncertainties of normalisation, closure and k-fold over-dispersion;
- fail as control (`pass/fail`): m data events fail the cut and tau = (1 - eff)/eff. Where the pass
  rate is multiplied by exp(t) and the fail rate by exp(-t eff/(1 - eff)), which keeps their sum, the
  transfer factor moves by theta = t/(1 - eff), so d = d_t/(1 - eff). This profile over a free
  normalisation is exact.

For given s, with h = b (1 - n/(s + b)), the likelihood is largest at gamma = m - h, theta = theta0 - d^2 h;
what is left is one root b, unique in a known bracket, found for all experiments together. All of it is
finite for n = 0, m = 0 and d = 0.

References:
    R. D. Cousins, J. T. Linnemann, J. Tucker, 2008, arXiv:physics/0702156 (the case d = 0).
    G. Cowan, K. Cranmer, E. Gross, O. Vitells, 2011, arXiv:1007.1727 (q0: eq. 12, q-tilde: eq. 16).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from anomaly_cli.core.folds import FloatArray

SMALLEST_RATE = 1e-12
"""Lower end of the bracket of b, relative to its upper end."""
NO_EVENTS = 1e-12
"""A background below this is none."""
TOLERANCE = 1e-12
"""Accuracy of ln b."""


@dataclass(frozen=True)
class Experiments:
    """Counting experiments as arrays that broadcast against each other.

    Attributes:
        n: observed events.
        m: events in the control sample, >= 0; need not be whole.
        tau: control events per background event, > 0.
        theta0: measured shift of ln(transfer factor).
        width: its uncertainty d, >= 0.
    """

    n: FloatArray
    m: FloatArray
    tau: FloatArray
    theta0: FloatArray
    width: FloatArray

    @property
    def expected(self) -> FloatArray:
        """Background expected from the control sample; 0 where it is next to none."""
        expected = self.m / self.tau * np.exp(self.theta0)
        return np.where(expected > NO_EVENTS, expected, 0.0)


@dataclass(frozen=True)
class Profile:
    """The fit at a fixed signal yield.

    Attributes:
        background: fitted background b.
        control: fitted control rate gamma.
        theta: fitted shift.
        deviance: 2 (NLL - NLL of the saturated model).
    """

    background: FloatArray
    control: FloatArray
    theta: FloatArray
    deviance: FloatArray


def fit_background(data: Experiments, signal: FloatArray | float = 0.0) -> Profile:
    """Return the fit at fixed signal yields.

    Args:
        data: the experiments.
        signal: signal events; either 0 or at least n - expected, where the root is unique.
    """
    n, m, tau, theta0, width, s = np.broadcast_arrays(
        *(
            np.asarray(x, dtype=np.float64)
            for x in (data.n, data.m, data.tau, data.theta0, data.width, np.asarray(signal))
        )
    )
    expected = Experiments(n, m, tau, theta0, width).expected
    is_null = s == 0.0
    high = np.where(is_null, np.maximum(n, expected), expected)
    low = np.where(is_null, np.minimum(n, expected), np.maximum(n - s, 0.0))
    is_empty = high <= 0.0
    high = np.where(is_empty, 1.0, high)
    low = np.clip(low, SMALLEST_RATE * high, high)
    background = np.exp(_solve(np.log(low), np.log(high), (n, m, tau, theta0, width**2, s)))
    background = np.where(is_empty, 0.0, background)
    pull = background - n * np.where(s + background > 0.0, background / np.where(is_empty, 1.0, s + background), 1.0)
    pull = np.where(is_empty, 0.0, np.where(is_null, background - n, pull))
    control = np.maximum(m - pull, 0.0)
    deviance = poisson_deviance(n, s + background) + poisson_deviance(m, control) + (width * pull) ** 2
    return Profile(background, control, theta0 - width**2 * pull, deviance)


def _solve(low: FloatArray, high: FloatArray, terms: tuple[FloatArray, ...]) -> FloatArray:
    """Return the root in y = ln b by Newton steps, bisecting where one leaves its bracket."""
    n, m, tau, theta0, variance, s = terms
    constant = np.log(tau) - theta0
    y = np.maximum((low + high) / 2, high - 1.0)
    for _ in range(100):
        b = np.exp(y)
        with np.errstate(divide="ignore", invalid="ignore"):
            h = b - n * b / (s + b)
            slope_h = b - n * b * s / (s + b) ** 2
            control = m - h
            value = y + constant - np.log(control) + variance * h
            slope = 1.0 + slope_h / control + variance * slope_h
            newton = y - value / slope
        is_above = (control <= 0.0) | (value > 0.0)
        high, low = np.where(is_above, y, high), np.where(is_above, low, y)
        is_inside = (newton >= low) & (newton <= high)  # false for NaN
        following = np.where(is_inside, newton, (low + high) / 2)
        is_done = np.abs(following - y).max(initial=0.0) < TOLERANCE
        y = following
        if is_done:
            break
    return y


def poisson_deviance(count: FloatArray, rate: FloatArray) -> FloatArray:
    """Return 2 [rate - count + count ln(count/rate)], 0 at best, for count and rate >= 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(count > 0.0, count / np.where(rate > 0.0, rate, np.finfo(float).tiny), 1.0)
    deviance: FloatArray = 2.0 * (rate - count + xlogy(count, ratio))
    return np.maximum(deviance, 0.0)


def signed_root(data: Experiments) -> FloatArray:
    """Return sqrt(q0) with the sign of the excess: normal for background alone, asymptotically.

    q0 itself is its square where there is an excess and 0 where there is a deficit; the sign is kept for
    calibration and for p-values above one half.
    """
    fit = fit_background(data)
    root: FloatArray = np.copysign(np.sqrt(fit.deviance), data.n - data.expected)
    return root


def q_tilde(data: Experiments, signal: FloatArray) -> FloatArray:
    """Return the statistic of upper limits at signal yields > 0.

    It is 0 where the best signal exceeds the one tested, and compares with no signal where the best is
    negative.
    """
    best = data.n - data.expected
    tested = fit_background(data, np.maximum(signal, np.maximum(best, SMALLEST_RATE))).deviance
    null = fit_background(data).deviance
    q: FloatArray = np.where(best > signal, 0.0, tested - np.where(best < 0.0, null, 0.0))
    return np.maximum(q, 0.0)
