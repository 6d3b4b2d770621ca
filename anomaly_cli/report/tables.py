"""Groups of artifacts as rows, columns that many tables have, and words for numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anomaly_cli.artifacts.columns import Group
from anomaly_cli.report.cells import AnyCell, Measured, Range
from anomaly_cli.report.notation import PERCENT, WINDOW
from anomaly_cli.report.table import Column, Field, Priority, Row, made, stored


def rows_of(columns: Any) -> list[dict[str, Any]]:
    """Return a group of columns as rows."""
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*(columns[n] for n in names), strict=True)]


def cut_of(group: Group) -> Field:
    """Return the column of the background efficiency of each cut."""
    return stored(group, "background_efficiency", "cut", PERCENT, Priority.KEY)


def window_field(
    name: str, header: str, edges: tuple[str, str] = ("low", "high"), priority: Priority = Priority.KEY
) -> Field:
    """Return the column of a mass window; `edges` are the columns of its ends in GeV."""
    column = Column(name, header, "TeV", "lower edge included, upper edge excluded", WINDOW, priority, Range)
    return made(column, lambda row: window_of(*(float(row[edge]) for edge in edges)))


def window_of(low: float, high: float) -> Range:
    """Return a mass window given in GeV, in TeV."""
    return Range(low / 1000.0, high / 1000.0)


def contents_field(text: str) -> Field:
    """Return the column that says, for programs, which uncertainties the numbers of a table contain."""
    meaning = "which uncertainties the numbers contain"
    return made(Column("contents", "contents", meaning=meaning, priority=Priority.DATA, holds=str), lambda _: text)


def number_of(name: str) -> Callable[[Row], AnyCell]:
    """Return what makes a cell of a column of numbers."""
    return lambda row: float(row[name])


def measured_of(name: str, error: str) -> Callable[[Row], AnyCell]:
    """Return what makes a cell of a column of numbers and that of their uncertainties."""
    return lambda row: Measured(float(row[name]), float(row[error]))


def plural(number: int, noun: str) -> str:
    """Return a number with its noun, as `1 point` and `2 points`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def percent(efficiency: float) -> str:
    """Return a background efficiency as text."""
    return PERCENT.number(efficiency)
