"""What the flow and diffusion methods share: scaled events, the base density, training with progress."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.drawing import draw_sources
from anomaly_cli.core.errors import ConfigError, TrainingError
from anomaly_cli.core.events import EDGE_ANCHORS, Events, concatenate, make_events
from anomaly_cli.core.progress import Step
from anomaly_cli.core.records import nearest
from anomaly_cli.core.seen import TrainingRow
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods.base import Sample
from anomaly_cli.nets.plain_scaling import KINDS, MASS, fit_plain_scaling
from anomaly_cli.nets.scaling import SPLINE_BOUND, MassScaler
from anomaly_cli.nets.scaling_fit import ScalingSettings, fit_mass_scaling

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LARGEST_RATE = 1.0
NO_LIMIT = 10**12
"""Events that no training reaches: its epochs alone say how long it is."""
BATCH = 8192
"""Events that go through a network at once when sampling."""


def fit_scaler(bands: Sequence[Events], settings: ScalingSettings, compute: Compute, kind: str = MASS) -> MassScaler:
    """Return a scaling fitted to mass bands; by default that which makes features standard normal at every mass."""
    arrays = [(band.mjj, band.features) for band in bands]
    if kind != MASS:
        return fit_plain_scaling(kind, arrays, settings.bound)
    anchors = [EDGE_ANCHORS.get(name) for name in bands[0].names]
    return fit_mass_scaling(arrays, anchors, settings, compute.streams.generator("scaling"))


@dataclass(frozen=True)
class ScaledEvents:
    """Events as tensors: scaled features `(n, d)`, scaled masses `(n, 1)`, and indices.

    Attributes:
        x: scaled features.
        mass: scaled masses.
        training: indices of the events to train on.
        validation: indices of the events to stop on.
        n_clipped: events clipped by the scaling, per feature `(d,)`.
    """

    x: Tensor
    mass: Tensor
    training: Tensor
    validation: Tensor
    n_clipped: IntArray

    @staticmethod
    def make(
        scaler: MassScaler, events: Events, is_validation: npt.NDArray[np.bool_], device: str = "cpu"
    ) -> ScaledEvents:
        """Scale events and put them on a device."""
        x, n_clipped = scaler.transform(events.mjj, events.features)
        return ScaledEvents(
            x=nets.weights.to_tensor(x, device),
            mass=nets.weights.to_tensor(scaler.mass(events.mjj)[:, None], device),
            training=nets.torch.from_numpy(np.flatnonzero(~is_validation)).to(device),
            validation=nets.torch.from_numpy(np.flatnonzero(is_validation)).to(device),
            n_clipped=n_clipped,
        )


@dataclass(frozen=True)
class Trainer:
    """Trains the parts of a method, reports, and keeps their curves.

    Attributes:
        method: name of the method, for messages.
        compute: where to report.
        stage: in which it is trained.
        family: that it belongs to, as its settings name it.
    """

    method: str
    compute: Compute
    stage: str = "template"
    family: str = "methods"

    def train(
        self,
        part: str,
        setting: str,
        task: nets.training.Task,
        schedule: nets.training.Schedule,
        generator: torch.Generator,
    ) -> list[TrainingRow]:
        """Train one part in place and return its curve.

        Args:
            part: what is trained, as people read it.
            setting: the setting of its learning rate.
            task: what is trained, on which events.
            schedule: how.
            generator: randomness.

        Raises:
            TrainingError: where it diverges twice.
        """
        training = nets.together.Training(
            task, schedule, generator, lambda *step: self.compute.progress(Step(f"{self.stage}: {part}", *step))
        )
        try:
            curve = nets.together.train_at(self.compute.meeting, training)
        except nets.training.Diverged:
            raise TrainingError(
                f"{self.stage}: the {part} diverged twice; lower its learning rate, for instance --set"
                f" {self.family}.{self.method}.{setting}={schedule.learning_rate / 20:g}"
            ) from None
        return [TrainingRow(part, *vars(epoch).values()) for epoch in curve]


def session(compute: Compute, name: str = "training") -> AbstractContextManager[torch.Generator]:
    """Return a block in which torch uses the threads and device of `compute`, and draws from its stream `name`."""
    return nets.training.seeded(compute.streams.integer(name), compute.threads, compute.device)


def limit_epochs(epochs: int, events: int, n_training: int) -> int:
    """Return the epochs of a training on `n_training` events that goes through so many at most; at least one."""
    return max(1, min(epochs, events // max(1, n_training)))


def generated_sample(
    scaler: MassScaler, events: Events, target_masses: FloatArray, scaled: FloatArray, streams: Streams
) -> Sample:
    """Return generated events as a template.

    A generated event has no source. It is given one of the training events in turn, so that a template
    never counts for more independent events than its density was learnt from.

    Args:
        scaler: the scaling to undo.
        events: the training events.
        target_masses: `(n,)` [GeV].
        scaled: generated features `(n, d)`.
        streams: random streams of the sampling.
    """
    sources = events.take(draw_sources(events, len(target_masses), streams.generator("sources")))
    return restored_sample(scaler, target_masses, scaled, sources)


def restored_sample(scaler: MassScaler, masses: FloatArray, scaled: FloatArray, sources: Events) -> Sample:
    """Return scaled features as a template.

    Args:
        scaler: the scaling to undo.
        masses: `(n,)` [GeV].
        scaled: features `(n, d)`; those outside the scaling's bound are held at it, and counted.
        sources: the event that each was made from, `(n,)`.
    """
    features, n_held = scaler.inverse(masses, np.clip(scaled, -scaler.bound, scaler.bound))
    n_clipped = n_held + (np.abs(scaled) > scaler.bound).sum(axis=0)
    return Sample(make_events(masses, features, sources.names, np.arange(len(masses)), sources.source_id), n_clipped)


def in_batches(n: int) -> Sequence[slice]:
    """Return slices of at most `BATCH` that cover `n` events."""
    return [slice(start, min(start + BATCH, n)) for start in range(0, n, BATCH)]


def scaler_arrays(scaler: MassScaler, prefix: str = "scaling") -> dict[str, npt.NDArray[Any]]:
    """Return a scaling under prefixed names."""
    return {f"{prefix}.{name}": array for name, array in scaler.to_arrays().items()}


def load_scaler(arrays: Arrays, prefix: str = "scaling") -> MassScaler:
    """Rebuild what `scaler_arrays` returned."""
    return MassScaler.from_arrays(under(f"{prefix}.", arrays))


def check_positive(method: str, counts: Sequence[int], rates: Sequence[float], word: str = "method") -> None:
    """Refuse counts below 1 and learning rates that are not positive or absurd.

    Raises:
        ConfigError: for the first that is.
    """
    if min(counts) < 1:
        raise ConfigError(
            f"{word} {method}: numbers of transforms, blocks, bins, epochs and steps, widths, batch sizes and patience"
            " must be 1 or more"
        )
    if not all(0.0 < rate < LARGEST_RATE for rate in rates):
        raise ConfigError(f"{word} {method}: learning rates must be above 0 and below {LARGEST_RATE:g}")


def check_scaling(method: str, settings: ScalingSettings, word: str = "method") -> ScalingSettings:
    """Refuse a scaling that splines cannot use.

    Raises:
        ConfigError: where an order, a bin or the bound is out of range.
    """
    if settings.max_order < 0 or settings.bin_events < 100 or not 2.0 <= settings.bound < SPLINE_BOUND:
        raise ConfigError(f"{word} {method}: needs scaling_order >= 0, scaling_bin_events >= 100 and bound in [2, 5)")
    if min(settings.bags, settings.min_order, settings.extra_order) < 0:
        raise ConfigError(f"{word} {method}: scaling_bags, scaling_min_order and scaling_extra_order must be 0 or more")
    return settings


@dataclass(frozen=True)
class FittedDensity:
    """A trained density: scaling, flow, training curve, and training events clipped in each feature `(d,)`."""

    scaler: MassScaler
    base: Any
    rows: list[TrainingRow]
    n_clipped: IntArray

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scaling and weights under prefixed names."""
        return scaler_arrays(self.scaler) | nets.weights.module_arrays("base", self.base)


