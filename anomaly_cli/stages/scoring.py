"""How a template's method has its events scored: against the template, supervised, or component by component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.artifacts.contents import Truth
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.classifiers import kfold
from anomaly_cli.classifiers.settings import ClassifierSettings
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FoldScores, IntArray
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Window
from anomaly_cli.methods.base import Training
from anomaly_cli.methods.registry import find_methods


@dataclass(frozen=True)
class Contest:
    """What a classifier is trained on.

    Attributes:
        observed: observed events in the signal region.
        template: the template.
        training: what the template's method trains on.
        component: which part of the template each event belongs to; empty where it is one.
        signal: true signal in the signal region; empty but for supervised training.
    """

    observed: Events
    template: Events
    training: Training
    component: IntArray
    signal: Events

    @staticmethod
    def read(split: Artifact, template: Artifact, truth: Truth | None, sr: Window) -> Contest:
        """Read it from artifacts; true signal only for a method that trains on it.

        Raises:
            ConfigError: where that has none.
        """
        method = find_methods()[template.provenance.settings["method"]]
        observed, events = split.events("sr"), template.events("events")
        signal = observed.take(np.zeros(0, dtype=np.int64))
        if method.training is Training.SIGNAL_AGAINST_BACKGROUND:
            if truth is None or not len(truth.signal(sr)):
                raise ConfigError(
                    f"method {method.name} needs true signal that is not in the pseudo-data; use labelled data and"
                    " inject fewer events with --inject"
                )
            signal = truth.signal(sr)
        component = template.groups["components"]["component"] if "components" in template.groups else np.zeros(0)
        return Contest(observed, events, method.training, component.astype(np.int64), signal)


def score(
    contest: Contest,
    others: Sequence[Events],
    settings: ClassifierSettings,
    streams: Streams,
    resources: kfold.Resources,
) -> list[FoldScores]:
    """Return the scores of observed events, template events, and each of `others`, every one out of fold.

    Raises:
        PhysicsError: where there are too few events to train on.
    """
    scored = [contest.observed, contest.template, *others]
    if contest.training is Training.SIGNAL_AGAINST_BACKGROUND:
        return kfold.score_in_folds([contest.signal, contest.template, *scored], settings, streams, resources)[2:]
    if contest.training is Training.OBSERVED_AGAINST_TEMPLATE:
        return kfold.score_in_folds(scored, settings, streams, resources)
    parts = np.unique(contest.component)
    totals = []
    for part in parts:
        trained = [contest.observed, contest.template.take(contest.component == part)]
        own = replace(resources, task=f"{resources.task}, component {part + 1} of {len(parts)}")
        totals.append(kfold.score_in_folds([*trained, *scored], settings, streams, own)[2:])
    return [
        FoldScores(scores[0].fold, np.mean([one.score for one in scores], axis=0))
        for scores in zip(*totals, strict=True)
    ]
