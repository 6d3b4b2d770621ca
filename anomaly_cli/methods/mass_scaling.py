"""Mass scaling: side-band events moved to signal-region masses by the scaling of each feature, without a network.

Every feature keeps its quantile among the events of its mass, and the dependence between features is that of the
side-bands. It is the baseline that every method with a network must beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.cuts import BY_MEAN
from anomaly_cli.core.drawing import draw_sources
from anomaly_cli.core.events import Events
from anomaly_cli.core.seen import Seen
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.nets.scaling import MassScaler


@dataclass(frozen=True)
class MassScaling(densities.MassScaledFeatures, TemplateMethod):
    """Settings of the scaling alone."""

    name: ClassVar[str] = "mass_scaling"
    summary: ClassVar[str] = "side-band events moved to signal-region masses feature by feature, without a network"
    reference: ClassVar[str] = "this project"
    correction: ClassVar[str] = BY_MEAN

    def __post_init__(self) -> None:
        densities.check_scaling(self.name, self.mass_scaling)

    def fit(self, seen: Seen, compute: Compute) -> FittedMassScaling:
        """Fit the scaling to the side-bands."""
        scaler = densities.fit_scaler([seen.sb1, seen.sb2], self.mass_scaling, compute)
        fitted = FittedMassScaling(scaler, seen.side_bands)
        _, n_clipped = scaler.transform(seen.side_bands.mjj, seen.side_bands.features)
        fitted.keep_training([], seen.sb1.names, n_clipped)
        return fitted

    def load(self, arrays: Arrays, seen: Seen) -> FittedMassScaling:
        """Rebuild a fitted template from the arrays of its model artifact."""
        return FittedMassScaling(densities.load_scaler(arrays), seen.side_bands)


class FittedMassScaling(FittedTemplate):
    """A fitted scaling, and the events to move."""

    def __init__(self, scaler: MassScaler, events: Events) -> None:
        self.scaler = scaler
        self.events = events

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Move side-band events to the masses wanted; every event is used about equally often."""
        chosen = self.events.take(draw_sources(self.events, len(request), compute.streams.generator("sources")))
        scaled, _ = self.scaler.transform(chosen.mjj, chosen.features)
        return densities.restored_sample(self.scaler, request.masses, scaled, chosen)

    def replicas(self) -> list[FittedMassScaling]:
        """Return the same with each of the scalings that were averaged."""
        return [FittedMassScaling(scaler, self.events) for scaler in self.scaler.replicas]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the scaling under prefixed names."""
        return densities.scaler_arrays(self.scaler)
