"""A report as Markdown: tables with pipes, and paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from anomaly_cli.report.cells import shown
from anomaly_cli.report.notation import Notation, visible
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.table import Level, Message, Report, Table, read_by_people

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def escape(text: str) -> str:
    """Return text that Markdown sets as it is."""
    return _SPECIAL.sub(r"\\\1", visible(text))


MARKDOWN = Notation(words=escape, above=r"\> ", below=r"\< ")


def render(report: Report, about: About) -> str:
    """Return a report as Markdown."""
    blocks = [f"`anomaly {visible(about.command)}`\n"] if about.command else []
    blocks += [_paragraph(part) if isinstance(part, Message) else render_table(part) for part in read_by_people(report)]
    return "\n".join(blocks)


def _paragraph(message: Message) -> str:
    text = escape(message.text)
    told = text if message.level is Level.NOTE else f"**{text}**"
    details = "\n".join(f"    {visible(line)}" for line in message.details)
    return "\n\n".join(filter(None, (told, details))) + "\n"


def render_table(table: Table) -> str:
    """Return one table: its title, the rows, and its notes."""
    columns = [table.columns[index] for index in table.read()]
    lines = [f"{escape(table.title)}\n"] if table.title else []
    lines.append(_row(escape(column.heading) for column in columns))
    lines.append(_row("---" if column.is_text else "---:" for column in columns))
    for name, rows in table.groups().items():
        if table.group_by:
            lines.append(_row([f"**{escape(name)}**", *[""] * (len(columns) - 1)]))
        for row in rows:
            cells = zip(columns, (row[index] for index in table.read()), strict=True)
            lines.append(_row(shown(cell, column.format, MARKDOWN) for column, cell in cells))
    notes = table.explanations()
    return "\n".join([*lines, *(f"\n{escape(note)}" for note in notes)]) + "\n"


def _row(cells: Iterator[str] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"
