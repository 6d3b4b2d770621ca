"""Shared model: what a method trains once on the whole spectrum for any number of signal regions (`anomaly base`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import canonical_json
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError, ConfigError, PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.seen import ADVICE, VALIDATION_FRACTION, Need, SharedModel
from anomaly_cli.core.windows import Window, parse_window
from anomaly_cli.methods.base import METHODS, TemplateMethod
from anomaly_cli.search.provisions import FEWEST_SIDE_BAND_EVENTS
from anomaly_cli.stages.curves import training_columns
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.resolve import choose
from anomaly_cli.stages.split import event_settings, stored_split


def sharing_method(config: Config) -> TemplateMethod:
    """Return the method that trains the shared model: the configured one, or else the only one that shares.

    Raises:
        ConfigError: for an unknown setting.
    """
    sharing = [name for name, method in METHODS.find().items() if Need.SHARED_MODEL in method.needs]
    name = config.template.method if config.template.method in sharing else sharing[0]
    method: TemplateMethod = choose(METHODS, name, config.methods)
    return method


def shared_file(run: RunDirectory, config: Config) -> Path:
    """Return where the shared model lies."""
    return Path(config.template.base) if config.template.base else run.artifact(schema.SHARED_MODEL)


def left_out(config: Config) -> list[Window]:
    """Return the windows that the shared model must not see, in order of mass; those that meet are one."""
    merged: list[Window] = []
    for window in sorted((parse_window(text) for text in config.template.base_without), key=lambda window: window.low):
        if merged and window.low <= merged[-1].high:
            merged[-1] = Window(merged[-1].low, max(merged[-1].high, window.high))
        else:
            merged.append(window)
    return merged


def _edges(windows: Sequence[Window]) -> list[list[float]]:
    return [[window.low, window.high] for window in windows]


def _settings(analysis: Analysis) -> dict[str, Any]:
    method = sharing_method(analysis.config)
    return {
        "method": {"name": method.name, "settings": method.shared_settings()},
        "events": event_settings(analysis.run.read(schema.SPLIT).provenance),
        "without": _edges(left_out(analysis.config)),
        **analysis.rounding,
    }


def _make(analysis: Analysis) -> Made:
    split = analysis.run.read(schema.SPLIT)
    everything, windows = stored_split(split).everything, left_out(analysis.config)
    bands = _bands(everything, windows)
    ids = np.concatenate([band.event_id for band in bands])
    compute = analysis.compute.child("base")
    is_validation = hash_uniform(ids, compute.streams.integer("validation")) < VALIDATION_FRACTION
    trained = sharing_method(analysis.config).fit_shared(bands, is_validation, compute)
    groups = {
        "weights": trained.arrays,
        "training": training_columns(trained.training),
        "left_out": {"low": [w.low for w in windows], "high": [w.high for w in windows]},
        "counts": {"n_seen": len(ids), "n_left_out": len(everything) - len(ids)},
    }
    return Made(groups, split.features)


def _bands(events: Events, windows: Sequence[Window]) -> list[Events]:
    """Return the events between the windows left out."""
    edges = [0.0, *(edge for window in windows for edge in (window.low, window.high)), np.inf]
    parts = [(events.mjj >= low) & (events.mjj < high) for low, high in zip(edges[::2], edges[1::2], strict=True)]
    bands = [events.take(part) for part in parts if part.any()]
    if not bands:
        raise PhysicsError("base: the windows that are left out hold all events; leave out fewer")
    for band in bands:
        if len(band) < FEWEST_SIDE_BAND_EVENTS:
            raise PhysicsError(
                f"base: {len(band)} events from {band.mjj.min() / 1000:.3f} TeV on are too few to train on, at least"
                f" {FEWEST_SIDE_BAND_EVENTS} are needed between windows that are left out; leave out fewer"
            )
    return bands


SHARED = Stage(
    name="shared model",
    version=1,
    kind=schema.SHARED_MODEL,
    settings=_settings,
    make=_make,
    output=lambda analysis: shared_file(analysis.run, analysis.config),
)
"""Trains the shared model on all events of a run's split but those in the windows left out."""


def describe_shared(config: Config) -> dict[str, Any]:
    """Return what a search depends on of its shared model: the windows that it has not seen.

    Raises:
        ConfigError: where a file is named that does not exist, or has seen a window that it should not have.
    """
    if not config.template.base:
        return {"left_out": _edges(left_out(config))}
    named = SharedModel({}, _stored_windows(_open(RunDirectory(Path()), Path(config.template.base))))
    for window in left_out(config):
        if named.has_seen(window):
            raise ConfigError(
                f"{config.template.base}: has seen events of {window.text} TeV, which template.base_without leaves out;"
                " name another base, make one with 'anomaly base --without', or drop template.base_without"
            )
    return {"left_out": _edges(named.left_out)}


def shared_model(analysis: Analysis, method: TemplateMethod) -> SharedModel:
    """Return the shared model of a run.

    Raises:
        AnomalyError: where it is missing, or was trained on other events or with other settings.
    """
    artifact = read_shared(analysis, method)
    return SharedModel(artifact.groups["weights"], _stored_windows(artifact))


def read_shared(analysis: Analysis, method: TemplateMethod) -> Artifact:
    """Return the artifact of the shared model.

    Raises:
        ConfigError: where there is none.
        ArtifactError: where it was trained on other events or with other settings.
    """
    run, config = analysis.run, analysis.config
    path = shared_file(run, config)
    shared = _open(run, path)
    own, trained = method.shared_settings(), shared.provenance.settings["method"]
    for name, value in trained["settings"].items():
        if name in own and canonical_json(own[name]) != canonical_json(value):
            raise ArtifactError(
                f"{path}: was trained with {name} {value}, where this run has {own[name]}; make one from this run with"
                f" {_advice(run, config)}, or set methods.{method.name}.{name} to what it was trained with"
            )
    if trained["name"] != method.name:
        raise ArtifactError(
            f"{path}: was trained for method {trained['name']}, where this run has {method.name}; make one from this"
            f" run with {_advice(run, config)}"
        )
    if not config.template.base and shared.provenance.settings["without"] != _edges(left_out(config)):
        raise ArtifactError(
            f"{path}: leaves out other windows than template.base_without says; make it anew with"
            f" 'anomaly base --run {run.quoted} --overwrite'"
        )
    _refuse_other_events(analysis, path, shared)
    return shared


def _refuse_other_events(analysis: Analysis, path: Path, shared: Artifact) -> None:
    split = analysis.run.read(schema.SPLIT)
    mine = event_settings(split.provenance)
    theirs = {key: shared.provenance.settings["events"].get(key) for key in mine}
    if theirs != mine:
        different = ", ".join(key for key in mine if mine[key] != theirs[key])
        raise ArtifactError(
            f"{path}: was trained on other events than {split.path} ({different} differ); make one from this run with"
            f" {_advice(analysis.run, analysis.config)}"
        )


def _advice(run: RunDirectory, config: Config) -> str:
    """Return the command that makes a shared model of a run, apart from one that other runs use."""
    return f"'anomaly base --run {run.quoted}{' --base NEW_FILE' if config.template.base else ''}'"


def _open(run: RunDirectory, path: Path) -> Artifact:
    if not path.exists():
        raise ArtifactError(f"{path}: no such file; this template method needs {ADVICE[Need.SHARED_MODEL]}")
    return run.read_file(path, schema.SHARED_MODEL)


def _stored_windows(artifact: Artifact) -> list[Window]:
    columns = artifact.groups["left_out"]
    return [Window(float(low), float(high)) for low, high in zip(columns["low"], columns["high"], strict=True)]
