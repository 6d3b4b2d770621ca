"""Drapes: a diffusion model of the side-bands, used in three ways.

References:
    D. Sengupta, M. Leigh, J. A. Raine, S. Klein, T. Golling, "Improving new physics searches with
    diffusion models for event observables and jet constituents" (Drapes), 2023, arXiv:2312.10130.
    T. Karras et al., 2022, arXiv:2206.00364 (EDM).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.drawing import draw_sources
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.seen import Need, Seen, TrainingRow
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.nets.scaling import MassScaler

if TYPE_CHECKING:
    import torch
    from torch import Tensor

EDM: Mapping[str, Any] = {"scaling": "standard", "sampler": "heun", "steps": 50, "sigma_min": 0.002}
"""Sampling as in EDM, on standardised features; what the paper changed of it is in no public text."""
EDM_SOURCE = "arXiv:2312.10130; values of arXiv:2206.00364"
TRAINING = ("blocks", "width", "epochs", "training_events", "batch_size", "learning_rate", "averaging", "patience")
"""Settings of the denoiser and its training, of which the paper's values are in no public text."""
LARGE_BATCHES = Preset(
    {
        "epochs": 200,
        "training_events": 10_000_000,
        "batch_size": 8192,
        "learning_rate": 0.02,
        "averaging": 0.99,
        "patience": 200,
    },
    "fewer, larger steps at a higher rate, for a GPU; twice the default's CPU time",
)
"""Chosen by the loss of held-out side-band events (`benchmarks/large_batches.py`), which is that of the default."""
NOISE_DRAWS = 4
"""Noise levels at which every validation event is denoised, so that epochs can be compared."""


