"""A report as a fragment of HTML: no styles, no scripts, classes to style it by."""

from __future__ import annotations

import html
from collections.abc import Iterator

from anomaly_cli.report.cells import shown
from anomaly_cli.report.notation import Notation, visible
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.table import Column, Message, Report, Table, read_by_people


def escape(text: str) -> str:
    """Return text that a browser shows as it is, in an element or an attribute."""
    return html.escape(visible(text))


HTML = Notation(words=escape, number=escape, plus_minus=" &plusmn; ", above="&gt; ", below="&lt; ")


def render(report: Report, about: About) -> str:
    """Return a report as a section of HTML."""
    data = f' data-command="{escape(about.command)}"' if about.command else ""
    pairs = " ".join(f"{kind}={digest}" for kind, digest in about.digests.items())
    digests = f' data-digests="{escape(pairs)}"' if pairs else ""
    parts = [_paragraph(part) if isinstance(part, Message) else render_table(part) for part in read_by_people(report)]
    return "\n".join([f'<section class="anomaly-report"{data}{digests}>', *parts, "</section>", ""])


def render_table(table: Table) -> str:
    """Return one table with its notes."""
    columns = [table.columns[index] for index in table.read()]
    lines = [
        '<figure class="table">',
        *([f"<figcaption>{escape(table.title)}</figcaption>"] if table.title else []),
        f'<div class="scroll"><table class="{escape(table.name)}">',
        "<thead>",
        "<tr>" + "".join(_heading(column) for column in columns) + "</tr>",
        "</thead>",
        *_bodies(table),
        "</table></div>",
        *(f'<p class="note">{escape(note)}</p>' for note in table.explanations()),
        "</figure>",
    ]
    return "\n".join(lines)


def _heading(column: Column) -> str:
    title = f' title="{escape(column.meaning)}"' if column.meaning else ""
    return f'<th scope="col" class="{_class(column)}"{title}>{escape(column.heading)}</th>'


def _class(column: Column) -> str:
    return "text" if column.is_text else "number"


def _bodies(table: Table) -> Iterator[str]:
    places = table.read()
    for name, rows in table.groups().items():
        yield "<tbody>"
        if table.group_by:
            yield f'<tr><th scope="rowgroup" colspan="{len(places)}">{escape(name)}</th></tr>'
        for row in rows:
            cells = ((table.columns[index], row[index]) for index in places)
            yield (
                "<tr>"
                + "".join(
                    f'<td class="{_class(column)}">{shown(cell, column.format, HTML)}</td>' for column, cell in cells
                )
                + "</tr>"
            )
        yield "</tbody>"


def _paragraph(message: Message) -> str:
    details = "".join(f"\n<pre>{escape(detail)}</pre>" for detail in message.details)
    return f'<p class="{message.level.value}">{escape(message.text)}</p>{details}'
