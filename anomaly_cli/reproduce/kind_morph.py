"""One table moved into another with flows for flows: distance moved, and whether trees can tell the result."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import build_record
from anomaly_cli.core.tables import Table
from anomaly_cli.datasets.toys import make_toy
from anomaly_cli.morphing.morpher import Split, train_morpher
from anomaly_cli.morphing.settings import MorphSettings
from anomaly_cli.reproduce.eventfiles import EventFiles
from anomaly_cli.reproduce.targets import Target

VERSION = 1
PARTS = (0.7, 0.1)
"""Shares of training and validation; the rest is measured on."""
Settings = dict[str, Any]


def describe(settings: Settings, target: Target, _files: EventFiles) -> Settings:
    """Return the settings of a job: a group of pairs of toys, points and flows.

    Raises:
        ConfigError: where a pair or a setting makes no sense.
    """
    flows = build_record(MorphSettings, settings.get("flows", {}), f"target {target.name}: flows")
    pairs = [str(pair).split(" to ") for pair in settings["pairs"][settings["group"]]]
    if any(len(pair) != 2 for pair in pairs):
        raise ConfigError(f"target {target.name}: pairs must be written as 'star to four_circles'")
    return {"pairs": pairs, "points": int(settings["points"]), "flows": dataclasses.asdict(flows)}


def run(settings: Settings, compute: Compute) -> dict[str, float]:
    """Return the means over pairs of what `move` finds, with errors from its points."""
    found = [move(settings, pair, compute.child("/".join(pair))) for pair in settings["pairs"]]
    means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    errors = {name: means[name] / np.sqrt(len(found)) for name in means if name.endswith(".error")}
    return means | errors


def move(settings: Settings, pair: Sequence[str], compute: Compute) -> dict[str, float]:
    """Train the flows of a pair of toys, move the source, and measure on points that no training has seen."""
    n, streams = settings["points"], compute.streams
    source, target = (
        make_toy(name, n, streams.generator(f"{side}/toy"))
        for side, name in zip(("source", "target"), pair, strict=True)
    )
    flows = build_record(MorphSettings, settings["flows"], "flows")
    start, stop = (round(n * share) for share in (PARTS[0], sum(PARTS)))
    split = Split(np.arange(start), np.arange(start, stop))
    morpher = train_morpher((source, target), (split, split), flows, compute)
    before, wanted = _rows(source, stop), _rows(target, stop)
    moved = morpher.move(before, before.condition, compute)
    distance = np.linalg.norm(moved - before.values, axis=1)
    paired = np.linalg.norm(wanted.values - before.values, axis=1)
    count = len(before)
    sides = (
        Sampled(moved, np.arange(count), np.ones(count)),
        Sampled(wanted.values, count + np.arange(count), np.ones(count)),
    )
    found = measure_separation(*sides, streams.integer("trees"), compute.threads)
    return {
        "distance": float(distance.mean()),
        "distance.error": float(distance.std() / np.sqrt(count)),
        "random pairs": float(paired.mean()),
        "random pairs.error": float(paired.std() / np.sqrt(count)),
        "auc": found.auc,
        "auc.error": found.error,
    }


def _rows(table: Table, first: int) -> Table:
    return Table(table.values[first:], table.condition[first:], table.names, table.condition_names)
