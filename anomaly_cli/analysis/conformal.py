"""Conformal p-values: the place of an event's score among those of events that are taken for background.

They are valid only if both samples follow one distribution. Side-band events and background of the signal region do not
where features depend on the mass, so p-values from side-bands serve as a warning, and the count uses the template.

References:
    J. Araz, M. Spannowsky, 2026, arXiv:2606.13780 (p-values of resonant searches, weighted and unweighted).
    V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", 2005.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import PhysicsError

STEEPEST = 50.0
"""Largest slope of the logarithm of a weight [1/TeV]."""


@dataclass(frozen=True)
class Conformal:
    """P-values of observed events.

    Attributes:
        p: of each event `(n,)`.
        n_effective: independent events of equal weight that they were compared with.
    """

    p: FloatArray
    n_effective: float

    def expected(self, level: float) -> float:
        """Return how many p-values at or below a level uniform ones would give."""
        return len(self.p) * level

    def count(self, level: float) -> int:
        """Return how many there are."""
        return int((self.p <= level).sum())

    def significance(self, level: float) -> float:
        """Return by how many standard deviations there are too many, from the statistics of both kinds of events."""
        return float((self.count(level) - self.expected(level)) / np.sqrt(self._variance(level, self.expected(level))))

    def scatter(self, level: float) -> float:
        """Return how much the significance scatters: 1 without an excess, more with one."""
        n = self.count(level)
        found = self._variance(level, float(n))
        return float(np.sqrt(found / self._variance(level, self.expected(level))))

    def _variance(self, level: float, passing: float) -> float:
        """Return the variance of a count of so many on average, less what was expected."""
        compared = self.expected(level) * len(self.p) / self.n_effective
        return (1.0 - level) * (passing + compared)


def conformal_p_values(
    observed: ScoredEvents, calibration: ScoredEvents, weight: FloatArray | None = None
) -> Conformal:
    """Return the p-value of every observed event among calibration events of its fold.

    Args:
        observed: scored events `(n,)`.
        calibration: events of no signal, scored by models that have not seen them `(m,)`.
        weight: of these `(m,)`, above 0; None for equal ones.

    Raises:
        PhysicsError: where a fold has no calibration event.
    """
    weight = np.ones(len(calibration.score)) if weight is None else weight
    p, n_effective = np.empty(len(observed.score)), 0.0
    for fold in np.unique(observed.fold):
        own, other = observed.fold == fold, calibration.fold == fold
        if not other.any():
            raise PhysicsError(f"conformal p-values: fold {fold} has no events to compare with; use fewer folds")
        order = np.argsort(-calibration.score[other])
        scores, summed = -calibration.score[other][order], np.cumsum(weight[other][order])
        n_above = np.searchsorted(scores, -observed.score[own], side="right")
        p[own] = (np.concatenate([[0.0], summed])[n_above] + 1.0) / (summed[-1] + 1.0)
        n_effective += float(weight[other].sum() ** 2 / (weight[other] ** 2).sum())
    return Conformal(p, n_effective)


def tilted_weights(masses: FloatArray, mean: float) -> FloatArray:
    """Return weights exp(a m) of mean 1 with which events have another mean mass.

    Args:
        masses: of the events `(n,)` [GeV].
        mean: their mean mass with the weights [GeV].

    Raises:
        PhysicsError: where the masses do not reach it.
    """
    scaled = (masses - mean) / 1000.0

    def off(a: float) -> float:
        weight = np.exp(a * scaled)
        return float((weight * scaled).sum() / weight.sum())

    if not off(-STEEPEST) < 0.0 < off(STEEPEST):
        raise PhysicsError(f"conformal p-values: no weights give the events a mean mass of {mean:.0f} GeV")
    weight = np.exp(float(brentq(off, -STEEPEST, STEEPEST)) * scaled)
    return np.asarray(weight / weight.mean())
