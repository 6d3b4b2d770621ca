"""Rank the events of a search by its score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents, ScoredReplicas
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.template import Replicas, Template
from anomaly_cli.scores.base import FittedScore, Ranking
from anomaly_cli.scores.decorrelated import decorrelate
from anomaly_cli.search.provisions import Provisions, show
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split

SCORED_AT_ONCE = 200_000
"""Events: each call of a score has a cost of its own, and memory is limited."""


@dataclass(frozen=True)
class Ranked:
    """Scored events of a search, and the score that ranked them.

    Attributes:
        score: ranks any other events.
        crossfit: in which fold events are.
        observed: events of the signal region.
        template: template events, those that are counted in their fold.
        replicas: some of them with scores from replicas of their models; None where the models have none.
    """

    score: FittedScore
    crossfit: CrossFit
    observed: ScoredEvents
    template: ScoredEvents
    replicas: ScoredReplicas | None


def fit_score(
    split: Split, template: Template, settings: SearchSettings, provisions: Provisions, compute: Compute
) -> FittedScore:
    """Train what the score of a search trains; `compute` has the streams of the search.

    Raises:
        AnomalyError: where there are too few events, or something is missing.
    """
    score = settings.score
    seen = show(split, provisions, score.needs, f"score {score.name}", compute.streams)
    ranking = Ranking(settings.classifier, settings.kfold, divide(template, settings, compute))
    fitted, own = score.fit(seen, template, ranking, compute.child("classify")), compute.child("decorrelate")
    return decorrelate(fitted, settings.decorrelate, seen, template, ranking, own)


def divide(template: Template, settings: SearchSettings, compute: Compute) -> CrossFit:
    """Return in which fold the events of a search are: as its template asks for, or by a hash of the search's own.

    Raises:
        ConfigError: where the parts of the template were made for another number of folds.
    """
    return template.divided(settings.kfold.folds, compute.streams.integer("folds"))


def rank(
    split: Split, template: Template, settings: SearchSettings, provisions: Provisions, compute: Compute
) -> Ranked:
    """Train the score of a search and rank its observed and template events.

    Raises:
        AnomalyError: where there are too few events, or something is missing.
    """
    fitted = fit_score(split, template, settings, provisions, compute)
    crossfit, events = divide(template, settings, compute), template.events
    fold = template.fold(crossfit)
    is_counted = fold >= 0
    return Ranked(
        fitted,
        crossfit,
        scored(fitted, split.sr, crossfit.fold(split.sr.source_id)),
        scored(fitted, events.take(is_counted), fold[is_counted]),
        _score_replicas(fitted, template, crossfit),
    )


def _score_replicas(fitted: FittedScore, template: Template, crossfit: CrossFit) -> ScoredReplicas | None:
    """Return the replicas of a template, scored by the models that score its events; None where it has none."""
    counted = [(index, part) for index, part in enumerate(template.parts) if part.counts != ()]
    parts = [(index, part, part.replicas) for index, part in counted if part.replicas is not None]
    if len(parts) < len(counted):
        return None
    nominal, scores, index = [], [], []
    for number, part, replicas in parts:
        events = replicas.events
        fold = crossfit.fold(events.source_id, part.counts)
        nominal.append(scored(fitted, events, fold))
        scores.append(_score_moved(fitted, replicas, fold))
        index.append(np.full(len(events), number))
    joined = ScoredEvents(
        *(np.concatenate(columns) for columns in zip(*(vars(one).values() for one in nominal), strict=True))
    )
    return ScoredReplicas(joined, np.concatenate(index), np.concatenate(scores, axis=1))


def _score_moved(fitted: FittedScore, replicas: Replicas, fold: IntArray) -> FloatArray:
    """Return the scores of the events as each replica makes them `(r, n)`, of many replicas at once."""
    events, n_replicas = replicas.events, len(replicas.features)
    found, at_once = [], max(1, SCORED_AT_ONCE // max(1, len(events)))
    for first in range(0, n_replicas, at_once):
        moved = replicas.features[first : first + at_once]
        copies = events.take(np.tile(np.arange(len(events)), len(moved)))
        joined = copies.with_block(Features.kind, Features(moved.reshape(len(copies), -1), events.names))
        found.append(scored(fitted, joined, np.tile(fold, len(moved))).score.reshape(len(moved), len(events)))
    return np.concatenate(found)


def scored(fitted: FittedScore, events: Events, fold: IntArray) -> ScoredEvents:
    """Return events with their scores, each by the models of its fold `(n,)`.

    Raises:
        ConfigError: where a score breaks its contract.
    """
    found = fitted.score(events, fold)
    refuse_broken(found, len(events), type(fitted).__name__)
    return ScoredEvents(events.event_id, events.source_id, events.weight, fold, found)


def refuse_broken(found: FloatArray, n: int, what: str) -> None:
    """Refuse scores that are not one finite number per event.

    Raises:
        ConfigError: where they are not.
    """
    if found.shape != (n,):
        raise ConfigError(f"{what} breaks its contract: scores of shape {found.shape} for {n} events")
    if not np.isfinite(found).all():
        n_bad = int((~np.isfinite(found)).sum())
        raise ConfigError(f"{what} breaks its contract: {n_bad} of {n} scores are not finite")