@dataclass(frozen=True)
class DrapesSettings(densities.ScaledFeatures, TemplateMethod):
    """What the three templates share: the denoiser, trained on both side-bands, and how it is sampled.

    Features are scaled to be standard normal at every mass; the scaled mass is the condition. The weights
    are averaged over the training (exponential moving average).

    Attributes:
        blocks: residual blocks of the denoiser. Sensible: 2 to 6.
        width: their width. Sensible: 64 to 512.
        epochs: epochs at most. Sensible: 20 to 300.
        training_events: events that training goes through at most, so that large samples take fewer epochs.
            Sensible: 1000000 to 50000000.
        batch_size: events per step. Sensible: 256 to 8192.
        learning_rate: largest learning rate. Sensible: 0.0003 to 0.02.
        averaging: decay of the moving average of the weights, per step. Sensible: 0.99 to 0.9999.
        patience: epochs without improvement before training stops. Sensible: 5 to 200.
        sampler: `heun` (two evaluations a step) or `dpm` (DPM-Solver++ 2M, one evaluation a step).
        steps: steps of the sampler. Sensible: 10 to 100.
        sigma_min: lowest noise level before 0. Sensible: 0.01 to 0.1.
        sigma_max: noise level at which sampling starts. Sensible: 0.1 to 80.
    """

    reference: ClassVar[str] = "arXiv:2312.10130"

    blocks: int = 3
    width: int = 128
    epochs: int = 80
    training_events: int = 4_000_000
    batch_size: int = 1024
    learning_rate: float = 4e-3
    averaging: float = 0.999
    patience: int = 20
    sampler: str = "dpm"
    steps: int = 25
    sigma_min: float = 0.05
    sigma_max: float = 10.0

    def __post_init__(self) -> None:
        counts = [self.blocks, self.width, self.epochs, self.training_events, self.batch_size, self.patience]
        densities.check_positive(self.name, counts, [self.learning_rate])
        self.check_scaled(self.name)
        if self.sampler not in nets.diffusion.SAMPLERS:
            raise ConfigError(
                f"method {self.name}: unknown sampler '{self.sampler}'; known are {', '.join(nets.diffusion.SAMPLERS)}"
            )
        if self.steps < 2:
            raise ConfigError(f"method {self.name}: steps must be 2 or more")
        if not 0.0 < self.sigma_min < self.sigma_max or not 0.0 <= self.averaging < 1.0:
            raise ConfigError(f"method {self.name}: needs 0 < sigma_min < sigma_max and averaging in [0, 1)")

    def fit(self, seen: Seen, compute: Compute) -> FittedDrapes:
        """Fit scaling and denoiser to the side-bands.

        Raises:
            TrainingError: where the training diverges twice.
        """
        scaler = self.fit_scaler([seen.sb1, seen.sb2], compute)
        starting = self.starting_events(seen)
        with densities.session(compute) as generator:
            denoiser = self.make_denoiser(len(seen.sb1.names)).to(compute.device)
            data = densities.ScaledEvents.make(scaler, seen.side_bands, seen.is_validation, compute.device)
            rows = self._train(denoiser, data, densities.Trainer(self.name, compute), generator)
        fitted = FittedDrapes(self, scaler, denoiser, seen.side_bands, starting)
        fitted.keep_training(rows, seen.sb1.names, data.n_clipped)
        return fitted

    def load(self, arrays: Arrays, seen: Seen) -> FittedDrapes:
        """Rebuild a fitted template from the arrays of its model artifact."""
        denoiser = self.make_denoiser(len(seen.sb1.names))
        nets.weights.load_module(denoiser, arrays, "denoiser")
        scaler = densities.load_scaler(arrays)
        return FittedDrapes(self, scaler, denoiser, seen.side_bands, self.starting_events(seen))

    @abstractmethod
    def starting_events(self, seen: Seen) -> Events | None:
        """Return the events that are noised and denoised; None to start from noise alone."""

    def make_denoiser(self, d: int) -> nets.diffusion.Denoiser:
        """Return an untrained denoiser of `d` features."""
        return nets.diffusion.Denoiser(nets.diffusion.ResidualPerceptron(d, 1, self.blocks, self.width))

    def _train(
        self,
        denoiser: nets.diffusion.Denoiser,
        data: densities.ScaledEvents,
        trainer: densities.Trainer,
        generator: torch.Generator,
    ) -> list[TrainingRow]:
        def draw(batch: Tensor, generator: torch.Generator) -> nets.training.Drawn:
            return nets.diffusion.draw_noise(data.x[batch], data.mass[batch], generator)

        epochs = densities.limit_epochs(self.epochs, self.training_events, len(data.training))
        schedule = nets.training.Schedule(
            epochs, self.batch_size, self.learning_rate, self.patience, averaging=self.averaging
        )
        validation = data.validation.repeat(NOISE_DRAWS)
        loss = nets.training.DrawnLoss((denoiser,), draw, nets.diffusion.denoising_loss)
        task = nets.training.Task(denoiser, loss, data.training, validation)
        return trainer.train("denoiser", "learning_rate", task, schedule, generator)


@dataclass(frozen=True)
class Drapes(DrapesSettings):
    """Events drawn from noise at signal-region masses."""

    name: ClassVar[str] = "drapes"
    summary: ClassVar[str] = "new events from noise, by a diffusion model of the side-bands"
    presets: ClassVar[Mapping[str, Preset]] = {
        "published": Preset(
            {**EDM, "sigma_max": 80.0}, "sampled as in EDM, the mass left to the denoiser", EDM_SOURCE, TRAINING
        ),
        "large_batches": LARGE_BATCHES,
    }

    def starting_events(self, seen: Seen) -> None:
        """Return nothing: events start from noise."""


@dataclass(frozen=True)
class DrapesSideBands(DrapesSettings):
    """Side-band events noised up to `sigma_max`, then denoised at a target mass in the signal region.

    The default of sigma_max closes best in a signal-free window (`benchmarks/drapes_noise.py`): events keep nearly all
    of what they are, and the scaling carries them to the target mass. Where the dependence between features changes
    with mass, more noise lets the denoiser change it.
    """

    name: ClassVar[str] = "drapes_side_bands"
    summary: ClassVar[str] = "side-band events, partly noised and denoised at signal-region masses"
    presets: ClassVar[Mapping[str, Preset]] = {
        "published": Preset(
            {**EDM, "sigma_max": 2.0},
            "sampled as in EDM, the mass left to the denoiser; how much noise is in no public text",
            EDM_SOURCE,
            ("sigma_max", *TRAINING),
        ),
        "large_batches": LARGE_BATCHES,
    }

    sigma_max: float = 0.1

    def starting_events(self, seen: Seen) -> Events:
        """Return the side-band events."""
        return seen.side_bands


