"""Distances between a template and background: numbers that say where they differ, beside the AUC that says whether.

All are measured in units of the standard deviation of each feature of the events compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import sqrtm

from anomaly_cli.core.arrays import FloatArray

N_DIRECTIONS = 50
"""Random directions of the sliced Wasserstein distance."""
N_QUANTILES = 200
"""Equal quantiles that a sliced distance compares: the Wasserstein distance on a grid."""
N_SIZES, N_SUBSAMPLES = 10, 10
"""Sample sizes of the extrapolation to endless statistics, and subsamples of each."""
N_TENTHS = 10
SMALLEST_SHARE, LARGEST_SHARE = 1 / 8, 1 / 2
"""Sample sizes in shares of the smaller sample.

Subsamples are drawn without replacement, as events would be drawn anew; with replacement the distance of equal
distributions would go to that of the two samples.
"""
FEWEST_PER_FEATURE = 5
"""With fewer events per feature in the smallest subsamples no straight line leads to endless statistics."""
LARGEST_SAMPLE = 50_000
KERNEL_BATCHES, KERNEL_BATCH = 10, 2_000
"""Batches of the kernel distance, and events of each at most; half of the smaller sample at most."""
FEWEST_OF_KERNEL = 4
"""Points of each sample: a batch is half of them, and a discrepancy needs two."""
MEDIAN_VARIANCE = np.pi / 2.0
"""Variance of a median in units of that of a mean, for normal values."""


@dataclass(frozen=True)
class Distances:
    """How far one set of points lies from another.

    Attributes:
        wasserstein: per feature `(d,)`.
        sliced_wasserstein: mean over random directions.
        correlation: largest absolute difference between two linear correlation coefficients.
        fpd: Frechet distance of the two Gaussian approximations, extrapolated to endless statistics; NaN where there
            are too few events.
        fpd_error: of the extrapolation, and of the finite samples by a jackknife over tenths, in quadrature.
        kpd: squared maximum mean discrepancy of a polynomial kernel, median over batches; may be negative, and NaN
            where there are fewer than four events.
        kpd_error: of new samples, from the scatter of the batches, which overlap.
    """

    wasserstein: FloatArray
    sliced_wasserstein: float
    correlation: float
    fpd: float
    fpd_error: float
    kpd: float
    kpd_error: float


def measure_distances(points: FloatArray, reference: FloatArray, generator: np.random.Generator) -> Distances:
    """Return the distances of `points (n, d)` from `reference (m, d)`, both of independent events.

    References:
        R. Kansal et al., "Evaluating generative models in high energy physics", 2022, arXiv:2211.10295
        (FPD and KPD; here on the analysis features, with sample sizes that the data allow).
    """
    center, scale = reference.mean(axis=0), reference.std(axis=0)
    x, y = (points - center) / scale, (reference - center) / scale
    fpd, fpd_error = _frechet(x, y, generator)
    kpd, kpd_error = _kernel(x, y, generator)
    d = x.shape[1]
    difference = np.corrcoef(x, rowvar=False) - np.corrcoef(y, rowvar=False) if d > 1 else np.zeros(1)
    sliced = sliced_wasserstein(x, y, generator)
    return Distances(
        wasserstein=feature_distances(x, y),
        sliced_wasserstein=sliced,
        correlation=float(np.abs(difference).max()),
        fpd=fpd,
        fpd_error=fpd_error,
        kpd=kpd,
        kpd_error=kpd_error,
    )


def feature_distances(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the 1-Wasserstein distance of each feature `(d,)`, in its unit."""
    from scipy.stats import wasserstein_distance  # half a second to import

    return np.array([wasserstein_distance(a, b) for a, b in zip(x.T, y.T, strict=True)])


