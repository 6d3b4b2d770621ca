"""CATHODE: the density of the side-bands, sampled at signal-region masses.

References:
    A. Hallin et al., "Classifying Anomalies THrough Outer Density Estimation (CATHODE)", 2021,
    arXiv:2109.00546.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import Arrays, Context, FittedTemplate, Sample, TemplateInputs, TemplateMethod
from anomaly_cli.nets import training
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

    def __post_init__(self) -> None:
        self.check_density(self.name)

    def fit(self, inputs: TemplateInputs, context: Context) -> FittedCathode:
        """Fit scaling and density to the side-bands.

        Raises:
            TrainingError: where the training diverges twice.
        """
        density = self.fit_density([inputs.sb1, inputs.sb2], inputs.is_validation, self.name, context)
        fitted = FittedCathode(density.scaler, density.base, inputs.side_bands)
        fitted.keep_training(density.rows, inputs.sb1.names, density.n_clipped)
        return fitted

    def load(self, arrays: Arrays, inputs: TemplateInputs) -> FittedCathode:
        """Rebuild a fitted template from the arrays of its model artifact."""
        base = self.make_base(len(inputs.sb1.names))
        densities.load_module(base, arrays, "base")
        return FittedCathode(densities.load_scaler(arrays), base, inputs.side_bands)


class FittedCathode(FittedTemplate):
    """A trained density."""

    def __init__(self, scaler: MassScaler, base: Any, events: Events) -> None:
        self.scaler = scaler
        self.base = base
        self.events = events

    def sample(self, target_masses: FloatArray, streams: Streams) -> Sample:
        """Draw one event per target mass; see `densities.generated_sample` for their source ids."""
        n, d = len(target_masses), self.events.features.shape[1]
        scaled, mass = np.empty((n, d)), self.scaler.mass(target_masses)
        with torch.no_grad(), training.seeded(streams.integer("events"), 1):
            for part in densities.in_batches(n):
                drawn = self.base(densities.to_tensor(mass[part, None])).sample()
                scaled[part] = densities.to_array(drawn)
        return densities.generated_sample(self.scaler, self.events, target_masses, scaled, streams)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scaling and weights under prefixed names."""
        return densities.scaler_arrays(self.scaler) | densities.module_arrays("base", self.base)
