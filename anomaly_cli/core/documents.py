"""TOML and JSON that others wrote: what cannot be read is a ValueError, whatever is wrong with it."""

from __future__ import annotations

import errno
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LARGEST_BYTES = 16 << 20
"""A document that people write is smaller; a parser needs many times this memory."""
MOST_NESTED = 50
"""Tables and lists within each other; Python's parsers end in a RecursionError at about a thousand."""
TOO_DEEP = f"tables or lists are nested more than {MOST_NESTED} deep"


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Return the text of a document that a user named.

    Raises:
        OSError: where it cannot be read, is a device or pipe that may have no end, or is too large to be one.
        ValueError: where it is no text.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
    if path.is_file() and path.stat().st_size > LARGEST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST_BYTES >> 20} MB", os.fspath(path))
    return path.read_text(encoding=encoding)


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
