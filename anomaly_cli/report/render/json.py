"""A report as JSON, as `report.schema.json` beside this file describes it: full precision.

A cell is a plain value, or an object where it is more: `{"value": 1.2, "uncertainty": 0.3}`. A number that is not
finite is null, and `non_finite` says which it is; a hidden one is `{"value": null, "hidden": true}`; one that is not
there is `{"value": null, "missing": "not measured"}`. Raise `VERSION` when an old reader would misread.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomaly_cli.report.cells import AnyCell, Cell, Hidden, Marked, Missing
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.table import Column, Message, Report, Table

SCHEMA, VERSION = "anomaly/report", 1
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")
_TYPES = {float: "number", int: "integer", str: "text", bool: "flag"}


def render(report: Report, about: About) -> str:
    """Return a report as JSON."""
    tables = [part.for_programs() for part in report if isinstance(part, Table)]
    record = {
        "schema": SCHEMA,
        "version": VERSION,
        "command": about.command,
        "digests": dict(about.digests),
        "tables": [_table(table) for table in tables],
        "messages": _messages(report),
    }
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def _table(table: Table) -> dict[str, Any]:
    names = [column.name for column in table.columns]
    return {
        "name": table.name,
        "title": table.title,
        "columns": [_column(column) for column in table.columns],
        "rows": [dict(zip(names, map(encode, row), strict=True)) for row in table.rows],
        "notes": list(table.notes),
    }


def _column(column: Column) -> dict[str, Any]:
    described = {
        "name": column.name,
        "header": column.header,
        "type": _TYPES.get(column.holds, column.holds.__name__.lower()),
        "unit": column.unit,
        "meaning": column.meaning,
    }
    return described | ({"marks": dict(column.marks)} if column.marks else {})


def _messages(report: Report) -> list[dict[str, Any]]:
    """Return the messages, each with the index of the table that it stands before."""
    found, before = [], 0
    for part in report:
        if isinstance(part, Message):
            found.append(
                {"level": part.level.value, "text": part.text, "details": list(part.details), "before": before}
            )
        else:
            before += 1
    return found


def encode(cell: AnyCell) -> Any:
    """Return a cell as what JSON holds."""
    if isinstance(cell, Marked):
        inner = encode(cell.cell)
        return {**(inner if isinstance(inner, dict) else {"value": inner}), "marks": list(cell.marks)}
    if isinstance(cell, Hidden | Missing):
        return {"value": None, **cell.values()}
    if isinstance(cell, Cell):
        return _object(cell.values())
    return _object({"value": cell}) if _is_endless(cell) else cell


def _object(values: Mapping[str, AnyCell]) -> dict[str, Any]:
    endless = {name: str(value) for name, value in values.items() if _is_endless(value)}
    made = {name: None if name in endless else encode(value) for name, value in values.items()}
    return made | ({"non_finite": endless} if endless else {})


def _is_endless(value: AnyCell) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
