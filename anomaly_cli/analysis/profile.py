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

A nuisance parameter alpha whose sides differ (`analysis.skewed`) shifts theta by r(alpha), alpha0 ~ Normal(alpha, 1).
With r replaced by its tangent the model is the one above, d^2 being larger by the square of the slope; at its best fit
alpha = alpha0 - h r'(alpha), where the next tangent is taken (and r'' h, from the last one, added to the constraint's
curvature, as in Newton's method). Either side of 0 is a start: a strongly skewed parameter can have a minimum on each.

References:
    R. D. Cousins, J. T. Linnemann, J. Tucker, 2008, arXiv:physics/0702156 (the case d = 0).
    G. Cowan, K. Cranmer, E. Gross, O. Vitells, 2011, arXiv:1007.1727 (q0: eq. 12, q-tilde: eq. 16).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import xlogy

from anomaly_cli.analysis.skewed import Skewed
from anomaly_cli.core.arrays import FloatArray, IntArray

SMALLEST_RATE = 1e-12
"""Lower end of the bracket of b, relative to its upper end."""
NO_EVENTS = 1e-12
"""A background below this is none."""
TOLERANCE = 1e-12
"""Accuracy of ln b."""
TANGENTS, UNDAMPED = 60, 12
"""Most tangents that are taken to a skewed parameter, and after how many steps are halved."""
SAME_TANGENT = 1e-7
"""Parameters that move by less have converged."""
LEAST_CURVATURE = 0.5
"""Curvature of a parameter's constraint and of its own shift together; a smaller one would make steps too long."""


@dataclass(frozen=True)
class Experiments:
    """Counting experiments as arrays that broadcast against each other.

    Attributes:
        n: observed events.
        m: events in the control sample, >= 0; need not be whole.
        tau: control events per background event, > 0.
        theta0: measured shift of ln(transfer factor).
        width: its uncertainty d, >= 0.
        skewed: further nuisance parameters, whose sides differ.
    """

    n: FloatArray
    m: FloatArray
    tau: FloatArray
    theta0: FloatArray
    width: FloatArray
    skewed: tuple[Skewed, ...] = field(default=(), kw_only=True)

    @property
    def expected(self) -> FloatArray:
        """Background expected from the control sample; 0 where it is next to none."""
        shift = self.theta0 + sum((one.shift(one.measured)[0] for one in self.skewed), np.asarray(0.0))
        expected = self.m / self.tau * np.exp(shift)
        return np.where(expected > NO_EVENTS, expected, 0.0)

    @property
    def total_width(self) -> FloatArray:
        """Uncertainty of the logarithm of the transfer factor, the mean one where sides differ."""
        total: FloatArray = np.sqrt(self.width**2 + sum((one.size**2 for one in self.skewed), np.asarray(0.0)))
        return total

    @property
    def shape(self) -> tuple[int, ...]:
        """Their common shape."""
        own = [self.n, self.m, self.tau, self.theta0, self.width]
        return np.broadcast_shapes(
            *(np.shape(x) for x in [*own, *(x for one in self.skewed for x in vars(one).values())])
        )

    def measuring(self, found: Sequence[FloatArray]) -> Experiments:
        """Return the same with other auxiliary measurements of the skewed parameters."""
        pairs = zip(self.skewed, found, strict=True)
        return replace(self, skewed=tuple(replace(one, measured=value) for one, value in pairs))

    def flattened(self, shape: tuple[int, ...]) -> Experiments:
        """Return the same with all arrays broadcast to a shape and made `(t,)`."""
        return self._mapped(lambda values: np.broadcast_to(np.asarray(values, dtype=np.float64), shape).ravel())

    def take(self, rows: IntArray) -> Experiments:
        """Return some of experiments whose arrays are all `(t,)`."""
        return self._mapped(lambda values: values[rows])

    def select(self, index: int) -> Experiments:
        """Return one of experiments `(t,)`, as arrays of shape ()."""
        return self._mapped(lambda values: np.asarray(np.broadcast_to(values, self.shape)[index]))

    def _mapped(self, change: Callable[[FloatArray], FloatArray]) -> Experiments:
        own = (change(x) for x in (self.n, self.m, self.tau, self.theta0, self.width))
        skewed = tuple(Skewed(*(change(x) for x in vars(one).values())) for one in self.skewed)
        return Experiments(*own, skewed=skewed)


@dataclass(frozen=True)
class Profile:
    """The fit at a fixed signal yield.

    Attributes:
        background: fitted background b.
        control: fitted control rate gamma.
        theta: fitted shift.
        deviance: 2 (NLL - NLL of the saturated model).
        pull: b (1 - n/(s + b)), by which every nuisance parameter is pulled.
        skewed: fitted skewed parameters.
    """

    background: FloatArray
    control: FloatArray
    theta: FloatArray
    deviance: FloatArray
    pull: FloatArray
    skewed: tuple[FloatArray, ...] = field(default=(), kw_only=True)


