"""Upper limits on the strength of a signal whose efficiency depends on the strength.

A classifier trained on the data finds a strong signal better than a weak one, so the yield after the cut is
not proportional to the strength. An injection study measures it: mean and spread over trainings of the
selected signal at each strength. A strength is excluded where CLs of its yield, averaged over the spread, is
below 0.05; the limit is the strength from which on all are excluded, so a weak signal that trains a poor
classifier is never excluded by a good one's efficiency. Systematics of the signal's efficiency are averaged
over as well.

References:
    R. D. Cousins, V. L. Highland, 1992, Nucl. Instrum. Meth. A320 331 (averages over an uncertain efficiency).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, qmc

from anomaly_cli.analysis.counting import Shift
from anomaly_cli.analysis.limits import LEVEL, asymptotic_cls
from anomaly_cli.analysis.profile import Experiments
from anomaly_cli.analysis.skewed import log_factor
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import PhysicsError

FEWEST_EXPERIMENTS = 2
"""Fewer experiments at a strength tell no spread."""
STEPS = 400
"""Strengths at which CLs is computed."""
FACTORS = 9
"""Values of equal probability that stand for the efficiency's uncertainty."""
DRAWS = 4096
"""Combinations of systematics, evenly drawn, that they are means of."""
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@dataclass(frozen=True)
class Response:
    """Selected signal as a function of the injected signal, from 0 on, linear in between.

    Attributes:
        strength: injected signal events, rising `(j,)`.
        mean: selected signal events `(j,)`.
        spread: their standard deviation over trainings, without that of the selection of a fixed number of injected
            events, which is binomial `(j,)`.
        factors: values of equal probability of the factor that systematics of the efficiency put on the yield `(f,)`.
    """

    strength: FloatArray
    mean: FloatArray
    spread: FloatArray
    factors: FloatArray = field(default_factory=lambda: np.ones(1))

    def yields(self, strength: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return selected signal events `(nodes, s)` at strengths `(s,)`, and the weights of the nodes `(nodes,)`.

        Nodes are those of the spread of the trainings times those of the efficiency's factors.
        """
        mean, spread = (np.interp(strength, self.strength, values) for values in (self.mean, self.spread))
        yields = np.maximum(mean + spread * _NODES[:, None], 0.0)
        every = (self.factors[:, None, None] * yields).reshape(-1, len(strength))
        weights = np.tile(_NODE_WEIGHTS, len(self.factors))
        return every, weights / weights.sum()


def efficiency_factors(shifts: Sequence[Shift]) -> FloatArray:
    """Return values of equal probability of the product of the systematics' factors `(f,)`; 1 where there are none."""
    if not shifts:
        return np.ones(1)
    uniform = qmc.Sobol(len(shifts), seed=0).random(DRAWS)
    alphas = norm.ppf(np.clip(uniform, 0.5 / DRAWS, 1.0 - 0.5 / DRAWS))
    total = np.zeros(DRAWS)
    for alpha, one in zip(alphas.T, shifts, strict=True):
        total += log_factor(alpha, np.asarray(1.0 + one.up), np.asarray(1.0 + one.down))[0]
    return np.array([part.mean() for part in np.array_split(np.sort(np.exp(total)), FACTORS)])


def fixed_response(efficiency: float, largest: float, factors: FloatArray) -> Response:
    """Return the response of a classifier whose efficiency does not depend on the strength, up to a largest one."""
    strength = np.array([0.0, largest])
    return Response(strength, efficiency * strength, np.zeros(2), factors)


def measure_response(injected: IntArray, selected: IntArray) -> Response:
    """Return the response from pseudo-experiments with injected signal, `(n,)` each.

    Raises:
        PhysicsError: where there is no injected signal, or only one experiment of a strength.
    """
    strengths, counts = np.unique(injected[injected > 0], return_counts=True)
    if not len(strengths) or counts.min() < FEWEST_EXPERIMENTS:
        raise PhysicsError(
            f"limit on the signal strength: the injection study needs at least {FEWEST_EXPERIMENTS} pseudo-experiments"
            " of each strength; run 'anomaly significance inject-scan' with more --experiments"
        )
    groups: list[npt.NDArray[np.int64]] = [selected[injected == n] for n in strengths]
    mean = np.array([group.mean() for group in groups])
    binomial = mean * (1.0 - np.minimum(mean / strengths, 1.0))
    spread = np.sqrt(np.maximum([group.var(ddof=1) for group in groups] - binomial, 0.0))
    return Response(
        strength=np.concatenate([[0.0], strengths]),
        mean=np.concatenate([[0.0], mean]),
        spread=np.concatenate([[0.0], spread]),
    )


def strength_limits(data: Experiments, response: Response, toy_ratio: FloatArray | float = 1.0) -> FloatArray:
    """Return 95 % CLs limits on the strength of one experiment `(6,)`: observed, five expected, strongest first.

    Infinite where the largest strength of the study is not excluded.

    Args:
        data: the experiment (arrays of shape ()).
        response: what a strength yields.
        toy_ratio: limits on the yield by toys over the asymptotic ones `(6,)`; CLs is taken at yields divided by it.
    """
    grid = np.linspace(0.0, response.strength[-1], STEPS + 1)[1:]
    at_nodes, weight = response.yields(grid)
    yields = np.broadcast_to(at_nodes[:, None, :], (len(weight), 6, STEPS)).copy()
    yields /= np.broadcast_to(toy_ratio, 6)[:, None]
    cls = sum(w * asymptotic_cls(data, y) for w, y in zip(weight, yields, strict=True))
    return np.array([_last_crossing(grid, row) for row in np.asarray(cls)])


def _last_crossing(grid: FloatArray, cls: FloatArray) -> float:
    """Return where CLs falls below the level for good."""
    is_open = np.flatnonzero(cls > LEVEL)
    if not len(is_open):
        return float(grid[0])
    last = int(is_open[-1])
    if last == len(grid) - 1:
        return float("inf")
    share = (cls[last] - LEVEL) / (cls[last] - cls[last + 1])
    return float(grid[last] + share * (grid[last + 1] - grid[last]))
