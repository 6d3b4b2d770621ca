"""Pseudo-experiments of a search in which the template is right but for its statistics.

Observed events are drawn from the template itself, each source once. The templates that are trained against and counted
with are made by replicas of their models, without those sources, and the score is trained anew. Any scatter of
Z beyond the errors of the model therefore comes from what folds share: training events and each other's templates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.analysis.modelling import Measured, model_by_fail
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import select
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.methods.base import FittedTemplate, Request
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import Ranked, rank
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split
from anomaly_cli.search.template import FittedParts, sample_at_unit_weight

FIRST_ID = 1 << 40
"""Ids of pseudo-observed events start here, far from those of real ones."""
MOST_SOURCES = 0.5
"""No larger share of the template's sources becomes pseudo-observed events; the rest makes the templates."""
FEWEST_EVENTS = 300
"""Fewer pseudo-observed events say nothing."""


@dataclass(frozen=True)
class PseudoExperiment:
    """Events of one pseudo-experiment.

    Attributes:
        observed: pseudo-observed events, at most as many as are observed.
        template: the template without their sources.
        sources: side-band events that they are copies of, `(k,)`.
    """

    observed: Events
    template: Template
    sources: IntArray


def draw_experiment(template: Template, fitted: FittedParts, n_observed: int, compute: Compute) -> PseudoExperiment:
    """Draw a pseudo-experiment.

    Args:
        template: the template of the search.
        fitted: the models that it was made by.
        n_observed: observed events of the search.
        compute: streams of this pseudo-experiment.

    Raises:
        PhysicsError: where the template has too few sources.
    """
    crossfit, streams = fitted.crossfit, compute.streams
    counted = [part for part in template.parts if part.counts != ()]
    events = concatenate([part.events for part in counted])
    fold = np.concatenate([crossfit.fold(part.events.source_id, part.counts) for part in counted])
    order = streams.generator("observed").permutation(len(events))
    _, first = np.unique(events.source_id[order], return_index=True)
    chosen = order[np.sort(first)][: min(n_observed, int(MOST_SOURCES * len(first)))]
    if len(chosen) < FEWEST_EVENTS:
        raise PhysicsError(
            f"pseudo-experiments: the template has {len(first)} independent sources, of which at most half become"
            f" pseudo-observed events; at least {2 * FEWEST_EVENTS} are needed: widen the side-bands"
        )
    used = events.source_id[chosen]
    observed = events.take(chosen)
    ids = ids_in_folds(fold[chosen], crossfit)
    observed = replace(observed, event_id=ids, source_id=ids, weight=np.ones(len(ids)))
    parts = [
        _part_without(used, part, model, compute.child(f"part/{index}"))
        for index, (part, model) in enumerate(zip(template.parts, fitted.models, strict=True))
    ]
    return PseudoExperiment(observed, Template.of(parts, crossfit), used)


def _part_without(used: IntArray, part: TemplatePart, model: FittedTemplate, compute: Compute) -> TemplatePart:
    """Return a part of about as many events, made by a replica of its model, without those of used sources."""
    generator = compute.streams.generator("replica")
    replicas = model.replicas()
    chosen = replicas[int(generator.integers(len(replicas)))] if replicas else model
    n, share = len(part.events), float(np.isin(part.events.source_id, used).mean())
    masses = generator.choice(part.events.mjj, size=round(n / max(1.0 - share, 0.1)))
    sample = chosen.sample(Request(masses), compute.child("sample"))
    is_left = ~np.isin(sample.events.source_id, used)
    component = None if sample.component is None else sample.component[is_left]
    left = replace(sample, events=sample.events.take(is_left), component=component)
    events, component = sample_at_unit_weight(left, n, compute.streams.generator("weights"))
    return replace(part, events=events, component=component)


def ids_in_folds(fold: IntArray, crossfit: CrossFit) -> IntArray:
    """Return new ids that fall into these folds `(n,)`, each once."""
    found = np.empty(len(fold), dtype=np.int64)
    for index in np.unique(fold):
        inside, first = np.flatnonzero(fold == index), FIRST_ID
        ids = np.zeros(0, dtype=np.int64)
        while len(ids) < len(inside):
            block = first + np.arange(4 * crossfit.n_folds * len(inside))
            ids, first = np.concatenate([ids, block[crossfit.fold(block) == index]]), int(block[-1]) + 1
        found[inside] = ids[: len(inside)]
    return found


def search_experiment(
    experiment: PseudoExperiment, split: Split, settings: SearchSettings, provisions: Provisions, compute: Compute
) -> Ranked:
    """Train the score of a search on a pseudo-experiment and rank its events.

    No score sees the side-band events that became observed ones.

    Raises:
        AnomalyError: where there are too few events.
    """
    sb1, sb2 = (side.take(~np.isin(side.event_id, experiment.sources)) for side in (split.sb1, split.sb2))
    own = replace(split, sr=experiment.observed, sb1=sb1, sb2=sb2)
    return rank(own, experiment.template, settings, provisions, compute)


def experiment_significances(
    template: Template, fitted: FittedParts, split: Split, settings: SearchSettings, compute: Compute
) -> tuple[FloatArray, int]:
    """Return signed Z of every cut, the loosest first, in one pseudo-experiment, and its number of observed events.

    Args:
        template: the template of the search.
        fitted: the models that it was made by.
        split: the events of the search; of those in its signal region only the number is used.
        settings: how it is done.
        compute: streams of this pseudo-experiment.

    Raises:
        PhysicsError: where the template has too few sources, or a cut too few events.
    """
    experiment = draw_experiment(template, fitted, len(split.sr), compute)
    ranked = search_experiment(experiment, split, settings, Provisions(), compute)
    return pseudo_significances(ranked, settings.cuts.loosest_first), len(experiment.observed)


def pseudo_significances(ranked: Ranked, efficiencies: list[float]) -> FloatArray:
    """Return signed Z of every cut with the statistics of the events, the template and its models."""
    cuts = (select(ranked.observed, ranked.template, efficiency, ranked.replicas) for efficiency in efficiencies)
    return np.array([float(signed_root(model_by_fail("pseudo", cut, Measured()).experiment())) for cut in cuts])
