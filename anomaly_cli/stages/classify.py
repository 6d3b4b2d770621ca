"""Classify: rank observed, template and side-band events, each by models that never saw it or a copy of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents, ScoredReplicas
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_crossfit, read_template
from anomaly_cli.artifacts.quality_kinds import DIAGNOSTICS
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.core.arrays import IntArray
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.seen import Need
from anomaly_cli.scores.base import SCORES, FittedScore, Ranking
from anomaly_cli.scores.decorrelated import inner_arrays, load_decorrelated
from anomaly_cli.search.rank import rank, scored
from anomaly_cli.search.settings import DECORRELATE
from anomaly_cli.stages.frame import Analysis, Beside, Made, Stage
from anomaly_cli.stages.identity import ranking_settings
from anomaly_cli.stages.provisions import score_provisions, truth_digest
from anomaly_cli.stages.split import stored_split

SCORED = ("event_id", "source_id", "weight", "fold", "score")


def _inputs(analysis: Analysis) -> dict[str, str]:
    return {"truth": truth_digest(analysis)} if Need.TRUTH in analysis.settings.score.needs else {}


def _make(analysis: Analysis) -> Made:
    split, template = stored_split(analysis.run.read(schema.SPLIT)), read_template(analysis.run.read(schema.TEMPLATE))
    ranked = rank(split, template, analysis.settings, score_provisions(analysis), analysis.compute)
    side_bands = split.side_bands
    fold = ranked.crossfit.side_band_fold(side_bands.source_id)
    groups: dict[str, Mapping[str, Any]] = {
        "observed": scored_columns(split.sr, ranked.observed),
        "template": scored_columns(template.events, ranked.template),
        "side_bands": scored_columns(side_bands, scored(ranked.score, side_bands, fold)),
    }
    if ranked.replicas is not None:
        columns = {name: getattr(ranked.replicas.events, name) for name in SCORED}
        groups["replicas"] = {**columns, "part": ranked.replicas.part, "replica_scores": ranked.replicas.scores}
    told = ranked.score.diagnostics
    if told:
        groups["diagnostics"] = {name: [getattr(one, name) for one in told] for name in DIAGNOSTICS.columns}
    kept = {"models": ranked.score.to_arrays(), "crossfit": vars(ranked.crossfit)}
    return Made(groups, twins=[(schema.CLASSIFIER, kept)])


def scored_columns(events: Events, scores: ScoredEvents) -> Mapping[str, Any]:
    """Return scored events as the columns of the schema; `events` holds the masses, of these and perhaps of others."""
    return {"mjj": events.mjj[places(events, scores)], **{name: getattr(scores, name) for name in SCORED}}


def places(events: Events, scores: ScoredEvents) -> IntArray:
    """Return where every scored event is among `events`, which hold all of them `(n,)`."""
    order = np.argsort(events.event_id, kind="stable")
    found: IntArray = order[np.searchsorted(events.event_id[order], scores.event_id)]
    return found


CLASSIFY = Stage(
    name="classify",
    version=4,
    kind=schema.SCORES,
    settings=ranking_settings,
    inputs=_inputs,
    make=_make,
    beside=lambda _: Beside(twins=(schema.CLASSIFIER,)),
)
"""Trains the score in folds, keeps its models, and writes the scores."""


def stored_scores(scores: Artifact, group: str) -> ScoredEvents:
    """Return the scored events of a group of an artifact."""
    return ScoredEvents(**{name: scores.groups[group][name] for name in SCORED})


def stored_replicas(scores: Artifact) -> ScoredReplicas | None:
    """Return the scored replicas of an artifact; None where it has none."""
    found = scores.groups.get("replicas")
    if found is None:
        return None
    return ScoredReplicas(stored_scores(scores, "replicas"), found["part"], found["replica_scores"])


def stored_score(classifier: Artifact) -> tuple[FittedScore, CrossFit]:
    """Return the score whose models an artifact holds, and in which fold events are.

    Raises:
        ArtifactError: where the artifact does not say the second.
    """
    crossfit = read_crossfit(classifier)
    if crossfit is None:
        raise ArtifactError(f"{classifier.path}: does not say in which fold events are; run 'anomaly classify' again")
    settings = classifier.provenance.settings
    family = CLASSIFIERS.make(settings["classifier"]["name"], settings["classifier"]["settings"])
    ranking = Ranking(family, KFold(settings["folds"], settings["validation_fraction"]), crossfit)
    score = SCORES.make(settings["score"]["name"], settings["score"]["settings"])
    arrays = classifier.groups["models"]
    if DECORRELATE not in settings:
        return score.load(arrays, ranking), crossfit
    return load_decorrelated(score.load(inner_arrays(arrays), ranking), arrays), crossfit
