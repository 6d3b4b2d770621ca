"""Values that many events share: each is opened into an interval, since a density of points does not exist.

A flow that is shown an integer feature as it is piles up on the integers and gives values between them.

References:
    B. Uria, I. Murray, H. Larochelle, "RNADE: The real-valued neural autoregressive density-estimator",
    2013, arXiv:1306.0186 (uniform dequantisation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

EVENTS_PER_LEVEL = 20
"""A feature with so many events per distinct value, on average, is discrete."""
ATOM_FRACTION = 0.01
"""A single value of an otherwise continuous feature that holds more of the events is an atom."""


@dataclass(frozen=True)
class Atoms:
    """Opened coordinate of a feature: y = stretch x + (number of atoms below x) + u, with u uniform in [0, 1) on atoms.

    Attributes:
        values: the atoms `(k,)`, rising; empty where the feature is continuous.
        stretch: 0 where all values are atoms.
    """

    values: FloatArray
    stretch: float

    @property
    def is_discrete(self) -> bool:
        """Whether all values are atoms."""
        return self.stretch == 0.0

    def open(self, x: FloatArray, generator: np.random.Generator) -> FloatArray:
        """Return y `(n,)`; a discrete feature takes its nearest atom first."""
        if self.is_discrete:
            return self._nearest_index(x) + generator.random(len(x))
        if not len(self.values):
            return x
        below = np.searchsorted(self.values, x, side="left")
        is_atom = self.values[np.minimum(below, len(self.values) - 1)] == x
        y: FloatArray = self.stretch * x + below + np.where(is_atom, generator.random(len(x)), 0.0)
        return y

    def close(self, y: FloatArray) -> FloatArray:
        """Undo `open`: return x `(n,)`."""
        if not len(self.values):
            return y
        begun = np.searchsorted(self.stretch * self.values + np.arange(len(self.values)), y, side="right")
        last = self.values[np.maximum(begun - 1, 0)]
        if self.is_discrete:
            return np.asarray(last)
        x: FloatArray = (y - begun) / self.stretch
        return np.where(begun > 0, np.maximum(x, last), x)

    def _nearest_index(self, x: FloatArray) -> npt.NDArray[np.int64]:
        return np.searchsorted((self.values[1:] + self.values[:-1]) / 2, x)


def find_atoms(x: FloatArray) -> Atoms:
    """Return the atoms of a feature `(n,)`: all its values where it is discrete, else those that many events share."""
    values, counts = np.unique(x, return_counts=True)
    if len(values) * EVENTS_PER_LEVEL <= len(x):
        return Atoms(values, 0.0)
    atoms = values[counts > max(ATOM_FRACTION * len(x), EVENTS_PER_LEVEL)]
    low, high = np.quantile(x[~np.isin(x, atoms)], [0.16, 0.84])
    return Atoms(atoms, float(1.0 / (high - low)) if len(atoms) else 1.0)
