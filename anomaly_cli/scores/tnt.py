"""Tag and train, in its manner: one jet labels events for the classifier of the other, and back.

A signal makes both jets unusual, background one or the other. Observed and template events whose second jet looks
unusual are told apart by the features of the first, which tells anew which events are unusual, and so on. The paper
starts from autoencoders of jet images and compares with events of the data that look usual; here the autoencoders are
of each jet's features, trained on the template, and the template is compared with, cut alike.

References:
    O. Amram, C. M. Suarez, "Tag N' Train: a technique to train improved classifiers on unlabeled data", 2020,
    arXiv:2002.12376.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.classifiers.kfold import Contest, Ensembles
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray, under
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.records import nearest_sentence
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.scores.autoencoder import fit_autoencoder
from anomaly_cli.scores.backgrounds import each_fold, training_template
from anomaly_cli.scores.base import FittedScore, Ranking, Score


@dataclass(frozen=True)
class TagAndTrain(Score):
    """Settings of tag and train.

    Attributes:
        first: features of the first jet.
        second: features of the second jet. `delta_mj`, the difference of both masses, depends on the first jet as well;
            name the second jet's own mass where the data have it.
        tagged: part of the template whose other jet counts as unusual.
        rounds: how often the classifiers of both jets are trained.
    """

    name: ClassVar[str] = "tnt"
    summary: ClassVar[str] = "one jet tags events for the classifier of the other jet, and back"
    reference: ClassVar[str] = "arXiv:2002.12376"

    first: tuple[str, ...] = ("mj1", "tau21_j1")
    second: tuple[str, ...] = ("delta_mj", "tau21_j2")
    tagged: float = 0.2
    rounds: int = 2

    def __post_init__(self) -> None:
        if not self.first or not self.second or set(self.first) & set(self.second):
            raise ConfigError(f"score {self.name}: first and second must name features of one jet each, none of both")
        if not 0.0 < self.tagged < 1.0 or self.rounds < 1:
            raise ConfigError(f"score {self.name}: needs tagged in (0, 1) and rounds of 1 or more")

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedJets:
        """Tag and train in every fold, with what may train it.

        Raises:
            ConfigError: where a feature is not there.
            PhysicsError: where there are too few events.
            TrainingError: where a training diverges twice.
        """
        contest = ranking.contest(seen.need(Need.SR_FEATURES), template)
        jets = self._columns(contest.positive.names)
        fitted = []
        for fold in range(ranking.kfold.folds):
            own = compute.child(f"fold/{fold}")
            trains = training_template(template, ranking, fold)
            scores = _start(contest, jets, trains, ranking, own)
            for number in range(self.rounds):
                pair = [
                    _train(
                        contest,
                        jets[jet],
                        self._tag(scores[1 - jet], trains),
                        ranking,
                        fold,
                        own.child(f"{number}/{jet}"),
                    )
                    for jet in (0, 1)
                ]
                scores = [_both(contest, jets[jet], pair[jet]) for jet in (0, 1)]
            fitted.append(pair)
        return FittedJets(jets, fitted)

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedJets:
        """Rebuild the classifiers of both jets."""
        fitted = [
            [Ensembles.from_arrays(ranking.classifier, under(f"{fold}.{jet}:", arrays)) for jet in (0, 1)]
            for fold in range(ranking.kfold.folds)
        ]
        return FittedJets([arrays["first"], arrays["second"]], fitted)

    def _columns(self, names: Sequence[str]) -> list[IntArray]:
        """Return the columns of the features of each jet."""
        for name in (*self.first, *self.second):
            if name not in names:
                raise ConfigError(
                    f"score {self.name}: there is no feature '{name}'; {nearest_sentence(name, names)} Say which"
                    " features are of which jet by --set scores.tnt.first and --set scores.tnt.second"
                )
        return [np.array([names.index(name) for name in jet], dtype=np.int64) for jet in (self.first, self.second)]

    def _tag(self, scores: Sequence[FloatArray], trains: npt.NDArray[np.bool_]) -> Sequence[npt.NDArray[np.bool_]]:
        """Return which observed and template events a jet tags; the cut is of template events that train the fold."""
        cut = np.quantile(scores[1][trains], 1.0 - self.tagged)
        return [one > cut for one in scores]


def _only(events: Events, columns: IntArray) -> Events:
    """Return events with some of their features."""
    names = tuple(events.names[column] for column in columns)
    return events.with_block(Features.kind, Features(events.features[:, columns], names))


def _start(
    contest: Contest, jets: Sequence[IntArray], trains: npt.NDArray[np.bool_], ranking: Ranking, compute: Compute
) -> list[list[FloatArray]]:
    """Return how badly an autoencoder of each jet returns observed and template events."""
    found = []
    for jet, columns in enumerate(jets):
        settings = nets.autoencoder.AutoencoderSettings(bottleneck=max(1, len(columns) // 2))
        background = _only(contest.negative.take(trains), columns)
        one = fit_autoencoder(background, settings, ranking, "tnt", compute.child(f"start/{jet}"))
        found.append([one.error(events.features[:, columns]) for events in (contest.positive, contest.negative)])
    return found


def _train(
    contest: Contest,
    columns: IntArray,
    tagged: Sequence[npt.NDArray[np.bool_]],
    ranking: Ranking,
    fold: int,
    compute: Compute,
) -> Ensembles:
    """Train a fold's classifier of one jet on the events that the other tags."""
    trains = [None if one is None else one[tag] for one, tag in zip(contest.trains, tagged, strict=True)]
    own = replace(
        contest,
        positive=_only(contest.positive.take(tagged[0]), columns),
        negative=_only(contest.negative.take(tagged[1]), columns),
        folds=(contest.folds[0][tagged[0]], contest.folds[1][tagged[1]]),
        trains=(trains[0], trains[1]),
        names=("tagged observed", "tagged template"),
    )
    return ranking.train(own, compute, [fold])


def _both(contest: Contest, columns: IntArray, ensembles: Ensembles) -> list[FloatArray]:
    """Return the scores of observed and template events by one jet."""
    return [_odds(ensembles, _only(events, columns)) for events in (contest.positive, contest.negative)]


def _odds(ensembles: Ensembles, events: Events) -> FloatArray:
    return ensembles.score(events, np.zeros(len(events), dtype=np.int64))


@dataclass(frozen=True)
class FittedJets(FittedScore):
    """Classifiers of both jets for every fold.

    Attributes:
        jets: columns of the features of each jet.
        classifiers: of each fold, of each jet.
    """

    jets: Sequence[IntArray]
    classifiers: Sequence[Sequence[Ensembles]]

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the sum of the log-odds of both jets."""
        scores = np.zeros(len(events))
        for index, inside, own in each_fold(fold, events):
            pairs = zip(self.classifiers[index], self.jets, strict=True)
            scores[inside] = np.sum([_odds(one, _only(own, columns)) for one, columns in pairs], axis=0)
        return scores

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns of both jets and the arrays of all models."""
        arrays: dict[str, npt.NDArray[Any]] = {"first": self.jets[0], "second": self.jets[1]}
        for fold, pair in enumerate(self.classifiers):
            for jet, one in enumerate(pair):
                arrays |= {f"{fold}.{jet}:{name}": array for name, array in one.to_arrays().items()}
        return arrays
