"""Trains the flows that move one table into another, and moves it: arrays in, arrays out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import TrainingError
from anomaly_cli.core.progress import Progress, Step
from anomaly_cli.core.seen import TrainingRow
from anomaly_cli.core.tables import Table
from anomaly_cli.morphing.settings import FlowSettings, MorphSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

SIDES = ("source", "target")
N_POINTS = 200
"""Quantiles of a quantile scaling."""
REACH = 4.0
"""Linear scaling puts the pooled data into about [-4, 4], inside the splines' [-5, 5]."""
TRANSPORT = "transport"
MOST_UNLIKE = 0.5
"""Cost of the identity per event [log-likelihood] up to which a training is left to start there."""
FROM_BASE_TRANSFER = 0.2
"""Learning rate of a transport that starts at the base transfer, in units of the one that is set."""


@dataclass(frozen=True)
class Scaling:
    """A rising, piecewise linear map of each feature, the same on both sides; the ends go on straight.

    Attributes:
        points: values of the feature at the knots `(d, k)`, rising.
        scaled: scaled values there `(d, k)`, rising.
    """

    points: FloatArray
    scaled: FloatArray

    @staticmethod
    def fit(values: FloatArray, kind: str) -> Scaling:
        """Fit to the pooled features of both sides `(n, d)`; `kind` is `linear` or `quantile`."""
        if kind == "linear":
            center, half = values.mean(axis=0), np.abs(values - values.mean(axis=0)).max(axis=0) / REACH
            return Scaling(np.stack([center - half, center + half], axis=1), np.tile([-1.0, 1.0], (len(center), 1)))
        levels = np.unique(np.clip(np.linspace(0.0, 1.0, N_POINTS), 0.5 / len(values), 1.0 - 0.5 / len(values)))
        points, scaled = np.quantile(values, levels, axis=0).T, np.tile(ndtri(levels), (values.shape[1], 1))
        points[:, 0], points[:, -1] = values.min(axis=0), values.max(axis=0)
        smallest = 1e-9 * (points[:, -1:] - points[:, :1])  # ties: a discrete value is a steep step
        return Scaling(points + smallest * np.arange(points.shape[1]), scaled)

    def transform(self, values: FloatArray) -> FloatArray:
        """Return the scaled features `(n, d)`."""
        return _piecewise(values, self.points, self.scaled)

    def inverse(self, scaled: FloatArray) -> FloatArray:
        """Return the features `(n, d)`."""
        return _piecewise(scaled, self.scaled, self.points)


def _piecewise(values: FloatArray, from_knots: FloatArray, to_knots: FloatArray) -> FloatArray:
    mapped = np.empty_like(values)
    for column, (x, y) in enumerate(zip(from_knots, to_knots, strict=True)):
        index = np.clip(np.searchsorted(x, values[:, column], side="right") - 1, 0, len(x) - 2)
        slope = (y[index + 1] - y[index]) / (x[index + 1] - x[index])
        mapped[:, column] = y[index] + slope * (values[:, column] - x[index])
    return mapped


