"""One of several families or settings, chosen without labels in each fold.

Every candidate is trained, and ranks those events of the fold's training that its members stopped on and did not train
on; the candidate with the largest ARGOS score is kept. So nothing that is counted takes part in the choice, and
pseudo-experiments and windows choose anew.

References:
    M. Hein et al., "How to pick the best anomaly detector?", 2025, arXiv:2511.14832.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.classifiers.argos import argos
from anomaly_cli.classifiers.base import (
    CLASSIFIERS,
    Arrays,
    Classifier,
    Draws,
    FittedClassifier,
    Labelled,
    Preparation,
)
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FloatArray

FAMILY = "family"
"""Names the family of a candidate that is called otherwise."""


@dataclass(frozen=True)
class Several(Preparation):
    """The preparations of all candidates, one after the other; each adds blocks of its own."""

    parts: Sequence[Preparation]

    def apply(self, events: Events) -> Events:
        """Return the events as every candidate takes them."""
        for part in self.parts:
            events = part.apply(events)
        return events

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of every part under its number."""
        return {f"{index}:{name}": a for index, part in enumerate(self.parts) for name, a in part.to_arrays().items()}


@dataclass(frozen=True)
class Chosen(Classifier):
    """Settings of the choice.

    Attributes:
        candidates: names of the candidates; families, unless `settings` says of which family one is.
        settings: settings by candidate, `family` and `preset` among them.
    """

    name: ClassVar[str] = "chosen"
    summary: ClassVar[str] = "the family that finds most, chosen without labels in the training of each fold"
    reference: ClassVar[str] = "arXiv:2511.14832"
    trains_side_by_side: ClassVar[bool] = True

    ensemble: int = 10
    candidates: tuple[str, ...] = ("trees", "mlp")
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.candidates) < 2 or len(set(self.candidates)) < len(self.candidates):
            raise ConfigError("classifier chosen: candidates must name two or more different ones, as trees and mlp")
        for name in self.settings:
            if name not in self.candidates:
                raise ConfigError(f"classifier chosen: settings of '{name}', which is not among the candidates")
        if any(isinstance(one, Chosen) for one in self._made()):
            raise ConfigError("classifier chosen: cannot be a candidate of itself")

    def _made(self) -> list[Classifier]:
        made = []
        for name in self.candidates:
            own = dict(self.settings.get(name, {}))
            made.append(CLASSIFIERS.make(str(own.pop(FAMILY, name)), own))
        return made

    def prepare(self, events: Events, compute: Compute) -> Several:
        """Prepare the events for every candidate."""
        return Several([one.prepare(events, compute) for one in self._made()])

    def load_preparation(self, arrays: Arrays) -> Several:
        """Rebuild the preparations."""
        return Several([one.load_preparation(_own(arrays, index)) for index, one in enumerate(self._made())])

    def fit(self, training: Labelled, stopping: Labelled, compute: Compute) -> FittedChosen:
        """Train one model of each candidate and keep the one that finds most among the stopping events."""
        return self.fit_members(Draws.of(training, stopping), [compute])[0]

    def fit_members(self, draws: Draws, computes: Sequence[Compute]) -> list[FittedChosen]:
        """Train all models of every candidate and keep those of one."""
        trained = [
            one.fit_members(draws, [compute.child(name) for compute in computes])
            for name, one in zip(self.candidates, self._made(), strict=True)
        ]
        best = int(np.argmax([found_by(models, draws) for models in trained]))
        empty = {
            f"{index}:{name}": array[:0]
            for index, models in enumerate(trained)
            for name, array in models[0].to_arrays().items()
        }
        return [FittedChosen(best, model, empty) for model in trained[best]]

    def load(self, arrays: Arrays) -> FittedChosen:
        """Rebuild a kept model."""
        best = int(arrays["chosen"][0])
        empty = {name: np.asarray(array)[:0] for name, array in arrays.items() if name != "chosen"}
        return FittedChosen(best, self._made()[best].load(_own(arrays, best)), empty)


def _own(arrays: Arrays, index: int) -> dict[str, npt.NDArray[Any]]:
    start = f"{index}:"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def found_by(models: Sequence[FittedClassifier], draws: Draws) -> float:
    """Return the ARGOS score of models on the events that they stopped on: of each event by the mean of those models.

    Copies of one source stop together, so no model ranks what it was trained on.
    """
    n_stopping = draws.is_stopping.sum(axis=0)
    total = np.zeros(len(draws.pool))
    for model, stops in zip(models, draws.is_stopping, strict=True):
        members = np.flatnonzero(stops)
        total[members] += model.log_odds(draws.pool.events.take(members))
    is_ranked, is_positive = n_stopping > 0, draws.pool.is_positive
    mean = total / np.maximum(n_stopping, 1)
    template = is_ranked & ~is_positive
    return argos(mean[is_ranked & is_positive], mean[template], draws.pool.events.weight[template])


@dataclass(frozen=True)
class FittedChosen(FittedClassifier):
    """A model of the candidate that was chosen.

    Attributes:
        chosen: its number.
        model: the model.
        empty: arrays of no length under the names of those of all candidates, since all that is stored has one form.
    """

    chosen: int
    model: FittedClassifier
    empty: Mapping[str, npt.NDArray[Any]]

    def log_odds(self, events: Events) -> FloatArray:
        """Return those of the model."""
        return self.model.log_odds(events)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of the model, and which candidate it is of."""
        own = {f"{self.chosen}:{name}": array for name, array in self.model.to_arrays().items()}
        return {**self.empty, **own, "chosen": np.array([self.chosen])}
