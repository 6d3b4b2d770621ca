"""A template: background-like events in parts, each with the folds that it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import DataError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import IntArray

Folds = tuple[int, ...] | None
"""Some folds; None for all of them."""


@dataclass(frozen=True)
class TemplatePart:
    """Template events of one model.

    Attributes:
        events: the events.
        trains: folds whose classifiers are trained against it.
        counts: folds in which it says how much background passes.
        component: which of several combined methods made each event `(n,)`; None where it is one.
    """

    events: Events
    trains: Folds = None
    counts: Folds = None
    component: IntArray | None = None


@dataclass(frozen=True)
class Template:
    """A sequence of parts; ids of template events count from 0 through all of them.

    Attributes:
        parts: one part where one model makes everything.

    Raises:
        DataError: where there is no part, or some of the parts only have components.
    """

    parts: tuple[TemplatePart, ...]

    def __post_init__(self) -> None:
        if not self.parts or len({part.component is None for part in self.parts}) > 1:
            raise DataError("template: needs one part or more, and components of all of them or of none")

    @staticmethod
    def of(parts: Sequence[TemplatePart]) -> Template:
        """Return a template with ids that count through the parts."""
        firsts = np.cumsum([0, *(len(part.events) for part in parts)])
        return Template(
            tuple(
                replace(part, events=replace(part.events, event_id=first + np.arange(len(part.events))))
                for part, first in zip(parts, firsts, strict=False)
            )
        )

    def __len__(self) -> int:
        return sum(len(part.events) for part in self.parts)

    @property
    def events(self) -> Events:
        """The events of all parts, in order."""
        return concatenate([part.events for part in self.parts]) if len(self.parts) > 1 else self.parts[0].events

    @property
    def component(self) -> IntArray | None:
        """Which of several combined methods made each event `(n,)`; None where it is one."""
        parts = [part.component for part in self.parts if part.component is not None]
        return np.concatenate(parts) if parts else None

    def trains(self, n_folds: int) -> npt.NDArray[np.bool_] | None:
        """Return whether each event trains the classifiers of each fold `(n, n_folds)`; None where all do."""
        return self._serves([part.trains for part in self.parts], n_folds)

    def is_counted(self, fold: IntArray) -> npt.NDArray[np.bool_]:
        """Return which events are counted, each in its own fold `(n,)`."""
        serves = self._serves([part.counts for part in self.parts], int(fold.max(initial=0)) + 1)
        return np.ones(len(fold), dtype=np.bool_) if serves is None else serves[np.arange(len(fold)), fold]

    def _serves(self, folds: Sequence[Folds], n_folds: int) -> npt.NDArray[np.bool_] | None:
        if all(chosen is None for chosen in folds):
            return None
        rows = [np.isin(np.arange(n_folds), np.arange(n_folds) if f is None else np.array(f)) for f in folds]
        return np.repeat(rows, [len(part.events) for part in self.parts], axis=0)
