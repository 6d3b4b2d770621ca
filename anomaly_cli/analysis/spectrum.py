"""Binned dijet spectra and the dijet function, linear in its parameters: ln f = sum_i c_i u_i(mjj)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.windows import COLLISION_ENERGY, Window

BIN_WIDTH = 20.0
"""Width of the mass bins, about [GeV]."""
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True)
class BinnedSpectrum:
    """Counts in mass bins.

    Attributes:
        low: lower edges `(bins,)` [GeV].
        high: upper edges `(bins,)` [GeV].
        counts: events `(bins,)`.
        collision_energy: centre-of-mass energy [GeV], which the dijet function scales masses by.
    """

    low: FloatArray
    high: FloatArray
    counts: FloatArray
    collision_energy: float = COLLISION_ENERGY

    @property
    def centers(self) -> FloatArray:
        """Middle of each bin `(bins,)` [GeV]."""
        centers: FloatArray = (self.low + self.high) / 2
        return centers

    @property
    def nodes(self) -> FloatArray:
        """Quadrature points `(bins, nodes)` [GeV]."""
        points: FloatArray = ((self.low + self.high)[:, None] + (self.high - self.low)[:, None] * _NODES) / 2
        return points

    @property
    def weights(self) -> FloatArray:
        """Quadrature weights `(bins, nodes)` [GeV]."""
        weights: FloatArray = (self.high - self.low)[:, None] * _NODE_WEIGHTS / 2
        return weights

    def inside(self, window: Window) -> npt.NDArray[np.bool_]:
        """Return which bins lie in a window `(bins,)`."""
        return window.contains(self.centers)


def bin_masses(
    masses: Sequence[FloatArray], windows: Sequence[Window], collision_energy: float = COLLISION_ENERGY
) -> BinnedSpectrum:
    """Count the masses of each window in bins of about 20 GeV, at least 5 of them; half-open, as windows are."""
    lows, highs, counts = [], [], []
    for mjj, window in zip(masses, windows, strict=True):
        edges = np.linspace(window.low, window.high, max(5, round(window.width / BIN_WIDTH)) + 1)
        position = np.searchsorted(edges, mjj, side="right") - 1
        counts.append(np.bincount(position, minlength=len(edges) - 1).astype(np.float64))
        lows.append(edges[:-1])
        highs.append(edges[1:])
    return BinnedSpectrum(np.concatenate(lows), np.concatenate(highs), np.concatenate(counts), collision_energy)


def dijet_basis(mjj: FloatArray, n_parameters: int, collision_energy: float) -> FloatArray:
    """Return 1, ln(1-x), ln x, ln^2 x, ... with x = mjj/sqrt(s), `(..., n_parameters)`; masses and energy in GeV."""
    x = mjj / collision_energy
    terms = [np.ones_like(x), np.log1p(-x)] + [np.log(x) ** power for power in range(1, n_parameters - 1)]
    return np.stack(terms, axis=-1)


def orthogonal_basis(spectrum: BinnedSpectrum, n_parameters: int) -> tuple[FloatArray, FloatArray]:
    """Return the basis at the quadrature points `(bins, nodes, p)`, orthogonal over bins, and the rotation `(p, p)`."""
    energy = spectrum.collision_energy
    triangle = np.linalg.qr(dijet_basis(spectrum.centers, n_parameters, energy))[1]
    rotation = np.linalg.inv(triangle)
    return dijet_basis(spectrum.nodes, n_parameters, energy) @ rotation, rotation


def predict(basis: FloatArray, weights: FloatArray, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return expected counts `(bins,)` and their gradient `(bins, p)`."""
    rate = np.exp(basis @ parameters) * weights
    return rate.sum(axis=1), (rate[..., None] * basis).sum(axis=1)


def deviance(counts: FloatArray, expected: FloatArray) -> float:
    """Return the Poisson deviance 2 sum [mu - n + n ln(n/mu)], for expected counts above 0."""
    log_ratio: FloatArray = np.log(np.where(counts > 0, counts, 1.0) / expected)
    return float(2.0 * (expected - counts + np.where(counts > 0, counts * log_ratio, 0.0)).sum())
