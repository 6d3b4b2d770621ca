"""CATHODE: the density of the side-bands, sampled at signal-region masses.

References:
    A. Hallin et al., "Classifying Anomalies THrough Outer Density Estimation (CATHODE)", 2021,
    arXiv:2109.00546.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.seen import Seen
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.nets.scaling import MassScaler


@dataclass(frozen=True)
class Cathode(densities.DensitySettings, TemplateMethod):
    """Settings of CATHODE: those of its density.

    The paper draws target masses from a kernel density of the observed signal-region masses; here, as for
    every method, they come from the side-band fit. Features are scaled as for the other methods.
    """

    name: ClassVar[str] = "cathode"
    summary: ClassVar[str] = "new events drawn from a flow's density of the side-bands, at signal-region masses"
    reference: ClassVar[str] = "arXiv:2109.00546"
    presets: ClassVar[Mapping[str, Preset]] = {
        "published": Preset(
            {
                "scaling": "logit",
                "base_transforms": 15,
                "base_hidden": (128,),
                "base_bins": 8,
                "base_epochs": 100,
                "base_events": densities.NO_LIMIT,
                "base_batch_size": 256,
                "base_learning_rate": 1e-4,
                "patience": 100,
            },
            "15 transforms of 128 nodes on logits, as published; splines where the paper has affine transforms and"
            " batch norm, the best epoch where it samples the ten best",
            "arXiv:2109.00546; values from its public code",
            ("base_bins",),
        )
    }

    def __post_init__(self) -> None:
        self.check_density(self.name)

    def fit(self, seen: Seen, compute: Compute) -> FittedCathode:
        """Fit scaling and density to the side-bands.

        Raises:
            TrainingError: where the training diverges twice.
        """
        density = self.fit_density([seen.sb1, seen.sb2], seen.is_validation, self.name, compute)
        fitted = FittedCathode(density.scaler, density.base, seen.side_bands)
        fitted.keep_training(density.rows, seen.sb1.names, density.n_clipped)
        return fitted

    def load(self, arrays: Arrays, seen: Seen) -> FittedCathode:
        """Rebuild a fitted template from the arrays of its model artifact."""
        base = self.make_base(len(seen.sb1.names))
        nets.weights.load_module(base, arrays, "base")
        return FittedCathode(densities.load_scaler(arrays), base, seen.side_bands)


class FittedCathode(FittedTemplate):
    """A trained density."""

    def __init__(self, scaler: MassScaler, base: Any, events: Events) -> None:
        self.scaler = scaler
        self.base = base
        self.events = events

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Draw one event per mass wanted; see `densities.generated_sample` for their source ids."""
        n, d = len(request), self.events.features.shape[1]
        scaled, mass = np.empty((n, d)), self.scaler.mass(request.masses)
        base = self.base.to(compute.device)
        with nets.torch.no_grad(), densities.session(compute, "events") as generator:
            for part in densities.in_batches(n):
                scaled[part] = nets.weights.to_array(
                    nets.flows.draw(base, nets.weights.to_tensor(mass[part, None], compute.device), generator)
                )
        return densities.generated_sample(self.scaler, self.events, request.masses, scaled, compute.streams)

    def replicas(self) -> list[FittedCathode]:
        """Return the same density with each of the scalings that were averaged."""
        return [FittedCathode(scaler, self.base, self.events) for scaler in self.scaler.replicas]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scaling and weights under prefixed names."""
        return densities.scaler_arrays(self.scaler) | nets.weights.module_arrays("base", self.base)
