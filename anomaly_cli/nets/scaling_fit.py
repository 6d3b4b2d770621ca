"""Mass-dependent scaling: every feature becomes standard normal at every mass.

What a template method finds hardest is how the marginals move with mass inside the signal region, where
it has seen nothing. Here the cumulative distribution of each feature is fitted in the side-bands as a
function of mass and so interpolated into the signal region; a flow then only has to learn what is left,
the dependence between the features.

A distribution that changes at fixed values (a peak grows) is smooth in mass at each value; one that moves
is not. So a feature is first reduced: centred and divided by its width, both polynomials in ln(mjj). Where
only an upper kinematic edge moves, the part above a fixed anchor is divided by the distance of the edge
instead. For delta_r_jj the anchor is pi (back-to-back jets), and the edge comes from the trigger threshold.

Discrete features, and values that many events share, are opened into intervals first (`nets/atoms.py`).

Polynomial orders are chosen per feature without labels, by the Akaike criterion on the counts of events
in predicted quantile intervals, in bins of mass. One choice would be an accident of the sample, so it is
averaged: the curves z of fits to random halves of the events, each with orders of its own (bagging). A half
drawn without being put back differs from the whole by what the whole differs from the truth, so each of these
fits is also a replica of the scaling: their spread is its statistical error, choice included.

References:
    L. Breiman, "Bagging predictors", 1996, Machine Learning 24, 123.
    D. N. Politis, J. P. Romano, M. Wolf, "Subsampling", Springer 1999 (halves as replicas).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from anomaly_cli.nets.atoms import Atoms, find_atoms
from anomaly_cli.nets.scaling import FeatureScaling, FloatArray, IntArray, MassScaler

N_POINTS = 150
"""Feature values at which the cumulative distribution is fitted."""
TAIL_EVENTS = 10.0
"""Events beyond the outermost of them, on average."""
EDGE_QUANTILE = 0.98
"""Quantile that stands for the moving edge."""
REDUCTION_ORDER = 2
"""Largest polynomial order in ln(mjj) of location and width; that of an edge's distance."""
N_INTERVALS = 20
"""Predicted quantile intervals in which the fit is tested."""


@dataclass(frozen=True)
class ScalingSettings:
    """How a scaling is fitted.

    Attributes:
        max_order: largest polynomial order in ln(mjj).
        bin_events: events per mass bin, about; a band has at least two bins.
        bound: scaled values are clipped to [-bound, bound].
        bags: fits to halves of the events whose curves are averaged; 0 for one fit to all.
        min_order: smallest order in ln(mjj) of the curves z; too low an order is a bias that
            all parts of a template share, which no cross-fitting removes, too high a one is noise, which it does.
        extra_order: added to the orders that the criterion chooses.
    """

    max_order: int
    bin_events: int
    bound: float
    bags: int = 10
    min_order: int = 0
    extra_order: int = 0


@dataclass(frozen=True)
class _MassBins:
    """Scaled mass of every event, and mass bins of about equal count: members and mean scaled mass."""

    t: FloatArray
    members: list[IntArray]
    mean_t: FloatArray

    @property
    def t_range(self) -> FloatArray:
        """Smallest and largest scaled mass `(2,)`."""
        return np.array([self.t.min(), self.t.max()])

    def take(self, kept: IntArray) -> _MassBins:
        """Return the same bins with some events, of rising index, only."""
        place = np.full(len(self.t), -1)
        place[kept] = np.arange(len(kept))
        members = [place[part][place[part] >= 0] for part in self.members]
        t = self.t[kept]
        return _MassBins(t, members, np.array([t[part].mean() for part in members], dtype=np.float64))


