"""Scoring in k folds: every event by models that never saw it or a copy of it.

The caller decides in which fold each event is, and which events train the models of which folds.

References:
    E. M. Metodiev, B. Nachman, J. Thaler, "Classification without labels", 2017, arXiv:1708.02949.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.classifiers.base import Classifier, Draws, FittedClassifier, Labelled, Preparation
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import KFold, hash_uniform
from anomaly_cli.core.progress import Step
from anomaly_cli.core.workers import in_order

FEWEST_EVENTS = 100
"""Fewer observed or template events than this cannot train a classifier in folds."""
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Contest:
    """Two classes of events to be told apart.

    Attributes:
        positive: the events that are looked for, such as the observed ones.
        negative: the events that they are compared with, such as the template.
        folds: the fold of every event of the two classes, whose models must not see it `(n,)` each; -1 for no fold.
        trains: whether an event of the two classes trains the models of a fold `(n, folds)` each; None where all do
            but those of its own.
        names: what the two classes are called in sentences.
    """

    positive: Events
    negative: Events
    folds: tuple[IntArray, IntArray]
    trains: tuple[BoolArray | None, BoolArray | None] = (None, None)
    names: tuple[str, str] = ("observed", "template")

    def against(self, is_kept: BoolArray) -> Contest:
        """Return the contest with some of the negative events `(n,)`."""
        trains = self.trains[1]
        return replace(
            self,
            negative=self.negative.take(is_kept),
            folds=(self.folds[0], self.folds[1][is_kept]),
            trains=(self.trains[0], None if trains is None else trains[is_kept]),
        )


@dataclass(frozen=True)
class Ensembles:
    """The trained models of all folds.

    Attributes:
        classifier: their family.
        preparation: what they share.
        members: the models of each fold.
    """

    classifier: Classifier
    preparation: Preparation
    members: Sequence[Sequence[FittedClassifier]]

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return each event's mean log-odds by the models of its fold `(n,)`; NaN where there is no such fold."""
        prepared = self.preparation.apply(events)
        total = np.full(len(events), np.nan)
        for index, members in enumerate(self.members):
            inside = np.flatnonzero(fold == index)
            total[inside] = 0.0
            part = prepared.take(inside)
            for member in members:
                total[inside] += member.log_odds(part)
        return total / len(self.members[0])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all models as arrays: those of one name one after the other, with the length of each."""
        arrays = {f"preparation.{name}": array for name, array in self.preparation.to_arrays().items()}
        stored = [member.to_arrays() for members in self.members for member in members]
        for name in stored[0]:
            parts = [one[name] for one in stored]
            arrays[f"member.{name}"] = np.concatenate(parts)
            arrays[f"length.{name}"] = np.array([len(part) for part in parts], dtype=np.int64)
        sizes = {"folds": len(self.members), "ensemble": len(self.members[0])}
        return arrays | {name: np.array(size) for name, size in sizes.items()}

    @staticmethod
    def from_arrays(classifier: Classifier, arrays: Arrays) -> Ensembles:
        """Rebuild what `to_arrays` returned."""
        folds, ensemble = int(arrays["folds"]), int(arrays["ensemble"])
        prepared = under("preparation.", arrays)
        columns = {
            name: np.split(values, np.cumsum(arrays[f"length.{name}"])[:-1])
            for name, values in under("member.", arrays).items()
        }
        members = [
            classifier.load({name: parts[index] for name, parts in columns.items()})
            for index in range(folds * ensemble)
        ]
        grouped = [members[first : first + ensemble] for first in range(0, folds * ensemble, ensemble)]
        return Ensembles(classifier, classifier.load_preparation(prepared), grouped)


@dataclass(frozen=True)
class _Job:
    """Some models of one fold that are trained in one go."""

    fold: int
    members: range


@dataclass(frozen=True)
class _Work:
    """What every training of one contest shares."""

    contest: Contest
    classifier: Classifier
    kfold: KFold
    compute: Compute


def train_in_folds(
    contest: Contest, classifier: Classifier, kfold: KFold, compute: Compute, only: Sequence[int] | None = None
) -> Ensembles:
    """Train the models of all folds, or of some.

    Args:
        contest: what is told apart; source ids of the two classes agree where events are copies of one.
        classifier: the family of the models.
        kfold: how events are divided.
        compute: streams of the classifier, processes, threads and where to report.
        only: the folds to train models for; None for all of them.

    Returns:
        The models, of these folds in this order; they are the same for any number of processes.

    Raises:
        PhysicsError: where there are too few events, or a fold is left without a class.
    """
    sets = (contest.positive, contest.negative)
    _check_sizes(contest, kfold.folds)
    preparation = classifier.prepare(concatenate(sets), compute)
    prepared = replace(contest, positive=preparation.apply(sets[0]), negative=preparation.apply(sets[1]))
    work = _Work(prepared, classifier, kfold, compute.alone())
    folds = list(range(kfold.folds) if only is None else only)
    size = classifier.ensemble if classifier.trains_side_by_side else 1
    groups = [range(first, first + size) for first in range(0, classifier.ensemble, size)]
    jobs = [_Job(fold, group) for fold in folds for group in groups]
    members: list[list[FittedClassifier]] = [[] for _ in folds]
    task = f"classify: {classifier.name}"
    compute.progress(Step(task, 0, len(jobs)))
    with contextlib.closing(in_order(_train, ((work, job) for job in jobs), compute.processes)) as trained:
        for done, (job, models) in enumerate(zip(jobs, trained, strict=True)):
            members[folds.index(job.fold)] += models
            compute.progress(Step(task, done + 1, len(jobs)))
    return Ensembles(classifier, preparation, members)


def _train(work: _Work, job: _Job) -> Sequence[FittedClassifier]:
    """Train models of a fold without the events of that fold."""
    streams, contest = work.compute.streams, work.contest
    pool = training_of(contest, job.fold)
    events, is_positive = pool.events, pool.is_positive
    salts = [streams.integer(f"validation/{job.fold}/{member}") for member in job.members]
    held_out = np.array([hash_uniform(events.source_id, salt) < work.kfold.validation_fraction for salt in salts])
    for one in held_out:
        if min(len(np.unique(is_positive[one])), len(np.unique(is_positive[~one]))) < 2:
            raise PhysicsError(
                f"classify: fold {job.fold} has too few events to train on and to stop on; use fewer folds, or a"
                " classifier.validation_fraction nearer 0.1"
            )
    weight = np.array([balance(events.weight, is_positive, ~one) for one in held_out])
    computes = [work.compute.child(f"model/{job.fold}/{member}") for member in job.members]
    return work.classifier.fit_members(Draws(pool, held_out, weight), computes)


def training_of(contest: Contest, fold: int) -> Labelled:
    """Return the events that the models of a fold train and stop on: none of those of that fold."""
    used = [
        (own != fold) & (True if trains is None else trains[:, fold])
        for own, trains in zip(contest.folds, contest.trains, strict=True)
    ]
    parts = [events.take(mask) for events, mask in zip((contest.positive, contest.negative), used, strict=True)]
    return Labelled(concatenate(parts), np.repeat([True, False], [len(part) for part in parts]))


def balance(weight: FloatArray, is_positive: BoolArray, trained: BoolArray) -> FloatArray:
    """Return the weights, those of the negative class scaled to the total of the positive one in the training."""
    scale = weight[trained & is_positive].sum() / weight[trained & ~is_positive].sum()
    return np.where(is_positive, weight, weight * scale)


def _check_sizes(contest: Contest, n_folds: int) -> None:
    for name, events, fold in zip(contest.names, (contest.positive, contest.negative), contest.folds, strict=True):
        if len(events) < FEWEST_EVENTS or len(np.unique(fold[fold >= 0])) < n_folds:
            raise PhysicsError(
                f"classify: the {name} events in the signal region are too few for {n_folds} folds; at least"
                f" {FEWEST_EVENTS} are needed: widen the signal region or use fewer folds"
            )
