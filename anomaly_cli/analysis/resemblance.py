"""How alike two sets of points are: trees, Wasserstein distances, and how far points were moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from anomaly_cli.analysis.quality import Sampled, Separation, measure_separation
from anomaly_cli.core.folds import FloatArray

DIRECTIONS = 64
"""Directions of a sliced distance."""
QUANTILES = 2000
"""Quantiles that stand for a one-dimensional distribution."""


@dataclass(frozen=True)
class Resemblance:
    """How alike two sets are.

    Attributes:
        separation: AUC of boosted trees.
        sliced_wasserstein: mean over directions of the one-dimensional distance.
    """

    separation: Separation
    sliced_wasserstein: float


def measure_resemblance(first: Sampled, second: Sampled, seed: int, threads: int) -> Resemblance:
    """Compare two sets of points, scaled alike."""
    distance = sliced_wasserstein(first.points, second.points, seed)
    return Resemblance(measure_separation(first, second, seed, threads), distance)


def sliced_wasserstein(first: FloatArray, second: FloatArray, seed: int) -> float:
    """Return the mean over random directions of the 1-Wasserstein distance of the projections.

    Args:
        first: `(n, d)`.
        second: `(m, d)`.
        seed: of the directions; the same seed gives the same ones.

    References:
        J. Rabin, G. Peyre, J. Delon, M. Bernot, "Wasserstein barycenter and its application to texture
        mixing", 2011 (sliced distance).
    """
    directions = np.random.default_rng(seed).standard_normal((first.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    a, b = (np.quantile(points @ directions, levels, axis=0) for points in (first, second))
    return float(np.abs(a - b).mean())


def feature_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the 1-Wasserstein distance of each feature `(d,)`, in its unit."""
    return np.array([wasserstein_distance(a, b) for a, b in zip(first.T, second.T, strict=True)])
