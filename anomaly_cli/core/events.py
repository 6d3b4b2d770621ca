"""Events: the value type that every stage and method passes on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.blocks import FEATURES_BLOCK, Block, Features
from anomaly_cli.core.errors import DataError, PhysicsError

FEATURES = ("mj1", "delta_mj", "tau21_j1", "tau21_j2", "delta_r_jj")
"""The standard features, in order; jets are ordered by mass, `mj1` is the lighter one."""

EDGE_ANCHORS = {"delta_r_jj": math.pi}
"""Features with an upper kinematic edge that moves with mjj, and the value that the edge is measured from.

At fixed mjj the trigger threshold in pT limits the separation in eta of two back-to-back jets, whose
delta_r_jj is pi where they do not differ in eta.
"""


@dataclass(frozen=True)
class Events:
    """A set of events, checked where it is born: identity, and what is known of them in named blocks.

    Attributes:
        mjj: dijet invariant mass `(n,)` [GeV].
        event_id: identity of each event `(n,)`.
        source_id: id of the event that a generated or transported one came from, `(n,)`; for events
            that were not made from others it equals `event_id`.
        weight: `(n,)`.
        blocks: what is known of the n events, by name; `features` is the block of the features.

    Raises:
        DataError: where lengths disagree, or a mass or weight is not finite.
    """

    mjj: FloatArray
    event_id: IntArray
    source_id: IntArray
    weight: FloatArray
    blocks: Mapping[str, Block]

    def __post_init__(self) -> None:
        n = len(self.mjj)
        for name in ("mjj", "event_id", "source_id", "weight"):
            if getattr(self, name).shape != (n,):
                raise DataError(f"events: {name} has shape {getattr(self, name).shape}, expected {(n,)}")
        for name, block in self.blocks.items():
            if len(block) != n:
                raise DataError(f"events: {name} of {len(block)} events, expected {n}")
        for name in ("mjj", "weight"):
            if not np.isfinite(getattr(self, name)).all():
                raise DataError(f"events: {name} is not finite in some events; remove and count them before this step")

    def __len__(self) -> int:
        return len(self.mjj)

    @property
    def features(self) -> FloatArray:
        """The features `(n, d)`."""
        return self._features.values

    @property
    def names(self) -> tuple[str, ...]:
        """The d feature names."""
        return self._features.names

    @property
    def _features(self) -> Features:
        block = self.blocks.get(FEATURES_BLOCK)
        if not isinstance(block, Features):
            raise DataError(f"events: have no features, only {', '.join(self.blocks) or 'their masses'}")
        return block

    def take(self, selection: npt.NDArray[Any]) -> Events:
        """Return the events of a mask `(n,)` or of indices `(k,)`."""
        index = np.flatnonzero(selection) if selection.dtype == np.bool_ else selection
        return Events(
            mjj=self.mjj[index],
            event_id=self.event_id[index],
            source_id=self.source_id[index],
            weight=self.weight[index],
            blocks={name: block.take(index) for name, block in self.blocks.items()},
        )

    def with_block(self, name: str, block: Block) -> Events:
        """Return the same events with one block more."""
        return replace(self, blocks={**self.blocks, name: block})


def make_events(
    mjj: FloatArray,
    features: FloatArray,
    names: Sequence[str],
    event_id: IntArray,
    source_id: IntArray | None = None,
    *,
    weight: FloatArray | None = None,
) -> Events:
    """Return events with features; without `source_id` every event is its own source, without `weight` all weigh 1."""
    return Events(
        mjj=np.asarray(mjj, dtype=np.float64),
        event_id=np.asarray(event_id, dtype=np.int64),
        source_id=np.asarray(event_id if source_id is None else source_id, dtype=np.int64),
        weight=np.ones(len(mjj)) if weight is None else np.asarray(weight, dtype=np.float64),
        blocks={FEATURES_BLOCK: Features(np.asarray(features, dtype=np.float64), tuple(names))},
    )


def refuse_constant(events: Events, where: str) -> None:
    """Refuse a feature that is the same in every event; `where` ends the sentence.

    Raises:
        PhysicsError: for the first that is.
    """
    for name, column in zip(events.names, events.features.T, strict=True):
        if len(column) and column.min() == column.max():
            raise PhysicsError(
                f"feature '{name}' has the same value ({column[0]:g}) in every {where}; leave it out with --features"
            )


def effective_number(weight: FloatArray) -> float:
    """Return how many events of equal weight know as much as these: (sum w)^2 / sum w^2; 0 without events."""
    return float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0


def concatenate(parts: Sequence[Events]) -> Events:
    """Return all events of `parts`, in order; blocks that not all of them have are left out.

    Raises:
        DataError: where blocks do not fit together, as features of other names.
    """
    shared = [name for name in parts[0].blocks if all(name in part.blocks for part in parts)]
    return Events(
        mjj=np.concatenate([part.mjj for part in parts]),
        event_id=np.concatenate([part.event_id for part in parts]),
        source_id=np.concatenate([part.source_id for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        blocks={name: _join([part.blocks[name] for part in parts]) for name in shared},
    )


def _join(blocks: Sequence[Any]) -> Block:
    joined: Block = type(blocks[0]).join(blocks)
    return joined