def sliced_wasserstein(x: FloatArray, y: FloatArray, generator: np.random.Generator) -> float:
    """Return the mean over random directions of the 1-Wasserstein distance of the projections."""
    directions = generator.standard_normal((N_DIRECTIONS, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    levels = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    first, second = (np.quantile(np.sort(directions @ points.T), levels, axis=1) for points in (x, y))
    return float(np.abs(first - second).mean())


def _frechet(x: FloatArray, y: FloatArray, generator: np.random.Generator) -> tuple[float, float]:
    """Return the Frechet distance at 1/n = 0 of a straight line through its means at several sample sizes."""
    n = min(len(x), len(y), LARGEST_SAMPLE)
    if n * SMALLEST_SHARE < FEWEST_PER_FEATURE * x.shape[1]:
        return float("nan"), float("nan")
    sizes = (n / np.linspace(1.0 / SMALLEST_SHARE, 1.0 / LARGEST_SHARE, N_SIZES)).astype(np.int64)
    means = [
        np.mean([_gaussian_distance(*_subsamples(x, y, int(n), generator)) for _ in range(N_SUBSAMPLES)]) for n in sizes
    ]
    line, covariance = np.polyfit(1.0 / sizes, means, 1, cov=True)
    return float(line[1]), float(np.hypot(np.sqrt(covariance[1, 1]), _jackknife(x, y)))


def _jackknife(x: FloatArray, y: FloatArray) -> float:
    """Return the statistical error of the distance of two samples, from leaving out a tenth of either at a time.

    The subsamples of the extrapolation overlap, so their scatter is less than that of new samples.
    """
    parts = [np.arange(len(points)) % N_TENTHS for points in (x, y)]
    values = [_gaussian_distance(x[parts[0] != k], y[parts[1] != k]) for k in range(N_TENTHS)]
    return float(np.std(values) * np.sqrt(N_TENTHS - 1.0))


def _subsamples(x: FloatArray, y: FloatArray, n: int, generator: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    first, second = (points[generator.permutation(len(points))[:n]] for points in (x, y))
    return first, second


def _gaussian_distance(x: FloatArray, y: FloatArray) -> float:
    """Return |mu_x - mu_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))."""
    c_x, c_y = (np.atleast_2d(np.cov(points, rowvar=False)) for points in (x, y))
    root = np.real(sqrtm(c_x @ c_y))
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift @ shift + np.trace(c_x + c_y - 2.0 * root))


def _kernel(x: FloatArray, y: FloatArray, generator: np.random.Generator) -> tuple[float, float]:
    """Return the median over batches, and its error over new samples.

    Batches of a share f = n / N of the samples, on average of both, overlap: they scatter by the share 1 - f of the
    variance of independent batches only. That of the median is the share f, which all batches have in common, and the
    rest over their number. For equal distributions that is too much, since they have less in common.
    """
    smaller = min(len(x), len(y))
    if smaller < FEWEST_OF_KERNEL:
        return float("nan"), float("nan")
    n = min(smaller // 2, KERNEL_BATCH)
    values = [_discrepancy(*_scaled(*_subsamples(x, y, n, generator))) for _ in range(KERNEL_BATCHES)]
    common, within = (n / len(x) + n / len(y)) / 2.0, np.var(values, ddof=1)
    of_median = MEDIAN_VARIANCE / KERNEL_BATCHES
    return float(np.median(values)), float(np.sqrt(within * (common / (1.0 - common) + of_median)))


def _scaled(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a batch in units of its own reference, whose error then is in the scatter of the batches."""
    center, scale = y.mean(axis=0), y.std(axis=0)
    return (x - center) / scale, (y - center) / scale


def _discrepancy(x: FloatArray, y: FloatArray) -> float:
    """Return the unbiased squared maximum mean discrepancy of the kernel (x.y/d + 1)^4."""
    d, n = x.shape[1], len(x)

    def kernel(a: FloatArray, b: FloatArray) -> FloatArray:
        matrix: FloatArray = a @ b.T
        matrix /= d
        matrix += 1.0
        matrix *= matrix
        matrix *= matrix
        return matrix

    within = [(matrix.sum() - np.trace(matrix)) / (n * (n - 1)) for matrix in (kernel(x, x), kernel(y, y))]
    return float(sum(within) - 2.0 * kernel(x, y).mean())
