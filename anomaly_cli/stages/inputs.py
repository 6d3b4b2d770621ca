"""What template methods are given: side-bands, and anything else only where a method declares the need."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance, canonical_json
from anomaly_cli.artifacts.store import Arrays, Artifact, file_digest, read_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.copies import ANALYSED, refuse_copies
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ArtifactError, ConfigError, DataError, PhysicsError
from anomaly_cli.core.events import Events, concatenate, make_events
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions, Window, parse_window
from anomaly_cli.datasets.own import event_file, is_own_manifest
from anomaly_cli.datasets.pseudodata import relative_weights
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.methods.base import (
    ADVICE,
    FEWEST_SIMULATED,
    VALIDATION_FRACTION,
    Need,
    ObservedInputs,
    SharedBaseInputs,
    SimulationInputs,
    TemplateInputs,
    TemplateMethod,
    TruthInputs,
)
from anomaly_cli.stages.loading import refuse_constant

SIMULATION_KEYS = ("simulation", "simulation/manifest")
"""Names of the digests of a simulation among those of the inputs."""
FEWEST_SIDE_BAND_EVENTS = 500
"""A side-band with fewer events cannot train a template method."""


def method_inputs(run: RunDirectory, config: Config, split: Artifact, method: TemplateMethod) -> TemplateInputs:
    """Return what the method may see, and nothing that it has not declared to need.

    Raises:
        ConfigError: where a simulation is needed and none is given.
        PhysicsError: where a side-band has too few events.
        AnomalyError: where a file cannot be used.
    """
    blind = side_band_inputs(split, config.seed)
    needs, everything = method.needs, vars(blind)
    if Need.SIMULATION in needs:
        simulation, cutflow = read_simulation(config, split, blind.regions)
        _check_simulation(simulation, split, blind.regions, _simulation_file(config))
        return SimulationInputs(**everything, simulation=simulation, cutflow=cutflow)
    if Need.SHARED_BASE in needs:
        return SharedBaseInputs(**everything, base=shared_base(run, config, split, method))
    if Need.SR_FEATURES in needs:
        return ObservedInputs(**everything, observed=split.events("sr"))
    if Need.TRUTH in needs and (truth := read_truth(run, split)) is not None:
        return TruthInputs(**everything, background=truth.background(blind.regions.sr))
    return blind


def side_band_inputs(split: Artifact, seed: int) -> TemplateInputs:
    """Return the side-bands of a split.

    Raises:
        PhysicsError: where a side-band has too few events.
    """
    regions = read_regions(split)
    bands = [split.events("sb1"), split.events("sb2")]
    for window, band in zip(regions.side_bands, bands, strict=True):
        if len(band) < FEWEST_SIDE_BAND_EVENTS:
            raise PhysicsError(
                f"side-band {window.text} TeV holds {len(band)} events, training a template needs at least"
                f" {FEWEST_SIDE_BAND_EVENTS}; widen it with --side-bands, and --overwrite for the split that is there"
            )
    refuse_constant(concatenate(bands), "side-band event, so that nothing is learnt of it")
    ids = np.concatenate([band.event_id for band in bands])
    is_validation = hash_uniform(ids, Streams(seed).integer("template/validation")) < VALIDATION_FRACTION
    return TemplateInputs(bands[0], bands[1], regions, is_validation)


def input_digests(run: RunDirectory, config: Config, split: Artifact, method: TemplateMethod) -> dict[str, str]:
    """Return the digest of everything that the method may see, by name.

    Raises:
        AnomalyError: where something is missing.
    """
    digests = {"split": split.digest}
    if Need.TRUTH in method.needs:
        truth = read_truth(run, split)
        digests["truth"] = truth.digest if truth else "none"
    simulation = simulation_digests(config, method)
    for role, digest in split.provenance.inputs.items():
        if digest == simulation.get("simulation"):
            events = "the reference events" if role == "reference" else "the analysed events"
            raise ConfigError(
                f"--simulation {config.template.simulation}: is a file that {events} come from, so the template would"
                " hold copies of them; give simulated background that is not among them"
            )
    digests |= simulation
    if Need.SHARED_BASE in method.needs:
        digests["base_flow"] = read_base(run, config, split, method).digest
    return digests


def simulation_digests(config: Config, method: TemplateMethod) -> dict[str, str]:
    """Return the digest of the simulation that a method uses and of its manifest; empty where it uses none.

    Raises:
        ConfigError: where a simulation is needed and none is given.
        DataError: where the file cannot be read.
    """
    if Need.SIMULATION not in method.needs:
        return {}
    path = _simulation_file(config)
    digests = {"simulation": file_digest(event_file(path), "--simulation")}
    if is_own_manifest(path):
        digests["simulation/manifest"] = file_digest(path, "--simulation")
    return digests


def _simulation_file(config: Config) -> Path:
    if not config.template.simulation:
        raise ConfigError(f"method {config.template.method} needs {ADVICE[SimulationInputs]}")
    return Path(config.template.simulation)


def read_simulation(config: Config, split: Artifact, regions: Regions) -> tuple[Events, Cutflow]:
    """Return simulated background in the side-bands and the signal region, with its cutflow; ids are negative.

    Weights are scaled to a mean of 1: a simulation says how events are distributed, not how many there are.

    Events with NaN are left out where the split left them out of the data.

    Raises:
        AnomalyError: where the file is missing, has another layout, lacks a feature, or has negative weights.
    """
    path, features = _simulation_file(config), split.features
    table = read_events(path, drop_nan=bool(split.provenance.settings["drop_nan"]))
    missing = [name for name in features if name not in table.feature_names]
    if missing:
        raise DataError(
            f"--simulation {path}: has no feature '{missing[0]}', which the data have; known are"
            f" {', '.join(table.feature_names)}; name its columns by a manifest (see docs/data.md), or choose"
            " others with --features"
        )
    if table.is_labelled and table.is_signal.all():
        raise DataError(f"--simulation {path}: holds signal only, by its column 'label'; give simulated background")
    found = table.compute(features)
    cutflow = Cutflow([("read", table.n_read), ("no NaN in any column", len(table))])
    usable = np.ones(len(table), dtype=bool)
    for step, passed in (
        ("background", ~table.is_signal if table.is_labelled else usable),
        ("every feature defined", found.is_defined),
        ("weight above 0", table.weight > 0.0),
        ("in side-bands and signal region", np.any([w.contains(found.mjj) for w in regions.named().values()], axis=0)),
    ):
        usable = usable & passed
        cutflow.add(step, int(usable.sum()))
    rows = np.flatnonzero(usable)
    weight = relative_weights(table.weight[rows])
    return make_events(found.mjj[rows], found.values[rows], features, -1 - rows, weight=weight), cutflow


def _check_simulation(simulation: Events, split: Artifact, regions: Regions, path: Path) -> None:
    """Refuse a simulation that holds the data, or nothing to learn a feature from.

    Raises:
        ConfigError: where analysed events are among it.
        PhysicsError: where a feature is constant.
    """
    observed = concatenate([split.events(name) for name in regions.named()])
    refuse_copies(simulation, observed, f"--simulation {path}", ANALYSED)
    if len(simulation) >= FEWEST_SIMULATED:  # of fewer, how few they are is told by whoever asks for them
        refuse_constant(simulation, "simulated event")


def refuse_simulated_reference(config: Config, split: Artifact, template: Artifact, reference: Events) -> None:
    """Refuse reference events that are among the simulation which a template was made from: no stage may see them.

    Raises:
        AnomalyError: where they are, or the simulation is not that of the template.
    """
    used = template.provenance.settings["model"].get("simulation")
    if used is None:
        return
    path = Path(config.template.simulation)
    if not path.exists() or file_digest(event_file(path), "--simulation") != used:
        raise ConfigError(
            f"{path}: is not the simulation that {template.path} was made from, which is compared with the reference"
            " events; say where that is by --set template.simulation=FILE"
        )
    simulation, _ = read_simulation(config, split, read_regions(split))
    refuse_copies(simulation, reference, f"--simulation {path}", "the reference events")


def base_file(run: RunDirectory, config: Config) -> Path:
    """Return where the shared base flow lies."""
    return Path(config.template.base) if config.template.base else run.artifact(schema.BASE_FLOW)


def read_base(run: RunDirectory, config: Config, split: Artifact, method: TemplateMethod) -> Artifact:
    """Return the shared base flow.

    Raises:
        ConfigError: where there is none.
        ArtifactError: where it was trained on other events or with other settings.
    """
    path = base_file(run, config)
    base = _open_base(path)
    own = dataclasses.asdict(method)
    for name, value in base.provenance.settings.items():
        if name in own and canonical_json(own[name]) != canonical_json(value):
            raise ArtifactError(
                f"{path}: was trained with {name} {value}, where this run has {own[name]}; make one from this run with"
                f" {_advice(run, config)}, or set methods.{method.name}.{name} to what it was trained with"
            )
    if not config.template.base and base.provenance.settings["without"] != base_left_out(config):
        raise ArtifactError(
            f"{path}: leaves out other windows than template.base_without says; make it anew with"
            f" 'anomaly base --run {run.path} --overwrite'"
        )
    mine = event_settings(split.provenance)
    theirs = {key: base.provenance.settings["events"].get(key) for key in mine}
    if theirs != mine:
        different = ", ".join(key for key in mine if mine[key] != theirs[key])
        raise ArtifactError(
            f"{path}: was trained on other events than {split.path} ({different} differ); make one from this run with"
            f" {_advice(run, config)}"
        )
    return base


def _advice(run: RunDirectory, config: Config) -> str:
    """Return the command that makes a base flow of a run, apart from one that other runs use."""
    return f"'anomaly base --run {run.path}{' --base NEW_FILE' if config.template.base else ''}'"


def shared_base(run: RunDirectory, config: Config, split: Artifact, method: TemplateMethod) -> Arrays:
    """Return the arrays of the shared base flow, nothing where the method needs none.

    Raises:
        AnomalyError: where it is needed and missing, or was trained on other events.
    """
    if Need.SHARED_BASE not in method.needs:
        return {}
    return read_base(run, config, split, method).groups["weights"]


def event_settings(provenance: Provenance) -> dict[str, object]:
    """Return what determines the events of a split, whatever its windows."""
    windows = ("signal_region_gev", "side_bands")
    settings = {key: value for key, value in provenance.settings.items() if key not in windows}
    return {**settings, "seed": provenance.seed, **{f"input {k}": v for k, v in provenance.inputs.items()}}


def left_out(config: Config) -> list[Window]:
    """Return the windows that the base flow must not see, in order of mass; those that meet are one."""
    merged: list[Window] = []
    for window in sorted((parse_window(text) for text in config.template.base_without), key=lambda window: window.low):
        if merged and window.low <= merged[-1].high:
            merged[-1] = Window(merged[-1].low, max(merged[-1].high, window.high))
        else:
            merged.append(window)
    return merged


def base_left_out(config: Config) -> list[list[float]]:
    """Return the windows that the shared base flow of a run has not seen: of the file named, or of its own.

    Raises:
        ConfigError: where a file is named that does not exist, or has seen a window that it should not have.
    """
    if not config.template.base:
        return [[window.low, window.high] for window in left_out(config)]
    named: list[list[float]] = _open_base(Path(config.template.base)).provenance.settings["without"]
    for window in left_out(config):
        if has_seen(named, window):
            raise ConfigError(
                f"{config.template.base}: has seen events of {window.text} TeV, which template.base_without leaves out;"
                " name another base, make one with 'anomaly base --without', or drop template.base_without"
            )
    return named


def _open_base(path: Path) -> Artifact:
    if not path.exists():
        raise ConfigError(f"{path}: no such file; this template method needs {ADVICE[SharedBaseInputs]}")
    return read_artifact(path, schema.BASE_FLOW)


def has_seen(not_seen: Sequence[Sequence[float]], window: Window) -> bool:
    """Return whether a base flow that has not seen some windows has seen events of another one."""
    return not any(low <= window.low and window.high <= high for low, high in not_seen)