class Morpher:
    """Trained flows from a source to a target table.

    Attributes:
        settings: how it was made.
        scaling: scaling of the features.
        condition_scaling: scaling of the conditions.
        modules: the trained networks by name.
        curve: training curves.
    """

    def __init__(self, settings: MorphSettings, scalings: tuple[Scaling, Scaling], modules: Mapping[str, Any]) -> None:
        self.settings = settings
        self.scaling, self.condition_scaling = scalings
        self.modules = dict(modules)
        self.curve: Sequence[TrainingRow] = ()

    @property
    def mover(self) -> nets.flows_for_flows.Mover:
        """What moves events."""
        if self.settings.variant == "base_transfer":
            return nets.flows_for_flows.BaseTransfer(self.modules["source_density"], self.modules["target_density"])
        transport: nets.flows_for_flows.Mover = self.modules[TRANSPORT]
        return transport

    def move(self, source: Table, target_condition: FloatArray, compute: Compute) -> FloatArray:
        """Move every event of the source.

        Args:
            source: events `(n, d)` and their conditions `(n, c)`.
            target_condition: conditions to move to `(n, c)`.
            compute: threads and device.

        Returns:
            The moved features `(n, d)`, in the order of the source.
        """
        conditions = (self.condition_scaling.transform(c) for c in (source.condition, target_condition))
        columns = (self.scaling.transform(source.values), *conditions)
        x, old, new = (nets.weights.to_tensor(column, compute.device) for column in columns)
        for module in self.modules.values():
            module.to(compute.device)
        with nets.training.seeded(compute.streams.integer("move"), compute.threads, compute.device):
            return self.scaling.inverse(nets.weights.to_array(nets.flows_for_flows.move_all(self.mover, x, old, new)))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scalings and weights under prefixed names."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, scaling in (("features", self.scaling), ("conditions", self.condition_scaling)):
            arrays |= {f"scaling.{name}.points": scaling.points, f"scaling.{name}.scaled": scaling.scaled}
        for name, module in self.modules.items():
            arrays |= nets.weights.module_arrays(name, module)
        is_made_of_densities = isinstance(self.modules.get(TRANSPORT), nets.flows_for_flows.BaseTransfer)
        return arrays | {"starts_at_base_transfer": np.array(is_made_of_densities)}

    @staticmethod
    def from_arrays(settings: MorphSettings, arrays: Arrays) -> Morpher:
        """Rebuild what `to_arrays` returned."""
        scalings = [
            Scaling(arrays[f"scaling.{name}.points"], arrays[f"scaling.{name}.scaled"])
            for name in ("features", "conditions")
        ]
        d, c = (len(scaling.points) for scaling in scalings)
        modules = _make_densities(settings, d, c)
        if settings.variant != "base_transfer":
            start = settings.start
            if start == "auto":
                start = "base_transfer" if arrays["starts_at_base_transfer"] else "identity"
            modules[TRANSPORT] = _make_transport(settings, start, d, c)
        for name, module in modules.items():
            nets.weights.load_module(module, arrays, name)
        return Morpher(settings, (scalings[0], scalings[1]), modules)


@dataclass(frozen=True)
class Split:
    """Which events of a table are for training and which for validation: indices."""

    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


def train_morpher(
    tables: tuple[Table, Table],
    splits: tuple[Split, Split],
    settings: MorphSettings,
    compute: Compute,
) -> Morpher:
    """Train the flows that a variant needs.

    Args:
        tables: source and target.
        splits: their training and validation events; others are not used.
        settings: how.
        compute: random streams, threads, device, and where to report.

    Raises:
        TrainingError: where a training diverges twice.
    """
    used = [np.concatenate([split.training, split.validation]) for split in splits]
    pooled = np.concatenate([table.values[use] for table, use in zip(tables, used, strict=True)])
    pooled_condition = np.concatenate([table.condition[use] for table, use in zip(tables, used, strict=True)])
    scalings = Scaling.fit(pooled, settings.scaling), Scaling.fit(pooled_condition, "linear")
    sides = tuple(_side(table, split, scalings, compute.device) for table, split in zip(tables, splits, strict=True))
    rows = []
    progress = compute.progress
    with nets.training.seeded(compute.streams.integer("training"), compute.threads, compute.device) as generator:
        made = _make_densities(settings, pooled.shape[1], pooled_condition.shape[1])
        modules = {name: module.to(compute.device) for name, module in made.items()}
        for name, module in modules.items():
            task = nets.flows_for_flows.density_task(module, sides[name == "target_density"])
            rows += _train(task, name.replace("_", " "), _schedule(settings.density), (generator, progress))
        if settings.variant != "base_transfer":
            tasks = _transport_tasks(modules, (sides[0], sides[1]), settings)
            start, competed = _choose_start(tasks, settings.transport.batch_size)
            rows += competed
            modules[TRANSPORT] = tasks[start].module
            rows += _train(tasks[start], TRANSPORT, _transport_schedule(settings, start), (generator, progress))
    morpher = Morpher(settings, scalings, modules)
    morpher.curve = rows
    return morpher


def _make_densities(settings: MorphSettings, d: int, c: int) -> dict[str, nn.Module]:
    """Return the densities that the variant needs, in the order of their training."""
    return {
        name: nets.flows_for_flows.make_density(d, c, _size(settings.density))
        for name, unused_by in (("source_density", "forward"), ("target_density", "inverse"))
        if settings.trained_direction != unused_by
    }


def _make_transport(
    settings: MorphSettings, start: str, d: int, c: int
) -> nets.flows_for_flows.BaseTransfer | nets.flows_for_flows.Transport:
    """Return an untrained transport; one that starts at the base transfer has the densities' weights to come."""
    if start == "base_transfer":
        return nets.flows_for_flows.BaseTransfer(
            *(nets.flows_for_flows.make_density(d, c, _size(settings.density)) for _ in SIDES)
        )
    context = settings.context if c else "none"
    return nets.flows_for_flows.make_transport(d, c, _size(settings.transport), context, start == "identity")


