"""How well a template describes background: boosted trees that try to tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_cli.analysis.selection import effective_sources
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.folds import assign_folds

ITERATIONS, LEAVES, FOLDS = 200, 31, 2
"""The fixed trees of every closure figure, so that figures compare."""


@dataclass(frozen=True)
class Sampled:
    """Points to compare.

    Attributes:
        points: `(n, d)`.
        source_id: source of each `(n,)`; copies of one source never cross the folds.
        weight: `(n,)`.
    """

    points: FloatArray
    source_id: IntArray
    weight: FloatArray


@dataclass(frozen=True)
class Separation:
    """How well trees separate two sets.

    Attributes:
        auc: mean over folds; 0.5 where the sets cannot be told apart.
        error: statistical error for indistinguishable sets, from the independent sources of each.
    """

    auc: float
    error: float


def measure_separation(first: Sampled, second: Sampled, seed: int, threads: int) -> Separation:
    """Return the AUC of fixed boosted trees (200 iterations, 31 leaves, 2 folds by source).

    References:
        H. B. Mann, D. R. Whitney, 1947 (variance of the statistic: (n1 + n2 + 1) / (12 n1 n2)).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # a second to import, which planning does not need
    from sklearn.metrics import roc_auc_score

    x = np.concatenate([first.points, second.points])
    y = np.repeat([1, 0], [len(first.points), len(second.points)])
    fold = np.concatenate([assign_folds(part.source_id, FOLDS, seed) for part in (first, second)])
    weight = np.concatenate([first.weight, second.weight])
    aucs = []
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        model = HistGradientBoostingClassifier(
            max_iter=ITERATIONS, max_leaf_nodes=LEAVES, early_stopping=False, random_state=seed
        )
        with threadpool_limits(limits=threads):
            model.fit(x[train], y[train], sample_weight=weight[train] if np.ptp(weight) > 0.0 else None)
            aucs.append(roc_auc_score(y[test], model.decision_function(x[test]), sample_weight=weight[test]))
    n1, n2 = (effective_sources(part.source_id, part.weight) for part in (first, second))
    return Separation(float(np.mean(aucs)), float(np.sqrt((n1 + n2 + 1) / (12.0 * n1 * n2))))
