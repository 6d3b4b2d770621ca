"""CWoLa in k folds: observed against template, every event scored by models that never saw it or a copy.

References:
    E. M. Metodiev, B. Nachman, J. Thaler, "Classification without labels", 2017, arXiv:1708.02949.
    T. Finke et al., "Back to the roots: tree-based algorithms for weakly supervised anomaly detection",
    2023, arXiv:2309.13111 (boosted trees).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from anomaly_cli.classifiers.settings import ClassifierSettings
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FloatArray, FoldScores, IntArray, assign_folds, hash_uniform
from anomaly_cli.core.progress import Progress, Step
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.workers import in_order

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

N_BINS = 255
"""Quantile bins per feature."""
FEWEST_EVENTS = 100
"""Fewer observed or template events than this cannot train a classifier in folds."""


@dataclass(frozen=True)
class Resources:
    """What the work may use; never changes a result but for `threads`.

    Attributes:
        processes: processes to train in.
        threads: threads of each.
        progress: where to report.
        task: what the progress is called.
    """

    processes: int
    threads: int
    progress: Progress
    task: str = "classify: boosted trees"


@dataclass(frozen=True)
class _Job:
    fold: int
    seed: int
    salt: int


def score_in_folds(
    sets: Sequence[Events], settings: ClassifierSettings, streams: Streams, resources: Resources
) -> list[FoldScores]:
    """Train observed against template in folds by source event, and score every set.

    Args:
        sets: the observed events, the template events, and any others to be scored as well; ids of
            different events must differ over observed and others, a template's source ids name observed
            events (or the events that it consists of).
        settings: the classifier.
        streams: random streams of the classifier.
        resources: processes, threads and where to report.

    Returns:
        The scores of each set, in order. They are the same for any number of processes.

    Raises:
        PhysicsError: where there are too few events, or a fold is left without a class.
    """
    salt = streams.integer("folds")
    folds = [assign_folds(events.source_id, settings.folds, salt) for events in sets]
    _check_sizes(sets, folds, settings.folds)
    jobs = [
        _Job(fold, streams.integer(f"model/{fold}/{member}"), streams.integer(f"validation/{fold}/{member}"))
        for fold in range(settings.folds)
        for member in range(settings.ensemble)
    ]
    totals = [np.zeros(len(events)) for events in sets]
    edges = _bin_edges(sets[:2])
    tables = [_Table(_bin(e.features, edges), e.source_id, e.weight, fold) for e, fold in zip(sets, folds, strict=True)]
    pieces = ((job, tables, settings, resources.threads) for job in jobs)
    with contextlib.closing(in_order(_train_and_score, pieces, resources.processes)) as scores:
        for done, (job, parts) in enumerate(zip(jobs, scores, strict=True)):
            for total, fold, part in zip(totals, folds, parts, strict=True):
                total[fold == job.fold] += part
            resources.progress(Step(resources.task, done + 1, len(jobs), f"fold {job.fold + 1}"))
    return [FoldScores(fold, total / settings.ensemble) for fold, total in zip(folds, totals, strict=True)]


@dataclass(frozen=True)
class _Table:
    bins: npt.NDArray[np.uint8]
    source_id: IntArray
    weight: FloatArray
    fold: IntArray


def _train_and_score(
    job: _Job, tables: Sequence[_Table], settings: ClassifierSettings, threads: int
) -> list[FloatArray]:
    """Train one model without the job's fold and score that fold of every set."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # a second to import, which planning does not need

    observed, template = tables[0], tables[1]
    x = np.concatenate([observed.bins, template.bins])
    y = np.repeat([1, 0], [len(observed.fold), len(template.fold)])
    source = np.concatenate([observed.source_id, template.source_id])
    used = np.concatenate([observed.fold, template.fold]) != job.fold
    weight = np.concatenate([observed.weight, template.weight])
    held_out = used & (hash_uniform(source, job.salt) < settings.validation_fraction)
    trained = used & ~held_out
    if min(len(np.unique(y[trained])), len(np.unique(y[held_out]))) < 2:
        raise PhysicsError(
            f"classify: fold {job.fold} has too few events to train on and to stop on; use fewer folds, or a"
            " classifier.validation_fraction nearer 0.1"
        )
    weight[y == 0] *= weight[trained & (y == 1)].sum() / weight[trained & (y == 0)].sum()
    model = HistGradientBoostingClassifier(
        max_iter=settings.iterations,
        max_leaf_nodes=settings.leaves,
        learning_rate=settings.learning_rate,
        early_stopping=True,
        n_iter_no_change=settings.patience,
        random_state=job.seed,
    )
    with threadpool_limits(limits=threads):
        model.fit(
            x[trained],
            y[trained],
            sample_weight=weight[trained],
            X_val=x[held_out],
            y_val=y[held_out],
            sample_weight_val=weight[held_out],
        )
        return [_log_odds(model, table.bins[table.fold == job.fold]) for table in tables]


def _bin_edges(sets: Sequence[Events]) -> FloatArray:
    """Return quantiles of each feature over all sets together `(N_BINS - 1, d)`.

    They are the same for all folds: which set an event belongs to does not enter. scikit-learn would bin
    for every model, and sorts the events anew for each edge where there are weights.
    """
    features = np.concatenate([events.features for events in sets])
    edges: FloatArray = np.quantile(features, np.arange(1, N_BINS) / N_BINS, axis=0)
    return edges


def _bin(features: FloatArray, edges: FloatArray) -> npt.NDArray[np.uint8]:
    """Return the bin of every value `(n, d)`."""
    binned = [np.searchsorted(edge, column, side="right") for edge, column in zip(edges.T, features.T, strict=True)]
    return np.stack(binned, axis=1).astype(np.uint8)


def _log_odds(model: HistGradientBoostingClassifier, bins: npt.NDArray[np.uint8]) -> FloatArray:
    if not len(bins):
        return np.zeros(0)
    score: FloatArray = model.decision_function(bins)
    return score


def _check_sizes(sets: Sequence[Events], folds: Sequence[IntArray], n_folds: int) -> None:
    for name, events, fold in zip(("observed", "template"), sets, folds, strict=False):
        if len(events) < FEWEST_EVENTS or len(np.unique(fold)) < n_folds:
            raise PhysicsError(
                f"classify: the {name} events in the signal region are too few for {n_folds} folds; at least"
                f" {FEWEST_EVENTS} are needed: widen the signal region or use fewer folds"
            )
