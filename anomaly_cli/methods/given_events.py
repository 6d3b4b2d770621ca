"""Templates that are events as they are: nothing is trained, nothing is moved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events
from anomaly_cli.methods.base import FittedTemplate, Request, Sample


class FittedEvents(FittedTemplate):
    """Given events, each used at most once, at their own mass and with their own weight.

    Args:
        events: the events.
        takes_all: whether all are used; otherwise no more than masses are asked for.
    """

    def __init__(self, events: Events, takes_all: bool) -> None:
        self.events = events
        self.takes_all = takes_all

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Return the events; of the masses wanted only the number is used."""
        events = self.events
        if not self.takes_all and len(request) < len(events):
            chosen = compute.streams.generator("events").permutation(len(events))[: len(request)]
            events = events.take(np.sort(chosen))
        n, d = events.features.shape
        return Sample(replace(events, event_id=np.arange(n)), np.zeros(d, dtype=np.int64))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return nothing: there is nothing to keep."""
        return {}
