"""A template: background-like events in parts, each with the folds that it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.crossfit import NONE, CrossFit, Folds
from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.events import Events, concatenate


@dataclass(frozen=True)
class Replicas:
    """Some template events, made again by replicas of their model: as another sample of as many events would give it.

    Attributes:
        events: the events as the model itself makes them, `n` of them.
        features: of the same events from each replica `(r, n, d)`.
    """

    events: Events
    features: FloatArray


@dataclass(frozen=True)
class TemplatePart:
    """Template events of one model.

    Attributes:
        events: the events.
        trains: folds whose classifiers are trained against it.
        counts: folds in which it says how much background passes.
        component: which of several combined methods made each event `(n,)`; None where it is one.
        replicas: some of the events from replicas of the model; None where it has none.
    """

    events: Events
    trains: Folds = None
    counts: Folds = None
    component: IntArray | None = None
    replicas: Replicas | None = None


@dataclass(frozen=True)
class Template:
    """A sequence of parts; ids of template events count from 0 through all of them.

    Attributes:
        parts: one part where one model makes everything.
        crossfit: how the side-bands were divided between them; None where they were not.

    Raises:
        DataError: where there is no part, or some of the parts only have components.
    """

    parts: tuple[TemplatePart, ...]
    crossfit: CrossFit | None = None

    def __post_init__(self) -> None:
        if not self.parts or len({part.component is None for part in self.parts}) > 1:
            raise DataError("template: needs one part or more, and components of all of them or of none")

    @staticmethod
    def of(parts: Sequence[TemplatePart], crossfit: CrossFit | None = None) -> Template:
        """Return a template with ids that count through the parts."""
        firsts = np.cumsum([0, *(len(part.events) for part in parts)])
        return Template(
            tuple(
                replace(part, events=replace(part.events, event_id=first + np.arange(len(part.events))))
                for part, first in zip(parts, firsts, strict=False)
            ),
            crossfit,
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

    def divided(self, n_folds: int, salt: int) -> CrossFit:
        """Return how the events of a search are divided into folds where this is its template.

        Args:
            n_folds: folds of the classifier.
            salt: of the hash, where the template asks for none.

        Raises:
            ConfigError: where the parts of the template were made for another number of folds.
        """
        if self.crossfit is None:
            return CrossFit(NONE, n_folds, salt)
        if self.crossfit.n_folds != n_folds and self.crossfit.scheme != NONE:
            raise ConfigError(
                f"classify: the template was made in parts for {self.crossfit.n_folds} folds, so it cannot be used with"
                f" classifier.folds={n_folds}; run 'anomaly template --overwrite' first"
            )
        return replace(self.crossfit, n_folds=n_folds)

    def fold(self, crossfit: CrossFit) -> IntArray:
        """Return the fold in which each event is counted `(n,)`; -1 where it is not."""
        return np.concatenate([crossfit.fold(part.events.source_id, part.counts) for part in self.parts])

    def trains(self, n_folds: int) -> npt.NDArray[np.bool_]:
        """Return whether each event trains the classifiers of each fold, its own apart `(n, n_folds)`."""
        rows = [
            np.ones(n_folds, bool) if part.trains is None else np.isin(np.arange(n_folds), part.trains)
            for part in self.parts
        ]
        return np.repeat(rows, [len(part.events) for part in self.parts], axis=0)
