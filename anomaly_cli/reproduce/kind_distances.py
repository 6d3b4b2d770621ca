"""Distances between two-dimensional distributions, whose values are known by algebra.

References:
    R. Kansal et al., "Evaluating generative models in high energy physics", 2022, arXiv:2211.10295, Table I.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import comb
from typing import Any

import numpy as np
from scipy.linalg import sqrtm

from anomaly_cli.analysis.distances import measure_distances
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.reproduce.eventfiles import EventFiles
from anomaly_cli.reproduce.targets import Target

VERSION = 2
SETTINGS = ("toy", "points")
DEGREE = 4
"""Of the polynomial kernel."""
ROUNDING = 1e-9
"""A distance below it is 0."""
N_NODES = 5
"""Gauss-Hermite nodes: exact for polynomials up to degree 9."""
Settings = dict[str, Any]


@dataclass(frozen=True)
class Mixture:
    """Gaussians of equal weight and covariance.

    Attributes:
        means: `(k, d)`.
        covariance: `(d, d)`.
    """

    means: FloatArray
    covariance: FloatArray

    def draw(self, n: int, generator: np.random.Generator) -> FloatArray:
        """Return `n` points `(n, d)`."""
        centres = self.means[generator.integers(0, len(self.means), n)]
        return centres + generator.multivariate_normal(np.zeros(self.means.shape[1]), self.covariance, n)

    @property
    def mean(self) -> FloatArray:
        """Mean `(d,)`."""
        return np.asarray(self.means.mean(axis=0))

    @property
    def whole_covariance(self) -> FloatArray:
        """Covariance of the mixture `(d, d)`."""
        return self.covariance + np.cov(self.means, rowvar=False, bias=True)

    def moment(self, powers: tuple[int, int]) -> float:
        """Return the expectation of x1^a x2^b, exact for a + b up to 9."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
        weights = weights / weights.sum()
        root, total = np.linalg.cholesky(self.covariance), 0.0
        for (i, u), (j, v) in product(enumerate(nodes), enumerate(nodes)):
            x = self.means + root @ np.array([u, v])
            total += weights[i] * weights[j] * float((x[:, 0] ** powers[0] * x[:, 1] ** powers[1]).mean())
        return total


def _gaussian(shift: float = 0.0, factor: float = 1.0, covariance: float = 0.25) -> Mixture:
    return Mixture(np.array([[shift, 0.0]]), factor * np.array([[1.0, covariance], [covariance, 1.0]]))


def _two_gaussians(m: float) -> Mixture:
    """Return a mixture at (m, m) and (-m, -m) with the mean and the covariance of the truth."""
    return Mixture(np.array([[m, m], [-m, -m]]), _gaussian().covariance - m * m)


TOYS: Mapping[str, Mixture] = {
    "truth": _gaussian(),
    "shift mu_x by 1 sigma": _gaussian(shift=1.0),
    "shift mu_x by 0.1 sigma": _gaussian(shift=0.1),
    "zero covariance": _gaussian(covariance=0.0),
    "(co)variances x10": _gaussian(factor=10.0),
    "(co)variances /10": _gaussian(factor=0.1),
    "mixture of two Gaussians 1 (means +-0.6)": _two_gaussians(0.6),
    "mixture of two Gaussians 2 (means +-0.75)": _two_gaussians(0.75),
}
"""The distributions of the paper by the name of its rows; all are compared with the first."""


def frechet_distance(one: Mixture, other: Mixture) -> float:
    """Return |mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))."""
    shift, first, second = one.mean - other.mean, one.whole_covariance, other.whole_covariance
    found = float(shift @ shift + np.trace(first + second - 2.0 * np.real(sqrtm(first @ second))))
    return found if abs(found) > ROUNDING else 0.0


def kernel_distance(one: Mixture, other: Mixture) -> float:
    """Return the squared maximum mean discrepancy of the kernel (x.y/2 + 1)^4.

    The kernel is a sum over monomials, so the discrepancy is one over squared differences of moments.
    """
    total = 0.0
    for degree in range(1, DEGREE + 1):
        for a in range(degree + 1):
            powers = (a, degree - a)
            difference = one.moment(powers) - other.moment(powers)
            total += comb(DEGREE, degree) / 2.0**degree * comb(degree, a) * difference**2
    return total


def describe(settings: Settings, _target: Target, _files: EventFiles) -> Settings:
    """Return the settings of a job: a toy and a number of points."""
    return {"toy": str(settings["toy"]), "points": int(settings["points"])}


def run(settings: Settings, compute: Compute) -> dict[str, float]:
    """Draw a toy and the truth, and measure their distances."""
    toy, truth, n = TOYS[settings["toy"]], TOYS["truth"], settings["points"]
    draws = compute.streams.generator(f"points/{settings['toy']}")
    found = measure_distances(toy.draw(n, draws), truth.draw(n, draws), compute.streams.generator("distances"))
    return {
        "fpd": found.fpd,
        "fpd.error": found.fpd_error,
        "fpd.exact": frechet_distance(toy, truth),
        "kpd": found.kpd,
        "kpd.error": found.kpd_error,
        "kpd.exact": kernel_distance(toy, truth),
    }
