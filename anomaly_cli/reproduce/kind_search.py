"""A whole search on pseudo-data with truth: SIC on events that nothing has seen, closure, counts, and what it cost."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.analysis.sic import largest_improvement
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.config import Config
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError, LackingFeatureError, PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.records import build_record
from anomaly_cli.core.seen import VALIDATION_FRACTION, Need, SharedModel, Simulation, TrueEvents
from anomaly_cli.core.truth import Truth
from anomaly_cli.core.windows import Window, parse_side_bands, parse_window
from anomaly_cli.reproduce.background_measures import (
    count_by_side_bands,
    measure_bias,
    measure_shape,
    measure_tagging,
    significance_found,
)
from anomaly_cli.reproduce.eventfiles import EventFiles, LackingError
from anomaly_cli.reproduce.sharpness_measure import measure_minima
from anomaly_cli.reproduce.targets import Target
from anomaly_cli.search.closure import TRUE_BACKGROUND, background_check, measure_closure, true_background
from anomaly_cli.search.count import build_cuts
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import Ranked, rank, scored
from anomaly_cli.search.settings import SearchSettings, describe_method
from anomaly_cli.search.split import Split, choose_regions, split_events
from anomaly_cli.search.template import (
    MadeTemplate,
    at_unit_weight,
    choose_crossfit,
    fit_parts,
    sample_template,
    see,
)
from anomaly_cli.stages.classify import CLASSIFY
from anomaly_cli.stages.closure import CLOSURE
from anomaly_cli.stages.data import read_data
from anomaly_cli.stages.evaluate import EVALUATE, measure_gain
from anomaly_cli.stages.provisions import read_simulation, refuse_unusable
from anomaly_cli.stages.resolve import resolve_settings
from anomaly_cli.stages.shared import SHARED
from anomaly_cli.stages.significance import COUNT_VERSION
from anomaly_cli.stages.split import SPLIT
from anomaly_cli.stages.template import MODEL, TEMPLATE

_SEARCH, _JUDGED = (SPLIT, SHARED, MODEL, TEMPLATE, CLASSIFY), (CLOSURE, EVALUATE)
VERSION = (2, *(one.version for one in _SEARCH), COUNT_VERSION, *(one.version for one in _JUDGED))
"""Of what jobs measure, and of every stage whose work they do."""
SETTINGS = ("config", "measure", "shift")
MEASURES = ("sic", "closure", "counts", "conformal", "bias", "shape", "tagging", "sharpness")
"""What a job may measure, besides its cost."""
MEASURE_VERSIONS = {"counts": 2, "bias": 2, "conformal": 2}
"""Of measures that have changed since others were kept; they are in the keys of the jobs that measure them alone."""
RANKING = {"sic", "counts", "conformal", "bias", "shape", "tagging", "sharpness"}
"""Those that need a score."""
FEWEST_KEPT = 25
"""Cuts that keep fewer reference events say nothing about the largest SIC: their relative error is above 20 %."""
SHIFTED = ("mj1", "delta_mj")
"""Features that `shift` moves, by so many times mjj, as in the tests of sculpting of arXiv:2109.00546."""
REGIONS_SHARING = 10
"""Signal regions that a shared base is divided by, as the paper's comparison does."""
Settings = dict[str, Any]
Found = dict[str, float]


def describe(settings: Settings, target: Target, files: EventFiles) -> Settings:
    """Return the settings of a job: a configuration, what is measured, and the digests of its files.

    Injections are those of the paper, scaled to equal S/sqrt(B).

    Raises:
        ConfigError: for a setting that is not known, or a file with too few signal events.
    """
    tree = copy.deepcopy(settings.get("config", {}))
    data = tree.setdefault("data", {})
    data |= {"file": files.data, "reserve": files.reserve, "reference": files.reference}
    data["inject"] = files.injection(int(float(data.get("inject", 0))), target.n_background)
    if data["inject"] > files.n_signal:
        raise ConfigError(
            f"--data {files.data}: holds {files.n_signal} signal events where target {target.name} injects"
            f" {data['inject']}; give a file that holds both background and signal"
        )
    config = build_record(Config, tree, f"target {target.name}")
    unknown = set(settings.get("measure", ())) - set(MEASURES)
    if unknown:
        raise ConfigError(f"target {target.name}: cannot measure '{sorted(unknown)[0]}', only {', '.join(MEASURES)}")
    search, digests = resolve_settings(config), dict(files.digests)
    if Need.SIMULATION not in search.method.needs | search.score.needs:
        digests.pop("simulation", None)  # a job that does without is that of targets which have none
    elif files.simulation:
        tree.setdefault("template", {})["simulation"] = files.simulation
    else:
        raise LackingError("needs simulated background of another generator: --simulation FILE")
    measure = sorted(settings.get("measure", ()))
    versions = {name: MEASURE_VERSIONS[name] for name in measure if name in MEASURE_VERSIONS}
    return {
        **({"versions": versions} if versions else {}),
        "config": tree,
        "measure": measure,
        "shift": float(settings.get("shift", 0.0)),
        "files": digests,
        "search": hash_json(_describe_search(search)),
    }


