"""What a template method or a score may see: one record, by composition.

The side-bands are always there. Everything else is None unless its reader has declared that it needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays, IntArray
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.events import Events, concatenate, effective_number
from anomaly_cli.core.truth import Truth
from anomaly_cli.core.windows import Regions, Window

VALIDATION_FRACTION = 0.1
"""Fraction of the training events kept for validation and early stopping, by hash of the event id."""
FEWEST_SIMULATED = 500
"""With fewer simulated events in a side-band or the signal region, by effective number, nothing is learnt."""


class Need(Enum):
    """What is needed beyond the masses wanted; anything but side-bands has to be declared."""

    SIDE_BANDS = "side-bands"
    SIMULATION = "simulation"
    SHARED_MODEL = "shared model"
    SR_FEATURES = "signal-region features"
    TRUTH = "truth"


ADVICE: Mapping[Need, str] = {
    Need.SIMULATION: "simulated background; pass a file in the data's layout with --simulation FILE",
    Need.SHARED_MODEL: "a base flow of the whole spectrum; make one with 'anomaly base' and pass --base FILE",
    Need.SR_FEATURES: "the signal-region events, which this use of it does not hand over",
    Need.TRUTH: "true background in the signal region that is not in the pseudo-data; use labelled data and hold"
    " some back with --reserve 0.4 or --reference FILE",
}
"""What to do where something is missing."""


@dataclass(frozen=True)
class TrainingRow:
    """One row of a training curve, as the model artifact keeps it."""

    part: str
    epoch: int
    training_loss: float
    validation_loss: float
    learning_rate: float


@dataclass(frozen=True)
class Simulation:
    """Simulated background in the side-bands and the signal region.

    Attributes:
        events: with their weights; ids are negative, so that they never meet those of observed events.
        cutflow: what was left of the file after each step.
    """

    events: Events
    cutflow: Cutflow

    def inside(self, window: Window) -> Events:
        """Return the simulated events of a window.

        Raises:
            PhysicsError: where there are too few to learn from.
        """
        inside = self.events.take(window.contains(self.events.mjj))
        n_effective = effective_number(inside.weight)
        if n_effective < FEWEST_SIMULATED:
            worth = f" worth {n_effective:.0f} of equal weight" if n_effective < len(inside) - 0.5 else ""
            unit = "" if len(inside) else ", or declare the unit of its mjj in a manifest"
            raise PhysicsError(
                f"the simulation has {len(inside)} events{worth} in {window.text} TeV, at least {FEWEST_SIMULATED} are"
                f" needed; give a larger file with --simulation{unit}"
            )
        return inside


@dataclass(frozen=True)
class SharedModel:
    """A model trained once for many signal regions.

    Attributes:
        arrays: its arrays.
        left_out: the mass windows whose events it has not seen; it has seen all others, signal included.
        training: its curves.
    """

    arrays: Arrays
    left_out: Sequence[Window] = ()
    training: Sequence[TrainingRow] = ()

    def has_seen(self, window: Window) -> bool:
        """Return whether it has seen events of a window."""
        return not any(one.low <= window.low and window.high <= one.high for one in self.left_out)


@dataclass(frozen=True)
class TrueEvents:
    """Labelled events in the signal region that are not in the pseudo-data, with their weights."""

    background: Events
    signal: Events

    @staticmethod
    def inside(truth: Truth, sr: Window) -> TrueEvents:
        """Return those of a truth."""
        return TrueEvents(truth.background(sr), truth.signal(sr))


@dataclass(frozen=True)
class Seen:
    """What a reader may see.

    Attributes:
        sb1: events in the lower side-band.
        sb2: events in the upper side-band.
        regions: the mass windows.
        is_validation: events of sb1 then sb2 that are for validation and early stopping, `(n,)`.
        reader: what sees it, as sentences call it.
        simulation: simulated background.
        shared: the model that all signal regions share.
        observed: the observed events of the signal region.
        true: labelled events that are not in the pseudo-data.
    """

    sb1: Events
    sb2: Events
    regions: Regions
    is_validation: npt.NDArray[np.bool_]
    reader: str = "this method"
    simulation: Simulation | None = None
    shared: SharedModel | None = None
    observed: Events | None = None
    true: TrueEvents | None = None

    @property
    def side_bands(self) -> Events:
        """Events of both side-bands, lower first."""
        return concatenate([self.sb1, self.sb2])

    def only(self, is_kept: Callable[[IntArray], npt.NDArray[np.bool_]]) -> Seen:
        """Return what is seen of some source events only; a shared model stays as it is.

        Args:
            is_kept: says of source ids `(n,)` which are.
        """

        def kept(events: Events) -> Events:
            return events.take(is_kept(events.source_id))

        return replace(
            self,
            sb1=kept(self.sb1),
            sb2=kept(self.sb2),
            is_validation=self.is_validation[is_kept(self.side_bands.source_id)],
            simulation=self.simulation and replace(self.simulation, events=kept(self.simulation.events)),
            observed=None if self.observed is None else kept(self.observed),
            true=self.true and TrueEvents(kept(self.true.background), kept(self.true.signal)),
        )

    @overload
    def need(self, need: Literal[Need.SIMULATION]) -> Simulation: ...
    @overload
    def need(self, need: Literal[Need.SHARED_MODEL]) -> SharedModel: ...
    @overload
    def need(self, need: Literal[Need.SR_FEATURES]) -> Events: ...
    @overload
    def need(self, need: Literal[Need.TRUTH]) -> TrueEvents: ...
    def need(self, need: Need) -> Any:
        """Return what the reader has declared to need.

        Raises:
            ConfigError: where it was not handed over: not declared, or not there.
        """
        has_background = self.true is not None and len(self.true.background) > 0
        found = {
            Need.SIMULATION: self.simulation,
            Need.SHARED_MODEL: self.shared,
            Need.SR_FEATURES: self.observed,
            Need.TRUTH: self.true if has_background else None,
        }[need]
        if found is None:
            raise ConfigError(f"{self.reader} needs {ADVICE[need]}")
        return found
