"""Make the template of a search: fit the method, draw masses, sample."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.drawing import draw_by_weight
from anomaly_cli.core.errors import ConfigError, DataError, PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import IntArray
from anomaly_cli.core.plugins import is_foreign
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import Seen
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.search.provisions import Provisions, show
from anomaly_cli.search.settings import SearchSettings
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
    """

    template: Template
    mass_fit: MassFit
    n_clipped: IntArray


def see(split: Split, method: TemplateMethod, provisions: Provisions, compute: Compute) -> Seen:
    """Return what a method may see of a search.

    Raises:
        PhysicsError: where a side-band has too few events.
    """
    return show(split, provisions, method.needs, f"method {method.name}", compute.streams)


def fit_method(method: TemplateMethod, seen: Seen, compute: Compute) -> FittedTemplate:
    """Train a method on what it may see; `compute` has the streams of the search.

    Raises:
        AnomalyError: where there are too few events, something is missing, or a training diverges.
    """
    return method.fit(seen, compute.child(f"template/{method.name}"))


def sample_template(
    method: TemplateMethod, fitted: FittedTemplate, split: Split, oversampling: float, compute: Compute
) -> MadeTemplate:
    """Sample a fitted method at signal-region masses, which are drawn from the side-band fit.

    Raises:
        PhysicsError: where no template event is wanted, or the side-bands do not predict the signal region.
        ConfigError: where a method breaks its contract.
    """
    compute.progress(Step("template: sampling", 0, 1))
    mass_fit = split.fit_masses()
    n_wanted = round(oversampling * len(split.sr))
    if n_wanted < 1:
        raise PhysicsError(
            f"template: oversampling {oversampling:g} of the signal-region events leaves no template event; raise it"
            " with --oversampling"
        )
    request = Request(mass_fit.sample(n_wanted, compute.streams.generator("template/target-mass")))
    sample = sample_checked(method, fitted, request, compute.child("template/sample"))
    part = _part_at_unit_weight(sample, n_wanted, compute.streams.generator("template/weights"))
    compute.progress(Step("template: sampling", 1, 1))
    return MadeTemplate(Template.of([part]), mass_fit, sample.n_clipped)


def make_template(split: Split, settings: SearchSettings, provisions: Provisions, compute: Compute) -> MadeTemplate:
    """Train the method of a search and sample it.

    Raises:
        AnomalyError: where there are too few events, something is missing, or a training diverges.
    """
    method = settings.method
    fitted = fit_method(method, see(split, method, provisions, compute), compute)
    return sample_template(method, fitted, split, settings.oversampling, compute)


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


def _part_at_unit_weight(sample: Sample, n: int, generator: np.random.Generator) -> TemplatePart:
    """Return weighted events as `n` events of unit weight, each with its component; others as they are."""
    drawn = _drawn(sample.events, n, generator)
    component = sample.component if sample.component is None or drawn is None else sample.component[drawn]
    return TemplatePart(_at_unit_weight(sample.events, drawn), component=component)


def at_unit_weight(events: Events, n: int, generator: np.random.Generator) -> Events:
    """Return weighted events as `n` events of unit weight, each as often as its weight asks for.

    A cut at the m-th largest score is unbiased for events that count alike; one at a sum of weights is not, since the
    event that would exceed it tends to be heavy. Copies keep their source, so statistics stay those of the weights.
    """
    return _at_unit_weight(events, _drawn(events, n, generator))


def _drawn(events: Events, n: int, generator: np.random.Generator) -> IntArray | None:
    """Return which events to draw `(n,)`, so that they count alike; None where they do already."""
    return draw_by_weight(events.weight, n, generator) if np.ptp(events.weight) > 0.0 else None


def _at_unit_weight(events: Events, drawn: IntArray | None) -> Events:
    if drawn is None:
        return events
    return dataclasses.replace(events.take(drawn), event_id=np.arange(len(drawn)), weight=np.ones(len(drawn)))
