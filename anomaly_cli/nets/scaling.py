"""Mass-dependent quantile scaling: every feature becomes standard normal at every mass.

What a template method finds hardest is how the marginals move with mass inside the signal region, where
it has seen nothing (delta_r_jj has a kinematic edge that moves). Here each quantile of each feature is a
low-order polynomial in ln(mjj), fitted over the side-bands and so interpolated into the signal region; a
flow then only has to learn what is left, the dependence between the features.

The order of the polynomial is chosen per feature without labels: it grows while the counts of events in
ten predicted quantile intervals, in bins of mass, improve significantly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

FloatArray = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

N_LEVELS = 121
"""Quantile levels per feature, evenly spaced in the normal variable."""
EVENTS_PER_LEVEL_TAIL = 3.0
"""Events that a mass bin holds beyond its outermost quantile level, on average."""
N_INTERVALS = 10
"""Predicted quantile intervals in which the fit is tested."""
CHUNK = 8192


@dataclass(frozen=True)
class MassQuantileScaler:
    """Feature <-> standard normal variable, as a function of mass.

    With t = (ln mjj - center) / scale, the feature value at normal level z_k is
    q_k(t) = sum_i coefficients[i, k] t^i, linear between levels and beyond the outermost ones.

    Attributes:
        levels: normal levels z_k `(k,)`.
        coefficients: `(o, k, d)`; orders beyond a feature's own are 0.
        orders: polynomial order of each feature `(d,)`.
        center: mean of ln(mjj / GeV).
        scale: standard deviation of ln(mjj / GeV).
        low: smallest value of each feature in the side-bands `(d,)`; the inverse is held above it.
        high: largest value `(d,)`.
        bound: scaled values are clipped to [-bound, bound].
    """

    levels: FloatArray
    coefficients: FloatArray
    orders: npt.NDArray[np.int64]
    center: float
    scale: float
    low: FloatArray
    high: FloatArray
    bound: float

    def mass(self, mjj: FloatArray) -> FloatArray:
        """Return the scaled mass t `(n,)`; `mjj` in GeV."""
        scaled: FloatArray = (np.log(mjj) - self.center) / self.scale
        return scaled

    def quantiles(self, mjj: FloatArray, feature: int) -> FloatArray:
        """Return the value at each level `(n, k)`, never falling with the level."""
        t = self.mass(mjj)[:, None]
        values = np.zeros((len(mjj), len(self.levels)))
        for coefficient in self.coefficients[int(self.orders[feature]) :: -1, :, feature]:
            values = values * t + coefficient
        rising: FloatArray = np.maximum.accumulate(values, axis=1)
        return rising

    def transform(self, mjj: FloatArray, features: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Scale features.

        Args:
            mjj: `(n,)` [GeV].
            features: `(n, d)`.

        Returns:
            The scaled features `(n, d)` in [-bound, bound], and how many of each were clipped `(d,)`.
        """
        scaled = np.empty_like(features)
        for feature in range(features.shape[1]):
            for start in range(0, len(mjj), CHUNK):
                part = slice(start, start + CHUNK)
                grid = self.quantiles(mjj[part], feature)
                index = np.clip((grid <= features[part, feature, None]).sum(axis=1) - 1, 0, len(self.levels) - 2)
                scaled[part, feature] = self._between(grid, index, features[part, feature])
        n_clipped = (np.abs(scaled) > self.bound).sum(axis=0)
        return np.clip(scaled, -self.bound, self.bound), n_clipped

    def _between(self, grid: FloatArray, index: npt.NDArray[np.int64], value: FloatArray) -> FloatArray:
        rows = np.arange(len(value))
        left, right = grid[rows, index], grid[rows, index + 1]
        step = self.levels[1] - self.levels[0]
        smallest = 1e-12 * np.maximum(np.abs(left), np.abs(right)) + 1e-300
        level: FloatArray = self.levels[index] + step * (value - left) / np.maximum(right - left, smallest)
        return level

    def inverse(self, mjj: FloatArray, scaled: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Undo `transform` at mass `mjj`.

        Returns:
            Features `(n, d)` within their range in the side-bands, and how many of each were held at
            its edge `(d,)`.
        """
        features = np.empty_like(scaled)
        step = self.levels[1] - self.levels[0]
        for feature in range(scaled.shape[1]):
            for start in range(0, len(mjj), CHUNK):
                part = slice(start, start + CHUNK)
                grid = self.quantiles(mjj[part], feature)
                position = (scaled[part, feature] - self.levels[0]) / step
                index = np.clip(position.astype(np.int64), 0, len(self.levels) - 2)
                rows = np.arange(len(grid))
                left, right = grid[rows, index], grid[rows, index + 1]
                features[part, feature] = left + (position - index) * (right - left)
        n_clipped = ((features < self.low) | (features > self.high)).sum(axis=0)
        return np.clip(features, self.low, self.high), n_clipped

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays, for a model artifact."""
        return {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}

    @staticmethod
    def from_arrays(arrays: Arrays) -> MassQuantileScaler:
        """Rebuild what `to_arrays` returned."""
        scalars = ("center", "scale", "bound")
        fields: dict[str, Any] = {name: float(a) if name in scalars else a for name, a in arrays.items()}
        return MassQuantileScaler(**fields)


@dataclass(frozen=True)
class _MassBins:
    """Mass bins of about equal count: indices of the events in each, and their mean scaled mass."""

    members: list[npt.NDArray[np.int64]]
    t: FloatArray


def fit_mass_quantiles(
    bands: list[tuple[FloatArray, FloatArray]], max_order: int, events_per_bin: int, bound: float, alpha: float = 0.05
) -> MassQuantileScaler:
    """Fit the scaling to side-bands.

    Args:
        bands: `(mjj (n,), features (n, d))` of each side-band.
        max_order: largest polynomial order.
        events_per_bin: events per mass bin, about; a band has at least two bins.
        bound: scaled values are clipped to [-bound, bound].
        alpha: an order is raised while the improvement is significant at this level.
    """
    mjj = np.concatenate([band[0] for band in bands])
    features = np.concatenate([band[1] for band in bands])
    center, scale = float(np.log(mjj).mean()), float(np.log(mjj).std())
    bins = _make_bins([band[0] for band in bands], events_per_bin, center, scale)
    smallest = min(len(members) for members in bins.members)
    outermost = float(ndtri(1.0 - EVENTS_PER_LEVEL_TAIL / max(smallest, 10)))
    levels = np.asarray(np.linspace(-outermost, outermost, N_LEVELS), dtype=np.float64)
    d, top = features.shape[1], min(max_order, len(bins.members) - 2)
    coefficients, orders = np.zeros((top + 1, N_LEVELS, d)), np.zeros(d, dtype=np.int64)
    for feature in range(d):
        values = np.stack([np.quantile(features[members, feature], ndtr(levels)) for members in bins.members])
        fits = [_fit_polynomial(bins, values, order) for order in range(top + 1)]
        misfits = [_misfit(bins, levels, fit, features[:, feature]) for fit in fits]
        orders[feature] = _choose_order(misfits, alpha)
        coefficients[: orders[feature] + 1, :, feature] = fits[orders[feature]]
    low, high = features.min(axis=0), features.max(axis=0)
    return MassQuantileScaler(levels, coefficients, orders, center, scale, low, high, bound)


def _make_bins(masses: list[FloatArray], events_per_bin: int, center: float, scale: float) -> _MassBins:
    members, offset = [], 0
    for mjj in masses:
        n_bins = max(2, len(mjj) // events_per_bin)
        members += [part + offset for part in np.array_split(np.argsort(mjj, kind="stable"), n_bins)]
        offset += len(mjj)
    t = (np.log(np.concatenate(masses)) - center) / scale
    return _MassBins(members, np.array([t[part].mean() for part in members], dtype=np.float64))


def _fit_polynomial(bins: _MassBins, values: FloatArray, order: int) -> FloatArray:
    weight = np.sqrt([len(part) for part in bins.members])[:, None]
    design = np.vander(bins.t, order + 1, increasing=True)
    return np.asarray(np.linalg.lstsq(design * weight, values * weight, rcond=None)[0], dtype=np.float64)


def _misfit(bins: _MassBins, levels: FloatArray, fit: FloatArray, values: FloatArray) -> float:
    """Return the chi2 of the counts in predicted quantile intervals, summed over mass bins."""
    inner = ndtri(np.arange(1, N_INTERVALS) / N_INTERVALS)
    total = 0.0
    for members, t in zip(bins.members, bins.t, strict=True):
        curve = np.maximum.accumulate(np.polynomial.polynomial.polyval(t, fit))
        counts = np.histogram(values[members], bins=[-np.inf, *np.interp(inner, levels, curve), np.inf])[0]
        expected = len(members) / N_INTERVALS
        total += float(((counts - expected) ** 2 / expected).sum())
    return total


def _choose_order(misfits: list[float], alpha: float) -> int:
    """Return the smallest order from which neither of the next two improves significantly."""
    order = 0
    while order + 1 < len(misfits):
        for ahead in range(1, min(2, len(misfits) - 1 - order) + 1):
            gain = misfits[order] - misfits[order + ahead]
            if chi2.sf(max(gain, 0.0), ahead * (N_INTERVALS - 1)) < alpha:
                order += ahead
                break
        else:
            return order
    return order
