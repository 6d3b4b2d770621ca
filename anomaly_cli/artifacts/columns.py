"""What a file format is made of: columns, groups and kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """One data set of a group.

    Attributes:
        dtype: numpy dtype string, or `str` for UTF-8 text.
        shape: symbolic shape, such as `n,d`; equal letters agree within a group, empty means a scalar.
        unit: physical unit, empty where there is none.
        meaning: one line for whoever opens the file.
    """

    dtype: str
    shape: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Group:
    """One HDF5 group.

    Attributes:
        columns: its data sets by name; empty for an open group, which takes any numeric arrays.
        meaning: one line.
        optional: whether a file may lack it.
        tells_region: whether it tells how many events the signal region holds, or what they are; not shown
            while that is blinded.
        holds_events: whether its events may have blocks besides the features, as `NAME:KIND:ARRAY`.
    """

    columns: Mapping[str, Column]
    meaning: str
    optional: bool = False
    tells_region: bool = False
    holds_events: bool = False

    @property
    def is_open(self) -> bool:
        """Whether any array is accepted (trained weights)."""
        return not self.columns


@dataclass(frozen=True)
class Kind:
    """One kind of artifact.

    Attributes:
        name: as written into the file.
        version: version of the layout.
        meaning: one line.
        made_by: the command that writes it.
        groups: groups by name.
        parents: kinds of the same run whose digests it holds among its inputs, and which it must belong to.
        twin: kind that is written together with it and has the same provenance; empty where it stands alone.
    """

    name: str
    version: int
    meaning: str
    made_by: str
    groups: Mapping[str, Group] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    twin: str = ""


TRAINING = Group(
    {
        "part": Column("str", "t", "", "what was trained"),
        "epoch": Column("i8", "t", "", "epoch, from 1; 0 is the state before training"),
        "training_loss": Column("f8", "t", "", "mean loss per event over the epoch"),
        "validation_loss": Column("f8", "t", "", "mean loss per event on held-out events"),
        "learning_rate": Column("f8", "t", "", "at the end of the epoch"),
    },
    "training curves",
)
"""The training curves of any model."""
ID_SET = {
    "first": Column("i8", "", "", "smallest id"),
    "bits": Column(
        "u1", "b", "", "bit k of byte b, the highest first: whether the event with id first + 8 b + k is one of them"
    ),
}
"""Event ids as a bitmap (see `artifacts.idsets`)."""


def event_columns(extra: Mapping[str, Column] | None = None) -> dict[str, Column]:
    """Return the columns of a group that holds events, and further ones."""
    return {
        "mjj": Column("f8", "n", "GeV", "dijet invariant mass"),
        "features": Column(
            "f8", "n,d", "GeV for masses, else 1", "features, in the order of the root attribute 'features'"
        ),
        "event_id": Column("i8", "n", "", "identity of the event"),
        "source_id": Column("i8", "n", "", "id of the observed event that this one was made from, or its own"),
        "weight": Column("f8", "n", "", "event weight"),
        **(extra or {}),
    }
