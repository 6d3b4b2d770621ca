"""The contract of a score: what ranks events. The template still sets the thresholds.

A score is fitted to what it may see and to a template, and then ranks any events by their fold: every event by models
that never saw it or a copy of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from anomaly_cli.classifiers.base import Classifier
from anomaly_cli.classifiers.kfold import Contest, Ensembles, train_in_folds
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.plugins import Family
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template

GIVEN = frozenset({Need.SIDE_BANDS, Need.SR_FEATURES, Need.TRUTH})
"""What a score may need; simulation and shared models are for template methods."""


@dataclass(frozen=True)
class Ranking:
    """What a score may train.

    Attributes:
        classifier: the family of classifiers.
        kfold: folds, and events to stop on.
        crossfit: in which fold an event is, by its source.
    """

    classifier: Classifier
    kfold: KFold
    crossfit: CrossFit

    def contest(self, observed: Events, template: Template) -> Contest:
        """Return observed events against a template; no model sees what it is to score, or copies of it."""
        fold = self.crossfit.fold(observed.source_id)
        return Contest(
            observed,
            template.events,
            (fold, template.fold(self.crossfit)),
            (self.crossfit.observed_trains(fold), template.trains(self.kfold.folds)),
        )

    def train(self, contest: Contest, compute: Compute, only: Sequence[int] | None = None) -> Ensembles:
        """Train the models of all folds, or of some, in their order."""
        return train_in_folds(contest, self.classifier, self.kfold, compute, only)


@dataclass(frozen=True)
class Diagnostic:
    """A number that a fitted score tells of itself; no result.

    Attributes:
        name: what it is, in a word or two.
        value: its mean.
        spread: its standard deviation.
        meaning: what both are, in half a sentence.
    """

    name: str
    value: float
    spread: float
    meaning: str


class FittedScore(ABC):
    """A score that is ready to rank."""

    @property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """What it tells of itself; nothing by default."""
        return ()

    @abstractmethod
    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the score of each event by the models of its fold `(n,)`; larger is more like signal.

        Args:
            events: any events.
            fold: whose models score each event `(n,)`, those that have seen neither it nor a copy of it.
        """

    @abstractmethod
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that `Score.load` needs: numeric arrays."""


@dataclass(frozen=True)
class Score(ABC):
    """A way of ranking events.

    A new score is one module of this package, or of another one that names it in the entry-point group
    `anomaly.scores`, with one subclass: a frozen dataclass of scalars with real defaults.

    Attributes:
        name: how users call it.
        summary: what it is, in half a sentence.
        reference: where it was published.
        presets: named settings.
        needs: what it is given beyond the side-bands, of `GIVEN`.
        is_exchangeable: whether it tells observed events from one template, the two alike but for that label, so that
            labels can be permuted, and the score fitted to permuted ones.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]] = {}
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS, Need.SR_FEATURES})
    is_exchangeable: ClassVar[bool] = False

    @abstractmethod
    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedScore:
        """Get ready to rank.

        Args:
            seen: what the score has declared to need.
            template: the template, in parts that each serve some folds.
            ranking: classifier and folds.
            compute: streams of the score, processes, threads, device and where to report.
        """

    @abstractmethod
    def load(self, arrays: Arrays, ranking: Ranking) -> FittedScore:
        """Rebuild what `FittedScore.to_arrays` returned."""


@dataclass(frozen=True)
class FittedEnsembles(FittedScore):
    """The score of the classifiers of all folds.

    Attributes:
        ensembles: their models.
    """

    ensembles: Ensembles

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the mean log-odds of the models of each event's fold."""
        return self.ensembles.score(events, fold)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of all models."""
        return self.ensembles.to_arrays()

    @staticmethod
    def load(arrays: Arrays, ranking: Ranking) -> FittedEnsembles:
        """Rebuild what `to_arrays` returned."""
        return FittedEnsembles(Ensembles.from_arrays(ranking.classifier, arrays))


SCORES: Family[Score] = Family(
    Score,  # type: ignore[type-abstract]
    "score",
    "anomaly_cli.scores",
    "anomaly.scores",
    "anomaly scores",
)
"""The family of scores."""
