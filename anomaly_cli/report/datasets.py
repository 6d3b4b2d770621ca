"""Tables about data sets: what `anomaly data` and `anomaly simulate` print, from plain rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from anomaly_cli.report.cells import AnyCell, Cell, Missing
from anomaly_cli.report.notation import COUNT, Format, Notation
from anomaly_cli.report.table import Column, Priority, Table

Rows: TypeAlias = Iterable[tuple[AnyCell, ...]]
LOW, HIGH, KEY = Priority.LOW, Priority.HIGH, Priority.KEY


@dataclass(frozen=True)
class Size(Cell):
    """Size of a file."""

    bytes: int

    def shown(self, _: Format, write: Notation) -> str:
        """Return it as people write it, `1.23 GB`."""
        number, unit = (f"{self.bytes / 1e9:.2f}", "GB") if self.bytes >= 1e9 else (f"{self.bytes / 1e6:.1f}", "MB")
        return f"{write.number(number)}{write.words(f' {unit}')}"


def size_cell(n_bytes: int) -> AnyCell:
    """Return a size, not known for 0."""
    return Size(n_bytes) if n_bytes else Missing("not known")


def data_sets_table(rows: Rows) -> Table:
    """Return the data sets: name, what it is, size in bytes, where it is."""
    columns = (_text("data_set", "data set", KEY), _text("title", "what"), _SIZE, _text("here", "here", HIGH))
    return Table("data_sets", "", columns, tuple(rows))


def facts_table(facts: Mapping[str, str]) -> Table:
    """Return what is known of a data set, fact by fact."""
    return Table("facts", "", (_text("fact", "fact", KEY), _text("value", "value", KEY)), tuple(facts.items()))


def files_table(rows: Rows) -> Table:
    """Return the files of a data set: name, what it holds, size in bytes, checksum."""
    columns = (_text("file", "file", KEY), _text("holds", "holds", LOW), _SIZE, _text("checksum", "checksum", KEY))
    return Table("files", "Files", columns, tuple(rows))


def meanings_table(rows: Rows) -> Table:
    """Return the columns of a data set: name, unit, meaning."""
    columns = (_text("column", "column", KEY), _text("unit", "unit"), _text("meaning", "meaning", HIGH))
    return Table("columns", "Columns", columns, tuple(rows))


def states_table(rows: Rows) -> Table:
    """Return the files of a data set: name, state."""
    return Table("file_states", "", (_text("file", "file", KEY), _text("state", "state", KEY)), tuple(rows))


def ranges_table(rows: Rows) -> Table:
    """Return the columns of a file: name, smallest, median and largest value, events that are NaN."""
    columns = (
        _text("column", "column", KEY),
        *(Column(name, name, format=Format(".5g")) for name in ("smallest", "median", "largest")),
        Column("n_bad", "NaN", "", "events whose value is NaN or infinite", COUNT, HIGH, int),
    )
    return Table("columns", "Columns (masses and momenta in GeV where the layout says so)", columns, tuple(rows))


def truth_table(rows: Rows) -> Table:
    """Return events by window: window in TeV, background, signal."""
    columns = (
        Column("window", "window", "TeV", priority=KEY, holds=str),
        *(Column(name, name, format=COUNT, priority=KEY, holds=int) for name in ("background", "signal")),
    )
    return Table("regions", "Regions", columns, tuple(rows))


def numbers_table(rows: Rows) -> Table:
    """Return how many events there are of each sort."""
    columns = (_text("events", "events", KEY), Column("number", "number", format=COUNT, priority=KEY))
    return Table("events", "", columns, tuple(rows))


def _text(name: str, header: str, priority: Priority = Priority.NORMAL) -> Column:
    return Column(name, header, priority=priority, holds=str)


_SIZE = Column("size", "size", "", "in bytes", priority=LOW, holds=Size)
