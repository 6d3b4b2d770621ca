"""CURTAINsF4F: side-band events transported to signal-region masses by a flow between two densities.

References:
    D. Sengupta, S. Klein, J. A. Raine, T. Golling, "CURTAINs Flows For Flows: Constructing Unobserved
    Regions with Maximum Likelihood Estimation", 2023, arXiv:2305.04646.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from anomaly_cli.core.errors import ConfigError, TrainingError
from anomaly_cli.core.events import EDGE_ANCHORS, Events, make_events
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.progress import Step
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods.base import (
    Arrays,
    Context,
    FittedTemplate,
    Sample,
    TemplateInputs,
    TemplateMethod,
    TrainingRow,
)
from anomaly_cli.nets import flows, training
from anomaly_cli.nets.scaling import MassScaler, ScalingSettings, fit_mass_scaling

BATCH = 8192
"""Events moved at once when sampling."""


@dataclass(frozen=True)
class CurtainsF4F(TemplateMethod):
    """Settings of CURTAINsF4F.

    The base density p(x | m) is a spline flow fitted by maximum likelihood to both side-bands. The
    transport f(x; m_source -> m_target) is a second flow, trained on side-band events moved to the
    masses of other side-band events with the loss -log p(f(x) | m_target) - log|det df/dx|, in both
    directions. Both act on features scaled to be standard normal at every mass, so the transport starts
    at the identity and has only the dependence between the features to learn.

    Attributes:
        base_transforms: autoregressive spline transforms of the base density.
        base_hidden: widths of its hidden layers.
        base_bins: its spline bins.
        base_epochs: epochs at most.
        base_batch_size: events per step.
        base_learning_rate: largest learning rate.
        transport_transforms: coupling transforms of the transport.
        transport_hidden: widths of its hidden layers.
        transport_bins: its spline bins.
        transport_epochs: epochs at most.
        transport_batch_size: events per step.
        transport_learning_rate: largest learning rate.
        patience: epochs without improvement before a training stops.
        scaling_order: largest polynomial order in ln(mjj) of the scaling.
        scaling_bin_events: events per mass bin of the scaling, about.
        bound: scaled features are clipped to [-bound, bound], inside the splines' [-5, 5].
    """

    name: ClassVar[str] = "curtains_f4f"
    summary: ClassVar[str] = "side-band events moved to signal-region masses by a flow between densities"
    reference: ClassVar[str] = "arXiv:2305.04646"

    base_transforms: int = 2
    base_hidden: tuple[int, ...] = (64, 64)
    base_bins: int = 8
    base_epochs: int = 10
    base_batch_size: int = 512
    base_learning_rate: float = 3e-3
    transport_transforms: int = 2
    transport_hidden: tuple[int, ...] = (32, 32)
    transport_bins: int = 4
    transport_epochs: int = 4
    transport_batch_size: int = 1024
    transport_learning_rate: float = 5e-4
    patience: int = 5
    scaling_order: int = 3
    scaling_bin_events: int = 1000
    bound: float = 4.5

    def __post_init__(self) -> None:
        counts = [self.base_transforms, self.base_bins, self.base_epochs, self.base_batch_size, self.patience]
        counts += [self.transport_transforms, self.transport_bins, self.transport_epochs, self.transport_batch_size]
        if min(counts) < 1 or min(self.base_hidden + self.transport_hidden, default=0) < 1:
            raise ConfigError(
                f"method {self.name}: transforms, widths, bins, epochs, batch sizes and patience must be 1 or more"
            )
        if self.scaling_order < 0 or self.scaling_bin_events < 100 or not 2.0 <= self.bound < flows.SPLINE_BOUND:
            raise ConfigError(
                f"method {self.name}: needs scaling_order >= 0, scaling_bin_events >= 100 and bound in [2, 5)"
            )
        if min(self.base_learning_rate, self.transport_learning_rate) <= 0.0:
            raise ConfigError(f"method {self.name}: learning rates must be above 0")

    def fit(self, inputs: TemplateInputs, context: Context) -> FittedCurtainsF4F:
        """Fit scaling, base density and transport to the side-bands.

        Raises:
            TrainingError: where a training diverges twice.
        """
        bands = [(band.mjj, band.features) for band in (inputs.sb1, inputs.sb2)]
        events = inputs.side_bands
        anchors = [EDGE_ANCHORS.get(name) for name in events.names]
        settings = ScalingSettings(self.scaling_order, self.scaling_bin_events, self.bound)
        scaler = fit_mass_scaling(bands, anchors, settings)
        with training.seeded(context.streams.integer("training"), context.threads) as generator:
            data = _Scaled.from_events(scaler, events, inputs.is_validation)
            base, transport = self._networks(events.features.shape[1])
            rows = self._train(_base_task(base, data), "base flow", generator, context)
            rows += self._train(_transport_task(transport, base, data), "transport flow", generator, context)
        fitted = FittedCurtainsF4F(scaler, base, transport, events)
        fitted.training = rows
        fitted.n_clipped_training = dict(zip(events.names, data.n_clipped.tolist(), strict=True))
        return fitted

    def load(self, arrays: Arrays, inputs: TemplateInputs) -> FittedCurtainsF4F:
        """Rebuild a fitted template from the arrays of its model artifact."""
        base, transport = self._networks(inputs.side_bands.features.shape[1])
        base.load_state_dict(_with_prefix(arrays, "base."))
        transport.load_state_dict(_with_prefix(arrays, "transport."))
        scaler = MassScaler.from_arrays({key[8:]: arrays[key] for key in arrays if key.startswith("scaling.")})
        return FittedCurtainsF4F(scaler, base, transport, inputs.side_bands)

    def _networks(self, d: int) -> tuple[Any, flows.PairTransport]:
        base = flows.make_spline_flow(d, 1, self.base_transforms, self.base_hidden, self.base_bins, passes=d)
        transport = flows.PairTransport(
            d, self.transport_transforms, self.transport_hidden, self.transport_bins, passes=2
        )
        return base, transport

    def _train(self, task: training.Task, part: str, generator: torch.Generator, context: Context) -> list[TrainingRow]:
        is_base = part == "base flow"
        schedule = training.Schedule(
            epochs=self.base_epochs if is_base else self.transport_epochs,
            batch_size=self.base_batch_size if is_base else self.transport_batch_size,
            learning_rate=self.base_learning_rate if is_base else self.transport_learning_rate,
            patience=self.patience,
        )
        try:
            curve = training.train(
                task, schedule, generator, lambda *step: context.progress(Step(f"template: {part}", *step))
            )
        except training.Diverged:
            raise TrainingError(
                f"template: the {part} diverged twice; lower its learning rate, for instance --set"
                f" methods.{self.name}.{part.split(maxsplit=1)[0]}_learning_rate={schedule.learning_rate / 20:g}"
            ) from None
        return [TrainingRow(part, *vars(epoch).values()) for epoch in curve]


class FittedCurtainsF4F(FittedTemplate):
    """A trained CURTAINsF4F: scaling, base density, transport, and the events to move."""

    def __init__(
        self, scaler: MassScaler, base: torch.nn.Module, transport: flows.PairTransport, events: Events
    ) -> None:
        self.scaler = scaler
        self.base = base
        self.transport = transport
        self.events = events

    def sample(self, target_masses: FloatArray, streams: Streams) -> Sample:
        """Move side-band events to the target masses; every event is used about equally often."""
        generator = streams.generator("sources")
        n, n_sources = len(target_masses), len(self.events)
        rounds = [generator.permutation(n_sources) for _ in range(-(-n // n_sources))]
        chosen = self.events.take(np.concatenate(rounds)[:n])
        scaled, _ = self.scaler.transform(chosen.mjj, chosen.features)
        moved = self._move(scaled, self.scaler.mass(chosen.mjj), self.scaler.mass(target_masses))
        features, n_clipped = self.scaler.inverse(target_masses, moved)
        events = make_events(target_masses, features, chosen.names, np.arange(n), chosen.source_id)
        return Sample(events, n_clipped)

    def _move(self, scaled: FloatArray, source: FloatArray, target: FloatArray) -> FloatArray:
        moved = []
        with torch.no_grad(), training.seeded(0, 1):
            for start in range(0, len(scaled), BATCH):
                part = slice(start, start + BATCH)
                x, old, new = (_tensor(array[part]) for array in (scaled, source[:, None], target[:, None]))
                moved.append(self.transport.move(x, old, new)[0].double().numpy())
        return np.concatenate(moved)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scaling and weights under prefixed names."""
        arrays = {f"scaling.{name}": array for name, array in self.scaler.to_arrays().items()}
        for prefix, module in (("base", self.base), ("transport", self.transport)):
            arrays |= {f"{prefix}.{name}": value.numpy() for name, value in module.state_dict().items()}
        return arrays