def _describe_search(search: SearchSettings) -> Settings:
    """Return what determines a search of given events, with the settings that are left at their defaults."""
    return {
        "method": describe_method(search.method),
        "oversampling": search.oversampling,
        "crossfit": search.describe_crossfit(),
        "ranking": search.describe_ranking(),
        "cuts": dataclasses.asdict(search.cuts),
    }


def ranks(settings: Settings) -> str:
    """Return the classifier of a job in words; empty where it ranks nothing."""
    if not RANKING & set(settings["measure"]):
        return ""
    search = resolve_settings(build_record(Config, settings["config"], "reproduce"))
    ensemble = getattr(search.classifier, "ensemble", 1)
    return f"{search.classifier.name}, ensembles of {ensemble} in {search.kfold.folds} folds"


@dataclass(frozen=True)
class _Events:
    """Events of a job."""

    split: Split
    truth: Truth
    everything: Events


def run(settings: Settings, compute: Compute) -> Found:
    """Do a search and measure what is asked for.

    Raises:
        AnomalyError: where a file cannot be used, or the search cannot be done.
    """
    tree = {**settings["config"], "seed": compute.streams.seed}
    config = build_record(Config, tree, "reproduce")
    search = resolve_settings(config)
    events = _read(config, settings["shift"], compute)
    found: Found = {}
    provisions = _provide(config, search, events, compute, found)
    seen = see(events.split, search.method, provisions, compute)
    start = time.process_time()
    fitted = fit_parts(search, seen, choose_crossfit(search, seen, compute), compute)
    trained = time.process_time()
    made = sample_template(search.method, fitted, events.split, search.oversampling, compute)
    found |= {"fit_minutes": (trained - start) / 60.0, "sample_minutes": (time.process_time() - trained) / 60.0}
    found["minutes"] = found["fit_minutes"] + found["base_minutes"] / REGIONS_SHARING
    found["ten_minutes"] = REGIONS_SHARING * found["fit_minutes"] + found["base_minutes"]
    measure = settings["measure"]
    if "closure" in measure:
        found |= _closure(search, events, made, compute)
    if RANKING & set(measure):
        ranked = rank(events.split, made.template, search, provisions, compute)
        found |= _gains(ranked, events, compute) if "sic" in measure else {}
        found |= _counts(ranked, made, config) if "counts" in measure else {}
        if "conformal" in measure:
            found |= count_by_side_bands(ranked, events.split, config.significance.background_efficiencies)
        found |= _on_background(measure, ranked, made, config, events)
        if "sharpness" in measure:
            found |= measure_minima(ranked, events.split, made.template, search, compute)
    return found


def _read(config: Config, shift: float, compute: Compute) -> _Events:
    try:
        data = read_data(config, compute)
    except LackingFeatureError as error:  # other series can be run on this file
        raise PhysicsError(str(error)) from error
    truth = data.truth
    if truth is None:
        raise ConfigError(f"{config.data.file}: has no labels, without which nothing can be measured")
    observed = _shifted(data.observed, shift)
    truth = dataclasses.replace(truth, reference=_shifted(truth.reference, shift))
    bands = None
    if config.regions.side_bands != "default":
        bands = parse_side_bands(config.regions.side_bands)
    window = parse_window(config.regions.signal_region)
    regions = choose_regions(window, bands, *data.span, data.collision_energy)
    return _Events(split_events(observed, regions), truth, observed)


def _shifted(events: Events, shift: float) -> Events:
    if not shift:
        return events
    moved = [name in SHIFTED for name in events.names]
    values = events.features + shift * events.mjj[:, None] * np.array(moved)
    return events.with_block(Features.kind, Features(values, events.names))


