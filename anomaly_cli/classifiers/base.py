"""The contract of a family of classifiers: it is fitted to labelled events and returns log-odds.

Folds and ensembles are the business of the scoring in folds (`classifiers/kfold.py`), not of the family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.plugins import Family
from anomaly_cli.core.presets import Preset

Arrays = Mapping[str, npt.NDArray[Any]]


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
        ensemble: models per fold whose log-odds are averaged.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]] = {}

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

    @abstractmethod
    def load(self, arrays: Arrays) -> FittedClassifier:
        """Rebuild what `FittedClassifier.to_arrays` returned."""


CLASSIFIERS: Family[Classifier] = Family(
    Classifier,  # type: ignore[type-abstract]
    "classifier",
    "anomaly_cli.classifiers",
    "anomaly.classifiers",
    "anomaly classifiers",
)
"""The family of the families."""
