"""A report as CSV: full precision, one block for each table.

The first line of a block names the columns; a cell of several values takes a column for each, as `z` and
`z_uncertainty`. Where there is no number, the reason stands in its place; nothing stands where a value would make no
sense. Titles, notes and messages are lines that begin with `#`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from anomaly_cli.report.cells import Above, AnyCell, Below, Cell, Marked, shown
from anomaly_cli.report.notation import GENERAL, visible
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.table import Column, Message, Report, Table

_OWN = frozenset({"value", "mean"})
"""The value of a cell that its column is named for."""


def render(report: Report, about: About) -> str:
    """Return a report as CSV, tables divided by empty lines."""
    blocks = [_comments([about.command, *(f"{kind}: {digest}" for kind, digest in about.digests.items())])]
    for part in report:
        if isinstance(part, Message):
            blocks.append(_comments([part.text, *part.details]))
        else:
            blocks.append(_comments([part.title]) + render_table(part) + _comments(part.explanations()))
    return "\n".join(filter(None, blocks))


def render_table(table: Table) -> str:
    """Return one table as CSV without comments."""
    table = table.for_programs()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for column in table.columns for name in _names(column)])
    for row in table.rows:
        writer.writerow(
            [value for column, cell in zip(table.columns, row, strict=True) for value in _values(column, cell)]
        )
    return text.getvalue()


def _comments(lines: Iterable[str]) -> str:
    return "".join(f"# {visible(line)}\n" for line in lines if line)


def _names(column: Column) -> Iterator[str]:
    for part in _parts(column):
        yield column.name if part in _OWN else f"{column.name}_{part}"
    if column.marks:
        yield f"{column.name}_marks"


def _parts(column: Column) -> tuple[str, ...]:
    return column.holds.parts() if issubclass(column.holds, Cell) else ("value",)


def _values(column: Column, cell: AnyCell) -> Iterator[object]:
    """Yield what stands in the columns of a cell."""
    inner, marks = (cell.cell, cell.marks) if isinstance(cell, Marked) else (cell, ())
    if isinstance(inner, column.holds) and isinstance(inner, Cell):
        yield from (_value(value) for value in inner.values().values())
    else:
        yield from [_value(inner), *[None] * (len(_parts(column)) - 1)]
    if column.marks:
        yield visible("; ".join(marks))


def _value(value: AnyCell) -> object:
    if isinstance(value, Above | Below):
        sign, bound = (">", value.above) if isinstance(value, Above) else ("<", value.below)
        return f"{sign}{bound!r}"
    if isinstance(value, Cell):
        return shown(value, GENERAL)
    return visible(value) if isinstance(value, str) else value
