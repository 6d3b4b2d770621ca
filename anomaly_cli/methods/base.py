"""The contract of a template method: two verbs and a blindfold.

A method is a frozen dataclass of scalars: its constructor is its configuration. `fit` returns another
type, so that "not fitted" cannot be written. `Seen` holds the side-bands and, beyond them, only what the method has
declared to need: a method cannot peek.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays, FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import THIRDS
from anomaly_cli.core.cuts import NO_CORRECTION
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.plugins import Family
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.seen import Need, Seen, SharedModel, TrainingRow

CWOLA, SUPERVISED, COMBINED = "cwola", "supervised", "combined"
"""Names of scores that methods ask for."""


@dataclass(frozen=True)
class Request:
    """What a template is wanted for.

    Attributes:
        masses: dijet masses wanted `(n,)` [GeV].
    """

    masses: FloatArray

    def __len__(self) -> int:
        return len(self.masses)


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
    def sample(self, request: Request, compute: Compute) -> Sample:
        """Return one event per mass wanted, or all it has where the method chooses masses itself.

        Args:
            request: the masses.
            compute: random streams of the sampling, threads, device.
        """

    def replicas(self) -> Sequence[FittedTemplate]:
        """Return models that differ from this one as if they were fitted to other samples of as many events.

        Nothing may be trained for them; what is not fitted anew, as a network, is that of this model. None by default:
        then the statistical error of the model is left to validation windows.
        """
        return ()

    @abstractmethod
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that `TemplateMethod.load` needs besides what the method has seen."""


@dataclass(frozen=True)
class TemplateMethod(ABC):
    """A way of making background-like events in the signal region.

    A new method is one module of this package, or of another one that names it in the entry-point group
    `anomaly.methods`, with one subclass: a frozen dataclass of scalars with real defaults. It is found by its name.

    Attributes:
        name: how users call it.
        summary: what its template is, in half a sentence.
        reference: where it was published.
        presets: named settings.
        needs: what it is given.
        chooses_mass: whether its events have masses of their own instead of those wanted.
        claims_closure: whether its template should agree with background.
        score: what ranks events where no other score is asked for.
        crossfit: how the side-bands are divided between models of its template where nothing else is asked for.
        correction: how expectations are corrected where nothing else is asked for, one of `CORRECTIONS`: by the mean
            excess of windows only where searches without signal have shown that the signal region shares it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]] = {}
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS})
    chooses_mass: ClassVar[bool] = False
    claims_closure: ClassVar[bool] = True
    score: ClassVar[str] = CWOLA
    crossfit: ClassVar[str] = THIRDS
    correction: ClassVar[str] = NO_CORRECTION

    @property
    def members(self) -> Sequence[TemplateMethod]:
        """The methods that it is made of, where there are any."""
        return ()

    @property
    def mixes_sources(self) -> bool:
        """Whether a template event is made from several side-band events, of which `source_id` can name only one.

        Then no division into folds keeps all of them from the models that score side-band events.
        """
        return False

    @abstractmethod
    def fit(self, seen: Seen, compute: Compute) -> FittedTemplate:
        """Train on what the method may see."""

    @abstractmethod
    def load(self, arrays: Arrays, seen: Seen) -> FittedTemplate:
        """Rebuild a fitted template from the arrays of a model artifact and what it had seen."""

    def fit_shared(
        self, bands: Sequence[Events], is_validation: npt.NDArray[np.bool_], compute: Compute
    ) -> SharedModel:
        """Train what all signal regions share, for a method that declares `Need.SHARED_MODEL`.

        Args:
            bands: events of mass bands that hold everything it may see, in order of mass.
            is_validation: events of all bands to stop on `(n,)`.
            compute: streams, threads and where to report.
        """
        raise ConfigError(f"method {self.name} shares no model between signal regions; leave out 'anomaly base'")

    def shared_settings(self) -> dict[str, Any]:
        """Return those settings that shape the shared model."""
        return {}

    def configure(self, settings: Mapping[str, Mapping[str, Any]]) -> TemplateMethod:
        """Return the method, given the settings of all methods by name; for methods that are made of others."""
        return self


METHODS: Family[TemplateMethod] = Family(
    TemplateMethod,  # type: ignore[type-abstract]
    "template method",
    "anomaly_cli.methods",
    "anomaly.methods",
    "anomaly methods",
)
"""The family of template methods."""
