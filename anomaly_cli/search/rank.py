"""Rank the events of a search by its score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FoldScores
from anomaly_cli.core.template import Template
from anomaly_cli.scores.base import FittedScore
from anomaly_cli.search.provisions import Provisions, show
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split


@dataclass(frozen=True)
class Ranked:
    """Scored events of a search, and the score that ranked them.

    Attributes:
        score: ranks any other events.
        observed: events of the signal region.
        template: template events, those that are counted in their fold.
    """

    score: FittedScore
    observed: ScoredEvents
    template: ScoredEvents


def fit_score(
    split: Split, template: Template, settings: SearchSettings, provisions: Provisions, compute: Compute
) -> FittedScore:
    """Train what the score of a search trains; `compute` has the streams of the search.

    Raises:
        AnomalyError: where there are too few events, or something is missing.
    """
    score = settings.score
    seen = show(split, provisions, score.needs, f"score {score.name}", compute.streams)
    return score.fit(seen, template, settings.ranking, compute.child("classify"))


def rank(
    split: Split, template: Template, settings: SearchSettings, provisions: Provisions, compute: Compute
) -> Ranked:
    """Train the score of a search and rank its observed and template events.

    Raises:
        AnomalyError: where there are too few events, or something is missing.
    """
    fitted = fit_score(split, template, settings, provisions, compute)
    events = template.events
    scored_template = scored(fitted, events)
    is_counted = template.is_counted(scored_template.fold)
    return Ranked(fitted, scored(fitted, split.sr), scored_template.take(is_counted))


def scored(fitted: FittedScore, events: Events) -> ScoredEvents:
    """Return events with their scores, each by the models of its fold.

    Raises:
        ConfigError: where a score breaks its contract.
    """
    found = fitted.score(events)
    refuse_broken(found, len(events), type(fitted).__name__)
    return ScoredEvents(events.event_id, events.source_id, events.weight, found.fold, found.score)


def refuse_broken(found: FoldScores, n: int, what: str) -> None:
    """Refuse scores that are not one finite number per event.

    Raises:
        ConfigError: where they are not.
    """
    if found.score.shape != (n,) or found.fold.shape != (n,):
        raise ConfigError(f"{what} breaks its contract: scores of shape {found.score.shape} for {n} events")
    if not np.isfinite(found.score).all():
        n_bad = int((~np.isfinite(found.score)).sum())
        raise ConfigError(f"{what} breaks its contract: {n_bad} of {n} scores are not finite")
