"""What commands print: reports for people or as JSON, and lines; imported only when a command runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

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


@dataclass
class Collected:
    """What a command has told so far, kept for one JSON document.

    Attributes:
        parts: tables and messages.
        digests: of the artifacts that they were made from, by kind.
    """

    parts: list[Part] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)


_collected: ContextVar[Collected | None] = ContextVar("collected", default=None)


@contextmanager
def collecting(command: str) -> Iterator[None]:
    """Keep what is shown in the block, and print it as one JSON document at its end.

    Args:
        command: the command, as it is written after `anomaly`.
    """
    collected = Collected()
    token = _collected.set(collected)
    try:
        yield
    finally:
        _collected.reset(token)
    print_json(collected.parts, command, collected.digests)


def show(report: Report | Part, digests: Mapping[str, str] | None = None) -> None:
    """Print a report for people, as wide as the terminal.

    Args:
        report: what to print.
        digests: of the artifacts that it was made from, by kind; JSON tells them.
    """
    parts = [report] if isinstance(report, Table | Message) else report
    collected = _collected.get()
    if collected is not None:
        collected.parts += parts
        collected.digests |= digests or {}
        return
    console = Console()
    for line in lines(parts, console.width):
        _print(console, line.text, STYLES[line.style])


def say(text: str) -> None:
    """Print one line, which only the terminal breaks, so that paths and commands stay whole."""
    collected = _collected.get()
    if collected is not None:
        collected.parts.append(Message(text))
        return
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
