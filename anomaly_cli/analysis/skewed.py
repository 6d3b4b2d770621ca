"""Nuisance parameters whose two sides differ: factor 1 + up at plus, 1 + down at minus one standard deviation.

Beyond one standard deviation the factor is exponential on either side, between them a polynomial of sixth order that
continues it with two derivatives. Programs that read HistFactory name this interpolation 4; it has no kink, and is the
log-normal factor where down is the inverse of up.

References:
    K. Cranmer et al., "HistFactory", 2012, CERN-OPEN-2012-016, section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cli.core.arrays import FloatArray

_POWERS = np.arange(1, 7)
_CONTINUITY = np.linalg.inv(
    np.array(
        [
            row
            for side in (1.0, -1.0)
            for row in (
                side**_POWERS,
                _POWERS * side ** (_POWERS - 1),
                _POWERS * (_POWERS - 1) * side ** (_POWERS - 2.0),
            )
        ]
    )
)
"""Coefficients of the polynomial from value - 1, slope and curvature at +1 and at -1."""


def log_factor(alpha: FloatArray, high: FloatArray, low: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ln of the factor at `alpha`, its slope and curvature, for factors `high` and `low` > 0 at +1 and -1."""
    alpha, high, low = np.broadcast_arrays(alpha, high, low)
    up, down = np.log(high), -np.log(low)
    conditions = np.stack([high - 1.0, up * high, up**2 * high, low - 1.0, down * low, down**2 * low])
    coefficients = np.tensordot(_CONTINUITY, conditions, axes=1)
    inner = np.clip(alpha, -1.0, 1.0)
    powers = np.cumprod(np.broadcast_to(inner, (6, *inner.shape)), axis=0)
    shifted = np.concatenate([np.ones((1, *inner.shape)), powers])
    n = _POWERS.reshape(-1, *([1] * inner.ndim))
    factor = 1.0 + (coefficients * powers).sum(axis=0)
    slope = (coefficients * n * shifted[:-1]).sum(axis=0) / factor
    curvature = (coefficients * n * (n - 1) * np.concatenate([shifted[:1], shifted[:-2]])).sum(axis=0) / factor
    is_inside = np.abs(alpha) < 1.0
    outside = np.where(alpha > 0.0, up, down)
    return (
        np.where(is_inside, np.log(factor), outside * alpha),
        np.where(is_inside, slope, outside),
        np.where(is_inside, curvature - slope**2, 0.0),
    )


@dataclass(frozen=True)
class Skewed:
    """One such parameter in experiments, as arrays that broadcast against theirs.

    Attributes:
        high: factor on the background that passes at +1.
        low: at -1.
        fail: power of the opposite factor on the events that fail, efficiency/(1 - efficiency); 0 where they are not
            the control sample.
        measured: value that the auxiliary measurement found; 0 in data.
    """

    high: FloatArray
    low: FloatArray
    fail: FloatArray
    measured: FloatArray

    def shift(self, alpha: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the shift of the logarithm of the transfer factor, its slope and its curvature."""
        passing = log_factor(alpha, self.high, self.low)
        if not np.any(self.fail):
            return passing
        failing = log_factor(alpha, self.high**-self.fail, self.low**-self.fail)
        return passing[0] - failing[0], passing[1] - failing[1], passing[2] - failing[2]

    @property
    def size(self) -> FloatArray:
        """Its mean size, of the logarithm of the transfer factor."""
        size: FloatArray = (1.0 + self.fail) * np.sqrt((np.log(self.high) ** 2 + np.log(self.low) ** 2) / 2.0)
        return size
