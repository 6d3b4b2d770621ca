"""What a command has to say, as plain records: tables of typed cells, and the sentences between them.

Records hold full precision and neither print nor draw; each file in `render/` writes them in one format. A table is
made by `build` from rows, and fields that say which column there is and what stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import Any, TypeAlias

from anomaly_cli.artifacts.columns import Group
from anomaly_cli.report.cells import AnyCell, Cell, Marked, Measured, number_or, plain
from anomaly_cli.report.notation import GENERAL, Format

_DTYPES: Mapping[str, type] = {"str": str, "i8": int, "f8": float, "b1": bool}
"""What a column holds, by the dtype of that of an artifact."""


class Priority(IntEnum):
    """Which columns give way first where a terminal is narrow."""

    DATA = 0
    """In CSV and JSON only: what people read in the title or in another column."""
    LOW = 1
    NORMAL = 2
    HIGH = 3
    KEY = 4
    """Never left out."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: in CSV and JSON; a Python name.
        header: for people, without the unit.
        unit: physical unit, empty where there is none.
        meaning: one line, empty where the header says it all.
        format: how its numbers are rounded where people read them.
        priority: which columns give way first where there is no room.
        holds: type of its cells: a plain type or a class of cells.
        marks: footnote marks that its cells may have, and what they mean.
        note: a sentence about it below the table; not where a terminal leaves it out.
        is_for_people: whether it says in words what other columns hold, and is not in CSV and JSON.
    """

    name: str
    header: str
    unit: str = ""
    meaning: str = ""
    format: Format = GENERAL
    priority: Priority = Priority.NORMAL
    holds: type = float
    marks: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    is_for_people: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it holds words: set left, folded where there is no room; numbers are set right and never folded."""
        return self.holds is str

    @property
    def heading(self) -> str:
        """The header with the unit."""
        return f"{self.header} [{self.unit}]".strip() if self.unit else self.header

    def accepts(self, cell: AnyCell) -> bool:
        """Return whether a cell may stand in this column."""
        if isinstance(cell, Marked):
            return self.accepts(cell.cell) and set(cell.marks) <= set(self.marks)
        if cell is None or (isinstance(cell, Cell) and cell.fits_anywhere):
            return True
        if isinstance(cell, bool):
            return self.holds is bool
        takes_numbers = self.holds is float or self.holds is Measured  # of an uncertainty that is not known
        return isinstance(cell, self.holds) or (takes_numbers and isinstance(cell, int | float))