@dataclass(frozen=True)
class MassScaledFeatures:
    """Settings of the mass-dependent scaling of features.

    Attributes:
        scaling_order: largest polynomial order in ln(mjj). Sensible: 1 to 5.
        scaling_bin_events: events per mass bin, about. Sensible: 300 to 5000.
        scaling_bags: fits to halves of the events, whose mean the scaling is; 0 for one fit to all. Sensible: 0 to 20.
        scaling_min_order: smallest polynomial order in ln(mjj) of the curves. Sensible: 0 to 2.
        scaling_extra_order: added to the polynomial orders that are chosen. Sensible: 0 to 1.
        bound: scaled features are clipped to [-bound, bound], inside the splines' [-5, 5]. Sensible: 3.5 to 5.
    """

    scaling_order: int = 3
    scaling_bin_events: int = 1000
    scaling_bags: int = 10
    scaling_min_order: int = 0
    scaling_extra_order: int = 0
    bound: float = 4.5

    @property
    def mass_scaling(self) -> ScalingSettings:
        """How the mass-dependent scaling is fitted."""
        return ScalingSettings(
            self.scaling_order,
            self.scaling_bin_events,
            self.bound,
            self.scaling_bags,
            self.scaling_min_order,
            self.scaling_extra_order,
        )


@dataclass(frozen=True)
class ScaledFeatures(MassScaledFeatures):
    """Settings of the scaling of features before networks.

    Attributes:
        scaling: `mass` makes every feature standard normal at every mass; `standard`, `quantile` and `logit` are the
            same at every mass, as published methods scale, and leave all dependence on it to the networks. The
            `scaling_*` settings are those of `mass`.
    """

    scaling: str = MASS

    def check_scaled(self, method: str, word: str = "method") -> None:
        """Refuse a scaling that is not known or that splines cannot use.

        Raises:
            ConfigError: where it is.
        """
        if self.scaling not in KINDS:
            raise ConfigError(f"{word} {method}: scaling '{self.scaling}' is not known; {nearest(self.scaling, KINDS)}")
        check_scaling(method, self.mass_scaling, word)

    def fit_scaler(self, bands: Sequence[Events], compute: Compute) -> MassScaler:
        """Return the scaling, fitted to mass bands."""
        return fit_scaler(bands, self.mass_scaling, compute, self.scaling)


