"""ANODE: the ratio of two densities, of observed events and of the background that the side-bands predict.

References:
    B. Nachman, D. Shih, "Anomaly Detection with Density Estimation", 2020, arXiv:2001.04990, eq. 2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.core.workers import in_order
from anomaly_cli.methods import densities
from anomaly_cli.scores.backgrounds import (
    Background,
    Backgrounds,
    BackgroundSettings,
    each_fold,
    training_events,
)
from anomaly_cli.scores.base import FittedScore, Ranking, Score


@dataclass(frozen=True)
class Anode(BackgroundSettings, Score):
    """Settings of ANODE: those of its backgrounds, which its densities of observed events share."""

    name: ClassVar[str] = "anode"
    summary: ClassVar[str] = "the density of observed events over the background density that side-bands predict"
    reference: ClassVar[str] = "arXiv:2001.04990"

    flows: int = 1

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedRatio:
        """Fit backgrounds to the side-bands, and a density to the observed events of the other folds.

        Raises:
            PhysicsError: where there are too few events.
            TrainingError: where a training diverges twice.
        """
        observed = seen.need(Need.SR_FEATURES)
        backgrounds = self.fit_backgrounds(seen, ranking, compute)
        folds = range(ranking.kfold.folds)
        work = _Work(self, observed, ranking, backgrounds, compute.alone())
        arrays = backgrounds.to_arrays()
        compute.progress(Step("classify: observed density", 0, len(folds)))
        with contextlib.closing(in_order(_fit_observed, ((work, fold) for fold in folds), compute.processes)) as fitted:
            for fold, piece in enumerate(fitted):
                arrays |= piece
                compute.progress(Step("classify: observed density", fold + 1, len(folds)))
        return self.load(arrays, ranking)

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedRatio:
        """Rebuild backgrounds and densities."""
        backgrounds = self.load_backgrounds(arrays)
        observed = []
        for fold in range(len(backgrounds.of_fold)):
            scaler = backgrounds.of(fold).scaler
            flow = self.make_base(len(scaler.low))
            nets.weights.load_module(flow, arrays, f"observed{fold}")
            observed.append(Background(scaler, [flow]))
        return FittedRatio(backgrounds, observed)


@dataclass(frozen=True)
class _Work:
    """What the densities of all folds share."""

    settings: Anode
    observed: Events
    ranking: Ranking
    backgrounds: Backgrounds
    compute: Compute


def _fit_observed(work: _Work, fold: int) -> dict[str, npt.NDArray[Any]]:
    """Fit the density of the observed events that may train a fold."""
    events, own = (
        training_events(work.ranking, work.observed, fold, work.settings.name),
        work.compute.child(f"observed/{fold}"),
    )
    held_out = hash_uniform(events.source_id, own.streams.integer("validation"))
    is_validation = held_out < work.ranking.kfold.validation_fraction
    with densities.session(own) as generator:
        data = densities.ScaledEvents.make(work.backgrounds.of(fold).scaler, events, is_validation, own.device)
        flow = work.settings.make_base(len(events.names)).to(own.device)
        trainer = densities.Trainer(work.settings.name, own, "classify", "scores")
        work.settings.train_base(flow, data, trainer, generator)
    return nets.weights.module_arrays(f"observed{fold}", flow)


@dataclass(frozen=True)
class FittedRatio(FittedScore):
    """Two densities for every fold.

    Attributes:
        backgrounds: of all folds.
        observed: the density of observed events of each fold, in the scaling of its background.
    """

    backgrounds: Backgrounds
    observed: Sequence[Background]

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return log p_observed / p_background of each event."""
        scores = np.zeros(len(events))
        for index, inside, own in each_fold(fold, events):
            background = self.backgrounds.of(index).log_density(own)
            scores[inside] = self.observed[index].log_density(own) - background
        return scores

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of all densities."""
        arrays = self.backgrounds.to_arrays()
        for fold, one in enumerate(self.observed):
            arrays |= nets.weights.module_arrays(f"observed{fold}", one.flows[0])
        return arrays
