"""What stands in a table: plain values, and records of a few of them.

Nothing is rounded here. A cell of a new sort is one class: its fields are what CSV and JSON name, `shown` is what
people read in any other output.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

from anomaly_cli.report.notation import PLAIN, Format, Notation

Plain: TypeAlias = str | bool | int | float | None
"""A text, a flag, a number, or nothing where a value would make no sense."""


class Cell(ABC):
    """A cell that is more than one value.

    Attributes:
        fits_anywhere: whether it may stand in a column of any type, since it says why there is no value.
    """

    fits_anywhere: ClassVar[bool] = False

    @abstractmethod
    def shown(self, digits: Format, write: Notation) -> str:
        """Return the cell as people read it."""

    @classmethod
    def parts(cls) -> tuple[str, ...]:
        """Return the names of its values."""
        return tuple(field.name for field in fields(cls))  # type: ignore[arg-type]  # every cell is a dataclass

    def values(self) -> Mapping[str, AnyCell]:
        """Return its values by name, in full precision."""
        return {name: getattr(self, name) for name in self.parts()}


AnyCell: TypeAlias = Plain | Cell


@dataclass(frozen=True)
class Measured(Cell):
    """A value and its symmetric uncertainty."""

    value: float
    uncertainty: float

    def shown(self, digits: Format, write: Notation) -> str:
        """Return it as `12.3 +- 0.4`."""
        return digits.with_error(self.value, self.uncertainty, write)


@dataclass(frozen=True)
class Interval(Cell):
    """A value and the interval that its uncertainty allows."""

    value: float
    low: float
    high: float

    def shown(self, digits: Format, write: Notation) -> str:
        """Return it as `1.02 [0.90, 1.30]`, or the value alone where nothing says how far it may be off."""
        value, low, high = (digits.number(number, write) for number in (self.value, self.low, self.high))
        return value if math.isnan(self.low) and math.isnan(self.high) else f"{value} [{low}, {high}]"


@dataclass(frozen=True)
class Spread(Cell):
    """A mean and the standard deviation of what it is the mean of."""

    mean: float
    spread: float

    def shown(self, digits: Format, write: Notation) -> str:
        """Return it as `2.1 (0.9)`."""
        return f"{digits.number(self.mean, write)} ({digits.number(self.spread, write)})"


@dataclass(frozen=True)
class Range(Cell):
    """Two ends; each a number or a bound."""

    low: float | Cell
    high: float | Cell

    def shown(self, digits: Format, write: Notation) -> str:
        """Return it as `3.3-3.7` or `12 to 30`."""
        low, high = (shown(end, digits, write) for end in (self.low, self.high))
        return f"{low}{write.words(digits.between)}{high}"


@dataclass(frozen=True)
class OutOf(Cell):
    """How many of how many."""

    number: int
    total: int

    def shown(self, digits: Format, write: Notation) -> str:
        """Return it as `3/5`."""
        return f"{digits.number(self.number, write)}/{digits.number(self.total, write)}"


@dataclass(frozen=True)
class Above(Cell):
    """A value that is known to be larger than a number, and no more."""

    above: float
    fits_anywhere: ClassVar[bool] = True

    def shown(self, _: Format, write: Notation) -> str:
        """Return it as `> 37.5`."""
        return f"{write.above}{write.number(format(self.above, 'g'))}"


@dataclass(frozen=True)
class Below(Cell):
    """A value that is known to be smaller than a number, and no more."""

    below: float
    fits_anywhere: ClassVar[bool] = True

    def shown(self, _: Format, write: Notation) -> str:
        """Return it as `< 2.2e-308`."""
        return f"{write.below}{write.number(format(self.below, '.2g'))}"


@dataclass(frozen=True)
class Missing(Cell):
    """No value, and why: in a word or two."""

    missing: str
    fits_anywhere: ClassVar[bool] = True

    def shown(self, _: Format, write: Notation) -> str:
        """Return the reason."""
        return write.words(self.missing)


@dataclass(frozen=True)
class Hidden(Cell):
    """A value that must not be looked at; it is not in the record either."""

    hidden: bool = True
    fits_anywhere: ClassVar[bool] = True

    def shown(self, _: Format, write: Notation) -> str:
        """Return that it is hidden."""
        return write.words("hidden")


HIDDEN = Hidden()


@dataclass(frozen=True)
class Marked(Cell):
    """A value with footnote marks, which its column explains."""

    cell: AnyCell
    marks: tuple[str, ...]

    def shown(self, digits: Format, write: Notation) -> str:
        """Return it as `3.1 % (t)`."""
        return f"{shown(self.cell, digits, write)} ({write.words(', '.join(self.marks))})"


def marked(cell: AnyCell, *marks: str) -> AnyCell:
    """Return a cell with those marks that are not empty, or as it is."""
    given = tuple(mark for mark in marks if mark)
    return Marked(cell, given) if given else cell


def number_or(value: float, reason: str | None) -> AnyCell:
    """Return a number; where it is NaN that it is missing for a reason, or nothing where none is given."""
    if not math.isnan(value):
        return float(value)
    return None if reason is None else Missing(reason)


def plain(value: Any) -> Any:
    """Return a numpy scalar as what Python calls it; anything else as it is."""
    return value.item() if hasattr(value, "item") else value


def shown(cell: AnyCell, digits: Format, write: Notation = PLAIN) -> str:
    """Return any cell as people read it."""
    if isinstance(cell, Cell):
        return cell.shown(digits, write)
    if cell is None:
        return write.words("-")
    if isinstance(cell, bool):
        return write.words("yes" if cell else "no")
    return write.words(cell) if isinstance(cell, str) else digits.number(cell, write)