def fit_mass_scaling(
    bands: Sequence[tuple[FloatArray, FloatArray]],
    anchors: Sequence[float | None],
    settings: ScalingSettings,
    generator: np.random.Generator,
) -> MassScaler:
    """Fit the scaling to side-bands.

    Args:
        bands: `(mjj (n,), features (n, d))` of each side-band.
        anchors: per feature, the value from which its moving edge is measured, or None.
        settings: how to fit.
        generator: draws the halves.
    """
    mjj = np.concatenate([band[0] for band in bands])
    values = np.concatenate([band[1] for band in bands])
    center, scale = float(np.log(mjj).mean()), float(np.log(mjj).std())
    bins = _make_bins([(np.log(band[0]) - center) / scale for band in bands], settings.bin_events)
    halves = [np.sort(generator.permutation(len(mjj))[: len(mjj) // 2]) for _ in range(settings.bags)]
    features = tuple(_fit_bagged(values[:, j], anchor, bins, settings, halves) for j, anchor in enumerate(anchors))
    return MassScaler(features, center, scale, values.min(axis=0), values.max(axis=0), settings.bound)


def _make_bins(bands: Sequence[FloatArray], bin_events: int) -> _MassBins:
    members, offset = [], 0
    for t in bands:
        n_bins = max(2, len(t) // bin_events)
        members += [part + offset for part in np.array_split(np.argsort(t, kind="stable"), n_bins)]
        offset += len(t)
    t = np.concatenate(list(bands))
    return _MassBins(t, members, np.array([t[part].mean() for part in members], dtype=np.float64))


def _fit_bagged(
    values: FloatArray, anchor: float | None, bins: _MassBins, settings: ScalingSettings, halves: Sequence[IntArray]
) -> FeatureScaling:
    """Return the fit to all events, its curves the mean of those of fits to the halves."""
    shared = find_atoms(values)
    x = shared.open(values, np.random.default_rng(0))
    whole = _fit_feature(x, shared, anchor, bins, settings)
    members = (_fit_feature(x[half], shared, anchor, bins.take(half), settings) for half in halves)
    return replace(whole, members=tuple(members))


def _fit_feature(
    x: FloatArray, shared: Atoms, anchor: float | None, bins: _MassBins, settings: ScalingSettings
) -> FeatureScaling:
    """Return the candidate with the lowest Akaike criterion: misfit + 2 x number of parameters."""
    if len(shared.values):  # they stay where they are, whatever the mass
        reductions = [_reduce_to_width(x, 0, bins)]
    elif anchor is not None:
        reductions = [_reduce_to_edge(x, anchor, bins)]
    else:
        reductions = [_reduce_to_width(x, order, bins) for order in range(REDUCTION_ORDER + 1)]
    best, best_criterion, orders = reductions[0], np.inf, min(settings.max_order, len(bins.members) - 2)
    best_levels, members = None, np.concatenate(bins.members)
    for reduction in reductions:
        r = reduction.reduce(x, bins.t)
        points = _choose_points(r, shared)
        reduced = replace(reduction, points=points, atoms=shared.values, stretch=shared.stretch)
        levels, place = _levels(r, points, bins), reduced.place(r[members])  # the same at every order
        for order in range(min(settings.min_order, orders), orders + 1):
            fit = replace(reduced, coefficients=_fit_curve(levels, bins, order))
            n_parameters = order * (N_INTERVALS - 1) + len(fit.location) + len(fit.log_width)
            criterion = _misfit(fit.at(place, bins.t[members]), bins) + 2 * n_parameters
            if criterion < best_criterion:
                best, best_criterion, best_levels = fit, criterion, levels
    order = min(len(best.coefficients) - 1 + settings.extra_order, orders)
    if best_levels is None or order == len(best.coefficients) - 1:
        return best
    return replace(best, coefficients=_fit_curve(best_levels, bins, order))


def _choose_points(r: FloatArray, shared: Atoms) -> FloatArray:
    outermost = float(ndtri(1.0 - TAIL_EVENTS / max(len(r), 100)))
    quantiles = np.quantile(r, ndtr(np.linspace(-outermost, outermost, N_POINTS)))
    n_levels = len(shared.values) if shared.is_discrete else 0
    borders = np.arange(1.0, n_levels) if n_levels < N_POINTS else np.zeros(0)
    return np.unique(np.concatenate([quantiles, borders]))


def _polynomial(values: FloatArray, bins: _MassBins, order: int) -> FloatArray:
    """Return the polynomial in t through one value per mass bin, lowest order first."""
    weight = np.sqrt([len(part) for part in bins.members])
    coefficients = np.polynomial.polynomial.polyfit(bins.mean_t, values, min(order, len(values) - 2), w=weight)
    return np.asarray(coefficients, dtype=np.float64)


def _reduce_to_width(x: FloatArray, order: int, bins: _MassBins) -> FeatureScaling:
    """Return the reduction by median and central width; none at order 0."""
    location = log_width = np.zeros(1)
    if order > 0:
        low, middle, high = np.array([np.quantile(x[part], [0.16, 0.5, 0.84]) for part in bins.members]).T
        location = _polynomial(middle, bins, order)
        log_width = _polynomial(np.log(np.maximum(high - low, 1e-9 * np.ptp(x))), bins, order)
    return FeatureScaling(location, log_width, False, np.zeros(0), np.zeros((1, 0)), bins.t_range, np.zeros(0), 1.0)


def _reduce_to_edge(x: FloatArray, anchor: float, bins: _MassBins) -> FeatureScaling:
    """Return the reduction by the distance of the upper edge from the anchor; none where it has no edge."""
    edges = np.array([np.quantile(x[part] - anchor, EDGE_QUANTILE) for part in bins.members])
    log_width = _polynomial(np.log(edges), bins, REDUCTION_ORDER) if edges.min() > 0.0 else np.zeros(1)
    return FeatureScaling(
        np.array([anchor]), log_width, True, np.zeros(0), np.zeros((1, 0)), bins.t_range, np.zeros(0), 1.0
    )


def _levels(r: FloatArray, points: FloatArray, bins: _MassBins) -> tuple[FloatArray, FloatArray]:
    """Return z of every point in every mass bin, and the precision of it `(b, k)` each."""
    z, weight = np.empty((2, len(bins.members), len(points)))
    for row, part in enumerate(bins.members):
        below = (np.searchsorted(np.sort(r[part]), points, side="right") + 0.5) / (len(part) + 1.0)
        z[row] = ndtri(below)
        weight[row] = np.exp(-(z[row] ** 2)) * len(part) / (below * (1.0 - below))
    return z, weight


def _fit_curve(levels: tuple[FloatArray, FloatArray], bins: _MassBins, order: int) -> FloatArray:
    """Return the polynomials of z in t at every point `(order + 1, k)`, weighted by their precision."""
    z, weight = levels
    powers = np.polynomial.polynomial.polyvander(bins.mean_t, order)
    normal = np.einsum("bi,bk,bj->kij", powers, weight, powers)
    return np.linalg.solve(normal, np.einsum("bi,bk,bk->ki", powers, weight, z)[..., None])[..., 0].T


def _misfit(z: FloatArray, bins: _MassBins) -> float:
    """Return the chi2 of the counts in predicted quantile intervals, summed over mass bins; z bin after bin `(n,)`."""
    level = ndtr(z)
    sizes = np.array([len(part) for part in bins.members])
    cell = np.minimum((level * N_INTERVALS).astype(np.int64), N_INTERVALS - 1)
    row = np.repeat(np.arange(len(sizes)), sizes)
    counts = np.bincount(row * N_INTERVALS + cell, minlength=len(sizes) * N_INTERVALS).reshape(len(sizes), N_INTERVALS)
    expected = sizes[:, None] / N_INTERVALS
    return float(((counts - expected) ** 2 / expected).sum())
