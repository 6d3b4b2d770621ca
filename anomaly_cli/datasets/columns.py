"""What is read from any event file: columns of numbers by name, or where its raw events lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import DataError, first_line
from anomaly_cli.core.windows import COLLISION_ENERGY

DIRECT = "mjj"
"""The column that a table with ready-made features has, and one of jet momenta has not."""
WEIGHT = "weight"
"""The column of event weights."""
UNITS = {"GeV": 1.0, "TeV": 1000.0, "1": 1.0}
"""Units that columns of files have; those of masses in GeV."""
LONGEST_QUOTE = 40
"""Characters of a value that a refusal quotes."""


@dataclass(frozen=True)
class FileColumns:
    """The columns of a file by name, and what kind of file they came from.

    Attributes:
        columns: those of numbers, `(n,)` each.
        container: kind of file, in words.
        other: columns that hold something else, and what, to go on "column 'x' ...".
    """

    columns: Mapping[str, npt.NDArray[Any]]
    container: str
    other: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return max((len(column) for column in self.columns.values()), default=0)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column, of numbers or not."""
        return (*self.columns, *self.other)

    def take(self, names: Iterable[str]) -> dict[str, FloatArray]:
        """Return the columns of these names, which all are in the file, `(n,)` each.

        Raises:
            DataError: where one holds no numbers, or they differ in length.
        """
        taken: dict[str, FloatArray] = {}
        for name in names:
            if name in self.other:
                raise DataError(f"column '{name}' {self.other[name]}, where numbers are needed")
            taken[name] = np.asarray(self.columns[name], dtype=np.float64)
        lengths = {len(column): name for name, column in taken.items()}
        if len(lengths) > 1:
            found = " and ".join(f"'{name}' has {length}" for length, name in sorted(lengths.items())[:2])
            raise DataError(f"columns have different lengths ({found} values)")
        return taken

    def fitting(self, names: Iterable[str], n: int) -> dict[str, FloatArray]:
        """Return those of the columns that hold n numbers; what else they may hold is of no use here."""
        fitting = [name for name in names if name in self.columns and len(self.columns[name]) == n]
        return self.take(fitting)


def require_single(path: Path, names: Iterable[str]) -> None:
    """Refuse a name that several columns have.

    Raises:
        DataError: naming the first.
    """
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise DataError(f"{path}: column '{twice[0]}' is there more than once; rename or remove all but one of them")


def several_levels(path: Path, name: str) -> DataError:
    """Return the refusal of a table whose columns have names of several parts (a MultiIndex of pandas)."""
    return DataError(
        f"{path}: its columns have names of several levels, as {shortened(name)}; give each a single name, for instance"
        " by df.columns = df.columns.get_level_values(-1)"
    )


def sort_columns(found: Mapping[str, npt.NDArray[Any]], container: str) -> FileColumns:
    """Return a table of arrays, of which some may be no columns of numbers."""
    columns: dict[str, npt.NDArray[Any]] = {}
    other: dict[str, str] = {}
    for name, values in found.items():
        flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        if flat.ndim != 1:
            other[name] = f"is an array of shape {values.shape}" if values.ndim else "is a single value"
        elif flat.dtype.kind not in "fiub":
            other[name] = f"holds {_kind(flat)}"
        else:
            columns[name] = flat
    return FileColumns(columns, container, other)


def _kind(values: npt.NDArray[Any]) -> str:
    if values.dtype.kind in "SU" or (len(values) and isinstance(values[0], (str, bytes))):
        return f"text ('{shortened(values[0])}')" if len(values) else "text"
    return {"M": "dates", "m": "time spans", "c": "complex numbers"}.get(values.dtype.kind, "lists or other objects")


def shortened(value: Any) -> str:
    """Return a value as text short enough to be quoted."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."


@dataclass(frozen=True)
class Spelling:
    """How a file writes a quantity, for sentences about it.

    Attributes:
        subject: the column as it is called there, as `column 'mass'`.
        unit: the unit that it has there: `GeV`, `TeV` or `1`.
    """

    subject: str
    unit: str = "GeV"

    def text(self, value: float) -> str:
        """Return a value [GeV, or 1] as the file writes it."""
        return f"{value / UNITS[self.unit]:.10g}" + ("" if self.unit == "1" else f" {self.unit}")


@dataclass(frozen=True)
class RawPlace:
    """Where the raw events of an HDF5 file lie.

    Attributes:
        path: the file.
        node: path of the data set inside.
        n_events: rows.
        is_labelled: whether events have a label: the last of 2101 columns, or one apart.
        label_node: path of the data set `(n, 1)` that holds the label where it lies apart, else empty.
        collision_energy: centre-of-mass energy [GeV], which no constituent's pT reaches.
    """

    path: Path
    node: str
    n_events: int
    is_labelled: bool
    label_node: str = ""
    collision_energy: float = COLLISION_ENERGY


def damaged(path: Path, kind: str, error: Exception) -> DataError:
    """Return the refusal of a file that cannot be read as what its name or its first bytes say."""
    return DataError(
        f"{path}: cannot be read as {kind} ({first_line(error)}); the file is damaged, cut short or of another"
        " type: compare its size and checksum with the source and fetch it again"
    )
