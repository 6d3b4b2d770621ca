"""A report as one HTML file: pictures and styles inside, no script, nothing from the network."""

from __future__ import annotations

import base64
from pathlib import Path

from anomaly_cli.report.notation import visible
from anomaly_cli.report.page.document import Document, Section
from anomaly_cli.report.plots.picture import Plot, render
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.render import html
from anomaly_cli.report.render.registry import About

TEMPLATE = Path(__file__).with_name("page.html.j2")
LARGEST_SVG = 1_500_000
"""A picture that would be larger as SVG [bytes] is a PNG: one with very many points."""


def page(document: Document) -> str:
    """Return a report as HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))

    def tables(section: Section) -> Markup:
        return Markup(html.render(section.parts, About()))  # escaped by the renderer

    def picture(plot: Plot) -> str:
        return data_uri(plot, document.sources)

    return template.render(document=document, tables=tables, picture=picture, visible=visible)


def data_uri(plot: Plot, sources: Sources) -> str:
    """Return a picture as the address of an image that holds all of it."""
    figure = plot.figure(sources)
    kind, content = "svg+xml", render(figure, "svg")
    if len(content) > LARGEST_SVG:
        kind, content = "png", render(figure, "png")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
