"""Truth of labelled data: kept apart from the events, and read only by evaluation and whoever declares it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.events import Events
from anomaly_cli.core.windows import Window


@dataclass(frozen=True)
class Truth:
    """Labels of the observed events by id, and the events held back.

    Attributes:
        is_signal: of every observed event, by its id `(n,)`.
        reference: labelled events that are not in the pseudo-data: reserved background and unused signal.
        reference_is_signal: their labels `(r,)`.
    """

    is_signal: npt.NDArray[np.bool_]
    reference: Events
    reference_is_signal: npt.NDArray[np.bool_]

    def of(self, observed: Events) -> npt.NDArray[np.bool_]:
        """Return which of some observed events are signal `(n,)`."""
        return self.is_signal[observed.event_id]

    def background(self, window: Window) -> Events:
        """Return held-back background events in a window."""
        return self.reference.take(~self.reference_is_signal & window.contains(self.reference.mjj))

    @property
    def unused_signal(self) -> Events:
        """Signal events that are not in the data."""
        return self.reference.take(self.reference_is_signal)

    def signal(self, window: Window) -> Events:
        """Return unused signal events in a window."""
        return self.reference.take(self.reference_is_signal & window.contains(self.reference.mjj))
