"""Which features drive a score, without labels: what is selected in data against what is selected in the template.

References:
    L. Breiman, "Random forests", Machine Learning 45 (2001) 5 (permutation importance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents, Selection, select
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events
from anomaly_cli.core.progress import Step
from anomaly_cli.scores.base import FittedScore
from anomaly_cli.search.rank import scored

REPEATS = 3
"""Draws of each feature."""
N_BINS = 20
"""Bins of a distribution, evenly between the extreme per cent of the template."""
MOST_EVENTS = 50
"""Events that are listed."""


@dataclass(frozen=True)
class Placed:
    """Events and the folds whose models score them `(n,)`."""

    events: Events
    fold: IntArray


@dataclass(frozen=True)
class Importance:
    """How much of the excess after one cut is due to one feature.

    Attributes:
        background_efficiency: of the cut.
        feature: its name.
        excess: (selected - expected) / sqrt(expected) as it is.
        excess_without: the same with the feature of data and template alike drawn from the template of the fold, and
            the cut set anew; mean over draws. Permuted among the data, it would keep their excess of signal values.
        spread: standard deviation of that over draws.
    """

    background_efficiency: float
    feature: str
    excess: float
    excess_without: float
    spread: float


@dataclass(frozen=True)
class Distribution:
    """One feature after one cut.

    Attributes:
        background_efficiency: of the cut.
        feature: its name.
        edges: of the bins `(b + 1,)`; what lies outside is counted in the outermost ones.
        n_selected: observed events that pass, per bin `(b,)`.
        n_expected: template events that pass, scaled to as many as are expected of background `(b,)`.
        n_all: all template events, scaled to the observed ones `(b,)`.
    """

    background_efficiency: float
    feature: str
    edges: FloatArray
    n_selected: IntArray
    n_expected: FloatArray
    n_all: FloatArray


@dataclass(frozen=True)
class Explanation:
    """What drives a score.

    Attributes:
        importances: per cut and feature.
        distributions: per cut and feature.
        order: the most signal-like observed events, the first one first `(k,)`.
        tail: share of the template of its fold that scores no lower than each of these `(k,)`; unlike scores, it can be
            compared between folds.
        score: of each of these `(k,)`.
    """

    importances: Sequence[Importance]
    distributions: Sequence[Distribution]
    order: IntArray
    tail: FloatArray
    score: FloatArray


def explain(
    score: FittedScore, observed: Placed, template: Placed, efficiencies: Sequence[float], compute: Compute
) -> Explanation:
    """Explain a score by what it selects; uses no labels and trains nothing.

    Args:
        score: the fitted score.
        observed: events of the signal region.
        template: template events that are counted in their fold.
        efficiencies: background efficiencies of the cuts.
        compute: streams of the draws, and where to report.

    Raises:
        PhysicsError: where a fold of the template is too small for a cut.
    """
    names, total = observed.events.names, REPEATS * len(observed.events.names)
    sets = tuple(scored(score, part.events, part.fold) for part in (observed, template))
    selections = [select(sets[0], sets[1], efficiency) for efficiency in efficiencies]
    excess = np.array([_excess(selection) for selection in selections])
    without = np.zeros((len(names), REPEATS, len(efficiencies)))
    for column in range(len(names)):
        for repeat in range(REPEATS):
            streams = compute.streams.child(f"{names[column]}/{repeat}")
            moved = [
                _redrawn(part, template, column, streams.generator(name))
                for part, name in ((observed, "observed"), (template, "template"))
            ]
            ranked = [scored(score, part.events, part.fold) for part in moved]
            without[column, repeat] = [_excess(select(ranked[0], ranked[1], cut)) for cut in efficiencies]
            compute.progress(Step("explain", column * REPEATS + repeat + 1, total, names[column]))
    importances = [
        Importance(efficiency, name, float(excess[cut]), float(rows[:, cut].mean()), float(rows[:, cut].std(ddof=1)))
        for cut, efficiency in enumerate(efficiencies)
        for name, rows in zip(names, without, strict=True)
    ]
    distributions = [
        _distribution(selection, column, observed.events, template.events)
        for selection in selections
        for column in range(len(names))
    ]
    tail, above = _tail(sets[0], sets[1])
    order = np.lexsort((-above, tail))[:MOST_EVENTS]
    return Explanation(importances, distributions, order, tail[order], sets[0].score[order])


def _excess(selection: Selection) -> float:
    """Return (selected - expected) / sqrt(expected), the expectation being the efficiency on the template."""
    expected = selection.efficiency * selection.n_all
    return float((selection.n_passing - expected) / np.sqrt(expected))


def _redrawn(part: Placed, template: Placed, column: int, generator: np.random.Generator) -> Placed:
    """Return the events with one feature drawn anew from the template of their fold, whose models have not seen it."""
    values = part.events.features.copy()
    for fold in np.unique(part.fold):
        members, pool = np.flatnonzero(part.fold == fold), np.flatnonzero(template.fold == fold)
        drawn = pool[generator.integers(len(pool), size=len(members))]
        values[members, column] = template.events.features[drawn, column]
    return Placed(part.events.with_block(Features.kind, Features(values, part.events.names)), part.fold)


def _distribution(selection: Selection, column: int, observed: Events, template: Events) -> Distribution:
    data, made = observed.features[:, column], template.features[:, column]
    low, high = np.quantile(made, (0.01, 0.99))
    edges = np.linspace(float(low), float(high), N_BINS + 1)
    selected = _count(data[selection.is_observed_selected], edges)
    passing = _count(made[selection.is_template_selected], edges)
    scale = selection.efficiency * selection.n_all / selection.is_template_selected.sum()
    return Distribution(
        selection.background_efficiency,
        observed.names[column],
        edges,
        selected,
        scale * passing,
        _count(made, edges) * np.float64(len(data) / len(made)),
    )


def _count(values: FloatArray, edges: FloatArray) -> IntArray:
    """Return how many values lie in each bin, those outside in the outermost ones."""
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.bincount(place, minlength=len(edges) - 1).astype(np.int64)


def _tail(observed: ScoredEvents, template: ScoredEvents) -> tuple[FloatArray, FloatArray]:
    """Return how far each event is out, by its place in the template of its fold `(n,)` each.

    The first is (template events that score no lower + 1) / (all + 1), the second the score above the largest of them.
    """
    tail, above = np.ones(len(observed.score)), np.zeros(len(observed.score))
    for fold in np.unique(observed.fold):
        own = observed.fold == fold
        scores = np.sort(template.score[template.fold == fold])
        n_above = len(scores) - np.searchsorted(scores, observed.score[own], side="left")
        tail[own] = (n_above + 1.0) / (len(scores) + 1.0)
        above[own] = observed.score[own] - scores[-1]
    return tail, above