@dataclass(frozen=True)
class DrapesSignalRegion(DrapesSettings):
    """Signal-region events noised up to `sigma_max`, then denoised at their own mass.

    The diffusion model has seen the side-bands only, so it leads what is unlike background towards it. At
    low noise the template is a copy of the data, signal included, so closure is no criterion; the default
    of sigma_max was chosen by signal injected into validation windows (`benchmarks/drapes_noise.py`).
    """

    name: ClassVar[str] = "drapes_signal_region"
    summary: ClassVar[str] = "signal-region events, partly noised and denoised at their own mass"
    presets: ClassVar[Mapping[str, Preset]] = {
        "published": Preset(
            {**EDM, "sigma_max": 2.0},
            "sampled as in EDM, the mass left to the denoiser; how much noise is in no public text",
            EDM_SOURCE,
            ("sigma_max", *TRAINING),
        ),
        "large_batches": LARGE_BATCHES,
    }
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS, Need.SR_FEATURES})
    chooses_mass: ClassVar[bool] = True

    sigma_max: float = 2.0

    def starting_events(self, seen: Seen) -> Events:
        """Return the observed events of the signal region.

        Raises:
            ConfigError: where they were not handed over.
        """
        return seen.need(Need.SR_FEATURES)


class FittedDrapes(FittedTemplate):
    """A trained denoiser, and the events to start from."""

    def __init__(
        self,
        settings: DrapesSettings,
        scaler: MassScaler,
        denoiser: nets.diffusion.Denoiser,
        side_bands: Events,
        starting: Events | None,
    ) -> None:
        self.settings = settings
        self.scaler = scaler
        self.denoiser = denoiser
        self.side_bands = side_bands
        self.starting = starting

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Return one event per mass wanted; where the method chooses masses, as many at their own."""
        n, d, streams = len(request), self.side_bands.features.shape[1], compute.streams
        if self.starting is None:  # noised data are as wide as noised normal variables, wider than the noise alone
            independent = streams.generator("start").standard_normal((n, d))
            denoised = self._denoise(independent, request.masses, compute)
            return densities.generated_sample(self.scaler, self.side_bands, request.masses, denoised, streams)
        chosen = self.starting.take(draw_sources(self.starting, n, streams.generator("sources")))
        masses = chosen.mjj if self.settings.chooses_mass else request.masses
        scaled, _ = self.scaler.transform(chosen.mjj, chosen.features)
        denoised = self._denoise(scaled, masses, compute)
        return densities.restored_sample(self.scaler, masses, denoised, chosen)

    def replicas(self) -> list[FittedDrapes]:
        """Return the same denoiser with each of the scalings that were averaged."""
        return [
            FittedDrapes(self.settings, scaler, self.denoiser, self.side_bands, self.starting)
            for scaler in self.scaler.replicas
        ]

    def _denoise(self, start: FloatArray, masses: FloatArray, compute: Compute) -> FloatArray:
        """Add noise of level sigma_max and denoise at the masses."""
        settings, denoised, mass = self.settings, np.empty_like(start), self.scaler.mass(masses)
        levels = nets.diffusion.NoiseLevels(settings.sigma_min, settings.sigma_max, settings.steps).levels()
        sampler, denoiser = nets.diffusion.SAMPLERS[settings.sampler], self.denoiser.to(compute.device)
        with nets.torch.no_grad(), densities.session(compute, "noise") as generator:
            for part in densities.in_batches(len(start)):
                x, at = (nets.weights.to_tensor(column, compute.device) for column in (start[part], mass[part, None]))
                noisy = x + settings.sigma_max * nets.torch.randn(x.shape, generator=generator, device=x.device)
                denoised[part] = nets.weights.to_array(sampler(denoiser, noisy, at, levels.to(compute.device)))
        return denoised

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scaling and weights under prefixed names."""
        return densities.scaler_arrays(self.scaler) | nets.weights.module_arrays("denoiser", self.denoiser)
