"""The contract of a template method: two verbs and a blindfold.

A method is a frozen dataclass of scalars: its constructor is its configuration. `fit` returns another
type, so that "not fitted" cannot be written. `TemplateInputs` has no field for signal-region features:
a method cannot peek.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.events import Events, concatenate, effective_number
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.progress import Progress
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions, Window

Arrays = Mapping[str, npt.NDArray[Any]]
VALIDATION_FRACTION = 0.1
"""Fraction of the training events kept for validation and early stopping, by hash of the event id."""
FEWEST_SIMULATED = 500
"""With fewer simulated events in a side-band or the signal region, by effective number, nothing is learnt."""


class Need(Enum):
    """What a method needs beyond the masses wanted; anything but side-bands has to be declared."""

    SIDE_BANDS = "side-bands"
    SIMULATION = "simulation"
    SHARED_BASE = "shared base flow"
    SR_FEATURES = "signal-region features"
    TRUTH = "truth"


class Training(Enum):
    """What the classifier of a method is trained on."""

    OBSERVED_AGAINST_TEMPLATE = "observed against template"
    SIGNAL_AGAINST_BACKGROUND = "true signal against true background"
    EACH_COMPONENT = "observed against each component of the template, scores averaged"


@dataclass(frozen=True)
class TemplateInputs:
    """What a method may see.

    Attributes:
        sb1: events in the lower side-band.
        sb2: events in the upper side-band.
        regions: the mass windows.
        is_validation: events of sb1 then sb2 that are for validation and early stopping, `(n,)`.
    """

    sb1: Events
    sb2: Events
    regions: Regions
    is_validation: npt.NDArray[np.bool_]

    @property
    def side_bands(self) -> Events:
        """Events of both side-bands, lower first."""
        return concatenate([self.sb1, self.sb2])


@dataclass(frozen=True)
class SimulationInputs(TemplateInputs):
    """What a method that declares `Need.SIMULATION` sees besides.

    Attributes:
        simulation: simulated background in the side-bands and the signal region, with its weights; ids
            are negative, so that they never meet those of observed events.
        cutflow: what was left of the file after each step.
    """

    simulation: Events
    cutflow: Cutflow

    def simulated(self, window: Window) -> Events:
        """Return the simulated events of a window.

        Raises:
            PhysicsError: where there are too few to learn from.
        """
        inside = self.simulation.take(window.contains(self.simulation.mjj))
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
class SharedBaseInputs(TemplateInputs):
    """What a method that declares `Need.SHARED_BASE` sees besides.

    Attributes:
        base: arrays of a base flow trained once on the whole spectrum (`methods/densities.py`). It has
            seen the events of every signal region that was not left out of it.
    """

    base: Arrays


@dataclass(frozen=True)
class ObservedInputs(TemplateInputs):
    """What a method that declares `Need.SR_FEATURES` sees besides.

    Attributes:
        observed: the observed events of the signal region.
    """

    observed: Events


@dataclass(frozen=True)
class TruthInputs(TemplateInputs):
    """What a method that declares `Need.TRUTH` sees besides.

    Attributes:
        background: true background in the signal region that is not in the pseudo-data, with its weights.
    """

    background: Events


@dataclass(frozen=True)
class Context:
    """What surrounds a fit.

    Attributes:
        streams: the random streams of the method.
        threads: threads that may be used.
        progress: where to report.
    """

    streams: Streams
    threads: int
    progress: Progress


@dataclass(frozen=True)
class TrainingRow:
    """One row of a training curve, as the model artifact keeps it."""

    part: str
    epoch: int
    training_loss: float
    validation_loss: float
    learning_rate: float


@dataclass(frozen=True)
class Sample:
    """Template events and what was done to keep them in range.

    Attributes:
        events: the template events; `event_id` counts from 0, `source_id` names the event that each
            was made from.
        n_clipped: events held at the edge of a feature's range `(d,)`.
        component: which of several templates each event belongs to `(n,)`; None where there is one.
    """

    events: Events
    n_clipped: npt.NDArray[np.int64]
    component: npt.NDArray[np.int64] | None = None


class FittedTemplate(ABC):
    """A trained template method."""

    training: Sequence[TrainingRow] = ()
    n_clipped_training: Mapping[str, int] = {}

    def keep_training(
        self, rows: Sequence[TrainingRow], names: Sequence[str], n_clipped: npt.NDArray[np.int64]
    ) -> None:
        """Keep the training curves, and how many training events were clipped in each feature `(d,)`."""
        self.training = rows
        self.n_clipped_training = dict(zip(names, n_clipped.tolist(), strict=True))

    @abstractmethod
    def sample(self, target_masses: FloatArray, streams: Streams) -> Sample:
        """Return one event per target mass, or all it has where the method chooses masses itself.

        Args:
            target_masses: `(n,)` [GeV].
            streams: random streams of the sampling.
        """

    @abstractmethod
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that `TemplateMethod.load` needs besides the inputs."""


@dataclass(frozen=True)
class TemplateMethod(ABC):
    """A way of making background-like events in the signal region.

    A new method is one module of this package with one subclass: a frozen dataclass of scalars with real
    defaults. It is found by its name.

    Attributes:
        name: how users call it.
        summary: what its template is, in half a sentence.
        reference: where it was published.
        needs: what it is given.
        chooses_mass: whether its events have masses of their own instead of those wanted.
        claims_closure: whether its template should agree with background.
        training: what the classifier is trained on.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS})
    chooses_mass: ClassVar[bool] = False
    claims_closure: ClassVar[bool] = True
    training: ClassVar[Training] = Training.OBSERVED_AGAINST_TEMPLATE

    @property
    def mixes_sources(self) -> bool:
        """Whether a template event is made from several side-band events, of which `source_id` can name only one.

        Then no division into folds keeps all of them from the models that score side-band events.
        """
        return False

    @abstractmethod
    def fit(self, inputs: TemplateInputs, context: Context) -> FittedTemplate:
        """Train on what the method may see."""

    @abstractmethod
    def load(self, arrays: Arrays, inputs: TemplateInputs) -> FittedTemplate:
        """Rebuild a fitted template from the arrays of a model artifact and the inputs it had."""

    def configure(self, settings: Mapping[str, Mapping[str, Any]]) -> TemplateMethod:
        """Return the method, given the settings of all methods by name; for methods that are made of others."""
        return self


Inputs = TypeVar("Inputs", bound=TemplateInputs)


def require(inputs: TemplateInputs, kind: type[Inputs], method: str) -> Inputs:
    """Return the inputs as the record that a method declared to need.

    Raises:
        ConfigError: where the analysis cannot provide it.
    """
    if not isinstance(inputs, kind):
        raise ConfigError(f"method {method} needs {ADVICE[kind]}")
    return inputs


ADVICE: Mapping[type[TemplateInputs], str] = {
    SimulationInputs: "simulated background; pass a file in the data's layout with --simulation FILE",
    SharedBaseInputs: "a base flow of the whole spectrum; make one with 'anomaly base' and pass --base FILE",
    ObservedInputs: "the signal-region events, which this use of it does not hand over",
    TruthInputs: "true background in the signal region that is not in the pseudo-data; use labelled data and hold"
    " some back with --reserve 0.4 or --reference FILE",
}
"""What to do where an input is missing."""


def true_background(inputs: TemplateInputs, method: str) -> Events:
    """Return the true background, for methods that declare `Need.TRUTH`.

    Raises:
        ConfigError: where the data set has none.
    """
    if not isinstance(inputs, TruthInputs) or not len(inputs.background):
        raise ConfigError(f"method {method} needs {ADVICE[TruthInputs]}")
    return inputs.background