def fit_background(data: Experiments, signal: FloatArray | float = 0.0) -> Profile:
    """Return the fit at fixed signal yields.

    Args:
        data: the experiments.
        signal: signal events; either 0 or at least n - expected, where the root is unique.
    """
    if not data.skewed:
        return _fit_log_normal(data, signal)
    shape = np.broadcast_shapes(data.shape, np.shape(signal))
    flat, s = data.flattened(shape), np.broadcast_to(np.asarray(signal, dtype=np.float64), shape).ravel()
    upper, lower = (
        _fit_skewed(flat, s, [side * np.maximum(side * one.measured, 1.0) for one in flat.skewed])
        for side in (1.0, -1.0)
    )
    is_upper = upper.deviance <= lower.deviance
    own = (np.where(is_upper, getattr(upper, name), getattr(lower, name)).reshape(shape) for name in _OWN)
    pairs = zip(upper.skewed, lower.skewed, strict=True)
    return Profile(*own, skewed=tuple(np.where(is_upper, x, y).reshape(shape) for x, y in pairs))


_OWN = ("background", "control", "theta", "deviance", "pull")


def _fit_skewed(data: Experiments, signal: FloatArray, alphas: list[FloatArray]) -> Profile:
    """Return the fits `(t,)` by tangents of the skewed parameters, from where they start."""
    pull = np.zeros(len(signal))
    rows = np.arange(len(signal))
    for step in range(TANGENTS):
        part, at = data.take(rows), [alpha[rows] for alpha in alphas]
        following, pull[rows] = _follow_tangent(part, signal[rows], at, pull[rows])
        if step >= UNDAMPED:
            following = [(new + old) / 2.0 for new, old in zip(following, at, strict=True)]
        moved = np.max([np.abs(new - old) for new, old in zip(following, at, strict=True)], axis=0)
        for alpha, new in zip(alphas, following, strict=True):
            alpha[rows] = new
        rows = rows[moved > SAME_TANGENT]
        if not len(rows):
            break
    shift = sum((one.shift(alpha)[0] for one, alpha in zip(data.skewed, alphas, strict=True)), np.zeros(len(signal)))
    fit = _fit_log_normal(replace(data, theta0=data.theta0 + shift, skewed=()), signal)
    penalty = sum((alpha - one.measured) ** 2 for one, alpha in zip(data.skewed, alphas, strict=True))
    return replace(fit, theta=fit.theta - shift, deviance=fit.deviance + penalty, skewed=tuple(alphas))


def _follow_tangent(
    data: Experiments, signal: FloatArray, alphas: Sequence[FloatArray], pull: FloatArray
) -> tuple[list[FloatArray], FloatArray]:
    """Return the skewed parameters and the pull at the best fit with tangents; `pull` is that of the last one."""
    theta0, variance, centres = data.theta0, data.width**2, []
    for one, alpha in zip(data.skewed, alphas, strict=True):
        shift, slope, curvature = one.shift(alpha)
        total = np.maximum(1.0 + curvature * pull, LEAST_CURVATURE)
        centre = (one.measured + (total - 1.0) * alpha) / total
        theta0 = theta0 + shift + slope * (centre - alpha)
        variance = variance + slope**2 / total
        centres.append((centre, slope / total))
    found = _fit_log_normal(replace(data, theta0=theta0, width=np.sqrt(variance), skewed=()), signal).pull
    return [centre - slope * found for centre, slope in centres], found


def _fit_log_normal(data: Experiments, signal: FloatArray | float) -> Profile:
    """Return the fit without skewed parameters."""
    n, m, tau, theta0, width, s = np.broadcast_arrays(
        *(
            np.asarray(x, dtype=np.float64)
            for x in (data.n, data.m, data.tau, data.theta0, data.width, np.asarray(signal))
        )
    )
    expected = Experiments(n, m, tau, theta0, width).expected
    is_null = s == 0.0
    high = np.where(is_null, np.maximum(n, expected), np.maximum(n - s, expected))
    low = np.where(is_null, np.minimum(n, expected), np.clip(n - s, 0.0, expected))
    is_empty = high <= 0.0
    high = np.where(is_empty, 1.0, high)
    low = np.clip(low, SMALLEST_RATE * high, high)
    background = np.exp(_solve(np.log(low), np.log(high), (n, m, tau, theta0, width**2, s)))
    background = np.where(is_empty, 0.0, background)
    pull = background - n * np.where(s + background > 0.0, background / np.where(is_empty, 1.0, s + background), 1.0)
    pull = np.where(is_empty, 0.0, np.where(is_null, background - n, pull))
    control = np.maximum(m - pull, 0.0)
    deviance = poisson_deviance(n, s + background) + poisson_deviance(m, control) + (width * pull) ** 2
    return Profile(background, control, theta0 - width**2 * pull, deviance, pull)


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
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
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
