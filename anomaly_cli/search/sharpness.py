"""How sharp the minima are that the networks of a score were trained into: one model of each fold.

References:
    F. Rothen et al., "Enhancing generalization in high energy physics using white-box adversarial attacks", 2024,
    arXiv:2411.09296.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.classifiers.base import Labelled
from anomaly_cli.classifiers.kfold import Contest, Ensembles, training_of
from anomaly_cli.classifiers.minima import Sharpness, mean_loss, measure_sharpness
from anomaly_cli.classifiers.mlp import FittedMLP
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.progress import Step
from anomaly_cli.scores.base import FittedEnsembles, FittedScore
from anomaly_cli.scores.decorrelated import Decorrelated


@dataclass(frozen=True)
class FoldSharpness:
    """The minimum of the first model of a fold.

    Attributes:
        fold: its number.
        sharpness: on the events that train the models of the fold.
        loss_unseen: mean cross-entropy of the events of the fold, which its models have not seen.
    """

    fold: int
    sharpness: Sharpness
    loss_unseen: float


def networks_of(score: FittedScore, name: str) -> Ensembles:
    """Return the networks that a score ranks by.

    Raises:
        ConfigError: where it ranks by anything else.
    """
    inner = score.inner if isinstance(score, Decorrelated) else score
    found = inner.ensembles if isinstance(inner, FittedEnsembles) and name == "cwola" else None
    if found is None or not isinstance(found.members[0][0], FittedMLP):
        what = f"the classifier {found.classifier.name}" if found else f"the score {name}"
        raise ConfigError(
            f"evaluate: --sharpness needs the weights of networks, and {what} has none; classify with"
            " --score cwola --classifier mlp"
        )
    return found


def measure_folds(ensembles: Ensembles, contest: Contest, compute: Compute) -> list[FoldSharpness]:
    """Measure the minimum of the first model of every fold.

    Args:
        ensembles: the networks.
        contest: what they were trained to tell apart.
        compute: streams, and where to report.
    """
    sets = [ensembles.preparation.apply(events) for events in (contest.positive, contest.negative)]
    prepared = replace(contest, positive=sets[0], negative=sets[1])
    found = []
    for fold, members in enumerate(ensembles.members):
        model = members[0]
        if not isinstance(model, FittedMLP):
            raise TypeError(f"{type(model).__name__} is no network")
        sharpness = measure_sharpness(model, training_of(prepared, fold), compute.streams.child(str(fold)))
        found.append(FoldSharpness(fold, sharpness, mean_loss(model, _events_of(prepared, fold))))
        compute.progress(Step("evaluate: sharpness", fold + 1, len(ensembles.members)))
    return found


def _events_of(contest: Contest, fold: int) -> Labelled:
    """Return the events of a fold."""
    sets = ((contest.positive, contest.folds[0]), (contest.negative, contest.folds[1]))
    parts = [events.take(own == fold) for events, own in sets]
    return Labelled(concatenate(parts), np.repeat([True, False], [len(part) for part in parts]))
