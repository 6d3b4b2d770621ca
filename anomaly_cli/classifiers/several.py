"""Several families or settings as one classifier: what the choice among them and their average share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy.typing as npt

from anomaly_cli.classifiers.base import (
    CLASSIFIERS,
    Classifier,
    Draws,
    FittedClassifier,
    Labelled,
    Preparation,
)
from anomaly_cli.core.arrays import Arrays, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events

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
        stored = [numbered(index, part.to_arrays()) for index, part in enumerate(self.parts)]
        return {name: array for one in stored for name, array in one.items()}


@dataclass(frozen=True)
class OfSeveral(Classifier):
    """What a classifier of several candidates needs to know of them.

    Attributes:
        candidates: names of the candidates; families, unless `settings` says of which family one is.
        settings: settings by candidate, `family` and `preset` among them.
    """

    trains_side_by_side: ClassVar[bool] = True

    ensemble: int = 10
    candidates: tuple[str, ...] = ("trees", "mlp")
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.candidates) < 2 or len(set(self.candidates)) < len(self.candidates):
            raise ConfigError(
                f"classifier {self.name}: candidates must name two or more different ones, as trees and mlp"
            )
        for name in self.settings:
            if name not in self.candidates:
                raise ConfigError(f"classifier {self.name}: settings of '{name}', which is not among the candidates")
        if any(isinstance(one, OfSeveral) for one in self._made()):
            raise ConfigError(f"classifier {self.name}: takes families as candidates, not what is made of several")

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
        return Several([one.load_preparation(under(f"{index}:", arrays)) for index, one in enumerate(self._made())])

    def fit(self, training: Labelled, stopping: Labelled, compute: Compute) -> FittedClassifier:
        """Train one model of each candidate."""
        return self.fit_members(Draws.of(training, stopping), [compute])[0]

    def _train(self, draws: Draws, computes: Sequence[Compute]) -> list[Sequence[FittedClassifier]]:
        """Train all models of every candidate."""
        return [
            one.fit_members(draws, [compute.child(name) for compute in computes])
            for name, one in zip(self.candidates, self._made(), strict=True)
        ]


def numbered(index: int, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Return arrays under the number of the candidate that they are of."""
    return {f"{index}:{name}": array for name, array in arrays.items()}
