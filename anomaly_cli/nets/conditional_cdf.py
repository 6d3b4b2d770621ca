"""The distribution of a number given others, as a one-dimensional conditional spline: its CDF is free of them.

References:
    S. Klein, T. Golling, "Decorrelation using conditional normalizing flows", 2022, arXiv:2211.02486.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

from anomaly_cli.core.arrays import Arrays
from anomaly_cli.nets import flows, training, weights

FloatArray = npt.NDArray[np.float64]
N_POINTS, TAIL = 400, 10.0
"""Values at which the distribution over all conditions is tabulated, and events beyond the outermost of them."""
OUTERMOST = 4.0
"""Conditions are held within this many standard deviations."""
BATCH = 8192
"""Events that go through the spline at once."""


@dataclass(frozen=True)
class SplineSettings:
    """How a conditional distribution is learnt.

    Attributes:
        hidden: widths of the network from the conditions to the spline.
        bins: of the spline.
        schedule: of the training.
    """

    hidden: tuple[int, ...] = (64, 64)
    bins: int = 12
    schedule: training.Schedule = field(default_factory=lambda: training.Schedule(20, 512, 5e-3, 6))


@dataclass(frozen=True)
class QuantileTable:
    """A rising map of a number to a standard normal one over all conditions, linear between points and beyond them.

    Attributes:
        points: values `(k,)`, rising.
        normal: what they become `(k,)`, rising.
    """

    points: FloatArray
    normal: FloatArray

    @staticmethod
    def of(values: FloatArray) -> QuantileTable:
        """Return the table of values `(n,)`."""
        outermost = float(ndtri(1.0 - TAIL / max(len(values), 100)))
        normal = np.linspace(-outermost, outermost, N_POINTS)
        points, index = np.unique(np.quantile(values, ndtr(normal)), return_index=True)
        if len(points) == 1:
            return QuantileTable(points + np.array([-0.5, 0.5]), np.array([-0.5, 0.5]))
        last = np.append(index[1:], N_POINTS) - 1  # of points that are one value, the middle
        return QuantileTable(points, (normal[index] + normal[last]) / 2)

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return the normal numbers of values `(n,)`; beyond the table they go on rising."""
        slopes = np.diff(self.normal)[[0, -1]] / np.diff(self.points)[[0, -1]]
        inside: FloatArray = np.interp(values, self.points, self.normal)
        below = np.minimum(values - self.points[0], 0.0) * slopes[0]
        above = np.maximum(values - self.points[-1], 0.0) * slopes[1]
        return np.asarray(inside + below + above, dtype=np.float64)


@dataclass(frozen=True)
class ConditionalCdf:
    """The distribution of a number given conditions.

    Attributes:
        table: over all conditions.
        conditions: table of each condition.
        flow: from what the table makes of the number to a standard normal, at every condition.
    """

    table: QuantileTable
    conditions: Sequence[QuantileTable]
    flow: Any

    @staticmethod
    def fit(
        values: FloatArray,
        conditions: FloatArray,
        is_validation: npt.NDArray[np.bool_],
        settings: SplineSettings,
        generator: torch.Generator,
    ) -> ConditionalCdf:
        """Fit the distribution of values `(n,)` given conditions `(n, c)`; some of the events say when to stop.

        Raises:
            Diverged: where the training diverges twice.
        """
        table = QuantileTable.of(values)
        tables = [QuantileTable.of(column) for column in conditions.T]
        flow = make_flow(conditions.shape[1], settings)
        flows.start_at_identity(flow)
        x = weights.to_tensor(np.clip(table(values), -4.9, 4.9)[:, None])
        context = weights.to_tensor(_mapped(tables, conditions))
        training_part, validation = (torch.from_numpy(np.flatnonzero(mask)) for mask in (~is_validation, is_validation))

        def loss(batch: Tensor, _: torch.Generator) -> Tensor:
            return flows.negative_log_density(flow, x[batch], context[batch])

        task = training.Task(flow, loss, training_part, validation)
        training.train(task, settings.schedule, generator, lambda *_: None)
        return ConditionalCdf(table, tables, flow)

    def normal(self, values: FloatArray, conditions: FloatArray) -> FloatArray:
        """Return what a standard normal number would be with the CDF of each value at its conditions `(n,)`.

        At fixed conditions it never falls with the value: a spline that rises, and beyond its range the value itself.
        """
        x = self.table(values)
        context = _mapped(self.conditions, conditions)
        found, flow = np.empty(len(x)), copy.deepcopy(self.flow).double()  # steep splines keep their order
        with torch.no_grad():
            for start in range(0, len(x), BATCH):
                part = slice(start, min(start + BATCH, len(x)))
                index = np.resize(np.arange(part.start, part.stop), BATCH)  # of one size, so that all round alike
                inputs = torch.from_numpy(x[index, None]), torch.from_numpy(context[index])
                moved = flows.condition_on(flow, inputs[1]).transform(inputs[0])
                found[part] = moved[: part.stop - part.start, 0].numpy()
        return found

    def cdf(self, values: FloatArray, conditions: FloatArray) -> FloatArray:
        """Return the part of the distribution at its conditions that lies below each value `(n,)`."""
        below: FloatArray = ndtr(self.normal(values, conditions))
        return below

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays under prefixed names."""
        arrays = weights.module_arrays(f"{prefix}.flow", self.flow)
        for index, table in enumerate((self.table, *self.conditions)):
            arrays |= {f"{prefix}.table{index}": np.stack([table.points, table.normal])}
        return arrays

    @staticmethod
    def from_arrays(arrays: Arrays, prefix: str, settings: SplineSettings) -> ConditionalCdf:
        """Rebuild what `to_arrays` returned."""
        tables: list[QuantileTable] = []
        while f"{prefix}.table{len(tables)}" in arrays:
            tables.append(QuantileTable(*arrays[f"{prefix}.table{len(tables)}"]))
        flow = make_flow(len(tables) - 1, settings)
        weights.load_module(flow, arrays, f"{prefix}.flow")
        return ConditionalCdf(tables[0], tables[1:], flow)


def _mapped(tables: Sequence[QuantileTable], conditions: FloatArray) -> FloatArray:
    """Return conditions `(n, c)` as the spline sees them: by their tables, those far outside held."""
    found = np.stack([table(column) for table, column in zip(tables, conditions.T, strict=True)], axis=1)
    return np.asarray(np.clip(found, -OUTERMOST, OUTERMOST), dtype=np.float64)


def make_flow(n_conditions: int, settings: SplineSettings) -> Any:
    """Return an untrained spline of one number."""
    return flows.make_spline_flow(1, n_conditions, 1, settings.hidden, settings.bins, passes=1)
