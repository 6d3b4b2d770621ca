"""Settings as TOML with a comment above each: what it means, its unit, and the range in which it is sensible."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

from anomaly_cli.core.described import Described, describe_settings

WIDTH = 100


def commented_toml(record: Any, families: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a record of settings as TOML that reads back as it is.

    Args:
        record: settings; their values are scalars, lists, and records as tables.
        families: records by name, by the field that holds them, where a table has one table for each plug-in.
    """
    return "\n".join(_table(record, families, "")).lstrip("\n") + "\n"


def _table(record: Any, families: Mapping[str, Mapping[str, Any]], path: str) -> Iterator[str]:
    told, tables = describe_settings(type(record)), []
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if dataclasses.is_dataclass(value) or isinstance(value, Mapping):
            tables.append((field.name, value))
            continue
        yield from _comment(told[field.name])
        yield f"{field.name} = {_written(value)}"
    for name, value in tables:
        key = f"{path}{name}"
        if not path and name in families:
            for member, settings in families[name].items():
                yield from _headed(settings, f"{key}.{member}", _first_line(settings))
        elif dataclasses.is_dataclass(value):
            yield from _headed(value, key, told[name].text)
        elif value or path:
            yield from _mapping(value, key, told[name])


def _headed(record: Any, key: str, words: str) -> Iterator[str]:
    yield from ("", *_comment(Described(words)), f"[{key}]")
    yield from _table(record, {}, f"{key}.")


def _mapping(values: Mapping[str, Any], key: str, told: Described) -> Iterator[str]:
    yield from ("", *_comment(told), f"[{key}]")
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _mapping(value, f"{key}.{name}", Described(""))
        else:
            yield f"{name} = {_written(value)}"


def _first_line(record: Any) -> str:
    summary: str = getattr(type(record), "summary", "")
    reference: str = getattr(type(record), "reference", "")
    return f"{summary} ({reference})" if reference else summary


def _comment(told: Described) -> list[str]:
    ranged = f"sensible: {told.sensible[0]:.12g} to {told.sensible[1]:.12g}" if told.sensible else ""
    text = "; ".join(filter(None, (f"{told.text}{f' [{told.unit}]' if told.unit else ''}", ranged)))
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)


def _written(value: Any) -> str:
    """Return a value as TOML writes it, lists in one line."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(_written(item) for item in value)}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()
