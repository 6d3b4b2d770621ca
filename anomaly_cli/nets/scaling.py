"""Mass-dependent scaling: every feature becomes standard normal at every mass; the scaling itself.

How it is fitted, and why, is in `nets/scaling_fit.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays
from anomaly_cli.nets.atoms import Atoms

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SPLINE_BOUND = 5.0
"""zuko's splines act on [-5, 5]; keep the data inside."""
N_NODES = 257
"""Scaled masses at which the curves z(r) are tabulated; between them they are linear in the mass."""


@dataclass(frozen=True)
class FeatureScaling:
    """Scaling of one feature: opened value x <-> normal variable z, at scaled mass t.

    r = (x - location(t)) / exp(log_width(t)), polynomials in t; with an anchor, the location is fixed and
    only positive values are divided. Then z(r, t) = sum_i coefficients[i](r) t^i, linear between `points`
    and beyond the outermost ones, and constant in t beyond the masses that were fitted.

    Attributes:
        location: polynomial coefficients, lowest order first.
        log_width: polynomial coefficients, lowest order first.
        is_anchored: whether only values above the location are divided.
        points: values of r `(k,)`, rising.
        coefficients: `(o + 1, k)`.
        t_range: smallest and largest scaled mass that was fitted `(2,)`.
        atoms: values that many events share `(a,)`.
        stretch: of the values between them (`nets/atoms.py`).
        members: scalings whose curves z are averaged in place of the polynomials; none where there is one fit.
    """

    location: FloatArray
    log_width: FloatArray
    is_anchored: bool
    points: FloatArray
    coefficients: FloatArray
    t_range: FloatArray
    atoms: FloatArray
    stretch: float
    members: tuple[FeatureScaling, ...] = ()

    @property
    def shared(self) -> Atoms:
        """The values that many events share."""
        return Atoms(self.atoms, self.stretch)

    def _width(self, r: FloatArray, t: FloatArray) -> FloatArray:
        width = np.exp(np.polynomial.polynomial.polyval(t, self.log_width))
        return np.where((r > 0.0) | (not self.is_anchored), width, 1.0)

    def reduce(self, x: FloatArray, t: FloatArray) -> FloatArray:
        """Return r `(n,)`."""
        r = x - np.polynomial.polynomial.polyval(t, self.location)
        reduced: FloatArray = r / self._width(r, t)
        return reduced

    def restore(self, r: FloatArray, t: FloatArray) -> FloatArray:
        """Return x `(n,)`."""
        x: FloatArray = r * self._width(r, t) + np.polynomial.polynomial.polyval(t, self.location)
        return x

    @cached_property
    def _table(self) -> FloatArray:
        """Value of z at every node of mass and every point `(N_NODES, k)`, never falling in r."""
        nodes = np.linspace(self.t_range[0], self.t_range[1], N_NODES)
        z = self._averaged(nodes) if self.members else np.polynomial.polynomial.polyval(nodes, self.coefficients).T
        rising: FloatArray = np.maximum.accumulate(z, axis=1)
        return rising

    def _averaged(self, nodes: FloatArray) -> FloatArray:
        t, r = (axis.ravel() for axis in np.meshgrid(nodes, self.points, indexing="ij"))
        x = self.restore(r, t)
        mean = np.mean([member.transform(x, t) for member in self.members], axis=0)
        return np.asarray(mean.reshape(len(nodes), len(self.points)), dtype=np.float64)

    def _curve(self, t: FloatArray) -> Callable[[IntArray], FloatArray]:
        """Return z at one point of each event, as a function of the points' indices `(n,)`."""
        low, high = self.t_range
        position = np.clip((t - low) / (high - low), 0.0, 1.0) * (N_NODES - 1)
        node = np.minimum(position.astype(np.int64), N_NODES - 2)
        fraction, n_points = position - node, len(self.points)
        table, start = self._table.ravel(), node * n_points

        def z(index: IntArray) -> FloatArray:
            below = table[start + index]
            at: FloatArray = below + fraction * (table[start + index + n_points] - below)
            return at

        return z

    def transform(self, x: FloatArray, t: FloatArray) -> FloatArray:
        """Return z `(n,)`, not clipped."""
        return self.at(self.place(self.reduce(x, t)), t)

    def place(self, r: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return the point below each r, and how far r is on the way to the next one `(n,)` each."""
        index = np.clip(np.searchsorted(self.points, r, side="right") - 1, 0, len(self.points) - 2)
        return index, (r - self.points[index]) / (self.points[index + 1] - self.points[index])

    def at(self, place: tuple[IntArray, FloatArray], t: FloatArray) -> FloatArray:
        """Return z of what `place` has returned `(n,)`, not clipped."""
        (index, fraction), curve = place, self._curve(t)
        left = curve(index)
        z: FloatArray = left + fraction * (curve(index + 1) - left)
        return z

    def inverse(self, z: FloatArray, t: FloatArray) -> FloatArray:
        """Return x `(n,)`, not clipped."""
        curve = self._curve(t)
        index, beyond = np.zeros(len(z), dtype=np.int64), np.full(len(z), len(self.points) - 1)
        while (beyond - index > 1).any():  # bisection for the last point with a curve not above z
            middle = (index + beyond) // 2
            is_below = curve(middle) <= z
            index, beyond = np.where(is_below, middle, index), np.where(is_below, beyond, middle)
        left = curve(index)
        fraction = (z - left) / np.maximum(curve(index + 1) - left, 1e-6)
        return self.restore(self.points[index] + fraction * (self.points[index + 1] - self.points[index]), t)

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays under prefixed names, members included."""
        arrays = {f"{prefix}{name}": np.asarray(getattr(self, name)) for name in STORED}
        for index, member in enumerate(self.members):
            arrays |= member.to_arrays(f"{prefix}member{index}.")
        return arrays

    @staticmethod
    def from_arrays(arrays: Arrays, prefix: str) -> FeatureScaling:
        """Rebuild what `to_arrays` returned."""
        found: dict[str, Any] = {name: arrays[f"{prefix}{name}"] for name in STORED}
        found |= {"is_anchored": bool(found["is_anchored"]), "stretch": float(found["stretch"])}
        members: list[FeatureScaling] = []
        while f"{prefix}member{len(members)}.points" in arrays:
            members.append(FeatureScaling.from_arrays(arrays, f"{prefix}member{len(members)}."))
        return FeatureScaling(**found, members=tuple(members))


STORED = tuple(name for name in FeatureScaling.__dataclass_fields__ if name != "members")
"""Fields of a scaling that are arrays or numbers."""


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
        scaled, t, generator = np.empty_like(values), self.mass(mjj), np.random.default_rng(0)
        for column, feature in enumerate(self.features):
            scaled[:, column] = feature.transform(feature.shared.open(values[:, column], generator), t)
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
            values[:, column] = feature.shared.close(feature.inverse(scaled[:, column], t))
        n_clipped = ((values < self.low) | (values > self.high)).sum(axis=0)
        return np.clip(values, self.low, self.high), n_clipped

    @property
    def replicas(self) -> tuple[MassScaler, ...]:
        """The scalings that were averaged, each as good a guess as another sample of as many events gives."""
        n = min(len(feature.members) for feature in self.features)
        return tuple(
            replace(self, features=tuple(feature.members[index] for feature in self.features)) for index in range(n)
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays, for a model artifact."""
        arrays = {name: np.asarray(getattr(self, name)) for name in ("center", "scale", "low", "high", "bound")}
        for index, feature in enumerate(self.features):
            arrays |= feature.to_arrays(f"{index}.")
        return arrays

    @staticmethod
    def from_arrays(arrays: Arrays) -> MassScaler:
        """Rebuild what `to_arrays` returned."""
        features = tuple(FeatureScaling.from_arrays(arrays, f"{index}.") for index in range(len(arrays["low"])))
        center, scale, bound = (float(arrays[name]) for name in ("center", "scale", "bound"))
        return MassScaler(features, center, scale, arrays["low"], arrays["high"], bound)
