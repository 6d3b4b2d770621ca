"""Base: one density of the whole spectrum, trained once, shared by any number of signal regions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, write_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.windows import Window
from anomaly_cli.methods.base import VALIDATION_FRACTION, Context
from anomaly_cli.methods.curtains_f4f_efficient import CurtainsF4FEfficient
from anomaly_cli.methods.registry import make_method
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.inputs import FEWEST_SIDE_BAND_EVENTS, base_file, event_settings, left_out
from anomaly_cli.stages.training_curves import training_columns

STAGE, VERSION = "base flow", 1
SHAPING = ("base_", "scaling_bin_events", "bound", "patience")
"""Settings of the method that shape the base flow."""


def plan_base(run: RunDirectory, config: Config, split: Artifact) -> Plan:
    """Return the plan of training the shared base flow."""
    method = _method(config)
    settings = {
        **{key: value for key, value in dataclasses.asdict(method).items() if key.startswith(SHAPING)},
        "events": event_settings(split.provenance),
        "without": [[window.low, window.high] for window in left_out(config)],
        "threads": config.threads,
    }
    return Plan(STAGE, base_file(run, config), Provenance(STAGE, VERSION, settings, config.seed, {}))


def make_base(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Train the base flow on all events of a run's split but those in the windows left out.

    Raises:
        PhysicsError: where too few events are left.
        TrainingError: where the training diverges.
    """
    split = read_split(run)
    plan = plan_base(run, config, split)

    def make() -> None:
        everything = concatenate([split.events(name) for name in ("sb1", "sr", "sb2", "rest")])
        windows = left_out(config)
        bands = _bands(everything, windows)
        ids = np.concatenate([band.event_id for band in bands])
        is_validation = hash_uniform(ids, resources.streams("base").integer("validation")) < VALIDATION_FRACTION
        context = Context(resources.streams("base"), resources.threads, resources.progress)
        trained = _method(config).fit_base(bands, is_validation, context)
        groups = {
            "weights": trained.arrays,
            "training": training_columns(trained.training),
            "left_out": {"low": [w.low for w in windows], "high": [w.high for w in windows]},
            "counts": {"n_seen": len(ids), "n_left_out": len(everything) - len(ids)},
        }
        write_artifact(plan.output, schema.BASE_FLOW, groups, plan.provenance, split.features)

    return execute(plan, overwrite, make)


def _method(config: Config) -> CurtainsF4FEfficient:
    name = CurtainsF4FEfficient.name
    method = make_method(name, config.methods.get(name, {}))
    if not isinstance(method, CurtainsF4FEfficient):
        raise TypeError(f"{name} is another method: {type(method).__name__}")
    return method


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
