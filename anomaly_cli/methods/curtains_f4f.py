"""CURTAINsF4F: side-band events transported to signal-region masses by a flow between two densities.

References:
    D. Sengupta, S. Klein, J. A. Raine, T. Golling, "CURTAINs Flows For Flows: Constructing Unobserved
    Regions with Maximum Likelihood Estimation", 2023, arXiv:2305.04646.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.cuts import BY_MEAN
from anomaly_cli.core.drawing import draw_sources
from anomaly_cli.core.events import Events
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.seen import Seen, TrainingRow
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.nets.scaling import MassScaler

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PUBLISHED: Mapping[str, Any] = {
    "scaling": "standard",
    "base_transforms": 15,
    "base_hidden": (128, 128),
    "base_bins": 10,
    "base_epochs": 50,
    "base_events": densities.NO_LIMIT,
    "base_batch_size": 128,
    "base_learning_rate": 1e-4,
    "patience": 50,
    "transport_transforms": 16,
    "transport_coupling": False,
    "transport_hidden": (16, 16),
    "transport_bins": 10,
    "transport_epochs": 50,
    "transport_events": densities.NO_LIMIT,
    "transport_batch_size": 256,
    "transport_learning_rate": 5e-4,
}
"""Settings of the science configuration in the public code of flows for flows, the closest that is documented."""
UNPUBLISHED = tuple(PUBLISHED)
"""The paper's own values are in no public text or code."""


LARGE_BATCHES = Preset(
    {
        "base_epochs": 50,
        "base_batch_size": 8192,
        "base_learning_rate": 0.02,
        "patience": 50,
        "transport_epochs": 50,
        "transport_events": 2_000_000,
        "transport_batch_size": 8192,
        "transport_learning_rate": 0.004,
    },
    "fewer, larger steps at higher rates, for a GPU; four times the default's CPU time",
)
"""Chosen by the loss of held-out side-band events (`benchmarks/large_batches.py`), which is below the default's."""


