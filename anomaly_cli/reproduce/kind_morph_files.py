"""Simulated background of one generator moved to look like another's with flows for flows.

References:
    T. Golling, S. Klein, R. Mastandrea, B. Nachman, J. Raine, "Morphing one dataset into another with maximum
    likelihood estimation", 2023, arXiv:2309.06472, scientific example.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from anomaly_cli.config import Config, DataSettings
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import DataError
from anomaly_cli.core.events import Events
from anomaly_cli.core.records import build_record
from anomaly_cli.core.tables import Table
from anomaly_cli.core.windows import parse_window
from anomaly_cli.morphing.settings import MorphSettings
from anomaly_cli.reproduce.eventfiles import EventFiles, LackingError
from anomaly_cli.reproduce.kind_morph_toys import move_table
from anomaly_cli.reproduce.targets import Target
from anomaly_cli.stages.data import read_data
from anomaly_cli.stages.morph import MORPH_TRAINING
from anomaly_cli.stages.provisions import refuse_unusable
from anomaly_cli.stages.split import SPLIT

VERSION = (1, SPLIT.version, MORPH_TRAINING.version)
SETTINGS = ("features", "window", "events", "flows")
HALF_WIDTH = 3.0
"""Features span [-3, 3], as where the published distances were measured."""
TEV = 1000.0
FEWEST = 200
Settings = dict[str, Any]


def describe(settings: Settings, target: Target, files: EventFiles) -> Settings:
    """Return the settings of a job: flows, features, a window and the digests of both files.

    Raises:
        ConfigError: where a setting makes no sense, or the simulation is missing.
    """
    if not files.simulation:
        raise LackingError("needs simulated background of another generator: --simulation FILE")
    flows = build_record(MorphSettings, settings.get("flows", {}), f"target {target.name}: flows")
    parse_window(str(settings["window"]))
    return {
        "config": {"data": {"file": files.data}, "template": {"simulation": files.simulation}},
        "features": [str(name) for name in settings["features"]],
        "window": str(settings["window"]),
        "events": int(settings["events"]),
        "flows": dataclasses.asdict(flows),
        "files": dict(files.digests),
    }


def run(settings: Settings, compute: Compute) -> dict[str, float]:
    """Move background of the simulation into that of the data, at its own mass, and measure as `move_table` does.

    Raises:
        DataError: where a file has too few events in the window.
        ConfigError: where events of the data are among the simulated ones.
    """
    files = settings["config"]["template"]["simulation"], settings["config"]["data"]["file"]
    source, target = (
        _background(file, side, settings, compute) for side, file in zip(("simulation", "data"), files, strict=True)
    )
    refuse_unusable(source, target, f"--simulation {files[0]}")
    pooled = np.concatenate([source.features, target.features])
    low, high = pooled.min(axis=0), pooled.max(axis=0)
    tables = [
        Table(
            (events.features - low) / (high - low) * 2.0 * HALF_WIDTH - HALF_WIDTH,
            events.mjj[:, None] / TEV,
            tuple(events.names),
            ("mjj",),
        )
        for events in (source, target)
    ]
    flows = build_record(MorphSettings, settings["flows"], "flows")
    return move_table(tables[0], tables[1], flows, compute) | {"n_source": float(len(source))}


def _background(file: str, side: str, settings: Settings, compute: Compute) -> Events:
    """Return some background events of a file, drawn at random."""
    data = DataSettings(file=file, features=tuple(settings["features"]), inject=0, reserve=0.0)
    events = read_data(Config(seed=compute.streams.seed, data=data), compute.child(side)).observed
    events = events.take(parse_window(settings["window"]).contains(events.mjj))
    if len(events) < FEWEST:
        raise DataError(f"{file}: {len(events)} background events in {settings['window']} TeV are too few; give more")
    drawn = compute.streams.generator(f"{side}/drawn").permutation(len(events))[: settings["events"]]
    return events.take(drawn)
