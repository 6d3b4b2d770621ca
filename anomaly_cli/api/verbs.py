"""The verbs of the Python API: what the stages do, on values.

Every verb takes `seed`, which is recorded in its result; by default it is that of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.api.results import ClosureResult, Counts, Data, MadeTemplateEvents, RegionEvents, Scores
from anomaly_cli.api.runs import Run, open_run
from anomaly_cli.api.spelling import spelt
from anomaly_cli.classifiers.base import Classifier
from anomaly_cli.config import DEFAULT, FEWEST_TOYS, Config, DataSettings, SignificanceSettings
from anomaly_cli.core.compute import CPU, Compute, available_cores
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.cuts import OVERSAMPLING, Cuts
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.records import build_record
from anomaly_cli.core.seen import Simulation, TrueEvents
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.truth import Truth
from anomaly_cli.core.windows import parse_side_bands, parse_window
from anomaly_cli.datasets.manifests import SHIPPED
from anomaly_cli.methods.base import TemplateMethod
from anomaly_cli.nets.device import resolve_device
from anomaly_cli.report.contents import missing_uncertainties
from anomaly_cli.scores.base import SCORES, Score
from anomaly_cli.search.closure import TRUE_BACKGROUND, background_check, measure_closure, true_background
from anomaly_cli.search.count import build_cuts
from anomaly_cli.search.count import count as count_cuts
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import rank
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split, choose_regions, refuse_empty, refuse_mass, split_events
from anomaly_cli.search.template import make_templates
from anomaly_cli.stages.data import read_data
from anomaly_cli.stages.provisions import number_simulated, refuse_unusable

TOYS = SignificanceSettings.toys
"""Pseudo-experiments per p-value, as the command line takes."""

open = open_run


@spelt
def load(
    file: str | Path = SHIPPED,
    *,
    inject: int | str = DEFAULT,
    reserve: float | str = DEFAULT,
    features: Sequence[str] = (DEFAULT,),
    seed: int = 1,
    **more: str | bool,
) -> Data:
    """Read events, as `anomaly split` does.

    Args:
        file: event file, a manifest of your own, or `shipped`.
        inject: signal events of a labelled file that are put into pseudo-data.
        reserve: fraction of the background of a labelled file that is held back.
        features: names of features; `default` for the standard five, or all of an own file.
        seed: of every random stream.
        more: further settings of the data, as `drop_nan=True`; `anomaly config` lists them.

    Raises:
        AnomalyError: where the file cannot be used.
    """
    _require(file, (str, Path), "load: file", "'events.h5'")
    if isinstance(features, str):
        raise ConfigError(f"load: features='{features}' is one text; write a list of names, as features=['{features}']")
    given = str(file) if str(file) == SHIPPED else str(Path(file).expanduser().absolute())
    settings = build_record(
        DataSettings, {"file": given, "inject": inject, "reserve": reserve, "features": features, **more}, "load"
    )
    found = read_data(Config(seed=seed, data=settings), Compute(Streams(seed)))
    steps, name = tuple(found.cutflow.steps), Path(given).name
    return Data(found.observed, found.truth, steps, found.span, seed, name, found.collision_energy)


@spelt
def split(data: Data, signal_region: str, side_bands: str = DEFAULT, *, seed: int | None = None) -> RegionEvents:
    """Divide events into side-bands, signal region and rest.

    Args:
        data: the events.
        signal_region: as `3.3-3.7` (TeV) or `3300-3700GeV`.
        side_bands: as `3.0-3.3,3.7-4.6`; by default 300 GeV below and 900 GeV above.
        seed: of every random stream from here on.

    Raises:
        AnomalyError: where a window cannot be used or holds no events.
    """
    _require(data, Data, "split: data", "load('shipped')")
    _require(signal_region, str, "split: signal_region", "'3.3-3.7'")
    _require(side_bands, str, "split: side_bands", "'3.0-3.3,3.7-4.6'")
    bands = None if side_bands == DEFAULT else parse_side_bands(side_bands)
    regions = choose_regions(parse_window(signal_region), bands, *data.span, data.collision_energy)
    divided = split_events(data.observed, regions)
    refuse_empty(divided, *data.span)
    refuse_mass(divided)
    return RegionEvents(divided, data, data.seed if seed is None else seed)


@spelt
def template(
    regions: RegionEvents,
    method: TemplateMethod | None = None,
    *,
    oversampling: float = OVERSAMPLING,
    crossfit: str = DEFAULT,
    folds: int = KFold.folds,
    simulation: Events | None = None,
    seed: int | None = None,
    device: str = CPU,
) -> MadeTemplateEvents:
    """Train a template method on what it may see and sample it at signal-region masses.

    Args:
        regions: the events.
        method: the method, as `methods.CurtainsF4F(base_epochs=5)`; CURTAINsF4F by default.
        oversampling: template events per observed signal-region event.
        crossfit: how side-band events are divided between models of the template, so that none is used both to
            train a classifier and to estimate how much background passes it: `thirds`, `parts`, `halves`,
            `complements`, `none`, or `default`.
        folds: folds of the classifier that the template is for.
        simulation: simulated background, for methods that need it; used in side-bands and signal region, at a mean
            weight of 1.
        seed: of every random stream.
        device: `cpu`, `cuda` or `auto`.

    Raises:
        AnomalyError: where there are too few events, something is missing, or a training diverges.
    """
    _require(regions, RegionEvents, "template: regions", "split(data, '3.3-3.7')")
    own = regions if seed is None else replace(regions, seed=seed)
    made = _templates([own], method, oversampling, crossfit, folds, simulation, device)
    return replace(made[0], regions=regions)


@spelt
def templates(
    regions: Sequence[RegionEvents],
    method: TemplateMethod | None = None,
    *,
    oversampling: float = OVERSAMPLING,
    crossfit: str = DEFAULT,
    folds: int = KFold.folds,
    simulation: Events | None = None,
    device: str = CPU,
) -> list[MadeTemplateEvents]:
    """Make the templates of several searches, as `template` makes one; each has the seed of its regions.

    On a GPU, networks of one kind are trained side by side, by the same operations: those of ten signal regions, or of
    one with ten seeds, as `templates([split(data, "3.3-3.7", seed=seed) for seed in range(10)], device="cuda")`.

    Args:
        regions: the events of each.
        method: as for `template`.
        oversampling: as for `template`.
        crossfit: as for `template`.
        folds: as for `template`.
        simulation: as for `template`.
        device: `cpu`, `cuda` or `auto`.

    Raises:
        AnomalyError: as `template`, for the first where it is so.
    """
    _require(regions, (list, tuple), "templates: regions", "[split(data, '3.3-3.7')]")
    for one in regions:
        _require(one, RegionEvents, "templates: regions", "[split(data, '3.3-3.7')]")
    return _templates(regions, method, oversampling, crossfit, folds, simulation, device)


@spelt
def classify(
    regions: RegionEvents,
    template: MadeTemplateEvents,
    classifier: Classifier | None = None,
    score: Score | None = None,
    *,
    processes: int = 0,
    seed: int | None = None,
    device: str = CPU,
) -> Scores:
    """Rank observed and template events, each by models that never saw it or a copy of it.

    Args:
        regions: the events.
        template: the template.
        classifier: the family, as `classifiers.Trees(ensemble=20)`.
        score: what ranks; that of the template's method by default.
        processes: processes; 0 for every core. Never changes a result.
        seed: of every random stream.
        device: `cpu`, `cuda` or `auto`.

    Raises:
        AnomalyError: where there are too few events, something is missing, or the template is one of other events.
    """
    _require(regions, RegionEvents, "classify: regions", "split(data, '3.3-3.7')")
    _require(template, MadeTemplateEvents, "classify: template", "template(regions)")
    _require(classifier, (Classifier, type(None)), "classify: classifier", "classifiers.Trees()")
    _require(score, (Score, type(None)), "classify: score", "scores.CWoLa()")
    if processes < 0:
        raise ConfigError(f"classify: needs processes >= 0, 0 for every core, not {processes}")
    _require_same("classify: the template is that", template.regions, regions)
    settings = template.settings
    settings = replace(settings, classifier=classifier or settings.classifier, score=score or settings.score)
    chosen = regions.seed if seed is None else seed
    provisions = Provisions(true=_true(regions))
    compute = _compute(chosen, processes or available_cores(), device)
    ranked = rank(regions.split, template.template, settings, provisions, compute)
    return Scores(**vars(ranked), regions=regions, mass_fit=template.mass_fit, settings=settings, seed=chosen)


@spelt
def count(
    regions: RegionEvents,
    scores: Scores,
    efficiencies: Sequence[float] = (0.2, 0.05, 0.01, 0.001),
    *,
    measured: dict[float, Measured] | None = None,
    toys: int = TOYS,
    seed: int | None = None,
) -> Counts:
    """Count after each cut on the score.

    Args:
        regions: the events.
        scores: their scores.
        efficiencies: fractions of the template that the cuts keep.
        measured: closure uncertainty and over-dispersion of each cut, where they have been measured.
        toys: pseudo-experiments per p-value.
        seed: of the toys.

    Raises:
        ConfigError: where the scores are those of other events.
        PhysicsError: where the template is too small for a cut, or the side-band fit is poor.
    """
    _require(regions, RegionEvents, "count: regions", "split(data, '3.3-3.7')")
    _require(scores, Scores, "count: scores", "classify(regions, template)")
    _require(efficiencies, (tuple, list, np.ndarray), "count: efficiencies", "(0.2, 0.01)")
    if toys < FEWEST_TOYS:
        raise ConfigError(f"count: needs toys >= {FEWEST_TOYS}, not {toys}; 100000 is usual")
    _require_same("count: the scores are those", scores.regions, regions)
    known, cuts = measured or {}, Cuts(tuple(efficiencies))
    chosen = regions.seed if seed is None else seed
    built = build_cuts(scores.observed, scores.template, scores.replicas, scores.mass_fit, cuts, known)
    counted = count_cuts(built, scores.observed, toys, _compute(chosen))
    found = [one.measured for one in built]
    missing = missing_uncertainties(
        {
            "closure_uncertainty": [one.closure for one in found],
            "overdispersion": [one.overdispersion for one in found],
        }
    )
    return Counts(counted, missing, chosen)


@spelt
def closure(template: MadeTemplateEvents, truth: Truth | None, *, seed: int | None = None) -> ClosureResult:
    """Compare a template with true background in its signal region.

    Args:
        template: the template.
        truth: of the data.
        seed: of every random stream.

    Raises:
        ConfigError: where the data have no truth, or it is that of other data.
    """
    _require(template, MadeTemplateEvents, "closure: template", "template(regions)")
    _require(truth, (Truth, type(None)), "closure: truth", "data.truth")
    if truth is None:
        raise ConfigError("closure: needs labelled data, whose background the template can be compared with")
    divided, own = template.regions.split, template.regions.data.truth
    if own is None or not np.array_equal(own.is_signal, truth.is_signal):
        raise ConfigError("closure: the truth is that of other data than the template's; give data.truth of those")
    background = true_background(divided.sr, truth, divided.regions, template.settings.method)
    check = background_check(TRUE_BACKGROUND, template.template.events, divided.side_bands, background, uses_truth=True)
    chosen = template.seed if seed is None else seed
    return ClosureResult(measure_closure(check, _compute(chosen)))


def _require(value: object, wanted: type[Any] | tuple[type[Any], ...], what: str, example: str) -> None:
    """Refuse an argument of another type, with an example of one that is right.

    Raises:
        ConfigError: where it is.
    """
    if not isinstance(value, wanted):
        shown = f"the class {value.__name__}" if isinstance(value, type) else f"{value!r:.60}"
        raise ConfigError(f"{what} cannot be {shown}; give for instance {example}")


def _require_same(what: str, own: RegionEvents, regions: RegionEvents) -> None:
    """Refuse results of other events or windows: ids would name other events, and copies would be in other folds.

    Raises:
        ConfigError: where they are.
    """
    if own.data is not regions.data or own.split.regions != regions.split.regions:
        raise ConfigError(f"{what} of {own!r} of {own.data!r}, not of these regions; make them anew")


def _checked(simulation: Events, split: Split) -> Simulation:
    """Return simulated events as a search takes them from a file; ids are negative.

    Raises:
        AnomalyError: where features differ, analysed events are among them, or a feature is constant.
    """
    observed = concatenate([split.sb1, split.sr, split.sb2])
    if simulation.names != observed.names:
        raise ConfigError(
            f"template: the simulation has the features {', '.join(simulation.names)}, the data"
            f" {', '.join(observed.names)}; load both with the same features"
        )
    rows = np.flatnonzero(split.regions.contain(simulation.mjj) & (simulation.weight > 0.0))
    events = number_simulated(simulation.take(rows), rows)
    refuse_unusable(events, observed, "template: the simulation")
    return Simulation(events, Cutflow([("given", len(simulation)), ("used", len(events))]))


def _true(regions: RegionEvents) -> TrueEvents | None:
    truth, sr = regions.data.truth, regions.split.regions.sr
    return None if truth is None else TrueEvents.inside(truth, sr)


def _templates(
    regions: Sequence[RegionEvents],
    method: TemplateMethod | None,
    oversampling: float,
    crossfit: str,
    folds: int,
    simulation: Events | None,
    device: str,
) -> list[MadeTemplateEvents]:
    _require(method, (TemplateMethod, type(None)), "template: method", "methods.CurtainsF4F()")
    _require(simulation, (Events, type(None)), "template: simulation", "load(file).observed")
    settings = SearchSettings(oversampling=oversampling, crossfit=crossfit, kfold=KFold(folds))
    settings = replace(settings, method=method or settings.method)
    settings = replace(settings, score=SCORES.make(settings.method.score, {}))
    provisions = [
        Provisions(simulation=None if simulation is None else _checked(simulation, one.split), true=_true(one))
        for one in regions
    ]
    computes = [_compute(one.seed, device=device) for one in regions]
    made = make_templates([one.split for one in regions], settings, provisions, computes)
    return [
        MadeTemplateEvents(own.template, own.mass_fit, one, settings, one.seed)
        for own, one in zip(made, regions, strict=True)
    ]


def _compute(seed: int, processes: int = 1, device: str = CPU) -> Compute:
    return Compute(Streams(seed), processes=processes, device=resolve_device(device))


__all__ = ("Run", "classify", "closure", "count", "load", "open", "split", "template", "templates")
