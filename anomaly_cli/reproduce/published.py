"""Published values, each with where it stands and how it was read; the files hold copies of nothing but numbers."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.reproduce.targets import Target

FOLDER = Path(__file__).parent / "published"
NOT_FOUND = "not found"


@dataclass(frozen=True)
class PublishedValue:
    """One published value.

    Attributes:
        table: which table or figure it belongs to.
        method: of what.
        quantity: what.
        x: where; empty where there is one value only.
        value: None where it was looked for and not found.
        error: None where none is stated.
        protocol: how it was measured.
        source: paper, table or figure, and where it was read.
        how_read: as exact print, digitised, by eye, second-hand or not found.
    """

    table: str
    method: str
    quantity: str
    x: str
    value: float | None
    error: float | None
    protocol: str
    source: str
    how_read: str


def rows_of(target: Target) -> list[PublishedValue]:
    """Return the rows of the published values of a target.

    Raises:
        ConfigError: where there is no such file, or two rows give one value.
    """
    rows = [row for name in target.published for row in _read(FOLDER / name)]
    rows = [row for row in rows if not target.tables or row.table in target.tables]
    places = Counter((row.method, row.quantity, row.x) for row in rows if row.value is not None)
    if double := [place for place, n in places.items() if n > 1]:
        method, quantity, x = double[0]
        raise ConfigError(
            f"target {target.name}: {quantity} of {method} at '{x}' is published twice; name the tables that are meant"
        )
    return rows


def _read(path: Path) -> list[PublishedValue]:
    if not path.is_file():
        raise ConfigError(f"{path.name}: there is no such file of published values in anomaly_cli/reproduce/published")
    with path.open(encoding="utf-8", newline="") as file:
        return [
            PublishedValue(
                row["target"],
                row["method"],
                row["quantity"],
                row["x"],
                _number(row["value"]),
                _number(row["error"]),
                row["protocol"],
                row["source"],
                row["how_read"],
            )
            for row in csv.DictReader(file)
        ]


def _number(text: str) -> float | None:
    return float(text) if text else None


def not_found(rows: Iterable[PublishedValue]) -> list[str]:
    """Return what was looked for in public texts and not found, in words."""
    return [row.protocol for row in rows if row.how_read.casefold().startswith(NOT_FOUND)]


def find_value(rows: Sequence[PublishedValue], method: str, quantity: str, x: str) -> PublishedValue | None:
    """Return the published value of a method and quantity at x, or None."""
    for row in rows:
        if (row.method, row.quantity) == (method, quantity) and same_x(row.x, x):
            return row
    return None


def same_x(one: str, other: str) -> bool:
    """Return whether two values of x are the same, as numbers where they are some."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other