@dataclass(frozen=True)
class _Scaled:
    """Side-band events as tensors: scaled features `(n, d)`, scaled masses `(n, 1)`, and indices."""

    x: Tensor
    mass: Tensor
    training: Tensor
    validation: Tensor
    n_clipped: npt.NDArray[np.int64]

    @staticmethod
    def from_events(scaler: MassScaler, events: Events, is_validation: npt.NDArray[np.bool_]) -> _Scaled:
        x, n_clipped = scaler.transform(events.mjj, events.features)
        training_indices, validation_indices = (
            torch.from_numpy(np.flatnonzero(m)) for m in (~is_validation, is_validation)
        )
        mass = _tensor(scaler.mass(events.mjj)[:, None])
        return _Scaled(_tensor(x), mass, training_indices, validation_indices, n_clipped)


def _base_task(base: Any, data: _Scaled) -> training.Task:
    def loss(batch: Tensor, _: torch.Generator) -> Tensor:
        return flows.negative_log_density(base, data.x[batch], data.mass[batch])

    return training.Task(base, loss, data.training, data.validation)


def _transport_task(transport: flows.PairTransport, base: Any, data: _Scaled) -> training.Task:
    """Move each event to the mass of another event of the side-bands, within a band or across."""
    base.requires_grad_(False)

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        partners = torch.randint(len(data.training), (len(batch),), generator=generator)
        target = data.mass[data.training[partners]]
        moved, log_det = transport.move(data.x[batch], data.mass[batch], target)
        return flows.negative_log_density(base, moved, target) - log_det

    return training.Task(transport, loss, data.training, data.validation)


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _with_prefix(arrays: Arrays, prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: torch.from_numpy(arrays[key].copy()) for key in arrays if key.startswith(prefix)}
