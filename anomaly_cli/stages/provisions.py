"""What a search is provided with beside its events: simulation, shared model, truth; read from files and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_truth
from anomaly_cli.artifacts.provenance import NOT_THERE
from anomaly_cli.artifacts.store import Artifact, file_digest
from anomaly_cli.config import Config
from anomaly_cli.core.arrays import IntArray
from anomaly_cli.core.copies import ANALYSED, refuse_copies
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.events import Events, concatenate, make_events, refuse_constant
from anomaly_cli.core.seen import ADVICE, FEWEST_SIMULATED, Need, Simulation, TrueEvents
from anomaly_cli.core.windows import Regions
from anomaly_cli.datasets.own import event_file, is_own_manifest
from anomaly_cli.datasets.pseudodata import relative_weights
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.methods.base import TemplateMethod
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.loading import POSSIBLE, refuse_other_energy
from anomaly_cli.stages.shared import read_shared, shared_model

SIMULATION = "simulation"


def method_provisions(analysis: Analysis, method: TemplateMethod) -> Provisions:
    """Return what there is of that which a method declares to need.

    Raises:
        AnomalyError: where a file is missing or cannot be used.
    """
    needs = method.needs
    return Provisions(
        simulation=checked_simulation(analysis) if Need.SIMULATION in needs else None,
        shared=shared_model(analysis, method) if Need.SHARED_MODEL in needs else None,
        true=true_events(analysis) if Need.TRUTH in needs else None,
    )


def score_provisions(analysis: Analysis) -> Provisions:
    """Return what there is of that which the score declares to need.

    Raises:
        AnomalyError: where a file is missing or cannot be used.
    """
    return Provisions(true=true_events(analysis) if Need.TRUTH in analysis.settings.score.needs else None)


def true_events(analysis: Analysis) -> TrueEvents | None:
    """Return the labelled events in the signal region that are not in the pseudo-data; None without labels."""
    found = read_truth(analysis.run)
    if found is None:
        return None
    sr = read_regions(analysis.run.read(schema.SPLIT)).sr
    return TrueEvents.inside(found[0], sr)


def input_digests(analysis: Analysis, method: TemplateMethod) -> dict[str, str]:
    """Return the digest of everything that a method may see beside the split, by name.

    Raises:
        AnomalyError: where something is missing.
    """
    digests: dict[str, str] = {}
    if Need.TRUTH in method.needs:
        digests["truth"] = truth_digest(analysis)
    simulation = simulation_digests(analysis.config, method)
    for role, digest in analysis.run.read(schema.SPLIT).provenance.inputs.items():
        if digest == simulation.get(SIMULATION):
            events = "the reference events" if role == "reference" else "the analysed events"
            raise ConfigError(
                f"--simulation {analysis.config.template.simulation}: is a file that {events} come from, so the"
                " template would hold copies of them; give simulated background that is not among them"
            )
    digests |= simulation
    if Need.SHARED_MODEL in method.needs:
        digests[schema.SHARED_MODEL.name] = read_shared(analysis, method).digest
    return digests


def truth_digest(analysis: Analysis) -> str:
    """Return the digest of the truth of a run, `none` where its data have no labels."""
    found = read_truth(analysis.run)
    return found[1] if found else NOT_THERE


def simulation_digests(config: Config, method: TemplateMethod) -> dict[str, str]:
    """Return the digest of the simulation that a method uses and of its manifest; empty where it uses none.

    Raises:
        ConfigError: where a simulation is needed and none is given.
        DataError: where the file cannot be read.
    """
    if Need.SIMULATION not in method.needs:
        return {}
    path = _simulation_file(config)
    digests = {SIMULATION: file_digest(event_file(path), "--simulation")}
    if is_own_manifest(path):
        digests[f"{SIMULATION}/manifest"] = file_digest(path, "--simulation")
    return digests


def _simulation_file(config: Config) -> Path:
    if not config.template.simulation:
        raise ConfigError(f"method {config.template.method} needs {ADVICE[Need.SIMULATION]}")
    return Path(config.template.simulation)


def read_simulation(config: Config, features: Sequence[str], regions: Regions, drop_nan: bool) -> Simulation:
    """Return simulated background in the side-bands and the signal region; ids are negative.

    Weights are scaled to a mean of 1: a simulation says how events are distributed, not how many there are.

    Args:
        config: names the file.
        features: those of the data.
        regions: the windows.
        drop_nan: whether events with NaN are left out, as they were of the data.

    Raises:
        AnomalyError: where the file is missing, has another layout, lacks a feature, or has negative weights.
    """
    path, features = _simulation_file(config), tuple(features)
    table = read_events(path, drop_nan=drop_nan, features=features)
    refuse_other_energy(path, table, regions.collision_energy, "--simulation")
    missing = table.missing(features)
    if missing:
        raise DataError(
            f"--simulation {path}: has no feature '{missing[0]}', which the data have; known are"
            f" {', '.join(table.feature_names)}; name its columns by a manifest"
            " ('anomaly data manifest FILE' writes one to fill in), or choose others with --features"
        )
    if table.is_labelled and table.is_signal.all():
        raise DataError(f"--simulation {path}: holds signal only, by its column 'label'; give simulated background")
    found = table.compute(features)
    cutflow = Cutflow([("read", table.n_read), (POSSIBLE, len(table))])
    usable = np.ones(len(table), dtype=bool)
    for step, passed in (
        ("background", ~table.is_signal if table.is_labelled else usable),
        ("every feature defined", found.is_defined),
        ("weight above 0", table.weight > 0.0),
        ("in side-bands and signal region", regions.contain(found.mjj)),
    ):
        usable = usable & passed
        cutflow.add(step, int(usable.sum()))
    rows = np.flatnonzero(usable)
    events = make_events(found.mjj[rows], found.values[rows], features, rows, weight=table.weight[rows])
    return Simulation(number_simulated(events, rows), cutflow)


def _read_as(split: Artifact, config: Config) -> Simulation:
    """Return the simulation as the data of a split were read."""
    drop_nan = bool(split.provenance.settings["drop_nan"])
    return read_simulation(config, split.features, read_regions(split), drop_nan)


def number_simulated(events: Events, rows: IntArray) -> Events:
    """Return simulated events with negative ids, from their rows in what was given `(n,)`, and a mean weight of 1."""
    ids = -1 - rows
    return replace(events, event_id=ids, source_id=ids, weight=relative_weights(events.weight))


def refuse_unusable(simulation: Events, observed: Events, where: str) -> None:
    """Refuse a simulation that holds the data, or nothing to learn a feature from.

    Args:
        simulation: simulated events in side-bands and signal region.
        observed: the analysed events there.
        where: begins the sentence.

    Raises:
        ConfigError: where analysed events are among it.
        PhysicsError: where a feature is constant.
    """
    refuse_copies(simulation, observed, where, ANALYSED)
    if len(simulation) >= FEWEST_SIMULATED:  # of fewer, how few they are is told by whoever asks for them
        refuse_constant(simulation, "simulated event")


def checked_simulation(analysis: Analysis) -> Simulation:
    """Return the simulation, refused where it holds the data, or nothing to learn a feature from.

    Raises:
        ConfigError: where analysed events are among it.
        PhysicsError: where a feature is constant.
    """
    split = analysis.run.read(schema.SPLIT)
    regions, path = read_regions(split), _simulation_file(analysis.config)
    simulation = _read_as(split, analysis.config)
    observed = concatenate([split.events(name) for name in regions.named()])
    refuse_unusable(simulation.events, observed, f"--simulation {path}")
    return simulation


def refuse_simulated_reference(analysis: Analysis, template: Artifact, reference: Events) -> None:
    """Refuse reference events that are among the simulation which a template was made from: no stage may see them.

    Raises:
        AnomalyError: where they are, or the simulation is not that of the template.
    """
    used = template.provenance.settings["model"]["provided"].get(SIMULATION)
    if used is None:
        return
    path, split = Path(analysis.config.template.simulation), analysis.run.read(schema.SPLIT)
    if not path.exists() or file_digest(event_file(path), "--simulation") != used:
        raise ConfigError(
            f"{path}: is not the simulation that {template.path} was made from, which is compared with the reference"
            " events; say where that is by --set template.simulation=FILE"
        )
    simulation = _read_as(split, analysis.config)
    refuse_copies(simulation.events, reference, f"--simulation {path}", "the reference events")
