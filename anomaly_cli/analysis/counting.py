"""One counting test: its model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.analysis.profile import Experiments
from anomaly_cli.analysis.skewed import Skewed
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.systematics import BACKGROUND

LARGEST_RELATIVE = 10.0
"""A relative uncertainty above this is a mistake."""
ENDLESS = 1e9
"""Events of a control sample whose statistics do not matter, and whose likelihood a float still resolves."""
SAME_SIZE = 1e-9
"""Sides of a factor whose logarithms differ by less are mirrored."""


@dataclass(frozen=True)
class Shift:
    """What one systematic of a user's does to one test.

    Attributes:
        name: of the effect.
        parameter: name of its nuisance parameter; tests with the same one are shifted together.
        on: `background` or `signal`.
        up: relative shift at plus one standard deviation, above -1.
        down: at minus one.
    """

    name: str
    parameter: str
    on: str
    up: float
    down: float

    @property
    def is_mirrored(self) -> bool:
        """Whether down is the inverse of up, so that the factor is log-normal."""
        return abs(math.log1p(self.up) + math.log1p(self.down)) < SAME_SIZE

    @property
    def size(self) -> float:
        """Its mean size."""
        return math.hypot(self.up, self.down) / math.sqrt(2.0)


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
        systematics: the user's own.
    """

    name: str
    n_observed: int
    n_control: float
    transfer: float
    relative: Mapping[str, float]
    is_pass_fail: bool = False
    systematics: tuple[Shift, ...] = ()

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
        """Uncertainty of the logarithm of the transfer factor from everything that is log-normal."""
        logarithms = [math.log1p(d) for d in self.relative.values()]
        logarithms += [math.log1p(shift.up) for shift in self.on(BACKGROUND) if shift.is_mirrored]
        return self.leverage * math.sqrt(sum(value**2 for value in logarithms))

    @property
    def uncertainty(self) -> float:
        """Absolute uncertainty of `n_expected` from everything in the model."""
        statistical = 1.0 / self.n_control if self.n_control > 0.0 else 0.0
        sizes = [*self.relative.values(), *(shift.size for shift in self.on(BACKGROUND))]
        systematic = self.leverage**2 * sum(d**2 for d in sizes)
        return self.n_expected * math.sqrt(systematic + statistical)

    @property
    def nominal_signal(self) -> float:
        """Signal yield at mu = 1, about one standard deviation, so that the fit is well scaled."""
        return math.sqrt(self.n_expected + self.uncertainty**2 + 1.0)

    def without(self, *names: str) -> CountingModel:
        """Return the same without some of its relative uncertainties and systematics."""
        return replace(
            self,
            relative={name: d for name, d in self.relative.items() if name not in names},
            systematics=tuple(shift for shift in self.systematics if shift.name not in names),
        )

    def without_systematics(self) -> CountingModel:
        """Return the same without the user's systematics."""
        return replace(self, systematics=())

    def with_endless_control(self) -> CountingModel:
        """Return the same with so large a control sample that its statistics do not matter."""
        factor = max(ENDLESS / max(self.n_control, 1.0), 1.0)
        return replace(self, n_control=factor * self.n_control, transfer=factor * self.transfer)

    def on(self, target: str) -> list[Shift]:
        """Return the systematics of the background or of the signal."""
        return [shift for shift in self.systematics if shift.on == target]

    def experiment(self) -> Experiments:
        """Return the test as arrays of shape ()."""
        return experiments([self], scalar=True)


def experiments(models: Sequence[CountingModel], scalar: bool = False) -> Experiments:
    """Return tests as arrays `(t,)`, or of shape () for a single one."""
    table = np.array([[m.n_observed, m.n_control, m.transfer, 0.0, m.width] for m in models], dtype=np.float64)
    columns = table[0] if scalar else table.T
    shifts = [{shift.name: shift for shift in m.on(BACKGROUND)} for m in models]
    fail = [1.0 / m.transfer if m.is_pass_fail else 0.0 for m in models]
    return Experiments(*(np.asarray(column) for column in columns), skewed=skewed_parameters(shifts, fail, scalar))


def skewed_parameters(
    shifts: Sequence[Mapping[str, Shift]], fail: Sequence[float], scalar: bool = False
) -> tuple[Skewed, ...]:
    """Return the parameters of the background's systematics whose sides differ in some test.

    Args:
        shifts: by name, for each test.
        fail: power of the opposite factor on the events that fail, for each test.
        scalar: whether to return arrays of shape () for a single test.
    """
    names = dict.fromkeys(name for test in shifts for name, shift in test.items() if not shift.is_mirrored)
    found = []
    for name in names:
        # a test that this does not shift has factors of 1; its own mirrored shift is in its width
        own = [test[name] if name in test and not test[name].is_mirrored else None for test in shifts]
        rows = np.array([[1.0 + one.up, 1.0 + one.down] if one else [1.0, 1.0] for one in own])
        columns = [*rows.T, np.asarray(fail, dtype=np.float64), np.zeros(len(rows))]
        found.append(Skewed(*(np.asarray(column[0] if scalar else column) for column in columns)))
    return tuple(found)


def channel_name(window_edges: Sequence[float], background_efficiency: float) -> str:
    """Return a channel name such as `SR_3300_3700_eff0p01`."""
    low, high = (f"{edge:g}".replace(".", "p") for edge in window_edges)
    return f"SR_{low}_{high}_eff{background_efficiency:g}".replace(".", "p")
