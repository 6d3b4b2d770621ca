"""An autoencoder of the template: events that it returns badly are unlike background. Unsupervised: a baseline.

References:
    M. Farina, Y. Nakai, D. Shih, "Searching for new physics with deep autoencoders", 2018, arXiv:1808.08992.
    T. Heimel, G. Kasieczka, T. Plehn, J. M. Thompson, "QCD or what?", 2018, arXiv:1808.08979.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError, TrainingError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.methods import densities
from anomaly_cli.scores.backgrounds import each_fold, training_template
from anomaly_cli.scores.base import FittedScore, Ranking, Score

if TYPE_CHECKING:
    from anomaly_cli.nets.autoencoder import AutoencoderSettings, FittedAutoencoder


@dataclass(frozen=True)
class Unsupervised(Score):
    """What the scores of an autoencoder share; it sees no observed event of the signal region.

    Attributes:
        hidden: width of the hidden layers.
        bottleneck: numbers that an event is squeezed into.
        epochs: epochs of the training at most.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS})

    hidden: int = 32
    bottleneck: int = 2
    epochs: int = 20

    def __post_init__(self) -> None:
        if min(self.hidden, self.bottleneck, self.epochs) < 1:
            raise ConfigError(f"score {self.name}: needs hidden, bottleneck and epochs of 1 or more")

    @property
    @abstractmethod
    def network(self) -> AutoencoderSettings:
        """What is trained."""

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedErrors:
        """Train an autoencoder for every fold on the template events that may train it.

        Raises:
            TrainingError: where a training diverges twice.
        """
        fitted = []
        for fold in range(ranking.kfold.folds):
            events = template.events.take(training_template(template, ranking, fold))
            fitted.append(fit_autoencoder(events, self.network, ranking, self.name, compute.child(f"fold/{fold}")))
            compute.progress(Step(f"classify: {self.name}", fold + 1, ranking.kfold.folds))
        return FittedErrors(fitted)

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedErrors:
        """Rebuild the autoencoders."""
        read = nets.autoencoder.FittedAutoencoder.from_arrays
        return FittedErrors([read(dict(arrays), f"fold{fold}", self.network) for fold in range(ranking.kfold.folds)])


def fit_autoencoder(
    events: Events, settings: AutoencoderSettings, ranking: Ranking, name: str, compute: Compute
) -> FittedAutoencoder:
    """Train an autoencoder of events; the same part of them, by source, says when to stop as for classifiers.

    Raises:
        TrainingError: where a training diverges twice.
    """
    held_out = hash_uniform(events.source_id, compute.streams.integer("validation")) < ranking.kfold.validation_fraction
    with densities.session(compute) as generator:
        try:
            return nets.autoencoder.FittedAutoencoder.fit(events.features, held_out, settings, generator)
        except nets.training.Diverged:
            raise TrainingError(
                f"score {name}: the autoencoder diverged twice; leave out features with extreme values by --features"
            ) from None


@dataclass(frozen=True)
class Autoencoder(Unsupervised):
    """Settings of an autoencoder."""

    name: ClassVar[str] = "autoencoder"
    summary: ClassVar[str] = "how badly an autoencoder of the template returns an event (unsupervised)"
    reference: ClassVar[str] = "arXiv:1808.08992"

    @property
    def network(self) -> AutoencoderSettings:
        """What is trained."""
        return nets.autoencoder.AutoencoderSettings(self.hidden, self.bottleneck, 0.0, self.epochs)


@dataclass(frozen=True)
class FittedErrors(FittedScore):
    """An autoencoder for every fold.

    Attributes:
        autoencoders: of each fold.
    """

    autoencoders: Sequence[FittedAutoencoder]

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the logarithm of each event's error."""
        scores = np.zeros(len(events))
        for index, inside, own in each_fold(fold, events):
            scores[inside] = self.autoencoders[index].error(own.features)
        return scores

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of all autoencoders."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        for index, one in enumerate(self.autoencoders):
            arrays |= one.to_arrays(f"fold{index}")
        return arrays
