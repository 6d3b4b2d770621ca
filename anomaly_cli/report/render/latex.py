"""A report as LaTeX: plain tabulars that need no package, and paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from anomaly_cli.report.cells import AnyCell, shown
from anomaly_cli.report.notation import Notation, visible
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.table import Level, Message, Report, Table, read_by_people

_ESCAPES = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{char: f"${char}$" for char in "<>|"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",  # after a line end LaTeX would take it for the space to leave there
    "]": "{]}",
    "*": "{*}",
    '"': "''",
}
_DASHES = re.compile("-(?=-)")
"""Of an option, which LaTeX would join to a longer dash."""


def escape(text: str) -> str:
    """Return text that LaTeX sets as it is."""
    return _DASHES.sub("-{}", "".join(_ESCAPES.get(char, char) for char in visible(text)))


def _number(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    return rf"${mantissa} \times 10^{{{int(exponent)}}}$" if exponent else f"${mantissa}$"


LATEX = Notation(words=escape, number=_number, plus_minus=r" $\pm$ ", above="$>$ ", below="$<$ ")


def render(report: Report, about: About) -> str:
    """Return a report as LaTeX."""
    head = [f"anomaly {about.command}"] if about.command else []
    head += [f"{kind} {digest}" for kind, digest in about.digests.items()]
    blocks = ["".join(f"% {visible(line)}\n" for line in head)]
    blocks += [_paragraph(part) if isinstance(part, Message) else render_table(part) for part in read_by_people(report)]
    return "\n".join(filter(None, blocks))


def render_table(table: Table) -> str:
    """Return one table: its title, a tabular, and its notes in small print."""
    columns = [table.columns[index] for index in table.read()]
    title = [rf"\multicolumn{{{len(columns)}}}{{l}}{{{escape(table.title)}}} \\"] if table.title else []
    kinds = "".join("l" if column.is_text else "r" for column in columns)
    lines = [
        rf"\begin{{tabular}}{{{kinds}}}",
        *title,
        r"\hline",
        " & ".join(escape(column.heading) for column in columns) + r" \\",
        r"\hline",
        *_rows(table),
        r"\hline",
        r"\end{tabular}",
        *(rf"\par{{\footnotesize {escape(note)}}}" for note in table.explanations()),
    ]
    return "\n".join([*lines, ""])


def _rows(table: Table) -> Iterator[str]:
    places = table.read()
    groups = table.groups()
    for name, rows in groups.items():
        if table.group_by:
            yield rf"\multicolumn{{{len(places)}}}{{l}}{{{escape(name)}}} \\"
        yield from (" & ".join(_cell(table, row, index) for index in places) + r" \\" for row in rows)


def _cell(table: Table, row: tuple[AnyCell, ...], index: int) -> str:
    return shown(row[index], table.columns[index].format, LATEX)


def _paragraph(message: Message) -> str:
    text = escape(message.text)
    shaped = text if message.level is Level.NOTE else rf"\textbf{{{text}}}"
    details = "".join(rf"\\ \texttt{{{escape(detail)}}}" for detail in message.details)
    return f"\\par\\noindent {shaped}{details}\n"