@dataclass(frozen=True)
class Table:
    """Rows of typed cells.

    Attributes:
        name: what it is a table of, for programs; a Python name.
        title: what it is a table of, for people; may be empty.
        columns: its columns.
        rows: a cell for each column.
        notes: sentences below it.
        group_by: name of a text column that rows stand together by; it becomes a line above them where people read.
        most_rows: of each group, that a terminal shows; 0 for all of them.
        most_groups: that a terminal shows; 0 for all of them.

    Raises:
        ValueError: where a cell does not fit its column: a mistake of the program.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[AnyCell, ...], ...]
    notes: tuple[str, ...] = ()
    group_by: str = ""
    most_rows: int = 0
    most_groups: int = 0

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names) or (self.group_by and self.group_by not in names):
            raise ValueError(f"table {self.name}: columns {names}, grouped by '{self.group_by}'")
        for row in self.rows:
            for column, cell in zip(self.columns, row, strict=True):
                if not column.accepts(cell):
                    raise ValueError(f"table {self.name}: {cell!r} does not fit column {column.name}")

    def explanations(self, columns: Sequence[int] | None = None) -> tuple[str, ...]:
        """Return what stands below it: its notes, those of its columns, and the meaning of those marks that are used.

        Args:
            columns: indices of the columns that are shown; None for all.
        """
        shown = range(len(self.columns)) if columns is None else columns
        notes = dict.fromkeys(self.columns[index].note for index in shown if self.columns[index].note)
        used = {
            f"({mark}): {self.columns[index].marks[mark]}."
            for row in self.rows
            for index in shown
            if isinstance(cell := row[index], Marked)
            for mark in cell.marks
        }
        return (*self.notes, *([" ".join(notes)] if notes else []), *sorted(used))

    def for_programs(self) -> Table:
        """Return it without the columns that say in words what others hold."""
        kept = [index for index, column in enumerate(self.columns) if not column.is_for_people]
        columns = tuple(self.columns[index] for index in kept)
        return replace(self, columns=columns, rows=tuple(tuple(row[index] for index in kept) for row in self.rows))

    def groups(self) -> dict[str, list[tuple[AnyCell, ...]]]:
        """Return the rows by group, in order; all of them under an empty name where there is nothing to group by."""
        place = [column.name for column in self.columns].index(self.group_by) if self.group_by else None
        found: dict[str, list[tuple[AnyCell, ...]]] = {}
        for row in self.rows:
            found.setdefault("" if place is None else str(row[place]), []).append(row)
        return found

    def read(self) -> list[int]:
        """Return the indices of the columns that people read, as a table."""
        return [
            index
            for index, column in enumerate(self.columns)
            if column.priority > Priority.DATA and column.name != self.group_by
        ]


class Level(Enum):
    """How much a message matters."""

    NOTE = "note"
    HEADLINE = "headline"
    WARNING = "warning"


@dataclass(frozen=True)
class Message:
    """A sentence that stands for itself.

    Attributes:
        text: the sentence.
        level: how much it matters.
        details: lines that belong to it and are never folded, as paths, and commands for a shell.
    """

    text: str
    level: Level = Level.NOTE
    details: tuple[str, ...] = ()


Part: TypeAlias = Table | Message
Report: TypeAlias = Sequence[Part]
"""All that a command has to say."""
Row: TypeAlias = Mapping[str, Any]


def read_by_people(report: Report) -> list[Part]:
    """Return the parts of a report without tables that are for programs alone."""
    return [part for part in report if isinstance(part, Message) or part.read()]


@dataclass(frozen=True)
class Field:
    """A column, and how its cell is found in what a row is made from."""

    column: Column
    cell: Callable[[Any], AnyCell]


def stored(
    group: Group,
    name: str,
    header: str,
    digits: Format = GENERAL,
    priority: Priority = Priority.NORMAL,
    *,
    missing: str | None = None,
    note: str = "",
) -> Field:
    """Return the field of a column of an artifact, whose type, unit and meaning are taken from there.

    Args:
        group: the group of the artifact.
        name: of its column.
        header: for people.
        digits: how its numbers are rounded.
        priority: which columns give way first where there is no room.
        missing: reason where the artifact holds NaN; nothing stands there without one.
        note: a sentence about it below the table.
    """
    described = group.columns[name]
    holds = _DTYPES[described.dtype]
    column = Column(name, header, described.unit, described.meaning, digits, priority, holds, note=note)
    if holds is float:
        return Field(column, lambda row: number_or(float(row[name]), missing))
    return Field(column, lambda row: holds(plain(row[name])))


def made(column: Column, cell: Callable[[Any], AnyCell], group: Group | None = None) -> Field:
    """Return the field of a column whose cells are made; with a group, unit and meaning are those of its column."""
    if group is None:
        return Field(column, cell)
    described = group.columns[column.name]
    unit, meaning = column.unit or described.unit, column.meaning or described.meaning
    return Field(replace(column, unit=unit, meaning=meaning), cell)


def build(
    name: str,
    title: str,
    fields: Iterable[Field],
    rows: Iterable[Any],
    notes: Iterable[str] = (),
    *,
    group_by: str = "",
    most_rows: int = 0,
    most_groups: int = 0,
) -> Table:
    """Return a table with one row for each of `rows`; the other arguments are those of `Table`."""
    given = tuple(fields)
    made_rows = tuple(tuple(field.cell(row) for field in given) for row in rows)
    columns = tuple(field.column for field in given)
    return Table(name, title, columns, made_rows, tuple(filter(None, notes)), group_by, most_rows, most_groups)
