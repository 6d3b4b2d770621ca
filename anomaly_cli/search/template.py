"""Make the template of a search: divide the side-bands, fit a model of each part, draw masses, sample."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.core.arrays import IntArray
from anomaly_cli.core.compute import CPU, Compute
from anomaly_cli.core.crossfit import HALVES, NONE, CrossFit
from anomaly_cli.core.drawing import draw_by_weight
from anomaly_cli.core.errors import ConfigError, DataError, PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.plugins import is_foreign
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Replicas, Template, TemplatePart
from anomaly_cli.core.workers import in_order
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.methods.side_by_side import fit_side_by_side
from anomaly_cli.search.provisions import FEWEST_SIDE_BAND_EVENTS, Provisions, show
from anomaly_cli.search.settings import DEFAULT_CROSSFIT, SearchSettings
from anomaly_cli.search.split import Split

TRIED_TWICE = 100
"""Events that a method of another package makes twice, to see whether it draws from the given streams only."""


@dataclass(frozen=True)
class MadeTemplate:
    """A template and how it was made.

    Attributes:
        template: the events, in parts.
        mass_fit: the side-band fit that their masses were drawn from.
        n_clipped: events held at the edge of a feature's range `(d,)`.
        fitted: the models that made it.
    """

    template: Template
    mass_fit: MassFit
    n_clipped: IntArray
    fitted: FittedParts


def see(split: Split, method: TemplateMethod, provisions: Provisions, compute: Compute) -> Seen:
    """Return what a method may see of a search.

    Raises:
        PhysicsError: where a side-band has too few events.
    """
    return show(split, provisions, method.needs, f"method {method.name}", compute.streams)


@dataclass(frozen=True)
class FittedParts:
    """The trained models of a template.

    Attributes:
        crossfit: how the side-bands are divided between them.
        models: one for each of its plans.
    """

    crossfit: CrossFit
    models: Sequence[FittedTemplate]


def choose_crossfit(settings: SearchSettings, seen: Seen, compute: Compute) -> CrossFit:
    """Return how the side-bands are divided: as asked for, or by default as finely as their events allow.

    Raises:
        PhysicsError: where a scheme is asked for, and a part has too few events.
        ConfigError: where a scheme does not go with the method.
    """
    folds, salt = settings.kfold.folds, compute.streams.integer("folds")
    is_lagged = Need.SR_FEATURES in settings.method.needs
    wanted = [settings.scheme]
    if settings.crossfit == DEFAULT_CROSSFIT:
        coarser = [NONE] if is_lagged or settings.scheme == NONE else [HALVES, NONE]
        wanted = list(dict.fromkeys([settings.scheme, *coarser]))
    for scheme in wanted:
        crossfit = CrossFit(scheme, folds, salt, is_lagged and scheme != NONE)
        problem = _too_small(crossfit, seen)
        if not problem:
            return crossfit
    raise PhysicsError(problem)


def _too_small(crossfit: CrossFit, seen: Seen) -> str:
    """Return which part has too few events, as a sentence; empty where none has."""
    if crossfit.scheme == NONE:
        return ""
    for index, plan in enumerate(crossfit.plans):
        own = crossfit.part_of(seen, plan.divisions)
        for window, band in zip(seen.regions.side_bands, (own.sb1, own.sb2), strict=True):
            if len(band) < FEWEST_SIDE_BAND_EVENTS:
                other = NONE if crossfit.is_lagged or crossfit.scheme == HALVES else HALVES
                return (
                    f"cross-fitting by {crossfit.scheme}: part {index + 1} of side-band {window.text} TeV holds"
                    f" {len(band)} events, training a template needs at least {FEWEST_SIDE_BAND_EVENTS}; widen the"
                    f" side-band, or use template.crossfit={other}"
                )
        if own.simulation is not None:
            try:
                for window in seen.regions.named().values():
                    own.simulation.inside(window)
            except PhysicsError as error:
                return f"cross-fitting by {crossfit.scheme}, part {index + 1}: {error}"
    return ""


@dataclass(frozen=True)
class _Plan:
    """How the models of one template are to be fitted."""

    settings: SearchSettings
    seen: Seen
    crossfit: CrossFit
    compute: Compute

    def pieces(self, in_turn: bool = True) -> list[tuple[TemplateMethod, Seen, Compute]]:
        """Return the method, what it may see, and what it may use, of each part; in turn, they report as one task."""
        method, crossfit = self.settings.method, self.crossfit
        pieces = []
        for index, plan in enumerate(crossfit.plans):
            own = _own(self.compute, index, crossfit).child(f"template/{method.name}")
            if not in_turn:
                own = dataclasses.replace(own, progress=self.compute.progress)
            pieces.append((method, crossfit.part_of(self.seen, plan.divisions), own))
        return pieces


def fit_parts(settings: SearchSettings, seen: Seen, crossfit: CrossFit, compute: Compute) -> FittedParts:
    """Train the models of a template, each on its own part; `compute` has the streams of the search.

    Parts are trained side by side, with the same result, where there are processes for it; on a GPU by the same
    operations, which may change rounding.

    Raises:
        AnomalyError: where there are too few events, something is missing, or a training diverges.
    """
    plan = _Plan(settings, seen, crossfit, compute)
    if compute.device != CPU:
        return _fit_together([plan])[0]
    method, pieces = settings.method, plan.pieces()
    can_be_sent = not any(is_foreign(one) for one in (method, *method.members))
    processes = min(compute.processes, len(pieces)) if can_be_sent else 1
    if processes > 1:
        pieces = [(method, own, one.alone()) for method, own, one in pieces]
    models: list[FittedTemplate] = []
    if processes > 1:  # else they tell of their own trainings
        compute.progress(Step("template: models", 0, len(pieces)))
    with contextlib.closing(in_order(_fit, iter(pieces), processes)) as fitted:
        for model in fitted:
            models.append(model)
            if processes > 1:
                compute.progress(Step("template: models", len(models), len(pieces)))
    return FittedParts(crossfit, models)


def _fit_together(plans: Sequence[_Plan]) -> list[FittedParts]:
    """Train the models of several templates side by side."""
    models = iter(fit_side_by_side([piece for plan in plans for piece in plan.pieces(in_turn=False)]))
    return [FittedParts(plan.crossfit, [next(models) for _ in plan.crossfit.plans]) for plan in plans]


def _fit(method: TemplateMethod, seen: Seen, compute: Compute) -> FittedTemplate:
    return method.fit(seen, compute)


def _own(compute: Compute, index: int, crossfit: CrossFit) -> Compute:
    n = len(crossfit.plans)
    return compute if n == 1 else compute.child(f"part/{index}").part(index, n)


def sample_template(
    method: TemplateMethod, fitted: FittedParts, split: Split, oversampling: float, compute: Compute
) -> MadeTemplate:
    """Sample the models of a template at signal-region masses, which are drawn from the fit of all side-band masses.

    Raises:
        PhysicsError: where no template event is wanted, or the side-bands do not predict the signal region.
        ConfigError: where a method breaks its contract.
    """
    compute.progress(Step("template: sampling", 0, 1))
    mass_fit = split.fit_masses()
    shares = [fitted.crossfit.share(plan) for plan in fitted.crossfit.plans]
    ends = np.round(oversampling * len(split.sr) * np.cumsum([0.0, *shares])).astype(np.int64)
    n_wanted = np.diff(ends).tolist()
    if min(n_wanted) < 1:
        raise PhysicsError(
            f"template: oversampling {oversampling:g} of the signal-region events leaves no template event; raise it"
            " with --oversampling"
        )
    parts, n_clipped = [], np.zeros(len(split.sr.names), dtype=np.int64)
    for index, (plan, model, n) in enumerate(zip(fitted.crossfit.plans, fitted.models, n_wanted, strict=True)):
        own = _own(compute, index, fitted.crossfit)
        request = Request(mass_fit.sample(n, own.streams.generator("template/target-mass")))
        sample = sample_checked(method, model, request, own.child("template/sample"))
        events, component = sample_at_unit_weight(sample, n, own.streams.generator("template/weights"))
        replicas = None if plan.counts == () else _replicate(model, request, oversampling, own.child("template/sample"))
        parts.append(TemplatePart(events, plan.trains, plan.counts, component, replicas))
        n_clipped += sample.n_clipped
    compute.progress(Step("template: sampling", 1, 1))
    return MadeTemplate(Template.of(parts, fitted.crossfit), mass_fit, n_clipped, fitted)


def _replicate(model: FittedTemplate, request: Request, oversampling: float, compute: Compute) -> Replicas | None:
    """Return about as many events as are observed, made from one source and at one mass by every replica of a model."""
    models = model.replicas()
    if not models:
        return None
    few = Request(request.masses[: math.ceil(len(request) / max(1.0, oversampling))])
    events = model.sample(few, compute).events
    return Replicas(events, np.stack([one.sample(few, compute).events.features for one in models]))


def make_template(split: Split, settings: SearchSettings, provisions: Provisions, compute: Compute) -> MadeTemplate:
    """Train the method of a search and sample it.

    Raises:
        AnomalyError: where there are too few events, something is missing, or a training diverges.
    """
    seen = see(split, settings.method, provisions, compute)
    fitted = fit_parts(settings, seen, choose_crossfit(settings, seen, compute), compute)
    return sample_template(settings.method, fitted, split, settings.oversampling, compute)


def make_templates(
    splits: Sequence[Split], settings: SearchSettings, provisions: Sequence[Provisions], computes: Sequence[Compute]
) -> list[MadeTemplate]:
    """Make the template of each of several searches; on a GPU, networks that are alike are trained side by side.

    Raises:
        AnomalyError: as `make_template`, for the first where it is so.
    """
    each = list(zip(splits, provisions, computes, strict=True))
    if all(compute.device == CPU for compute in computes):
        return [make_template(split, settings, provided, compute) for split, provided, compute in each]
    plans = []
    for split, provided, compute in each:
        seen = see(split, settings.method, provided, compute)
        plans.append(_Plan(settings, seen, choose_crossfit(settings, seen, compute), compute))
    return [
        sample_template(settings.method, fitted, split, settings.oversampling, compute)
        for fitted, (split, _, compute) in zip(_fit_together(plans), each, strict=True)
    ]


def sample_checked(method: TemplateMethod, fitted: FittedTemplate, request: Request, compute: Compute) -> Sample:
    """Sample a fitted method and check that it kept its contract.

    Raises:
        ConfigError: where the events are not finite, not those asked for, or depend on more than the given streams.
    """
    sample = _blamed(method, fitted, request, compute)
    if not method.chooses_mass and not np.array_equal(np.sort(sample.events.mjj), np.sort(request.masses)):
        raise ConfigError(
            f"method {method.name} breaks its contract: it returned {len(sample.events)} events of other masses than"
            f" the {len(request)} asked for; it must declare chooses_mass, or be mended"
        )
    if is_foreign(method):
        few = Request(request.masses[:TRIED_TWICE])
        one, again = (_blamed(method, fitted, few, compute).events for _ in range(2))
        if not np.array_equal(one.features, again.features):
            raise ConfigError(
                f"method {method.name} breaks its contract: it gives other events with the same random streams; it must"
                " draw from compute.streams only"
            )
    return sample


def _blamed(method: TemplateMethod, fitted: FittedTemplate, request: Request, compute: Compute) -> Sample:
    try:
        return fitted.sample(request, compute)
    except DataError as error:  # events that cannot be: not finite, or of shapes that disagree
        raise ConfigError(f"method {method.name} breaks its contract: {error}") from error


def sample_at_unit_weight(sample: Sample, n: int, generator: np.random.Generator) -> tuple[Events, IntArray | None]:
    """Return the events of a sample at unit weight, each with its component where there are any."""
    drawn = _drawn(sample.events, n, generator)
    events = _taken(sample.events, drawn)
    return events, sample.component if sample.component is None or drawn is None else sample.component[drawn]


def at_unit_weight(events: Events, n: int, generator: np.random.Generator) -> Events:
    """Return weighted events as `n` events of unit weight, each as often as its weight asks for.

    Events that count alike already are all returned, however many they are.

    A cut at the m-th largest score is unbiased for events that count alike; one at a sum of weights is not, since the
    event that would exceed it tends to be heavy. Copies keep their source, so statistics stay those of the weights.
    """
    return _taken(events, _drawn(events, n, generator))


def _drawn(events: Events, n: int, generator: np.random.Generator) -> IntArray | None:
    """Return which events to draw `(n,)`, so that they count alike; None where they do already."""
    return draw_by_weight(events.weight, n, generator) if np.ptp(events.weight) > 0.0 else None


def _taken(events: Events, drawn: IntArray | None) -> Events:
    if drawn is None:
        return events if (events.weight == 1.0).all() else dataclasses.replace(events, weight=np.ones(len(events)))
    return dataclasses.replace(events.take(drawn), event_id=np.arange(len(drawn)), weight=np.ones(len(drawn)))
