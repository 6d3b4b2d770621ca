"""Flows for flows from simulation (FETA): simulated signal-region events morphed to look like data.

References:
    T. Golling, S. Klein, R. Mastandrea, B. Nachman, "Flow-enhanced transportation for anomaly detection",
    2023, arXiv:2212.11285.
    T. Golling, S. Klein, R. Mastandrea, B. Nachman, J. A. Raine, "Flows for Flows: Morphing one Dataset
    into another with Maximum Likelihood Estimation", 2023, arXiv:2309.06472.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.drawing import draw_by_weight
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.records import nearest
from anomaly_cli.core.seen import VALIDATION_FRACTION, Need, Seen, TrainingRow
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.nets.plain_scaling import MASS
from anomaly_cli.nets.scaling import MassScaler

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class FlowsForFlows(densities.DensitySettings, TemplateMethod):
    """Settings of flows for flows from simulation.

    A transport learns in the side-bands how simulated events at a mass become observed ones at that mass.
    Simulated signal-region events are then moved by it. Each side is first scaled to be standard normal at
    every mass, by a fit to the observed side-bands and one to the simulation at all masses, which nothing is
    blind to: the difference of the marginals is in the two scalings, and the transport starts as the identity. With
    another `scaling` than `mass`, both sides are scaled alike, by a fit to the observed side-bands.

    Simulated events are drawn in proportion to their weights. Each target mass is given the drawn event of the
    same rank in mass, so that the template has the requested masses and events hardly change theirs.

    Attributes:
        direction: `forward` or `inverse` train the transport one way under the density of the observed or
            simulated side-bands; `alternate` and `both` train it both ways.
        penalty_weight: of an L1 penalty on movement of the scaled features; 0 for none. Sensible: 0 to 1.
        transport_transforms: coupling transforms of the transport. Sensible: 1 to 6.
        transport_hidden: widths of its hidden layers. Sensible: 16 to 128.
        transport_bins: its spline bins. Sensible: 4 to 12.
        transport_epochs: epochs at most. Sensible: 1 to 20.
        transport_events: events that its training goes through at most. Sensible: 100000 to 5000000.
        transport_batch_size: events per step. Sensible: 256 to 4096.
        transport_learning_rate: largest learning rate. Sensible: 0.0001 to 0.003.
    """

    name: ClassVar[str] = "flows_for_flows"
    summary: ClassVar[str] = "simulated signal-region events moved by a flow from simulation to data"
    reference: ClassVar[str] = "arXiv:2212.11285"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS, Need.SIMULATION})
    presets: ClassVar[Mapping[str, Preset]] = {
        "published": Preset(
            {
                "scaling": "standard",
                "base_transforms": 4,
                "base_hidden": (128, 128),
                "base_bins": 8,
                "base_epochs": 60,
                "base_events": densities.NO_LIMIT,
                "base_batch_size": 128,
                "base_learning_rate": 1e-4,
                "patience": 60,
                "transport_transforms": 8,
                "transport_hidden": (128, 128, 128),
                "transport_bins": 8,
                "transport_epochs": 64,
                "transport_events": densities.NO_LIMIT,
                "transport_batch_size": 128,
                "transport_learning_rate": 1e-4,
            },
            "flows of the paper's science example; features standardised where it scales them linearly to [-3, 3]",
            "arXiv:2309.06472; values from its public code",
            ("scaling", "transport_bins"),
        )
    }

    direction: str = "alternate"
    penalty_weight: float = 0.0
    transport_transforms: int = 2
    transport_hidden: tuple[int, ...] = (32, 32)
    transport_bins: int = 4
    transport_epochs: int = 6
    transport_events: int = 1_000_000
    transport_batch_size: int = 1024
    transport_learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        self.check_density(self.name)
        counts = [self.transport_transforms, self.transport_bins, self.transport_epochs, self.transport_batch_size]
        counts += [self.transport_events, min(self.transport_hidden, default=0)]
        densities.check_positive(self.name, counts, [self.transport_learning_rate])
        if self.direction not in nets.flows_for_flows.DIRECTIONS:
            hint = nearest(self.direction, nets.flows_for_flows.DIRECTIONS)
            raise ConfigError(f"method {self.name}: direction '{self.direction}' is not known; {hint}")
        if not 0.0 <= self.penalty_weight < math.inf:
            raise ConfigError(f"method {self.name}: penalty_weight must be 0 (no penalty) or above")

    def fit(self, seen: Seen, compute: Compute) -> FittedFlowsForFlows:
        """Fit scalings, densities and transport to the side-bands of both sides.

        Raises:
            ConfigError: where there is no simulation.
            PhysicsError: where it has too few events.
            TrainingError: where a training diverges twice.
        """
        simulation = seen.need(Need.SIMULATION)
        bands = [simulation.inside(window) for window in seen.regions.side_bands]
        in_sr = simulation.inside(seen.regions.sr)
        draws = compute.streams.generator("scaling/weights")
        everywhere = [
            part.take(np.sort(draw_by_weight(part.weight, len(part), draws))) for part in (bands[0], in_sr, bands[1])
        ]
        observed = self.fit_scaler([seen.sb1, seen.sb2], compute)
        is_by_mass = self.scaling == MASS  # else both sides are scaled alike, so that the transport learns what differs
        scalers = (self.fit_scaler(everywhere, compute.child("simulation")) if is_by_mass else observed, observed)
        simulated = concatenate(bands)
        is_validation = hash_uniform(simulated.event_id, compute.streams.integer("validation")) < VALIDATION_FRACTION
        simulated_side, n_simulated = _side(scalers, 0, simulated, is_validation, compute.device)
        observed_side, n_observed = _side(scalers, 1, seen.side_bands, seen.is_validation, compute.device)
        trainer = densities.Trainer(self.name, compute)
        with densities.session(compute) as generator:
            modules = {name: made.to(compute.device) for name, made in self._make_modules(len(simulated.names)).items()}
            rows = self._train(modules, (simulated_side, observed_side), trainer, generator)
        fitted = FittedFlowsForFlows(scalers, modules["transport"], in_sr)
        fitted.keep_training(rows, simulated.names, n_simulated + n_observed)
        return fitted

    def load(self, arrays: Arrays, seen: Seen) -> FittedFlowsForFlows:
        """Rebuild a fitted template from the arrays of its model artifact."""
        in_sr = seen.need(Need.SIMULATION).inside(seen.regions.sr)
        transport = self._make_modules(len(in_sr.names))["transport"]
        nets.weights.load_module(transport, arrays, "transport")
        scalers = (densities.load_scaler(arrays, "simulation"), densities.load_scaler(arrays, "observed"))
        return FittedFlowsForFlows(scalers, transport, in_sr)

    def _make_modules(self, d: int) -> Mapping[str, Any]:
        modules = {
            name: self.make_base(d)
            for name, unused_by in (("simulation density", "forward"), ("observed density", "inverse"))
            if self.direction != unused_by
        }
        size = nets.flows_for_flows.Size(self.transport_transforms, self.transport_hidden, self.transport_bins)
        return {
            **modules,
            "transport": nets.flows_for_flows.make_transport(d, 1, size, "concatenation", starts_at_identity=True),
        }

    def _train(
        self,
        modules: Mapping[str, Any],
        sides: tuple[nets.flows_for_flows.Side, nets.flows_for_flows.Side],
        trainer: densities.Trainer,
        generator: torch.Generator,
    ) -> list[TrainingRow]:
        rows = []
        for name, side in (("simulation density", sides[0]), ("observed density", sides[1])):
            if name in modules:
                task, schedule = (
                    nets.flows_for_flows.density_task(modules[name], side),
                    self.base_schedule(len(side.training)),
                )
                rows += trainer.train(name, "base_learning_rate", task, schedule, generator)
        penalty = nets.flows_for_flows.Penalty(int(self.penalty_weight > 0.0), self.penalty_weight)
        task = nets.flows_for_flows.transport_task(
            modules["transport"],
            sides,
            (modules.get("simulation density"), modules.get("observed density")),
            nets.flows_for_flows.Objective(self.direction, penalty, keeps_condition=True),
        )
        n_training = len(sides[1 if self.direction == "inverse" else 0].training)
        epochs = densities.limit_epochs(self.transport_epochs, self.transport_events, n_training)
        schedule = nets.training.Schedule(
            epochs, self.transport_batch_size, self.transport_learning_rate, self.patience
        )
        return rows + trainer.train("transport flow", "transport_learning_rate", task, schedule, generator)


def _side(
    scalers: tuple[MassScaler, MassScaler],
    which: int,
    events: Events,
    is_validation: npt.NDArray[np.bool_],
    device: str,
) -> tuple[nets.flows_for_flows.Side, npt.NDArray[np.int64]]:
    """Return events scaled as their side is, at masses scaled alike on both sides, and how many were clipped."""
    x, n_clipped = scalers[which].transform(events.mjj, events.features)
    mass = nets.weights.to_tensor(scalers[1].mass(events.mjj)[:, None], device)
    training_indices, validation_indices = (
        nets.torch.from_numpy(np.flatnonzero(mask)).to(device) for mask in (~is_validation, is_validation)
    )
    weight = (
        nets.weights.to_tensor(events.weight / events.weight.mean(), device) if np.ptp(events.weight) > 0.0 else None
    )
    return nets.flows_for_flows.Side(
        nets.weights.to_tensor(x, device), mass, training_indices, validation_indices, weight
    ), n_clipped


class FittedFlowsForFlows(FittedTemplate):
    """A trained transport from simulation to data, and the simulated events that it moves."""

    def __init__(self, scalers: tuple[MassScaler, MassScaler], transport: nn.Module, events: Events) -> None:
        self.simulation_scaler, self.observed_scaler = scalers
        self.transport: Any = transport
        self.events = events

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Move simulated events to the masses wanted; each is used about as often as its weight says."""
        sources = draw_by_weight(self.events.weight, len(request), compute.streams.generator("sources"))
        by_rank = np.empty_like(sources)
        by_rank[np.argsort(request.masses, kind="stable")] = sources[
            np.argsort(self.events.mjj[sources], kind="stable")
        ]
        chosen = self.events.take(by_rank)
        scaled, _ = self.simulation_scaler.transform(chosen.mjj, chosen.features)
        at = self.observed_scaler.mass(request.masses)[:, None]
        x, mass = (nets.weights.to_tensor(array, compute.device) for array in (scaled, at))
        with densities.session(compute):
            moved = nets.weights.to_array(
                nets.flows_for_flows.move_all(self.transport.to(compute.device), x, mass, mass)
            )
        return densities.restored_sample(self.observed_scaler, request.masses, moved, chosen)

    def replicas(self) -> list[FittedFlowsForFlows]:
        """Return the same transport with each of the scalings that were averaged."""
        pairs = zip(self.simulation_scaler.replicas, self.observed_scaler.replicas, strict=True)
        return [FittedFlowsForFlows(pair, self.transport, self.events) for pair in pairs]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scalings and the weights of the transport under prefixed names."""
        return (
            nets.weights.module_arrays("transport", self.transport)
            | densities.scaler_arrays(self.simulation_scaler, "simulation")
            | densities.scaler_arrays(self.observed_scaler, "observed")
        )
