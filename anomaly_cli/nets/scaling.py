"""Mass-dependent scaling: every feature becomes standard normal at every mass.

What a template method finds hardest is how the marginals move with mass inside the signal region, where
it has seen nothing. Here the cumulative distribution of each feature is fitted in the side-bands as a
function of mass and so interpolated into the signal region; a flow then only has to learn what is left,
the dependence between the features.

Two kinds of change have to be told apart. A distribution that changes at fixed values (a peak grows) is
smooth in mass at each value. A kinematic edge that moves is not: such a feature is first divided by the
distance of its edge from a fixed anchor, and then is. For delta_r_jj the anchor is pi (back-to-back
jets), and the edge comes from the trigger threshold.

The order of the polynomial in ln(mjj) is chosen per feature without labels: it grows while the counts of
events in predicted quantile intervals, in bins of mass, improve significantly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Arrays = Mapping[str, npt.NDArray[Any]]

N_POINTS = 150
"""Feature values at which the cumulative distribution is fitted."""
TAIL_EVENTS = 10.0
"""Events beyond the outermost of them, on average."""
EDGE_QUANTILE = 0.98
"""Quantile that stands for the moving edge."""
EDGE_ORDER = 2
"""Polynomial order in ln(mjj) of the logarithm of the edge's distance."""
N_INTERVALS = 20
"""Predicted quantile intervals in which the fit is tested."""
CHUNK = 8192


@dataclass(frozen=True)
class FeatureScaling:
    """Scaling of one feature: value x <-> normal variable z, at scaled mass t.

    r = x - anchor, divided by exp(sum_i edge[i] t^i) where it is positive; then
    z(r, t) = sum_i coefficients[i](r) t^i, linear between `points` and beyond the outermost ones.

    Attributes:
        points: values of r `(k,)`, rising.
        coefficients: `(o + 1, k)`.
        anchor: 0 where the feature has none.
        edge: polynomial of the logarithm of the edge's distance; zeros where it has none.
    """

    points: FloatArray
    coefficients: FloatArray
    anchor: float
    edge: FloatArray

    def reduce(self, x: FloatArray, t: FloatArray) -> FloatArray:
        """Return r `(n,)`."""
        r = x - self.anchor
        return np.where(r > 0.0, r / np.exp(np.polynomial.polynomial.polyval(t, self.edge)), r)

    def restore(self, r: FloatArray, t: FloatArray) -> FloatArray:
        """Return x `(n,)`."""
        return np.where(r > 0.0, r * np.exp(np.polynomial.polynomial.polyval(t, self.edge)), r) + self.anchor

    def curve(self, t: FloatArray) -> FloatArray:
        """Return z at every point `(n, k)`, never falling."""
        z = np.zeros((len(t), len(self.points)))
        for coefficient in self.coefficients[::-1]:
            z = z * t[:, None] + coefficient
        rising: FloatArray = np.maximum.accumulate(z, axis=1)
        return rising

    def transform(self, x: FloatArray, t: FloatArray) -> FloatArray:
        """Return z `(n,)`, not clipped."""
        r, curve, rows = self.reduce(x, t), self.curve(t), np.arange(len(x))
        index = np.clip(np.searchsorted(self.points, r, side="right") - 1, 0, len(self.points) - 2)
        fraction = (r - self.points[index]) / (self.points[index + 1] - self.points[index])
        z: FloatArray = curve[rows, index] + fraction * (curve[rows, index + 1] - curve[rows, index])
        return z

    def inverse(self, z: FloatArray, t: FloatArray) -> FloatArray:
        """Return x `(n,)`, not clipped."""
        curve, rows = self.curve(t), np.arange(len(z))
        index = np.clip((curve <= z[:, None]).sum(axis=1) - 1, 0, len(self.points) - 2)
        step = np.maximum(curve[rows, index + 1] - curve[rows, index], 1e-6)
        fraction = (z - curve[rows, index]) / step
        return self.restore(self.points[index] + fraction * (self.points[index + 1] - self.points[index]), t)


