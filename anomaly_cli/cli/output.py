"""What commands print: reports for people or as JSON, and lines; imported only when a command runs."""

from __future__ import annotations

from collections.abc import Mapping

import typer
from rich.console import Console
from rich.text import Text

from anomaly_cli.report.notation import visible
from anomaly_cli.report.render import json
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.render.text import RULE, Style, lines
from anomaly_cli.report.table import Message, Part, Report, Table

STYLES: Mapping[Style, str] = {
    Style.TITLE: "italic",
    Style.HEADER: "bold",
    Style.RULE: "",
    Style.BODY: "",
    Style.NOTE: "dim italic",
    Style.HEADLINE: "bold",
    Style.WARNING: "bold red",
}


def show(report: Report | Part) -> None:
    """Print a report for people, as wide as the terminal."""
    parts = [report] if isinstance(report, Table | Message) else report
    console = Console()
    for line in lines(parts, console.width):
        _print(console, line.text, STYLES[line.style])


def say(text: str) -> None:
    """Print one line, which only the terminal breaks, so that paths and commands stay whole."""
    _print(Console(), visible(text), "")


def print_json(report: Report, command: str, digests: Mapping[str, str]) -> None:
    """Print a report as JSON.

    Args:
        report: what to print.
        command: the command that it answers, as it is written after `anomaly`.
        digests: digest of every artifact that it was made from, by kind.
    """
    typer.echo(json.render(report, About(command, digests)), nl=False)


def _print(console: Console, text: str, style: str) -> None:
    """Print a line as it is; characters that the terminal cannot show are spelt out."""
    plain = text if console.encoding.startswith("utf") else text.replace(RULE, "-")
    known = plain.encode(console.encoding, "backslashreplace").decode(console.encoding)
    console.print(Text(known, style), soft_wrap=True)
