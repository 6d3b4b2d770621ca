"""What the docstrings of settings say of each: the one source of comments, units and sensible ranges."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENTRY = re.compile(r"^    (\w+): (.+)$")
UNIT = re.compile(r"\s*\[([A-Za-z]\w*)\](?=[.;)]|$)")
RANGE = re.compile(r"\s*Sensible: ([\d.e+-]+) to ([\d.e+-]+)\.$")
SCALARS: Mapping[Any, str] = {int: "integer", float: "number", str: "string", bool: "boolean"}


@dataclass(frozen=True)
class Described:
    """What is said of a setting.

    Attributes:
        text: what it means.
        unit: empty where it has none.
        sensible: ends of the range in which values are usual; empty where none is stated. Others may be possible.
    """

    text: str
    unit: str = ""
    sensible: tuple[float, ...] = ()


def describe_settings(record: type[Any]) -> dict[str, Described]:
    """Return what the docstrings of a dataclass, and of those that it is derived from, say of its fields."""
    found: dict[str, Described] = {}
    for cls in reversed(record.__mro__):
        found |= {name: _described(text) for name, text in _entries(cls.__doc__ or "").items()}
    return {field.name: found.get(field.name, Described("")) for field in dataclasses.fields(record)}


def _entries(docstring: str) -> dict[str, str]:
    """Return the entries of the section `Attributes`, each as one line."""
    found: dict[str, str] = {}
    name = ""
    _, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    for line in section.splitlines():
        entry = ENTRY.match(line)
        if entry:
            name = entry[1]
            found[name] = entry[2]
        elif line.startswith("     ") and name:
            found[name] += f" {line.strip()}"
        else:
            break
    return found


def _described(text: str) -> Described:
    within = RANGE.search(text)
    text = RANGE.sub("", text)
    unit = UNIT.search(text)
    ends = tuple(float(end) for end in within.groups()) if within else ()
    return Described(UNIT.sub("", text).rstrip("."), unit[1] if unit else "", ends)


def schema_of(record: type[Any]) -> dict[str, Any]:
    """Return a JSON schema of a dataclass of settings; sensible ranges are told, and no limits."""
    hints, told = typing.get_type_hints(record), describe_settings(record)
    properties = {}
    for field in dataclasses.fields(record):
        kind, said = hints[field.name], told[field.name]
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        entry = schema_of(kind) if _is_record(kind) else _schema_of_type(kind)
        if not _is_record(kind) and default is not dataclasses.MISSING:
            entry["default"] = list(default) if isinstance(default, tuple) else default
        entry |= {"description": said.text} if said.text else {}
        entry |= {"x-unit": said.unit} if said.unit else {}
        entry |= {"x-sensible": list(said.sensible)} if said.sensible else {}
        properties[field.name] = entry
    summary = (inspect.getdoc(record) or "").splitlines()[0]
    return {"type": "object", "description": summary, "properties": properties, "additionalProperties": False}


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _schema_of_type(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return {"type": "array", "items": _schema_of_type(arguments[0])}
    if origin in (typing.Union, types.UnionType):
        return {"type": [SCALARS[item] for item in arguments]}
    return {"type": SCALARS[kind]} if kind in SCALARS else {"type": "object"}