@dataclass(frozen=True)
class MassScaler:
    """Scaling of all features.

    Attributes:
        features: the scaling of each feature.
        center: mean of ln(mjj / GeV).
        scale: standard deviation of ln(mjj / GeV).
        low: smallest value of each feature in the side-bands `(d,)`; the inverse is held above it.
        high: largest value `(d,)`.
        bound: scaled values are clipped to [-bound, bound].
    """

    features: tuple[FeatureScaling, ...]
    center: float
    scale: float
    low: FloatArray
    high: FloatArray
    bound: float

    @property
    def orders(self) -> list[int]:
        """Polynomial order of each feature."""
        return [len(feature.coefficients) - 1 for feature in self.features]

    def mass(self, mjj: FloatArray) -> FloatArray:
        """Return the scaled mass t `(n,)`; `mjj` in GeV."""
        scaled: FloatArray = (np.log(mjj) - self.center) / self.scale
        return scaled

    def transform(self, mjj: FloatArray, values: FloatArray) -> tuple[FloatArray, IntArray]:
        """Scale features.

        Args:
            mjj: `(n,)` [GeV].
            values: `(n, d)`.

        Returns:
            The scaled features `(n, d)` in [-bound, bound], and how many of each were clipped `(d,)`.
        """
        scaled, t = np.empty_like(values), self.mass(mjj)
        for column, feature in enumerate(self.features):
            for start in range(0, len(mjj), CHUNK):
                part = slice(start, start + CHUNK)
                scaled[part, column] = feature.transform(values[part, column], t[part])
        n_clipped = (np.abs(scaled) > self.bound).sum(axis=0)
        return np.clip(scaled, -self.bound, self.bound), n_clipped

    def inverse(self, mjj: FloatArray, scaled: FloatArray) -> tuple[FloatArray, IntArray]:
        """Undo `transform` at mass `mjj`.

        Returns:
            Features `(n, d)` within their range in the side-bands, and how many of each were held at
            its edge `(d,)`.
        """
        values, t = np.empty_like(scaled), self.mass(mjj)
        for column, feature in enumerate(self.features):
            for start in range(0, len(mjj), CHUNK):
                part = slice(start, start + CHUNK)
                values[part, column] = feature.inverse(scaled[part, column], t[part])
        n_clipped = ((values < self.low) | (values > self.high)).sum(axis=0)
        return np.clip(values, self.low, self.high), n_clipped

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays, for a model artifact."""
        arrays = {name: np.asarray(getattr(self, name)) for name in ("center", "scale", "low", "high", "bound")}
        for index, feature in enumerate(self.features):
            for name in ("points", "coefficients", "anchor", "edge"):
                arrays[f"{index}.{name}"] = np.asarray(getattr(feature, name))
        return arrays

    @staticmethod
    def from_arrays(arrays: Arrays) -> MassScaler:
        """Rebuild what `to_arrays` returned."""
        features = tuple(
            FeatureScaling(
                points=arrays[f"{index}.points"],
                coefficients=arrays[f"{index}.coefficients"],
                anchor=float(arrays[f"{index}.anchor"]),
                edge=arrays[f"{index}.edge"],
            )
            for index in range(len(arrays["low"]))
        )
        center, scale, bound = (float(arrays[name]) for name in ("center", "scale", "bound"))
        return MassScaler(features, center, scale, arrays["low"], arrays["high"], bound)


@dataclass(frozen=True)
class ScalingSettings:
    """How a scaling is fitted.

    Attributes:
        max_order: largest polynomial order in ln(mjj).
        bin_events: events per mass bin, about; a band has at least two bins.
        bound: scaled values are clipped to [-bound, bound].
        alpha: an order is raised while the improvement is significant at this level.
    """

    max_order: int
    bin_events: int
    bound: float
    alpha: float = 0.01


@dataclass(frozen=True)
class _MassBins:
    """Scaled mass of every event, and mass bins of about equal count: members and mean scaled mass."""

    t: FloatArray
    members: list[IntArray]
    mean_t: FloatArray


def fit_mass_scaling(
    bands: Sequence[tuple[FloatArray, FloatArray]], anchors: Sequence[float | None], settings: ScalingSettings
) -> MassScaler:
    """Fit the scaling to side-bands.

    Args:
        bands: `(mjj (n,), features (n, d))` of each side-band.
        anchors: per feature, the value from which its moving edge is measured, or None.
        settings: how to fit.
    """
    mjj = np.concatenate([band[0] for band in bands])
    values = np.concatenate([band[1] for band in bands])
    center, scale = float(np.log(mjj).mean()), float(np.log(mjj).std())
    bins = _make_bins([(np.log(band[0]) - center) / scale for band in bands], settings.bin_events)
    features = tuple(_fit_feature(values[:, j], anchor, bins, settings) for j, anchor in enumerate(anchors))
    return MassScaler(features, center, scale, values.min(axis=0), values.max(axis=0), settings.bound)


def _make_bins(bands: Sequence[FloatArray], bin_events: int) -> _MassBins:
    members, offset = [], 0
    for t in bands:
        n_bins = max(2, len(t) // bin_events)
        members += [part + offset for part in np.array_split(np.argsort(t, kind="stable"), n_bins)]
        offset += len(t)
    t = np.concatenate(list(bands))
    return _MassBins(t, members, np.array([t[part].mean() for part in members], dtype=np.float64))


def _fit_feature(x: FloatArray, anchor: float | None, bins: _MassBins, settings: ScalingSettings) -> FeatureScaling:
    edge = _fit_edge(x - anchor, bins) if anchor is not None else np.zeros(1)
    start = FeatureScaling(np.zeros(0), np.zeros((1, 0)), anchor or 0.0, edge)
    r = start.reduce(x, bins.t)
    outermost = float(ndtri(1.0 - TAIL_EVENTS / max(len(x), 100)))
    points = np.unique(np.quantile(r, ndtr(np.linspace(-outermost, outermost, N_POINTS))))
    if len(points) < 2:
        points = np.array([r.min(), r.max()])
    fits = []
    for order in range(min(settings.max_order, len(bins.members) - 2) + 1):
        coefficients = _fit_curve(r, points, bins, order)
        fits.append(FeatureScaling(points, coefficients, anchor or 0.0, edge))
    return fits[_choose_order([_misfit(fit, x, bins) for fit in fits], settings.alpha)]


def _fit_edge(distance: FloatArray, bins: _MassBins) -> FloatArray:
    """Return the polynomial of the logarithm of the edge's distance from the anchor; zero if it has none."""
    edges = np.array([np.quantile(distance[part], EDGE_QUANTILE) for part in bins.members])
    if edges.min() <= 0.0:
        return np.zeros(1)
    weight = np.sqrt([len(part) for part in bins.members])
    order = min(EDGE_ORDER, len(edges) - 2)
    return np.asarray(np.polynomial.polynomial.polyfit(bins.mean_t, np.log(edges), order, w=weight))