def _provide(config: Config, search: SearchSettings, events: _Events, compute: Compute, found: Found) -> Provisions:
    """Return what there is beside the events; the cost of a shared model is noted."""
    needs = search.method.needs | search.score.needs
    start = time.process_time()
    shared = _shared(search, events.everything, compute) if Need.SHARED_MODEL in needs else None
    found["base_minutes"] = (time.process_time() - start) / 60.0
    return Provisions(
        simulation=_simulation(config, events.split) if Need.SIMULATION in needs else None,
        shared=shared,
        true=TrueEvents.inside(events.truth, events.split.regions.sr) if Need.TRUTH in needs else None,
    )


def _shared(search: SearchSettings, everything: Events, compute: Compute) -> SharedModel:
    own = compute.child("base")
    is_validation = hash_uniform(everything.event_id, own.streams.integer("validation")) < VALIDATION_FRACTION
    return search.method.fit_shared([everything], is_validation, own)


def _simulation(config: Config, split: Split) -> Simulation:
    """Return simulated background, as an analysis reads it.

    Raises:
        AnomalyError: where no file is named, or it cannot be used.
    """
    found = read_simulation(config, split.sr.names, split.regions, config.data.drop_nan)
    refuse_unusable(found.events, split.everything, f"--simulation {config.template.simulation}")
    return found


def _closure(search: SearchSettings, events: _Events, made: MadeTemplate, compute: Compute) -> Found:
    split = events.split
    background = true_background(split.sr, events.truth, split.regions, search.method)
    check = background_check(TRUE_BACKGROUND, made.template.events, split.side_bands, background, uses_truth=True)
    closure = measure_closure(check, compute)
    return {"closure_auc": closure.auc, "closure_auc.error": closure.found.error, "untouched_auc": closure.baseline.auc}


def _gains(ranked: Ranked, events: _Events, compute: Compute) -> Found:
    """Return SIC on reference background and unused signal, each scored by models that have not seen it."""
    sr = events.split.regions.sr
    reference, signal = events.truth.background(sr), events.truth.signal(sr)
    background = at_unit_weight(reference, len(reference), compute.streams.generator("evaluate/weights"))
    known, true = (_scored(ranked, one) for one in (background, signal))
    found: Found = {"n_reference": float(len(background)), "n_signal": float(len(signal))}
    for gain in measure_gain(known, true):
        name = f"sic@{gain.background_efficiency:g}"
        found |= {name: gain.sic, f"{name}.error": gain.sic_error}
    best = largest_improvement(known, true, FEWEST_KEPT)
    return found | {"max_sic": best.sic, "max_sic.error": best.sic_error, "max_sic_at": best.background_efficiency}


def _on_background(
    measure: Sequence[str], ranked: Ranked, made: MadeTemplate, config: Config, events: _Events
) -> Found:
    """Return what is measured on reference background of the signal region, or of all windows."""
    regions, found = events.split.regions, dict[str, float]()
    if "bias" in measure:
        background = _scored(ranked, events.truth.background(regions.sr))
        found |= measure_bias(ranked, background, made.mass_fit, config.significance.cuts)
    if {"shape", "tagging"} & set(measure):
        everywhere = events.truth.background(Window(regions.sb1.low, regions.sb2.high))
        known, masses = _scored(ranked, everywhere), everywhere.mjj
        if "shape" in measure:
            found |= measure_shape(masses, known, regions.sr.contains(masses))
        if "tagging" in measure:
            found |= measure_tagging(masses, known, _scored(ranked, events.truth.signal(regions.sr)))
    return found


def _scored(ranked: Ranked, events: Events) -> ScoredEvents:
    return scored(ranked.score, events, ranked.crossfit.fold(events.source_id))


def _counts(ranked: Ranked, made: MadeTemplate, config: Config) -> Found:
    """Return what is counted after each cut that the template is large enough for."""
    found: Found = {}
    for efficiency in config.significance.background_efficiencies:
        cuts = dataclasses.replace(config.significance.cuts, background_efficiencies=(efficiency,))
        try:
            built = build_cuts(ranked.observed, ranked.template, ranked.replicas, made.mass_fit, cuts, {})
        except PhysicsError:  # too tight for these events: the value is missing, the others are not
            continue
        model, name = built[0].model, f"@{efficiency:g}"
        found[f"excess{name}"] = float(model.n_observed / model.n_expected - 1.0)
        found[f"excess{name}.error"] = float(np.hypot(np.sqrt(model.n_observed), model.uncertainty) / model.n_expected)
        found |= significance_found(f"z{name}", model)
    return found
