"""CURTAINsF4F with one base density for the whole spectrum: a short transport is all that a signal region costs.

References:
    D. Sengupta, S. Klein, J. A. Raine, T. Golling, "CURTAINs Flows For Flows: Constructing Unobserved
    Regions with Maximum Likelihood Estimation", 2023, arXiv:2305.04646 (the efficient configuration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.seen import Need, Seen, SharedModel
from anomaly_cli.methods import densities
from anomaly_cli.methods.curtains_f4f import PUBLISHED, UNPUBLISHED, CurtainsF4F, FittedCurtainsF4F
from anomaly_cli.nets.plain_scaling import MASS

SHAPING = ("base_", "scaling_bin_events", "bound", "patience")
"""Settings that shape the shared base flow."""


@dataclass(frozen=True)
class CurtainsF4FEfficient(CurtainsF4F):
    """Settings of the efficient configuration.

    The shared base flow is shaped by the base_* ones, and by `scaling`, `scaling_bin_events`, `bound` and `patience`.

    The shared base has seen the signal region's events, signal included, unless they were left out of
    it. It enters nothing but the training of the transport between side-bands: features are scaled by a
    fit to the side-bands of this signal region, not by that of the base. Both make every feature standard
    normal at every mass, so that the base is the density of either. Another `scaling` than `mass` does not, so that of
    the base is used: the mean and width, quantiles or ends of all events that the base has seen.

    Attributes:
        base_scaling_order: largest polynomial order in ln(mjj) of the base's own scaling. Sensible: 2 to 7.
    """

    name: ClassVar[str] = "curtains_f4f_efficient"
    summary: ClassVar[str] = "the same with one base flow for all signal regions, which has seen their events"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS, Need.SHARED_MODEL})

    presets: ClassVar[Mapping[str, Preset]] = {
        "published": Preset(
            {**PUBLISHED, "transport_epochs": 20},
            "one large base flow, and a shorter transport for each signal region, as published",
            "arXiv:2305.04646; values from the public code of arXiv:2309.06472",
            UNPUBLISHED,
        )
    }

    base_epochs: int = 8
    base_scaling_order: int = 5
    transport_epochs: int = 2
    transport_events: int = 120_000
    transport_learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        scaling = replace(self.mass_scaling, max_order=self.base_scaling_order)
        densities.check_scaling(self.name, scaling)

    def shared_settings(self) -> dict[str, Any]:
        """Return those settings that shape the shared base flow."""
        return {key: value for key, value in asdict(self).items() if key.startswith(SHAPING) or key == "scaling"}

    def fit_shared(
        self, bands: Sequence[Events], is_validation: npt.NDArray[np.bool_], compute: Compute
    ) -> SharedModel:
        """Train the base density on mass bands that hold everything it may see.

        Args:
            bands: events of each band, in order of mass.
            is_validation: events of all bands to stop on `(n,)`.
            compute: streams, threads, device and where to report.

        Raises:
            TrainingError: where the training diverges twice.
        """
        whole = replace(self, scaling_order=self.base_scaling_order)
        density = whole.fit_density(bands, is_validation, self.name, compute)
        return SharedModel(density.to_arrays(), training=density.rows)

    def fit(self, seen: Seen, compute: Compute) -> FittedCurtainsF4F:
        """Train the transport between the side-bands against the shared base density.

        Raises:
            ConfigError: where there is no shared base flow.
            TrainingError: where the training diverges twice.
        """
        arrays = seen.need(Need.SHARED_MODEL).arrays
        events = seen.side_bands
        shared = densities.load_scaler(arrays)
        scaler = shared
        if self.scaling == MASS:  # standard normal at every mass as the base's, whoever was fitted
            scaler = self.fit_scaler([seen.sb1, seen.sb2], compute)
        trainer = densities.Trainer(self.name, compute)
        with densities.session(compute) as generator:
            base, transport = (make(len(events.names)) for make in (self.make_base, self.make_transport))
            nets.weights.load_module(base, arrays, "base")
            base, transport = base.to(compute.device), transport.to(compute.device)
            data = densities.ScaledEvents.make(scaler, events, seen.is_validation, compute.device)
            base_mass = nets.weights.to_tensor(shared.mass(events.mjj)[:, None], compute.device)
            rows = self.train_transport(transport, (base, base_mass), data, trainer, generator)
        fitted = FittedCurtainsF4F(scaler, base, transport, events)
        fitted.keep_training(rows, events.names, data.n_clipped)
        return fitted
