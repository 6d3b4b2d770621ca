"""One counting test: its model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.analysis.profile import Experiments
from anomaly_cli.core.errors import PhysicsError

LARGEST_RELATIVE = 10.0
"""A relative uncertainty above this is a mistake."""


@dataclass(frozen=True)
class CountingModel:
    """One counting test (see `analysis.profile` for the likelihood).

    Attributes:
        name: channel name.
        n_observed: observed events after the cut.
        n_control: events of the control sample: effective template events that pass, or data that fail.
        transfer: control events per expected background event, > 0.
        relative: log-normal relative uncertainties of the pass rate by name.
        is_pass_fail: whether the control sample are the data that fail the cut.
    """

    name: str
    n_observed: int
    n_control: float
    transfer: float
    relative: Mapping[str, float]
    is_pass_fail: bool = False

    def __post_init__(self) -> None:
        if self.n_observed < 0 or not (math.isfinite(self.n_control) and self.n_control >= 0.0):
            raise PhysicsError(f"{self.name}: counts must be 0 or more; check the scores that they come from")
        if not (math.isfinite(self.transfer) and self.transfer > 0.0):
            raise PhysicsError(
                f"{self.name}: the transfer factor is {self.transfer:g}, and must be above 0; is the template or the"
                " side-band fit empty?"
            )
        for name, d in self.relative.items():
            if not 0.0 <= d <= LARGEST_RELATIVE:
                raise PhysicsError(
                    f"{self.name}: the relative uncertainty '{name}' is {d:g}, outside [0, {LARGEST_RELATIVE:g}];"
                    " measure it again or leave the cut out"
                )

    @property
    def n_expected(self) -> float:
        """Expected background after the cut."""
        return self.n_control / self.transfer

    @property
    def leverage(self) -> float:
        """How much more the transfer factor moves than the pass rate: 1/(1 - efficiency) for pass/fail."""
        return (1.0 + self.transfer) / self.transfer if self.is_pass_fail else 1.0

    @property
    def width(self) -> float:
        """Uncertainty of the logarithm of the transfer factor."""
        return self.leverage * math.sqrt(sum(math.log1p(d) ** 2 for d in self.relative.values()))

    @property
    def uncertainty(self) -> float:
        """Absolute uncertainty of `n_expected` from everything in the model."""
        statistical = 1.0 / self.n_control if self.n_control > 0.0 else 0.0
        systematic = self.leverage**2 * sum(d**2 for d in self.relative.values())
        return self.n_expected * math.sqrt(systematic + statistical)

    @property
    def nominal_signal(self) -> float:
        """Signal yield at mu = 1, about one standard deviation, so that the fit is well scaled."""
        return math.sqrt(self.n_expected + self.uncertainty**2 + 1.0)

    def without(self, *names: str) -> CountingModel:
        """Return the same without some of its relative uncertainties."""
        return replace(self, relative={name: d for name, d in self.relative.items() if name not in names})

    def experiment(self) -> Experiments:
        """Return the test as arrays of shape ()."""
        return experiments([self], scalar=True)


def experiments(models: Sequence[CountingModel], scalar: bool = False) -> Experiments:
    """Return tests as arrays `(t,)`, or of shape () for a single one."""
    table = np.array([[m.n_observed, m.n_control, m.transfer, 0.0, m.width] for m in models], dtype=np.float64)
    columns = table[0] if scalar else table.T
    return Experiments(*(np.asarray(column) for column in columns))


def channel_name(window_edges: Sequence[float], background_efficiency: float) -> str:
    """Return a channel name such as `SR_3300_3700_eff0p01`."""
    low, high = (f"{edge:g}".replace(".", "p") for edge in window_edges)
    return f"SR_{low}_{high}_eff{background_efficiency:g}".replace(".", "p")