@dataclass(frozen=True)
class CurtainsF4F(densities.DensitySettings, TemplateMethod):
    """Settings of CURTAINsF4F; those of the base density are inherited.

    The base density p(x | m) is a spline flow fitted by maximum likelihood to both side-bands. The
    transport f(x; m_source -> m_target) is a second flow, trained on side-band events moved to the
    masses of other side-band events with the loss -log p(f(x) | m_target) - log|det df/dx|, in both
    directions. Both act on features scaled to be standard normal at every mass, so the transport starts
    at the identity and has only the dependence between the features to learn; with another `scaling` than `mass` it has
    to learn all that changes with mass, as published.

    Attributes:
        transport_transforms: transforms of the transport. Sensible: 1 to 6.
        transport_coupling: whether they are coupling transforms; otherwise autoregressive ones, whose inverse costs as
            many passes as there are features.
        transport_hidden: widths of its hidden layers. Sensible: 16 to 128.
        transport_bins: its spline bins. Sensible: 4 to 12.
        transport_epochs: epochs at most. Sensible: 1 to 50.
        transport_events: events that its training goes through at most. Sensible: 100000 to 5000000.
        transport_batch_size: events per step. Sensible: 256 to 8192.
        transport_learning_rate: largest learning rate. Sensible: 0.0001 to 0.005.
    """

    name: ClassVar[str] = "curtains_f4f"
    summary: ClassVar[str] = "side-band events moved to signal-region masses by a flow between densities"
    reference: ClassVar[str] = "arXiv:2305.04646"
    correction: ClassVar[str] = BY_MEAN
    presets: ClassVar[Mapping[str, Preset]] = {
        "published": Preset(
            PUBLISHED,
            "large autoregressive flows that carry all dependence on mass, as published",
            "arXiv:2305.04646; values from the public code of arXiv:2309.06472",
            UNPUBLISHED,
        ),
        "large_batches": LARGE_BATCHES,
    }

    transport_transforms: int = 2
    transport_coupling: bool = True
    transport_hidden: tuple[int, ...] = (32, 32)
    transport_bins: int = 4
    transport_epochs: int = 4
    transport_events: int = 500_000
    transport_batch_size: int = 1024
    transport_learning_rate: float = 5e-4

    def __post_init__(self) -> None:
        self.check_density(self.name)
        counts = [self.transport_transforms, self.transport_bins, self.transport_epochs, self.transport_batch_size]
        counts += [self.transport_events, min(self.transport_hidden, default=0)]
        densities.check_positive(self.name, counts, [self.transport_learning_rate])

    def fit(self, seen: Seen, compute: Compute) -> FittedCurtainsF4F:
        """Fit scaling, base density and transport to the side-bands.

        Raises:
            TrainingError: where a training diverges twice.
        """
        events = seen.side_bands
        scaler = self.fit_scaler([seen.sb1, seen.sb2], compute)
        trainer = densities.Trainer(self.name, compute)
        with densities.session(compute) as generator:
            data = densities.ScaledEvents.make(scaler, events, seen.is_validation, compute.device)
            base = self.make_base(events.features.shape[1]).to(compute.device)
            transport = self.make_transport(events.features.shape[1]).to(compute.device)
            rows = self.train_base(base, data, trainer, generator)
            rows += self.train_transport(transport, (base, data.mass), data, trainer, generator)
        fitted = FittedCurtainsF4F(scaler, base, transport, events)
        fitted.keep_training(rows, events.names, data.n_clipped)
        return fitted

    def load(self, arrays: Arrays, seen: Seen) -> FittedCurtainsF4F:
        """Rebuild a fitted template from the arrays of its model artifact."""
        base, transport = (make(len(seen.sb1.names)) for make in (self.make_base, self.make_transport))
        nets.weights.load_module(base, arrays, "base")
        nets.weights.load_module(transport, arrays, "transport")
        return FittedCurtainsF4F(densities.load_scaler(arrays), base, transport, seen.side_bands)

    def make_transport(self, d: int) -> nets.flows.PairTransport:
        """Return an untrained transport of `d` features: the identity."""
        size = (self.transport_transforms, self.transport_hidden, self.transport_bins)
        passes = 2 if self.transport_coupling else d
        return nets.flows.PairTransport(nets.flows.make_spline_flow(d, 2, *size, passes=passes))

    def train_transport(
        self,
        transport: nets.flows.PairTransport,
        density: tuple[Any, Tensor],
        data: densities.ScaledEvents,
        trainer: densities.Trainer,
        generator: torch.Generator,
    ) -> list[TrainingRow]:
        """Train a transport in place: each event moves to the mass of another one, within a band or across.

        Args:
            transport: what is trained.
            density: the base density, and each event's mass as the base takes it `(n, 1)`.
            data: the side-band events.
            trainer: trains and reports.
            generator: randomness.
        """
        base, base_mass = density
        base.requires_grad_(False)

        def draw(batch: Tensor, generator: torch.Generator) -> nets.training.Drawn:
            drawn = nets.torch.randint(len(data.training), (len(batch),), generator=generator, device=batch.device)
            partners = data.training[drawn]
            return data.x[batch], data.mass[batch], data.mass[partners], base_mass[partners]

        epochs = densities.limit_epochs(self.transport_epochs, self.transport_events, len(data.training))
        schedule = nets.training.Schedule(
            epochs, self.transport_batch_size, self.transport_learning_rate, self.patience
        )
        loss = nets.training.DrawnLoss((transport, base), draw, nets.flows.pair_loss, nets.flows.pair_loss_side_by_side)
        task = nets.training.Task(transport, loss, data.training, data.validation)
        return trainer.train("transport flow", "transport_learning_rate", task, schedule, generator)


class FittedCurtainsF4F(FittedTemplate):
    """A trained CURTAINsF4F: scaling, base density, transport, and the events to move."""

    def __init__(
        self, scaler: MassScaler, base: torch.nn.Module, transport: nets.flows.PairTransport, events: Events
    ) -> None:
        self.scaler = scaler
        self.base = base
        self.transport = transport
        self.events = events

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Move side-band events to the masses wanted; every event is used about equally often."""
        sources = draw_sources(self.events, len(request), compute.streams.generator("sources"))
        chosen = self.events.take(sources)
        scaled, _ = self.scaler.transform(chosen.mjj, chosen.features)
        moved = self._move(scaled, self.scaler.mass(chosen.mjj), self.scaler.mass(request.masses), compute)
        return densities.restored_sample(self.scaler, request.masses, moved, chosen)

    def replicas(self) -> list[FittedCurtainsF4F]:
        """Return the same transport with each of the scalings that were averaged."""
        return [FittedCurtainsF4F(one, self.base, self.transport, self.events) for one in self.scaler.replicas]

    def _move(self, scaled: FloatArray, source: FloatArray, target: FloatArray, compute: Compute) -> FloatArray:
        moved, transport = np.empty_like(scaled), self.transport.to(compute.device)
        with nets.torch.no_grad(), densities.session(compute):
            for part in densities.in_batches(len(scaled)):
                columns = (scaled[part], source[part, None], target[part, None])
                x, old, new = (nets.weights.to_tensor(column, compute.device) for column in columns)
                moved[part] = nets.weights.to_array(transport.moved(x, old, new))
        return moved

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scaling and weights under prefixed names."""
        return (
            densities.scaler_arrays(self.scaler)
            | nets.weights.module_arrays("base", self.base)
            | nets.weights.module_arrays("transport", self.transport)
        )