def _fit_curve(r: FloatArray, points: FloatArray, bins: _MassBins, order: int) -> FloatArray:
    """Return the polynomials of z in t at every point `(order + 1, k)`, weighted by their precision."""
    z, weight = np.empty((2, len(bins.members), len(points)))
    for row, part in enumerate(bins.members):
        below = (np.searchsorted(np.sort(r[part]), points, side="right") + 0.5) / (len(part) + 1.0)
        z[row] = ndtri(below)
        weight[row] = np.exp(-(z[row] ** 2) / 2) * np.sqrt(len(part) / (below * (1.0 - below)))
    columns = [
        np.polynomial.polynomial.polyfit(bins.mean_t, z[:, k], order, w=weight[:, k]) for k in range(len(points))
    ]
    return np.stack(columns, axis=1)


def _misfit(fit: FeatureScaling, x: FloatArray, bins: _MassBins) -> float:
    """Return the chi2 of the counts in predicted quantile intervals, summed over mass bins."""
    level = np.concatenate([ndtr(fit.transform(x[p], bins.t[p])) for p in bins.members])
    sizes = np.array([len(part) for part in bins.members])
    cell = np.minimum((level * N_INTERVALS).astype(np.int64), N_INTERVALS - 1)
    row = np.repeat(np.arange(len(sizes)), sizes)
    counts = np.bincount(row * N_INTERVALS + cell, minlength=len(sizes) * N_INTERVALS).reshape(len(sizes), N_INTERVALS)
    expected = sizes[:, None] / N_INTERVALS
    return float(((counts - expected) ** 2 / expected).sum())


def _choose_order(misfits: Sequence[float], alpha: float) -> int:
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