def _transport_tasks(
    densities: Mapping[str, nn.Module],
    sides: tuple[nets.flows_for_flows.Side, nets.flows_for_flows.Side],
    settings: MorphSettings,
) -> dict[str, nets.training.Task]:
    """Return the training of the transport from each start that competes."""
    starts = [settings.start]
    if settings.start == "auto":
        starts = ["identity", "base_transfer"] if settings.variant == "flows_for_flows" else ["identity"]
    tasks = {}
    for start in starts:
        transport = _make_transport(settings, start, sides[0].x.shape[1], sides[0].condition.shape[1])
        transport.to(sides[0].x.device)
        if start == "base_transfer":
            transport.load_state_dict(nets.flows_for_flows.BaseTransfer(*densities.values()).state_dict())
        tasks[start] = _transport_task(transport, sides, densities, settings)
    return tasks


def _choose_start(tasks: Mapping[str, nets.training.Task], batch_size: int) -> tuple[str, list[TrainingRow]]:
    """Return where to start, and a row with the loss of each start where several compete."""
    if len(tasks) == 1:
        return next(iter(tasks)), []
    losses = {start: nets.training.validate(task, batch_size) for start, task in tasks.items()}
    rows = [TrainingRow(f"start {name}".replace("_", " "), 0, math.nan, loss, 0.0) for name, loss in losses.items()]
    is_unlike = losses["identity"] - losses["base_transfer"] > MOST_UNLIKE
    return "base_transfer" if is_unlike else "identity", rows


def _schedule(flow: FlowSettings) -> nets.training.Schedule:
    return nets.training.Schedule(flow.epochs, flow.batch_size, flow.learning_rate, flow.patience)


def _transport_schedule(settings: MorphSettings, start: str) -> nets.training.Schedule:
    """Return how a transport is trained: at a lower rate where it starts at the base transfer.

    A penalty that falls is a loss that changes: states of the way there do not compare with the last one.
    """
    schedule = _schedule(settings.transport)
    factor = FROM_BASE_TRANSFER if start == "base_transfer" else 1.0
    keeps_last = settings.annealed and settings.penalty != "none"
    return replace(schedule, learning_rate=schedule.learning_rate * factor, keeps_last=keeps_last)


def _size(flow: FlowSettings) -> nets.flows_for_flows.Size:
    return nets.flows_for_flows.Size(flow.transforms, flow.hidden, flow.bins)


def _transport_task(
    transport: Any,
    sides: tuple[nets.flows_for_flows.Side, nets.flows_for_flows.Side],
    modules: Mapping[str, nn.Module],
    settings: MorphSettings,
) -> nets.training.Task:
    penalty = nets.flows_for_flows.Penalty(
        {"none": 0, "l1": 1, "l2": 2}[settings.penalty], settings.penalty_weight, settings.annealed
    )
    objective = nets.flows_for_flows.Objective(settings.trained_direction, penalty, settings.condition == "own")
    densities = modules.get("source_density"), modules.get("target_density")
    return nets.flows_for_flows.transport_task(transport, sides, densities, objective)


def _train(
    task: nets.training.Task, part: str, schedule: nets.training.Schedule, how: tuple[torch.Generator, Progress]
) -> list[TrainingRow]:
    generator, progress = how
    try:
        curve = nets.training.train(task, schedule, generator, lambda *step: progress(Step(f"morph: {part}", *step)))
    except nets.training.Diverged:
        setting = f"flows.{TRANSPORT if part == TRANSPORT else 'density'}.learning_rate"
        raise TrainingError(
            f"morph: the training of the {part} diverged twice; lower its learning rate, for instance --set"
            f" {setting}={schedule.learning_rate / 20:g}, or use --set flows.scaling=quantile"
        ) from None
    return [TrainingRow(part, *vars(epoch).values()) for epoch in curve]


def _side(table: Table, split: Split, scalings: tuple[Scaling, Scaling], device: str) -> nets.flows_for_flows.Side:
    x, condition = scalings[0].transform(table.values), scalings[1].transform(table.condition)
    indices = (nets.torch.from_numpy(index).to(device) for index in (split.training, split.validation))
    return nets.flows_for_flows.Side(
        nets.weights.to_tensor(x, device), nets.weights.to_tensor(condition, device), *indices
    )
