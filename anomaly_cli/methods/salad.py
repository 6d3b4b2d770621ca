"""SALAD: simulation reweighted to look like the side-bands, at every mass.

References:
    A. Andreassen, B. Nachman, D. Shih, "Simulation Assisted Likelihood-free Anomaly Detection", 2020,
    arXiv:2001.05001.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.seen import VALIDATION_FRACTION, Need, Seen
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.nets.scaling import MassScaler
from anomaly_cli.nets.scaling_fit import ScalingSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

N_INTERVALS = 20
"""Quantile intervals of each observed feature in which the simulation needs events."""
THINNEST = 0.1
"""A share of simulated events below this fraction of the observed share counts as none."""
MOST_UNCOVERED = 0.02
"""A simulation is refused where a larger share of the side-band events has none of it beside them."""


@dataclass(frozen=True)
class Salad(TemplateMethod):
    """Settings of SALAD.

    A network separates observed from simulated side-band events, with the mass among its inputs; the ratio
    p / (1 - p) of its output, taken at signal-region masses, multiplies the weights of the simulated
    signal-region events.

    Attributes:
        hidden: widths of the hidden layers. Sensible: 16 to 256.
        epochs: epochs at most. Sensible: 5 to 100.
        batch_size: events per step. Sensible: 128 to 4096.
        learning_rate: largest learning rate. Sensible: 0.0003 to 0.01.
        patience: epochs without improvement before training stops. Sensible: 3 to 20.
        largest_weight: the ratio is held below this multiple of its mean. Sensible: 3 to 100.
    """

    name: ClassVar[str] = "salad"
    summary: ClassVar[str] = "simulation, weighted to agree with the side-bands"
    reference: ClassVar[str] = "arXiv:2001.05001"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS, Need.SIMULATION})
    chooses_mass: ClassVar[bool] = True

    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 20
    batch_size: int = 512
    learning_rate: float = 2e-3
    patience: int = 5
    largest_weight: float = 10.0

    def __post_init__(self) -> None:
        counts = [self.epochs, self.batch_size, self.patience, min(self.hidden, default=0)]
        densities.check_positive(self.name, counts, [self.learning_rate])
        if self.largest_weight < 1.0:
            raise ConfigError(f"method {self.name}: largest_weight, a multiple of the mean weight, must be 1 or more")

    def fit(self, seen: Seen, compute: Compute) -> FittedSalad:
        """Train the ratio of observed to simulated side-band events.

        Raises:
            ConfigError: where there is no simulation.
            PhysicsError: where it has too few events, or none where many side-band events lie.
            TrainingError: where the training diverges twice.
        """
        simulation = seen.need(Need.SIMULATION)
        bands = [simulation.inside(window) for window in seen.regions.side_bands]
        _refuse_uncovered(concatenate(bands), seen.side_bands)
        both = concatenate([seen.side_bands, *bands])
        n_observed = len(seen.side_bands)
        is_validation = hash_uniform(both.event_id, compute.streams.integer("validation")) < VALIDATION_FRACTION
        scaler = densities.fit_scaler([seen.sb1, seen.sb2], ScalingSettings(3, 1000, 4.5), compute)
        trainer = densities.Trainer(self.name, compute)
        with densities.session(compute) as generator:
            data = densities.ScaledEvents.make(scaler, both, is_validation, compute.device)
            ratio = nets.perceptron.make_perceptron(len(both.names) + 1, self.hidden).to(compute.device)
            task = _ratio_task(ratio, data, both.weight, n_observed)
            schedule = nets.training.Schedule(self.epochs, self.batch_size, self.learning_rate, self.patience)
            rows = trainer.train("ratio", "learning_rate", task, schedule, generator)
        fitted = FittedSalad(scaler, ratio, simulation.inside(seen.regions.sr), self.largest_weight)
        fitted.keep_training(rows, both.names, data.n_clipped)
        return fitted

    def load(self, arrays: Arrays, seen: Seen) -> FittedSalad:
        """Rebuild a fitted template from the arrays of its model artifact."""
        events = seen.need(Need.SIMULATION).inside(seen.regions.sr)
        ratio = nets.perceptron.make_perceptron(len(seen.sb1.names) + 1, self.hidden)
        nets.weights.load_module(ratio, arrays, "ratio")
        return FittedSalad(densities.load_scaler(arrays), ratio, events, self.largest_weight)


def _refuse_uncovered(simulation: Events, observed: Events) -> None:
    """Refuse a simulation with too few events where many side-band events lie: weights cannot mend that.

    Compared are the shares of each feature's events between quantiles of the observed ones.

    Raises:
        PhysicsError: naming the first feature, where that holds for more than `MOST_UNCOVERED` of the observed events.
    """
    for name, simulated, values in zip(observed.names, simulation.features.T, observed.features.T, strict=True):
        edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, N_INTERVALS + 1)[1:-1]))
        wanted, given = (
            np.bincount(np.searchsorted(edges, column, side="right"), weights, len(edges) + 1) / weights.sum()
            for column, weights in ((values, observed.weight), (simulated, simulation.weight))
        )
        uncovered = wanted[given < THINNEST * wanted].sum()
        if uncovered > MOST_UNCOVERED:
            low, middle, high = np.quantile(simulated, [0.01, 0.5, 0.99])
            raise PhysicsError(
                f"the simulation has hardly any events where {100 * uncovered:.0f} % of the side-band events have their"
                f" '{name}' (its own: {low:.4g} to {high:.4g}, median {middle:.4g}), so that weights cannot mend it;"
                " check definition and unit, leave the feature out with --features, or use flows_for_flows"
            )


def _ratio_task(
    ratio: nn.Module, data: densities.ScaledEvents, weight: FloatArray, n_observed: int
) -> nets.training.Task:
    """Return the training of observed against simulated events, both of the same total weight.

    Args:
        ratio: gives the logarithm of the ratio.
        data: observed events, then simulated ones.
        weight: of all of them `(n,)`.
        n_observed: how many are observed.
    """
    is_observed = np.arange(len(weight)) < n_observed
    total = np.where(is_observed, weight[:n_observed].sum(), weight[n_observed:].sum())
    balanced, target = (
        nets.weights.to_tensor(a, str(data.x.device)) for a in (0.5 * len(weight) * weight / total, is_observed)
    )

    def loss(batch: Tensor, _: torch.Generator) -> Tensor:
        log_ratio = ratio(nets.torch.cat([data.x[batch], data.mass[batch]], dim=1)).squeeze(1)
        return nets.torch.nn.functional.binary_cross_entropy_with_logits(
            log_ratio, target[batch], weight=balanced[batch], reduction="none"
        )

    return nets.training.Task(ratio, loss, data.training, data.validation)


class FittedSalad(FittedTemplate):
    """A trained ratio, and the simulated events that it weights."""

    def __init__(self, scaler: MassScaler, ratio: nn.Module, events: Events, largest_weight: float) -> None:
        self.scaler = scaler
        self.ratio = ratio
        self.events = events
        self.largest_weight = largest_weight

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Return every simulated signal-region event once, its weight times the ratio; the mean weight is 1."""
        events = self.events
        scaled, n_clipped = self.scaler.transform(events.mjj, events.features)
        x = np.column_stack([scaled, self.scaler.mass(events.mjj)])
        ratio = self.ratio.to(compute.device)
        with nets.torch.no_grad(), densities.session(compute):
            batches = [nets.weights.to_tensor(x[part], compute.device) for part in densities.in_batches(len(x))]
            log_ratio = np.concatenate([nets.weights.to_array(ratio(batch)) for batch in batches])
        odds = np.exp(log_ratio[:, 0] - log_ratio.max())
        weight = events.weight * np.minimum(odds / np.average(odds, weights=events.weight), self.largest_weight)
        weighted = replace(events, event_id=np.arange(len(events)), weight=weight / weight.mean())
        return Sample(weighted, n_clipped)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scaling and weights under prefixed names."""
        return densities.scaler_arrays(self.scaler) | nets.weights.module_arrays("ratio", self.ratio)
