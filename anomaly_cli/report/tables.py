"""Tables in one style, and columns as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.table import Table


def make_table(title: str, columns: Iterable[str], caption: str = "") -> Table:
    """Return an empty table; the first column is text, the others are numbers."""
    table = Table(
        title=title, caption=caption or None, box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left"
    )
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return table


def rows_of(columns: Any) -> list[dict[str, Any]]:
    """Return a group of columns as rows."""
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*(columns[n] for n in names), strict=True)]


def plural(number: int, noun: str) -> str:
    """Return a number with its noun, as `1 point` and `2 points`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def percent(efficiency: float) -> str:
    """Return a background efficiency as text."""
    return f"{100 * efficiency:g} %"
