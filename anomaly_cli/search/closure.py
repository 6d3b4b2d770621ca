"""Closure: can boosted trees tell the template from background? Checks on values.

Every check compares the template with background, and beside it untouched side-band events with the same background:
where those cannot be told apart either, the check proves nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_cli.analysis.distances import Distances, measure_distances
from anomaly_cli.analysis.quality import Sampled, Separation, measure_separation
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.truth import Truth
from anomaly_cli.core.windows import Regions
from anomaly_cli.core.workers import in_order
from anomaly_cli.methods.base import FittedTemplate, Request, TemplateMethod

SIDE_BANDS = "side-bands, held-out events"
TRUE_BACKGROUND = "signal region, true background"
TEMPLATE, UNTOUCHED = "template", "untouched side-bands"
PER_HELD_OUT = 4
"""Template events per held-out side-band event."""


@dataclass(frozen=True)
class Check:
    """Points to compare.

    Attributes:
        name: what is compared.
        template: template events.
        untouched: side-band events as they are.
        compared: the background that both are compared with.
        n_features: the first columns are features; a further one is mjj.
        uses_truth: whether truth labels were needed.
    """

    name: str
    template: Sampled
    untouched: Sampled
    compared: Sampled
    n_features: int
    uses_truth: bool = False


@dataclass(frozen=True)
class Closure:
    """How well the template of one check describes background.

    Attributes:
        check: what was compared.
        found: how well trees separate template and background.
        baseline: the same for untouched side-band events.
        distances: in the features, by what is compared.
    """

    check: Check
    found: Separation
    baseline: Separation
    distances: dict[str, Distances]

    @property
    def auc(self) -> float:
        """AUC of template against background; 0.5 where they cannot be told apart."""
        return self.found.auc


def measure_closure(check: Check, compute: Compute) -> Closure:
    """Compare the points of a check; `compute` has the streams of the search, and processes, which change nothing."""
    compared = {TEMPLATE: check.template, UNTOUCHED: check.untouched}
    pieces = ((check.name, check.n_features, points, check.compared, compute.alone()) for points in compared.values())
    with contextlib.closing(in_order(_compare, pieces, min(compute.processes, len(compared)))) as parts:
        found = dict(zip(compared, parts, strict=True))
    distances = {name: distances for name, (_, distances) in found.items()}
    return Closure(check, found[TEMPLATE][0], found[UNTOUCHED][0], distances)


def _compare(
    name: str, n_features: int, points: Sampled, compared: Sampled, compute: Compute
) -> tuple[Separation, Distances]:
    streams = compute.streams.child("closure")
    separation = measure_separation(points, compared, streams.integer(name), compute.threads)
    generator = streams.generator(f"distances/{name}")
    one, other = (_independent(part, generator)[:, :n_features] for part in (points, compared))
    return separation, measure_distances(one, other, generator)


def _independent(sampled: Sampled, generator: np.random.Generator) -> FloatArray:
    """Return one point of each source `(n, d)`, kept as likely as the source has weight.

    The errors of the distances are those of independent events, which copies of a source are not.
    """
    order = generator.permutation(len(sampled.points))
    _, first, index = np.unique(sampled.source_id[order], return_index=True, return_inverse=True)
    weight = np.bincount(index, weights=sampled.weight[order])
    is_kept = generator.random(len(first)) * weight.max() < weight
    points: FloatArray = sampled.points[order[first[is_kept]]]
    return points


def true_background(sr: Events, truth: Truth, regions: Regions, method: TemplateMethod) -> Events:
    """Return true background in the signal region, without events that a template of truth itself consists of.

    Args:
        sr: observed events of the signal region.
        truth: of the data.
        regions: the windows.
        method: that made the template.
    """
    background = sr.take(~truth.of(sr))
    if Need.TRUTH in method.needs:
        return background
    return concatenate([background, truth.background(regions.sr)])


def background_check(name: str, template: Events, side_bands: Events, background: Events, uses_truth: bool) -> Check:
    """Return the comparison of a template with background of its own signal region."""
    points = [_sampled(events) for events in (template, side_bands, background)]
    return Check(name, points[0], points[1], points[2], len(background.names), uses_truth)


def has_side_band_check(method: TemplateMethod) -> bool:
    """Return whether a method can be checked by what it makes at side-band masses.

    A method that moves events of another place than the side-bands does not do there what it does in use, and of one
    that mixes several events no part is without held-out ones.
    """
    return not (method.chooses_mass or method.mixes_sources or Need.SIMULATION in method.needs)


def side_band_check(parts: Sequence[tuple[FittedTemplate, Seen]], compute: Compute) -> Check:
    """Make the template at side-band masses, to be compared with events that the training has not seen.

    Args:
        parts: the models of the template, and what each has seen; each is compared with its own held-out events.
        compute: streams.
    """
    checks = [
        _side_band_check(fitted, seen, compute if len(parts) == 1 else compute.child(f"part/{index}"))
        for index, (fitted, seen) in enumerate(parts)
    ]
    return Check(
        SIDE_BANDS,
        _joined([check.template for check in checks]),
        _joined([check.untouched for check in checks]),
        _joined([check.compared for check in checks]),
        checks[0].n_features,
    )


def _joined(parts: Sequence[Sampled]) -> Sampled:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Sampled(*(np.concatenate(column) for column in columns))


def _side_band_check(fitted: FittedTemplate, seen: Seen, compute: Compute) -> Check:
    held_out = seen.side_bands.take(seen.is_validation)
    generator = compute.streams.generator("closure/masses")
    trained = seen.side_bands.take(~seen.is_validation)
    masses = trained.mjj[generator.integers(len(trained), size=PER_HELD_OUT * len(held_out))]
    made = fitted.sample(Request(masses), compute.child("closure/sample")).events
    moved = made.take(~np.isin(made.source_id, held_out.event_id))
    untouched = trained.take(generator.integers(len(trained), size=len(masses)))
    return Check(
        SIDE_BANDS,
        _sampled(moved, moved.mjj),
        _sampled(untouched, masses),
        _sampled(held_out, held_out.mjj),
        len(held_out.names),
    )


def _sampled(events: Events, mjj: FloatArray | None = None) -> Sampled:
    points = events.features if mjj is None else np.column_stack([events.features, mjj])
    return Sampled(points, events.source_id, events.weight)
