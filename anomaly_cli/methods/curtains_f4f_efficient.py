"""CURTAINsF4F with one base density for the whole spectrum: a short transport is all that a signal region costs.

References:
    D. Sengupta, S. Klein, J. A. Raine, T. Golling, "CURTAINs Flows For Flows: Constructing Unobserved
    Regions with Maximum Likelihood Estimation", 2023, arXiv:2305.04646 (the efficient configuration).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.events import Events
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import Context, Need, SharedBaseInputs, TemplateInputs, TrainingRow, require
from anomaly_cli.methods.curtains_f4f import CurtainsF4F, FittedCurtainsF4F
from anomaly_cli.nets import training


@dataclass(frozen=True)
class TrainedBase:
    """A base density of the whole spectrum.

    Attributes:
        arrays: scaling and weights.
        training: its curve.
    """

    arrays: dict[str, npt.NDArray[Any]]
    training: Sequence[TrainingRow]


@dataclass(frozen=True)
class CurtainsF4FEfficient(CurtainsF4F):
    """Settings of the efficient configuration.

    The shared base flow is shaped by the base_* ones, and by `scaling_bin_events`, `bound` and `patience`.

    The shared base has seen the signal region's events, signal included, unless they were left out of
    it. It enters nothing but the training of the transport between side-bands: features are scaled by a
    fit to the side-bands of this signal region, not by that of the base. Both make every feature standard
    normal at every mass, so that the base is the density of either.

    Attributes:
        base_scaling_order: largest polynomial order in ln(mjj) of the base's own scaling.
    """

    name: ClassVar[str] = "curtains_f4f_efficient"
    summary: ClassVar[str] = "the same with one base flow for all signal regions, which has seen their events"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS, Need.SHARED_BASE})

    base_epochs: int = 8
    base_scaling_order: int = 5
    transport_epochs: int = 2
    transport_events: int = 120_000
    transport_learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        scaling = replace(self.scaling, max_order=self.base_scaling_order)
        densities.check_scaling(self.name, scaling)

    def fit_base(self, bands: Sequence[Events], is_validation: npt.NDArray[np.bool_], context: Context) -> TrainedBase:
        """Train the base density on mass bands that hold everything it may see.

        Args:
            bands: events of each band, in order of mass.
            is_validation: events of all bands to stop on `(n,)`.
            context: streams, threads and where to report.

        Raises:
            TrainingError: where the training diverges twice.
        """
        whole = replace(self, scaling_order=self.base_scaling_order)
        density = whole.fit_density(bands, is_validation, self.name, context)
        return TrainedBase(density.to_arrays(), density.rows)

    def fit(self, inputs: TemplateInputs, context: Context) -> FittedCurtainsF4F:
        """Train the transport between the side-bands against the shared base density.

        Raises:
            ConfigError: where there is no shared base flow.
            TrainingError: where the training diverges twice.
        """
        arrays = require(inputs, SharedBaseInputs, self.name).base
        events = inputs.side_bands
        scaler = densities.fit_scaler([inputs.sb1, inputs.sb2], self.scaling)
        trainer = densities.Trainer(self.name, context)
        with training.seeded(context.streams.integer("training"), context.threads) as generator:
            base, transport = (make(len(events.names)) for make in (self.make_base, self.make_transport))
            densities.load_module(base, arrays, "base")
            data = densities.ScaledEvents.make(scaler, events, inputs.is_validation)
            base_mass = densities.to_tensor(densities.load_scaler(arrays).mass(events.mjj)[:, None])
            rows = self.train_transport(transport, (base, base_mass), data, trainer, generator)
        fitted = FittedCurtainsF4F(scaler, base, transport, events)
        fitted.keep_training(rows, events.names, data.n_clipped)
        return fitted
