"""LaCATHODE, in its manner: a classifier that sees latent variables of the background density instead of features.

A flow of the side-bands maps background of any mass to the same standard normal, so that what a classifier prefers
there depends on the mass no more. The paper compares with a standard normal; here the template is mapped as well, so
that both sides have gone through the same imperfect flow.

References:
    A. Hallin et al., "Resonant anomaly detection without background sculpting", 2022, arXiv:2210.14924.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.classifiers.kfold import Ensembles
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray, under
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.scores.backgrounds import Background, Backgrounds, BackgroundSettings, each_fold
from anomaly_cli.scores.base import FittedScore, Ranking, Score


@dataclass(frozen=True)
class LaCathode(BackgroundSettings, Score):
    """Settings of LaCATHODE: those of its background; only one flow is used."""

    name: ClassVar[str] = "lacathode"
    summary: ClassVar[str] = "a classifier in the latent space of a background density, which no mass shapes"
    reference: ClassVar[str] = "arXiv:2210.14924"
    is_exchangeable: ClassVar[bool] = True

    flows: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.flows != 1:
            raise ConfigError(f"score {self.name}: needs flows of 1, since latent spaces of several cannot be averaged")

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedLatent:
        """Fit backgrounds to the side-bands, and train observed events against the template in their latent spaces.

        Raises:
            PhysicsError: where there are too few events.
            TrainingError: where a training diverges twice.
        """
        backgrounds = self.fit_backgrounds(seen, ranking, compute)
        contest = ranking.contest(seen.need(Need.SR_FEATURES), template)
        ensembles = []
        for index, background in enumerate(backgrounds.distinct):
            mapped = [_to_latent(background, events) for events in (contest.positive, contest.negative)]
            own = replace(contest, positive=mapped[0], negative=mapped[1])
            ensembles.append(ranking.train(own, compute.child(f"latent/{index}"), backgrounds.folds(index)))
        return FittedLatent(backgrounds, ensembles)

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedLatent:
        """Rebuild backgrounds and classifiers."""
        backgrounds = self.load_backgrounds(arrays)
        ensembles = [
            Ensembles.from_arrays(ranking.classifier, under(f"latent{index}:", arrays))
            for index in range(len(backgrounds.distinct))
        ]
        return FittedLatent(backgrounds, ensembles)


def _to_latent(background: Background, events: Events) -> Events:
    """Return events with latent variables in place of their features."""
    return events.with_block(Features.kind, Features(background.latent(events), events.names))


@dataclass(frozen=True)
class FittedLatent(FittedScore):
    """Backgrounds, and the classifiers in the latent space of each.

    Attributes:
        backgrounds: of all folds.
        ensembles: of each different background, the models of its folds.
    """

    backgrounds: Backgrounds
    ensembles: Sequence[Ensembles]

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the mean log-odds of the models of each event's fold."""
        scores = np.zeros(len(events))
        for index, inside, own in each_fold(fold, events):
            which = self.backgrounds.of_fold[index]
            place = np.full(len(own), self.backgrounds.folds(which).index(index))
            scores[inside] = self.ensembles[which].score(_to_latent(self.backgrounds.of(index), own), place)
        return scores

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of backgrounds and models."""
        arrays = self.backgrounds.to_arrays()
        for index, one in enumerate(self.ensembles):
            arrays |= {f"latent{index}:{name}": array for name, array in one.to_arrays().items()}
        return arrays
