"""A report for a terminal of any width, as lines with a style each.

Where a terminal is narrow, columns of low priority are left out and named; where even the others have no room, the
cells of a row stand below each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rich.cells import cell_len

from anomaly_cli.report.cells import AnyCell, shown
from anomaly_cli.report.notation import visible
from anomaly_cli.report.render.layout import INDENT, Layout, ShownColumn, align, fold, lay_out
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.table import Level, Message, Report, Table, read_by_people

RULE = "─"
WIDEST_SENTENCE = 120
"""Sentences are folded at this width on wider terminals."""
EMPTY = "(none)"
"""Stands where a table has no rows."""


class Style(Enum):
    """What a line is; the terminal decides how it looks."""

    TITLE = "title"
    HEADER = "header"
    RULE = "rule"
    BODY = "body"
    NOTE = "note"
    HEADLINE = "headline"
    WARNING = "warning"


_LEVELS = {Level.NOTE: Style.BODY, Level.HEADLINE: Style.HEADLINE, Level.WARNING: Style.WARNING}


@dataclass(frozen=True)
class Line:
    """A line of a report."""

    text: str
    style: Style = Style.BODY


def render(report: Report, about: About) -> str:
    """Return a report as plain text."""
    return "".join(f"{line.text}\n" for line in lines(report, about.width))


def lines(report: Report, width: int) -> list[Line]:
    """Return the lines of a report; a table has an empty line before and after it."""
    found: list[Line] = []
    for part in read_by_people(report):
        if isinstance(part, Message):
            found += _message_lines(part, width)
        else:
            if found and found[-1].text:
                found.append(Line(""))
            found += [*_table_lines(part, width), Line("")]
    return found


def _sentences(texts: Sequence[str], style: Style, width: int) -> Iterator[Line]:
    for text in texts:
        yield from (Line(line, style) for line in fold(text, min(width, WIDEST_SENTENCE)))


def _message_lines(message: Message, width: int) -> Iterator[Line]:
    yield from _sentences([message.text], _LEVELS[message.level], width)
    yield from (Line(f"  {visible(detail)}") for detail in message.details)


def _table_lines(table: Table, width: int) -> Iterator[Line]:
    groups = _visible_groups(table)
    columns = _columns(table, [row for rows in groups.values() for row in rows])
    layout = lay_out(columns, width)
    yield from _sentences([table.title] if table.title else [], Style.TITLE, width)
    yield from _header(columns, layout)
    start = 0
    for name, rows in groups.items():
        yield from _sentences([name] if table.group_by else [], Style.HEADLINE, width)
        for number in range(start, start + len(rows)):
            yield from _row_lines(columns, number, layout, width)
        start += len(rows)
    if not table.rows:
        yield Line(f"{' ' * INDENT}{EMPTY}")
    read = table.read()
    shown_columns = [read[index] for index in layout.kept]
    notes = [*_left_out(table, columns, layout, width), *table.explanations(shown_columns)]
    yield from _sentences(notes, Style.NOTE, width)


def _columns(table: Table, rows: Sequence[tuple[AnyCell, ...]]) -> list[ShownColumn]:
    return [
        ShownColumn(
            visible(table.columns[index].heading),
            tuple(shown(row[index], table.columns[index].format) for row in rows),
            table.columns[index].is_text,
            int(table.columns[index].priority),
        )
        for index in table.read()
    ]


def _visible_groups(table: Table) -> dict[str, list[tuple[AnyCell, ...]]]:
    """Return the rows that a terminal shows."""
    most_groups, most_rows = table.most_groups or None, table.most_rows or None
    return {name: rows[:most_rows] for name, rows in list(table.groups().items())[:most_groups]}


def _header(columns: Sequence[ShownColumn], layout: Layout) -> Iterator[Line]:
    if layout.widths:
        headings = [columns[index].heading for index in layout.kept]
        yield from (Line(text, Style.HEADER) for text in _side_by_side(headings, columns, layout))
        full = sum(layout.widths) + layout.gap * (len(layout.widths) - 1)
        yield Line(" " * (INDENT - 1) + RULE * (full + 1), Style.RULE)


def _row_lines(columns: Sequence[ShownColumn], number: int, layout: Layout, width: int) -> Iterator[Line]:
    if layout.widths:
        texts = [columns[index].cells[number] for index in layout.kept]
        yield from (Line(text) for text in _side_by_side(texts, columns, layout))
        return
    first, *others = columns
    named = [f"{first.cells[number]}:", *(f"{column.heading}: {column.cells[number]}" for column in others)]
    if len(columns) <= 2:  # a name and what it stands for
        named = [": ".join(column.cells[number] for column in columns)]
    for position, text in enumerate(named):
        indent = INDENT if position else 0
        for place, line in enumerate(fold(text, width - indent - INDENT)):
            yield Line(" " * (indent + (INDENT if place else 0)) + line)


def _side_by_side(texts: Sequence[str], columns: Sequence[ShownColumn], layout: Layout) -> Iterator[str]:
    """Yield the lines of one row, of which each cell may have several."""
    kept = [columns[index] for index in layout.kept]
    folded = [
        fold(text, width) if cell_len(text) > width else [text]
        for text, width in zip(texts, layout.widths, strict=True)
    ]
    for number in range(max(map(len, folded))):
        parts = (
            align(cell[number] if number < len(cell) else "", width, column.is_text)
            for cell, width, column in zip(folded, layout.widths, kept, strict=True)
        )
        yield (" " * INDENT + (" " * layout.gap).join(parts)).rstrip()


def _left_out(table: Table, columns: Sequence[ShownColumn], layout: Layout, width: int) -> Iterator[str]:
    """Say what a terminal does not show."""
    names = [column.heading for index, column in enumerate(columns) if index not in layout.kept]
    if names:
        yield f"Columns not shown (the terminal is {width} wide): {', '.join(names)}."
    n_rows = len(table.rows) - sum(map(len, _visible_groups(table).values()))
    if n_rows:
        yield f"Rows that are not shown here: {n_rows}."
