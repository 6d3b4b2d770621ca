"""The ARGOS score: how much a classifier finds in data beyond the template, without labels.

References:
    M. Hein et al., "How to pick the best anomaly detector?", 2025, arXiv:2511.14832.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray

FEWEST_PASSING = 25
"""Thresholds that keep fewer template events are left out (ours: at fewer, the largest of many fluctuations wins)."""


def argos(
    observed: FloatArray, template: FloatArray, weight: FloatArray | None = None, fewest: int = FEWEST_PASSING
) -> float:
    """Return the largest eps_data / sqrt(eps_template) - sqrt(eps_template) over thresholds; 0 where nothing is found.

    Without signal both efficiencies agree and it is near 0; with a little signal it is S/B times SIC. It picks the
    largest excess: events that trained a classifier must not be among its arguments, and whatever is chosen by it has
    to be chosen anew in each pseudo-experiment.

    Args:
        observed: scores of held-out observed events `(n,)`.
        template: scores of held-out template events `(m,)`.
        weight: weights of the template events `(m,)`; by default all weigh the same.
        fewest: template events that a threshold has to keep.
    """
    order = np.argsort(template, kind="stable")[::-1]
    weights = np.ones(len(template)) if weight is None else weight
    kept = np.cumsum(weights[order]) / weights.sum() if len(template) else np.zeros(0)
    thresholds = template[order]
    is_last = np.append(thresholds[1:] < thresholds[:-1], True)[: len(thresholds)]  # of events of equal score
    used = np.flatnonzero(is_last & (np.arange(1, len(thresholds) + 1) >= fewest))
    if not len(used) or not len(observed):
        return 0.0
    ascending = np.sort(observed)
    passing = (len(observed) - np.searchsorted(ascending, thresholds[used], side="left")) / len(observed)
    root: npt.NDArray[np.float64] = np.sqrt(kept[used])
    return max(0.0, float((passing / root - root).max()))
