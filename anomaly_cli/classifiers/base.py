"""The contract of a family of classifiers: it is fitted to labelled events and returns log-odds.

Folds and ensembles are the business of the scoring in folds (`classifiers/kfold.py`), not of the family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays, FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.plugins import Family
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.streams import Streams


@dataclass(frozen=True)
class Labelled:
    """Events of two classes.

    Attributes:
        events: with mass, weight and features; weights of the two classes add up to the same.
        is_positive: whether an event is of the class that is looked for, the observed one `(n,)`.
    """

    events: Events
    is_positive: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.events)


@dataclass(frozen=True)
class Draws:
    """Several trainings on the same events, which differ in what they stop on.

    Attributes:
        pool: prepared events of both classes with weights of their own.
        is_stopping: whether each of m trainings stops on an event instead of training on it `(m, n)`.
        weight: weights of the events in each of them, balanced between the classes `(m, n)`.
    """

    pool: Labelled
    is_stopping: npt.NDArray[np.bool_]
    weight: FloatArray

    @staticmethod
    def of(training: Labelled, stopping: Labelled) -> Draws:
        """Return the one training of two sets of events."""
        events = concatenate([training.events, stopping.events])
        is_stopping = np.repeat([False, True], [len(training), len(stopping)])
        is_positive = np.concatenate([training.is_positive, stopping.is_positive])
        return Draws(Labelled(events, is_positive), is_stopping[None], events.weight[None])

    def sets(self, index: int) -> tuple[Labelled, Labelled]:
        """Return the events that one of them trains and stops on."""
        events = replace(self.pool.events, weight=self.weight[index])
        stops = self.is_stopping[index]
        training, stopping = (Labelled(events.take(mask), self.pool.is_positive[mask]) for mask in (~stops, stops))
        return training, stopping


class Preparation(ABC):
    """What all models of an analysis share and is learnt without labels, as the bins of the features."""

    @abstractmethod
    def apply(self, events: Events) -> Events:
        """Return the events as models take them."""

    @abstractmethod
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what `Classifier.load_preparation` needs."""


class AsTheyAre(Preparation):
    """Events need no preparation."""

    def apply(self, events: Events) -> Events:
        """Return the events."""
        return events

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return nothing: there is nothing to keep."""
        return {}


class FittedClassifier(ABC):
    """One trained model."""

    @abstractmethod
    def log_odds(self, events: Events) -> FloatArray:
        """Return the log-odds of prepared events to be of the positive class, `(n,)`."""

    @abstractmethod
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that `Classifier.load` needs: numeric arrays, each of one dimension or more."""


@dataclass(frozen=True)
class Classifier(ABC):
    """A family of classifiers.

    A new family is one module of this package, or of another one that names it in the entry-point group
    `anomaly.classifiers`, with one subclass: a frozen dataclass of scalars with real defaults.

    Attributes:
        name: how users call it.
        summary: what it is, in half a sentence.
        reference: where it was published.
        presets: named settings.
        trains_side_by_side: whether `fit_members` is cheaper for all models of a fold than `fit` for each.
        ensemble: models per fold whose log-odds are averaged. Sensible: 1 to 100.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]] = {}
    trains_side_by_side: ClassVar[bool] = False

    ensemble: int = 20

    def __post_init__(self) -> None:
        if self.ensemble < 1:
            raise ConfigError(f"classifier {self.name}: needs ensemble >= 1")

    def prepare(self, events: Events, compute: Compute) -> Preparation:
        """Learn, without labels, what all models share.

        Args:
            events: all events of both classes.
            compute: threads.
        """
        return AsTheyAre()

    def load_preparation(self, arrays: Arrays) -> Preparation:
        """Rebuild what `Preparation.to_arrays` returned."""
        return AsTheyAre()

    @abstractmethod
    def fit(self, training: Labelled, stopping: Labelled, compute: Compute) -> FittedClassifier:
        """Train one model.

        Args:
            training: prepared events to train on.
            stopping: prepared events, of other sources, that say when to stop.
            compute: streams of this model, threads, device.
        """

    def fit_members(self, draws: Draws, computes: Sequence[Compute]) -> Sequence[FittedClassifier]:
        """Train several models on the same events; each is what `fit` makes of it, but for rounding.

        Args:
            draws: the trainings.
            computes: what each of them may use.
        """
        return [self.fit(*draws.sets(index), compute) for index, compute in enumerate(computes)]

    @abstractmethod
    def load(self, arrays: Arrays) -> FittedClassifier:
        """Rebuild what `FittedClassifier.to_arrays` returned."""


def draw_features(n: int, fraction: float, streams: Streams) -> npt.NDArray[np.bool_]:
    """Return which of `n` features a model sees, `(n,)`: a fraction of them, one at least, drawn for each model.

    References:
        R. Bryll, R. Gutierrez-Osuna, F. Quek, "Attribute bagging: improving accuracy of classifier ensembles by using
        random feature subsets", Pattern Recognition 36 (2003) 1291.
    """
    n_used = max(1, round(fraction * n))
    is_used = np.zeros(n, dtype=np.bool_)
    is_used[streams.generator("features").permutation(n)[:n_used]] = True
    return is_used


def check_fraction(name: str, fraction: float) -> None:
    """Refuse a part of the features that is none.

    Raises:
        ConfigError: where it is not in (0, 1].
    """
    if not 0.0 < fraction <= 1.0:
        raise ConfigError(f"classifier {name}: needs feature_fraction in (0, 1]")


CLASSIFIERS: Family[Classifier] = Family(
    Classifier,  # type: ignore[type-abstract]
    "classifier",
    "anomaly_cli.classifiers",
    "anomaly.classifiers",
    "anomaly classifiers",
)
"""The family of the families."""
