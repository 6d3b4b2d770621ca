"""A conditional density of the features at given mass: fitted once, sampled for pseudo-experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from anomaly_cli.nets import flows, training
from anomaly_cli.nets.scaling import MassScaler, ScalingSettings, fit_mass_scaling

FloatArray = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]
TRANSFORMS, HIDDEN, BINS = 2, (64, 64), 8
BATCH_SIZE, LEARNING_RATE, PATIENCE = 512, 3e-3, 5
SCALING = ScalingSettings(max_order=3, bin_events=1000, bound=4.5)
VALIDATION_FRACTION = 0.1
CHUNK = 8192
"""Events sampled at once."""


@dataclass(frozen=True)
class ConditionalDensity:
    """p(features | mjj): a spline flow on features scaled to be standard normal at every mass."""

    scaler: MassScaler
    flow: Any

    def sample(self, mjj: FloatArray, seed: int) -> FloatArray:
        """Return features `(n, d)` at masses `(n,)` [GeV]."""
        mass = self.scaler.mass(mjj)
        drawn = []
        with torch.no_grad(), training.seeded(seed, 1):
            for start in range(0, len(mjj), CHUNK):
                condition = _tensor(mass[start : start + CHUNK, None])
                drawn.append(self.flow(condition).sample().double().numpy())
        scaled = np.clip(np.concatenate(drawn), -self.scaler.bound, self.scaler.bound)
        return self.scaler.inverse(mjj, scaled)[0]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays, for an artifact."""
        arrays = {f"scaling.{name}": array for name, array in self.scaler.to_arrays().items()}
        return arrays | {f"flow.{name}": value.numpy() for name, value in self.flow.state_dict().items()}

    @staticmethod
    def from_arrays(arrays: Arrays) -> ConditionalDensity:
        """Rebuild what `to_arrays` returned."""
        scaler = MassScaler.from_arrays({key[8:]: arrays[key] for key in arrays if key.startswith("scaling.")})
        flow = _make_flow(len(scaler.low))
        flow.load_state_dict(
            {key[5:]: torch.from_numpy(arrays[key].copy()) for key in arrays if key.startswith("flow.")}
        )
        return ConditionalDensity(scaler, flow)


def fit_density(
    events: tuple[FloatArray, FloatArray],
    anchors: Sequence[float | None],
    epochs: int,
    seed: int,
    report: Callable[[int, int, str], None],
) -> ConditionalDensity:
    """Fit the density by maximum likelihood.

    Args:
        events: masses `(n,)` [GeV] and features `(n, d)`.
        anchors: per feature, the value from which its moving edge is measured, or None.
        epochs: epochs at most.
        seed: of all randomness.
        report: called after each epoch.

    Raises:
        Diverged: where the training diverges twice.
    """
    mjj, features = events
    scaler = fit_mass_scaling([(mjj, features)], anchors, SCALING)
    with training.seeded(seed, 1) as generator:
        x = _tensor(scaler.transform(mjj, features)[0])
        mass = _tensor(scaler.mass(mjj)[:, None])
        order = torch.randperm(len(x), generator=generator)
        n_validation = max(1, round(VALIDATION_FRACTION * len(x)))
        flow = _make_flow(features.shape[1])

        def loss(batch: Tensor, _: torch.Generator) -> Tensor:
            return flows.negative_log_density(flow, x[batch], mass[batch])

        task = training.Task(flow, loss, order[n_validation:], order[:n_validation])
        training.train(task, training.Schedule(epochs, BATCH_SIZE, LEARNING_RATE, PATIENCE), generator, report)
    return ConditionalDensity(scaler, flow)


def _make_flow(d: int) -> Any:
    return flows.make_spline_flow(d, 1, TRANSFORMS, HIDDEN, BINS, passes=d)


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
