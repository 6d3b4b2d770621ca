"""Draw events to be used again: about equally often, or as often as their weights say."""

from __future__ import annotations

import numpy as np

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.events import Events


def draw_sources(events: Events, n: int, generator: np.random.Generator) -> IntArray:
    """Return `n` indices of events, each used about equally often, in random order."""
    rounds = [generator.permutation(len(events)) for _ in range(-(-n // len(events)))]
    return np.concatenate(rounds)[:n]


def draw_by_weight(weight: FloatArray, n: int, generator: np.random.Generator) -> IntArray:
    """Return `n` indices of events `(n,)`, in random order, each event as often as its weight asks for.

    An event of weight w is drawn n w / sum(w) times, rounded up or down at random (systematic sampling).

    References:
        G. Kitagawa, "Monte Carlo filter and smoother for non-Gaussian nonlinear state space models",
        J. Comput. Graph. Stat. 5 (1996) 1.
    """
    order = generator.permutation(len(weight))
    reach = np.cumsum(weight[order])
    position = (np.arange(n) + generator.random()) * (reach[-1] / n)
    drawn = order[np.minimum(np.searchsorted(reach, position, side="right"), len(weight) - 1)]
    shuffled: IntArray = generator.permutation(drawn)
    return shuffled
