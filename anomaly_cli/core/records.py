"""Frozen records from plain mappings: unknown names and wrong types end in one sentence."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from anomaly_cli.core.errors import ConfigError

Record = TypeVar("Record")
FEWEST_LETTERS = 3
"""Shorter beginnings of a name say nothing."""
MOST_HINTS = 3
"""More names than these are no hint."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: those that begin with it, the nearest known one, or all of them."""
    names = sorted(known)
    longer = [one for one in names if len(name) >= FEWEST_LETTERS and one.startswith(name)]
    close = longer if 0 < len(longer) <= MOST_HINTS else difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    quoted = " or ".join(f"'{one}'" for one in close)
    return f"did you mean {quoted}?" if close else f"known are {', '.join(names)}"


def nearest_sentence(name: str, known: Iterable[str]) -> str:
    """Return the same hint as the end of a sentence, for a message that goes on after it."""
    hint = nearest(name, known)
    return hint if hint.endswith("?") else f"{hint}."


def refuse_unknown(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse settings of names that there are not.

    Raises:
        ConfigError: for the first, with the nearest known one.
    """
    for name in names:
        if name not in known:
            raise ConfigError(f"{where}: unknown setting '{name}'; {nearest(name, known)}")


def build_record(cls: type[Record], values: Mapping[str, Any], where: str) -> Record:
    """Return `cls(**values)` after checking names and types.

    Args:
        cls: a dataclass of scalars, tuples and dataclasses.
        values: settings by name; nested records as mappings.
        where: what the settings belong to, for messages.

    Raises:
        ConfigError: for an unknown setting or a value of another type.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    converted = {}
    for key, value in values.items():
        refuse_unknown([key], fields, where)
        converted[key] = _convert(hints[key], value, f"{where}: {key}" if where else key)
    return cls(**converted)


def _convert(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table of settings, not {value!r}")
        return build_record(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where} must be a list, not {value!r}")
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin is Mapping and not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a table of settings, not {value!r}")
    if origin in (typing.Union, types.UnionType):
        if isinstance(value, arguments) and not isinstance(value, bool):
            return value
        raise ConfigError(f"{where} must be {' or '.join(_name(item) for item in arguments)}, not {value!r}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} must be a finite number, not {value!r}")
    if origin is None and kind in (int, float, str, bool) and type(value) is not kind:
        raise ConfigError(f"{where} must be {_name(kind)}, not {value!r}")
    if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):  # as Python has such paths
        raise ConfigError(f"{where}: {value!r} is not UTF-8, so no file could say it; rename that file or directory")
    return value


def _name(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "text", bool: "true or false"}.get(kind, kind.__name__)


def as_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows of one or more of the same names as columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}
