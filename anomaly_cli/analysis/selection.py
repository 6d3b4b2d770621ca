"""Cuts on the score: thresholds from the template, fold by fold, unbiased for background."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import effective_number
from anomaly_cli.core.folds import hash_uniform

BoolArray = npt.NDArray[np.bool_]
TIE_SALT = 20_200_101
"""Salt of the hash that orders events of equal score."""


@dataclass(frozen=True)
class ScoredEvents:
    """Scored events of one kind, `(n,)` each."""

    event_id: IntArray
    source_id: IntArray
    weight: FloatArray
    fold: IntArray
    score: FloatArray

    def take(self, selection: BoolArray) -> ScoredEvents:
        """Return the events of a mask `(n,)`."""
        return ScoredEvents(*(column[selection] for column in vars(self).values()))


@dataclass(frozen=True)
class ScoredReplicas:
    """Some template events with their scores, and those that replicas of their models give them.

    Attributes:
        events: the events as the models themselves make them, `n` of them.
        part: model of each event `(n,)`; the errors of the models are independent.
        scores: of the same events from each replica `(r, n)`.
    """

    events: ScoredEvents
    part: IntArray
    scores: FloatArray


@dataclass(frozen=True)
class CutCounts:
    """What a cut has counted: all that a counting model needs of it.

    Attributes:
        background_efficiency: the fraction of the template asked for.
        n_passing: observed events that pass.
        n_all: observed events.
        efficiency: unbiased estimate of the fraction of background that passes.
        n_sources: effective number of independent template events that pass.
        efficiency_uncertainty: relative uncertainty of `efficiency` from the statistics of the template's sources.
        model_uncertainty: the same from the statistics that the template's models are fitted to; NaN where they have no
            replicas.
    """

    background_efficiency: float
    n_passing: int
    n_all: int
    efficiency: float
    n_sources: float
    efficiency_uncertainty: float
    model_uncertainty: float


@dataclass(frozen=True)
class Selection(CutCounts):
    """What a cut keeps.

    Attributes:
        is_observed_selected: mask of the observed events.
        is_template_selected: mask of the template events.
        thresholds: score cut of each fold `(k,)`.
        ties: hash above which an event of exactly that score passes `(k,)`.
    """

    is_observed_selected: BoolArray
    is_template_selected: BoolArray
    thresholds: FloatArray
    ties: FloatArray


def select(
    observed: ScoredEvents,
    template: ScoredEvents,
    background_efficiency: float,
    replicas: ScoredReplicas | None = None,
) -> Selection:
    """Cut on the score in every fold so that about this fraction of the template passes.

    The threshold of a fold is its m-th largest template score; an observed background event lies above it with
    probability m / (M + 1), M the template events of the fold (`numpy.quantile` would be biased towards signal).
    Equal scores are ordered by a hash of the event id. The template has unit weights (`search/template.py`).

    Raises:
        PhysicsError: where a fold's template is too small for the cut.
    """
    folds = np.unique(template.fold)
    selected_observed = np.zeros(len(observed.fold), dtype=np.bool_)
    selected_template = np.zeros(len(template.fold), dtype=np.bool_)
    thresholds, cut_ties = [], []
    for fold in folds:
        in_template, in_observed = np.flatnonzero(template.fold == fold), np.flatnonzero(observed.fold == fold)
        ties = hash_uniform(template.event_id[in_template], TIE_SALT)
        order = np.lexsort((ties, template.score[in_template]))[::-1]
        n_kept = number_to_keep(len(order), background_efficiency)
        if n_kept < 1:
            raise PhysicsError(
                f"significance: {len(in_template)} template events in fold {fold} are too few for a background"
                f" efficiency of {background_efficiency:g}; drop that efficiency or raise --oversampling"
            )
        last = order[n_kept - 1]
        threshold, tie = template.score[in_template[last]], ties[last]
        selected_template[in_template[order[:n_kept]]] = True
        selected_observed[in_observed] = _above(observed, in_observed, threshold, tie)
        thresholds.append(threshold)
        cut_ties.append(tie)
    selection = Selection(
        background_efficiency=background_efficiency,
        n_passing=int(selected_observed.sum()),
        n_all=len(selected_observed),
        is_observed_selected=selected_observed,
        is_template_selected=selected_template,
        efficiency=float(selected_template.sum() / (len(selected_template) + len(folds))),
        n_sources=effective_sources(template.source_id[selected_template], template.weight[selected_template]),
        efficiency_uncertainty=efficiency_uncertainty(template, selected_template),
        model_uncertainty=math.nan,
        thresholds=np.array(thresholds),
        ties=np.array(cut_ties),
    )
    return (
        selection if replicas is None else replace(selection, model_uncertainty=model_uncertainty(selection, replicas))
    )


def number_to_keep(n: int, efficiency: float) -> int:
    """Return how many of `n` events are about this share of them."""
    return int(efficiency * n + 0.5)


def passes(selection: Selection, events: ScoredEvents) -> BoolArray:
    """Return which of other events, scored with the same models, pass a cut `(n,)`; folds count from 0."""
    is_passing = np.zeros(len(events.fold), dtype=np.bool_)
    for fold, (threshold, tie) in enumerate(zip(selection.thresholds, selection.ties, strict=True)):
        members = np.flatnonzero(events.fold == fold)
        is_passing[members] = _above(events, members, threshold, tie)
    return is_passing


def _above(events: ScoredEvents, members: IntArray, threshold: float, tie: float) -> BoolArray:
    score, order = events.score[members], hash_uniform(events.event_id[members], TIE_SALT + 1)
    above: BoolArray = (score > threshold) | ((score == threshold) & (order > tie))
    return above


def model_uncertainty(selection: Selection, replicas: ScoredReplicas) -> float:
    """Return the relative uncertainty of the fraction of a template that passes from the statistics of its models.

    Classifiers and thresholds are fixed. Every part has replicas of its own, so the variances of the parts' counts add.
    NaN where none of the events passes.
    """
    n_parts = int(replicas.part.max(initial=0)) + 1

    def count(score: FloatArray) -> FloatArray:
        is_passing = passes(selection, replace(replicas.events, score=score))
        return np.bincount(replicas.part[is_passing], minlength=n_parts).astype(np.float64)

    passing = np.array([count(score) for score in replicas.scores])
    n_nominal = count(replicas.events.score).sum()
    return float(np.sqrt(passing.var(axis=0, ddof=1).sum()) / n_nominal) if n_nominal > 0.0 else math.nan


def effective_sources(source_id: IntArray, weight: FloatArray) -> float:
    """Return the effective number of independent events behind a template.

    With w_j the summed weight of the copies of source j, it is (sum_j w_j)^2 / sum_j w_j^2: the number
    of sources if all are used equally, and less if a few dominate.
    """
    _, index = np.unique(source_id, return_inverse=True)
    return effective_number(np.bincount(index, weights=weight).astype(np.float64))


def efficiency_uncertainty(template: ScoredEvents, is_selected: BoolArray) -> float:
    """Return the relative uncertainty of the fraction of a template that passes a cut.

    Sources are independent, copies of one source are not: with k_j of the t_j copies of source j passing,
    it is sqrt(sum_j (k_j - eff t_j)^2) / sum_j k_j, for single copies sqrt((1 - eff)/m).
    """
    _, index = np.unique(template.source_id, return_inverse=True)
    per_source = np.bincount(index, weights=template.weight)
    passing = np.bincount(index, weights=template.weight * is_selected)
    fraction = passing.sum() / per_source.sum()
    return float(np.sqrt(((passing - fraction * per_source) ** 2).sum()) / passing.sum())
