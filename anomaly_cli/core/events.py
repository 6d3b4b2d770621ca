"""Events: the value type that every stage and method passes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import DataError
from anomaly_cli.core.folds import FloatArray, IntArray

FEATURES = ("mj1", "delta_mj", "tau21_j1", "tau21_j2", "delta_r_jj")
"""The standard features, in order; jets are ordered by mass, `mj1` is the lighter one."""

EDGE_ANCHORS = {"delta_r_jj": math.pi}
"""Features with an upper kinematic edge that moves with mjj, and the value that the edge is measured from.

At fixed mjj the trigger threshold in pT limits the separation in eta of two back-to-back jets, whose
delta_r_jj is pi where they do not differ in eta.
"""


@dataclass(frozen=True)
class Events:
    """A set of events, checked where it is born.

    Attributes:
        mjj: dijet invariant mass `(n,)` [GeV].
        features: `(n, d)`, one column per name.
        event_id: identity of each event `(n,)`.
        source_id: id of the event that a generated or transported one came from, `(n,)`; for events
            that were not made from others it equals `event_id`.
        weight: `(n,)`.
        names: the d feature names.

    Raises:
        DataError: where shapes disagree or a value is not finite.
    """

    mjj: FloatArray
    features: FloatArray
    event_id: IntArray
    source_id: IntArray
    weight: FloatArray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        n, d = len(self.mjj), len(self.names)
        if self.features.shape != (n, d):
            raise DataError(f"events: features have shape {self.features.shape}, expected {(n, d)}")
        for name in ("event_id", "source_id", "weight"):
            if getattr(self, name).shape != (n,):
                raise DataError(f"events: {name} has shape {getattr(self, name).shape}, expected {(n,)}")
        if not np.isfinite(self.mjj).all():
            raise DataError("events: mjj is not finite in some events; remove them and count them before this step")
        bad = [x for x, column in zip(self.names, self.features.T, strict=True) if not np.isfinite(column).all()]
        if bad:
            raise DataError(f"events: feature {bad[0]} is not finite in some events; remove them and count them first")

    def __len__(self) -> int:
        return len(self.mjj)

    def take(self, selection: npt.NDArray[Any]) -> Events:
        """Return the events of a mask `(n,)` or of indices `(k,)`."""
        selection = np.flatnonzero(selection) if selection.dtype == np.bool_ else selection
        return replace(
            self,
            mjj=self.mjj[selection],
            features=self.features[selection],
            event_id=self.event_id[selection],
            source_id=self.source_id[selection],
            weight=self.weight[selection],
        )


def make_events(
    mjj: FloatArray,
    features: FloatArray,
    names: Sequence[str],
    event_id: IntArray,
    source_id: IntArray | None = None,
    *,
    weight: FloatArray | None = None,
) -> Events:
    """Return events; without `source_id` every event is its own source, without `weight` all weigh 1."""
    return Events(
        mjj=np.asarray(mjj, dtype=np.float64),
        features=np.asarray(features, dtype=np.float64),
        event_id=np.asarray(event_id, dtype=np.int64),
        source_id=np.asarray(event_id if source_id is None else source_id, dtype=np.int64),
        weight=np.ones(len(mjj)) if weight is None else np.asarray(weight, dtype=np.float64),
        names=tuple(names),
    )


def effective_number(weight: FloatArray) -> float:
    """Return how many events of equal weight know as much as these: (sum w)^2 / sum w^2; 0 without events."""
    return float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0


def concatenate(parts: Sequence[Events]) -> Events:
    """Return all events of `parts`, in order; names must agree.

    Raises:
        DataError: where the feature names differ.
    """
    names = parts[0].names
    if any(part.names != names for part in parts):
        raise DataError("events: sets with different features cannot be joined; use the same --features for all")
    return Events(
        mjj=np.concatenate([part.mjj for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        event_id=np.concatenate([part.event_id for part in parts]),
        source_id=np.concatenate([part.source_id for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        names=names,
    )
