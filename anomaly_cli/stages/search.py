"""One whole search on arrays: template, classifier, scores; no files.

Validation windows, pseudo-experiments and injections all run this, so they test what the analysis does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit, fit_mass_spectrum
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.classifiers import kfold
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FoldScores, hash_uniform
from anomaly_cli.core.progress import silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.methods.base import (
    VALIDATION_FRACTION,
    Arrays,
    Context,
    Need,
    ObservedInputs,
    SharedBaseInputs,
    TemplateInputs,
    TemplateMethod,
    Training,
)
from anomaly_cli.stages.frame import Resources
from anomaly_cli.stages.inputs import FEWEST_SIDE_BAND_EVENTS
from anomaly_cli.stages.template import configured_method


@dataclass(frozen=True)
class Search:
    """What one search is done on.

    Attributes:
        sb1: events in the lower side-band.
        sr: events in the signal region.
        sb2: events in the upper side-band.
        regions: the windows; a side-band may span a stretch that is left out.
        fit_windows: the stretches of the side-bands that hold events, for the mass fit.
        base: the shared base flow, for a method that needs one.
    """

    sb1: Events
    sr: Events
    sb2: Events
    regions: Regions
    fit_windows: Sequence[Window]
    base: Arrays = field(default_factory=dict)

    def fit_masses(self) -> MassFit:
        """Fit the side-bands and predict the signal region.

        Raises:
            PhysicsError: where they do not predict it.
        """
        masses = np.concatenate([self.sb1.mjj, self.sb2.mjj])
        return fit_mass_spectrum(
            [masses[w.contains(masses)] for w in self.fit_windows], self.fit_windows, self.regions.sr
        )


@dataclass(frozen=True)
class Searched:
    """What a search gives: scored events and the side-band fit."""

    observed: ScoredEvents
    template: ScoredEvents
    mass_fit: MassFit


def require_side_bands_only(config: Config, what: str, also: Collection[Need] = ()) -> None:
    """Refuse a template method that needs more than side-bands, and what is allowed besides.

    Raises:
        ConfigError: where the configured method does.
    """
    method = configured_method(config)
    if not is_searchable(method, also):
        raise ConfigError(
            f"{what}: method {method.name} needs more than side-bands, or does not train data against one template;"
            " use a method that does"
        )


def is_searchable(method: TemplateMethod, also: Collection[Need] = ()) -> bool:
    """Return whether a method needs nothing but side-bands, and what is allowed besides, wherever a search is done."""
    needs_no_more = method.needs <= {Need.SIDE_BANDS, Need.SR_FEATURES, *also}
    return needs_no_more and method.training is Training.OBSERVED_AGAINST_TEMPLATE


@dataclass(frozen=True)
class SearchTemplate:
    """The template of a search, and the side-band fit that its masses were drawn from."""

    events: Events
    mass_fit: MassFit


def make_search_template(search: Search, config: Config, streams: Streams, resources: Resources) -> SearchTemplate:
    """Train the configured template method on a search's side-bands and sample it.

    Raises:
        PhysicsError: where there are too few events.
        TrainingError: where a training diverges.
    """
    for name, band in (("lower", search.sb1), ("upper", search.sb2)):
        if len(band) < FEWEST_SIDE_BAND_EVENTS:
            raise PhysicsError(
                f"the {name} side-band of {search.regions.sr.text} TeV holds {len(band)} events, training a template"
                f" needs at least {FEWEST_SIDE_BAND_EVENTS}; use a wider signal region or more events"
            )
    ids = np.concatenate([search.sb1.event_id, search.sb2.event_id])
    is_validation = hash_uniform(ids, streams.integer("template/validation")) < VALIDATION_FRACTION
    fit = search.fit_masses()
    method = configured_method(config)
    bands = (search.sb1, search.sb2, search.regions, is_validation)
    inputs = TemplateInputs(*bands)
    if Need.SR_FEATURES in method.needs:
        inputs = ObservedInputs(*bands, search.sr)
    elif Need.SHARED_BASE in method.needs:
        inputs = SharedBaseInputs(*bands, search.base)
    fitted = method.fit(inputs, Context(streams.child(f"template/{method.name}"), resources.threads, silent))
    n_template = round(config.template.oversampling * len(search.sr))
    targets = fit.sample(n_template, streams.generator("template/target-mass"))
    return SearchTemplate(fitted.sample(targets, streams.child("template/sample")).events, fit)


def run_search(search: Search, config: Config, streams: Streams, resources: Resources) -> Searched:
    """Make a search's template, classify in folds, and return the scores.

    Raises:
        PhysicsError: where there are too few events.
        TrainingError: where a training diverges.
    """
    made = make_search_template(search, config, streams, resources)
    template = made.events
    workers = kfold.Resources(resources.processes, resources.threads, silent)
    scores = kfold.score_in_folds([search.sr, template], config.classifier, streams.child("classify"), workers)
    return Searched(scored(search.sr, scores[0]), scored(template, scores[1]), made.mass_fit)


def scored(events: Events, scores: FoldScores) -> ScoredEvents:
    """Return events with their scores."""
    return ScoredEvents(events.event_id, events.source_id, events.weight, scores.fold, scores.score)
