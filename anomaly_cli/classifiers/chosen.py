"""One of several families or settings, chosen without labels in each fold.

Every candidate is trained, and ranks those events of the fold's training that its members stopped on and did not train
on; the candidate with the largest ARGOS score is kept. So nothing that is counted takes part in the choice, and
pseudo-experiments and windows choose anew.

References:
    M. Hein et al., "How to pick the best anomaly detector?", 2025, arXiv:2511.14832.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.classifiers.argos import argos
from anomaly_cli.classifiers.base import Draws, FittedClassifier
from anomaly_cli.classifiers.several import OfSeveral, numbered
from anomaly_cli.core.arrays import Arrays, FloatArray, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events


@dataclass(frozen=True)
class Chosen(OfSeveral):
    """Settings of the choice.

    Attributes:
        candidates: names of the candidates; families, unless `settings` says of which family one is.
        settings: settings by candidate, `family` and `preset` among them.
    """

    name: ClassVar[str] = "chosen"
    summary: ClassVar[str] = "the family that finds most, chosen without labels in the training of each fold"
    reference: ClassVar[str] = "arXiv:2511.14832"

    def fit_members(self, draws: Draws, computes: Sequence[Compute]) -> list[FittedChosen]:
        """Train all models of every candidate and keep those of the one that finds most among the stopping events."""
        trained = self._train(draws, computes)
        best = int(np.argmax([found_by(models, draws) for models in trained]))
        empty = {
            name: array[:0]
            for index, models in enumerate(trained)
            for name, array in numbered(index, models[0].to_arrays()).items()
        }
        return [FittedChosen(best, model, empty) for model in trained[best]]

    def load(self, arrays: Arrays) -> FittedChosen:
        """Rebuild a kept model."""
        best = int(arrays["chosen"][0])
        empty = {name: np.asarray(array)[:0] for name, array in arrays.items() if name != "chosen"}
        return FittedChosen(best, self._made()[best].load(under(f"{best}:", arrays)), empty)


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
        own = numbered(self.chosen, self.model.to_arrays())
        return {**self.empty, **own, "chosen": np.array([self.chosen])}
