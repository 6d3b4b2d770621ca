"""TOML and JSON that others wrote: what cannot be read is a ValueError, whatever is wrong with it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

MOST_NESTED = 50
"""Tables and lists within each other; Python's parsers end in a RecursionError at about a thousand."""
TOO_DEEP = f"tables or lists are nested more than {MOST_NESTED} deep"


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML document.

    Raises:
        ValueError: where it is not valid, or nested too deeply to be meant.
    """
    tree: dict[str, Any] = _parsed(tomllib.loads, text)
    return tree


def parse_json(text: str) -> Any:
    """Return what a JSON document holds.

    Raises:
        ValueError: where it is not valid, or nested too deeply to be meant.
    """
    return _parsed(json.loads, text)


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        tree = parse(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    _check_depth(tree)
    return tree


def _check_depth(tree: Any) -> None:
    """Refuse a tree that could not be walked through by recursion.

    Raises:
        ValueError: where it is too deep for that.
    """
    level: list[Any] = [tree]
    for _ in range(MOST_NESTED + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise ValueError(TOO_DEEP)


def _children(node: Any) -> Iterator[Any]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return (child for child in children if isinstance(child, dict | list))
