"""Scoring in k folds: every event by models that never saw it or a copy of it.

Folds are a hash of the source id. A template may have several parts, each of which trains the models of some folds and
is counted in some.

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

from anomaly_cli.classifiers.base import Arrays, Classifier, FittedClassifier, Labelled, Preparation
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import FoldScores, IntArray, KFold, assign_folds, hash_uniform
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
        trains: whether an event of the negative class trains the models of a fold `(n, folds)`; None where all do.
        names: what the two classes are called in sentences.
    """

    positive: Events
    negative: Events
    trains: BoolArray | None = None
    names: tuple[str, str] = ("observed", "template")


@dataclass(frozen=True)
class Ensembles:
    """The trained models of all folds.

    Attributes:
        classifier: their family.
        preparation: what they share.
        members: the models of each fold.
        salt: of the hash that assigns folds.
    """

    classifier: Classifier
    preparation: Preparation
    members: Sequence[Sequence[FittedClassifier]]
    salt: int

    def score(self, events: Events) -> FoldScores:
        """Return each event's score by the models of its fold, which have not seen its source."""
        fold = assign_folds(events.source_id, len(self.members), self.salt)
        prepared = self.preparation.apply(events)
        total = np.zeros(len(events))
        for index, members in enumerate(self.members):
            inside = np.flatnonzero(fold == index)
            part = prepared.take(inside)
            for member in members:
                total[inside] += member.log_odds(part)
        return FoldScores(fold, total / len(self.members[0]))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all models as arrays: those of one name one after the other, with the length of each."""
        arrays = {f"preparation.{name}": array for name, array in self.preparation.to_arrays().items()}
        stored = [member.to_arrays() for members in self.members for member in members]
        for name in stored[0]:
            parts = [one[name] for one in stored]
            arrays[f"member.{name}"] = np.concatenate(parts)
            arrays[f"length.{name}"] = np.array([len(part) for part in parts], dtype=np.int64)
        sizes = {"folds": len(self.members), "ensemble": len(self.members[0])}
        return arrays | {name: np.array(size) for name, size in sizes.items()} | {"salt": np.array(self.salt)}

    @staticmethod
    def from_arrays(classifier: Classifier, arrays: Arrays) -> Ensembles:
        """Rebuild what `to_arrays` returned."""
        folds, ensemble = int(arrays["folds"]), int(arrays["ensemble"])
        prepared = {key.removeprefix("preparation."): arrays[key] for key in arrays if key.startswith("preparation.")}
        columns = {}
        for key in arrays:
            if key.startswith("member."):
                name = key.removeprefix("member.")
                columns[name] = np.split(arrays[key], np.cumsum(arrays[f"length.{name}"])[:-1])
        members = [
            classifier.load({name: parts[index] for name, parts in columns.items()})
            for index in range(folds * ensemble)
        ]
        grouped = [members[first : first + ensemble] for first in range(0, folds * ensemble, ensemble)]
        return Ensembles(classifier, classifier.load_preparation(prepared), grouped, int(arrays["salt"]))


@dataclass(frozen=True)
class _Job:
    fold: int
    member: int


@dataclass(frozen=True)
class _Work:
    """What every training of one contest shares."""

    contest: Contest
    classifier: Classifier
    kfold: KFold
    folds: tuple[IntArray, IntArray]
    compute: Compute


def train_in_folds(contest: Contest, classifier: Classifier, kfold: KFold, compute: Compute) -> Ensembles:
    """Train the models of all folds.

    Args:
        contest: what is told apart; source ids of the two classes agree where events are copies of one.
        classifier: the family of the models.
        kfold: how events are divided.
        compute: streams of the classifier, processes, threads and where to report.

    Returns:
        The models; they are the same for any number of processes.

    Raises:
        PhysicsError: where there are too few events, or a fold is left without a class.
    """
    salt = compute.streams.integer("folds")
    sets = (contest.positive, contest.negative)
    folds = [assign_folds(events.source_id, kfold.folds, salt) for events in sets]
    _check_sizes(contest, folds, kfold.folds)
    preparation = classifier.prepare(concatenate(sets), compute)
    prepared = Contest(preparation.apply(sets[0]), preparation.apply(sets[1]), contest.trains)
    work = _Work(prepared, classifier, kfold, (folds[0], folds[1]), compute.alone())
    jobs = [_Job(fold, member) for fold in range(kfold.folds) for member in range(classifier.ensemble)]
    members: list[list[FittedClassifier]] = [[] for _ in range(kfold.folds)]
    task = f"classify: {classifier.name}"
    with contextlib.closing(in_order(_train, ((work, job) for job in jobs), compute.processes)) as trained:
        for done, (job, model) in enumerate(zip(jobs, trained, strict=True)):
            members[job.fold].append(model)
            compute.progress(Step(task, done + 1, len(jobs), f"fold {job.fold + 1}"))
    return Ensembles(classifier, preparation, members, salt)


def _train(work: _Work, job: _Job) -> FittedClassifier:
    """Train one model without the events of its fold."""
    streams = work.compute.streams
    used = [fold != job.fold for fold in work.folds]
    if work.contest.trains is not None:
        used[1] = used[1] & work.contest.trains[:, job.fold]
    parts = [
        events.take(mask) for events, mask in zip((work.contest.positive, work.contest.negative), used, strict=True)
    ]
    events = concatenate(parts)
    is_positive = np.repeat([True, False], [len(part) for part in parts])
    salt = streams.integer(f"validation/{job.fold}/{job.member}")
    held_out = hash_uniform(events.source_id, salt) < work.kfold.validation_fraction
    if min(len(np.unique(is_positive[held_out])), len(np.unique(is_positive[~held_out]))) < 2:
        raise PhysicsError(
            f"classify: fold {job.fold} has too few events to train on and to stop on; use fewer folds, or a"
            " classifier.validation_fraction nearer 0.1"
        )
    balanced = _balance(events, is_positive, ~held_out)
    training, stopping = (Labelled(balanced.take(mask), is_positive[mask]) for mask in (~held_out, held_out))
    own = work.compute.child(f"model/{job.fold}/{job.member}")
    return work.classifier.fit(training, stopping, own)


def _balance(events: Events, is_positive: BoolArray, trained: BoolArray) -> Events:
    """Return the events, those of the negative class weighted to the total of the positive one in the training."""
    weight = events.weight.copy()
    weight[~is_positive] *= weight[trained & is_positive].sum() / weight[trained & ~is_positive].sum()
    return replace(events, weight=weight)


def _check_sizes(contest: Contest, folds: Sequence[IntArray], n_folds: int) -> None:
    for name, events, fold in zip(contest.names, (contest.positive, contest.negative), folds, strict=True):
        if len(events) < FEWEST_EVENTS or len(np.unique(fold)) < n_folds:
            raise PhysicsError(
                f"classify: the {name} events in the signal region are too few for {n_folds} folds; at least"
                f" {FEWEST_EVENTS} are needed: widen the signal region or use fewer folds"
            )