@dataclass(frozen=True)
class DensitySettings(ScaledFeatures):
    """Settings of a conditional density p(x | m): a spline flow on scaled features.

    Attributes:
        base_transforms: autoregressive spline transforms of the base density. Sensible: 1 to 6.
        base_hidden: widths of its hidden layers. Sensible: 16 to 256.
        base_bins: its spline bins. Sensible: 4 to 16.
        base_epochs: epochs at most. Sensible: 5 to 50.
        base_events: events that its training goes through at most, so that large samples take fewer epochs.
            Sensible: 200000 to 20000000.
        base_batch_size: events per step. Sensible: 128 to 8192.
        base_learning_rate: largest learning rate. Sensible: 0.0003 to 0.02.
        patience: epochs without improvement before a training stops. Sensible: 3 to 50.
    """

    base_transforms: int = 2
    base_hidden: tuple[int, ...] = (64, 64)
    base_bins: int = 8
    base_epochs: int = 10
    base_events: int = 2_000_000
    base_batch_size: int = 512
    base_learning_rate: float = 3e-3
    patience: int = 5

    def check_density(self, method: str, word: str = "method") -> None:
        """Refuse settings that cannot be used.

        Raises:
            ConfigError: naming what is out of range.
        """
        counts = [self.base_transforms, self.base_bins, self.base_epochs, self.base_batch_size, self.patience]
        counts.append(self.base_events)
        check_positive(method, [*counts, min(self.base_hidden, default=0)], [self.base_learning_rate], word)
        self.check_scaled(method, word)

    def make_base(self, d: int) -> Any:
        """Return an untrained base density of `d` features."""
        return nets.flows.make_spline_flow(d, 1, self.base_transforms, self.base_hidden, self.base_bins, passes=d)

    def base_schedule(self, n_training: int) -> nets.training.Schedule:
        """Return how a base density of so many training events is trained."""
        epochs = limit_epochs(self.base_epochs, self.base_events, n_training)
        return nets.training.Schedule(epochs, self.base_batch_size, self.base_learning_rate, self.patience)

    def train_base(
        self, base: Any, data: ScaledEvents, trainer: Trainer, generator: torch.Generator
    ) -> list[TrainingRow]:
        """Train a base density in place and return its curve."""
        schedule = self.base_schedule(len(data.training))
        task = nets.flows_for_flows.density_task(
            base, nets.flows_for_flows.Side(data.x, data.mass, data.training, data.validation)
        )
        return trainer.train("base flow", "base_learning_rate", task, schedule, generator)

    def fit_density(
        self, bands: Sequence[Events], is_validation: npt.NDArray[np.bool_], method: str, compute: Compute
    ) -> FittedDensity:
        """Fit scaling and density to mass bands.

        Args:
            bands: events of each band, in order of mass.
            is_validation: events of all bands to stop on `(n,)`.
            method: name of the method, for messages.
            compute: streams, threads, device and where to report.

        Raises:
            TrainingError: where the training diverges twice.
        """
        scaler = self.fit_scaler(bands, compute)
        with session(compute) as generator:
            data = ScaledEvents.make(scaler, concatenate(bands), is_validation, compute.device)
            base = self.make_base(len(bands[0].names)).to(compute.device)
            rows = self.train_base(base, data, Trainer(method, compute), generator)
        return FittedDensity(scaler, base, rows, data.n_clipped)
