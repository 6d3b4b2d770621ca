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
from anomaly_cli.stages.morph import MORPH_TRAINING

VERSION = (1, MORPH_TRAINING.version)
SETTINGS = ("pairs", "group", "points", "flows")
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
    source, target = (
        make_toy(name, settings["points"], compute.streams.generator(f"{side}/toy"))
        for side, name in zip(("source", "target"), pair, strict=True)
    )
    return move_table(source, target, build_record(MorphSettings, settings["flows"], "flows"), compute)


def move_table(source: Table, target: Table, flows: MorphSettings, compute: Compute) -> dict[str, float]:
    """Train flows from one table to another, move it, and measure on rows that no training has seen.

    Args:
        source: what is moved.
        target: what it is to look like.
        flows: how.
        compute: random streams, threads and device.

    Returns:
        Mean distance moved, that to random rows of the target, and the AUC of trees that tell the two apart, each with
        its statistical error.
    """
    ends = [[round(len(table) * share) for share in (PARTS[0], sum(PARTS))] for table in (source, target)]
    splits = [Split(np.arange(start), np.arange(start, stop)) for start, stop in ends]
    morpher = train_morpher((source, target), (splits[0], splits[1]), flows, compute)
    before, wanted = _rows(source, ends[0][1]), _rows(target, ends[1][1])
    moved = morpher.move(before, before.condition, compute)
    distance = np.linalg.norm(moved - before.values, axis=1)
    count = min(len(before), len(wanted))
    paired = np.linalg.norm(wanted.values[:count] - before.values[:count], axis=1)
    sides = (
        Sampled(moved, np.arange(len(moved)), np.ones(len(moved))),
        Sampled(wanted.values, len(moved) + np.arange(len(wanted)), np.ones(len(wanted))),
    )
    found = measure_separation(*sides, compute.streams.integer("trees"), compute.threads)
    return {
        "distance": float(distance.mean()),
        "distance.error": float(distance.std() / np.sqrt(len(distance))),
        "random pairs": float(paired.mean()),
        "random pairs.error": float(paired.std() / np.sqrt(count)),
        "auc": found.auc,
        "auc.error": found.error,
    }


def _rows(table: Table, first: int) -> Table:
    return Table(table.values[first:], table.condition[first:], table.names, table.condition_names)
