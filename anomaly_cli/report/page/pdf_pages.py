"""A report as PDF pages: the text in a fixed width, then each picture on a page of its own."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from anomaly_cli.report.notation import visible
from anomaly_cli.report.page.document import Document, Section
from anomaly_cli.report.plots.style import SIZES, settings
from anomaly_cli.report.render.text import lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = (8.27, 11.69)
"""A4 [inch]."""
COLUMNS, ROWS = 104, 88
"""Of text on a page."""
FONT = 7.0
SIZE = SIZES["paper"]


def pages(document: Document) -> bytes:
    """Return a report as the bytes of a PDF file."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    with (
        mpl.rc_context(settings(SIZE)),
        PdfPages(buffer, metadata={"Title": visible(document.title), "CreationDate": None}) as file,
    ):
        for page in _filled([*_head(document), *_body(document)]):
            file.savefig(_text_page(page))
        for section in document.sections:
            for plot in section.plots:
                file.savefig(plot.figure(document.sources, SIZE))
    return buffer.getvalue()


def _head(document: Document) -> Iterator[str]:
    yield from textwrap.wrap(visible(document.title), COLUMNS)
    yield ""
    if document.warnings:
        yield "READ FIRST"
        for warning in document.warnings:
            yield from textwrap.wrap(visible(warning), COLUMNS, initial_indent="! ", subsequent_indent="  ")
        yield ""
    yield from textwrap.wrap(visible(document.story), COLUMNS)


def _body(document: Document) -> Iterator[str]:
    for section in document.sections:
        yield from ("", section.title.upper(), "")
        yield from _section(section)
    if document.left_out:
        yield from ("", "NOT DRAWN", "")
        for name, reason in document.left_out:
            yield from textwrap.wrap(visible(f"{name}: {reason}"), COLUMNS, subsequent_indent="  ")


def _section(section: Section) -> Iterator[str]:
    yield from (line.text for line in lines(section.parts, COLUMNS))
    for listing in section.listings:
        yield from ("", listing.title)
        for line in listing.text.splitlines():
            yield from textwrap.wrap(visible(line), COLUMNS, drop_whitespace=False) or [""]
    yield from (f"[picture: {plot.summary}]" for plot in section.plots)


def _filled(text: Sequence[str]) -> Iterator[Sequence[str]]:
    rows = [row for line in text for row in (textwrap.wrap(line, COLUMNS, drop_whitespace=False) or [""])]
    yield from (rows[start : start + ROWS] for start in range(0, len(rows), ROWS))


def _text_page(rows: Sequence[str]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(PAGE)
    words: dict[str, Any] = {
        "family": "DejaVu Sans Mono",
        "fontsize": FONT,
        "va": "top",
        "linespacing": 1.25,
        "parse_math": False,
    }
    figure.text(0.07, 0.95, "\n".join(rows), **words)
    return figure
