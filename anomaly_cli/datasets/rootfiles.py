"""ROOT files (extra `root`): trees of numbers, read by uproot.

References:
    J. Pivarski et al., "uproot", doi:10.5281/zenodo.4340632.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.columns import FileColumns, damaged, require_single, sort_columns

SUFFIX = ".root"
EVENTS = "events"
"""Tree of a file of events."""
NUMBERS = {
    *("bool", "float", "double", "char", "unsigned char", "short", "unsigned short", "int", "unsigned int"),
    *(
        "long",
        "unsigned long",
        "int8_t",
        "uint8_t",
        "int16_t",
        "uint16_t",
        "int32_t",
        "uint32_t",
        "int64_t",
        "uint64_t",
    ),
}
"""Types of branches with one number an event."""


def is_root(path: Path) -> bool:
    """Whether a file's name says that it is, or is to be, a ROOT file."""
    return path.suffix.lower() == SUFFIX


def require_uproot(path: Path) -> Any:
    """Return the module `uproot`.

    Raises:
        ConfigError: where it is not installed.
    """
    try:
        import uproot
    except ImportError as error:
        raise ConfigError(
            f"{path}: ROOT files need the extra 'root'; install it with pip install 'anomaly-cli[root]'"
        ) from error
    return uproot


def read_root(path: Path, key: str = "") -> FileColumns:
    """Return the table of a tree.

    Args:
        path: the file.
        key: path of the tree; needed where there are several.

    Raises:
        DataError: where there is no tree, or more than one and no key, or the file is damaged.
    """
    uproot = require_uproot(path)
    try:
        with uproot.open(path) as file:
            trees = {name.partition(";")[0] for name, kind in file.classnames().items() if _is_tree(kind)}
            tree = file[_choose(path, trees, key)]
            require_single(path, tree.keys(recursive=False))
            return _table(tree)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, RuntimeError) as error:
        raise damaged(path, "ROOT", error) from error
    except Exception as error:  # uproot's own errors have no common class
        if type(error).__module__.partition(".")[0] not in ("uproot", "struct", "zlib", "lzma", "cramjam"):
            raise
        raise damaged(path, "ROOT", error) from error


def write_trees(path: Path, trees: Mapping[str, Mapping[str, npt.NDArray[Any]]], title: str = "") -> None:
    """Write trees with one number an event in each branch.

    Args:
        path: a file of any name, which is written anew.
        trees: by name, the branches by name; all of a tree have one length.
        title: of the trees.

    Raises:
        ConfigError: where uproot is not installed.
        OSError: where the file cannot be written.
    """
    uproot = require_uproot(path)
    with path.open("w+b") as opened, uproot.recreate(opened) as file:  # uproot would split a name at a colon
        for name, columns in trees.items():
            file.mktree(name, {branch: column.dtype for branch, column in columns.items()}, title=title)
            file[name].extend(dict(columns))


def write_event_tree(path: Path, names: Sequence[str], rows: npt.NDArray[np.float32], title: str = "") -> None:
    """Write rows `(n, c)` as the tree `events` with the c branches named."""
    write_trees(path, {EVENTS: dict(zip(names, np.ascontiguousarray(rows.T), strict=True))}, title)


def _is_tree(kind: str) -> bool:
    return kind in ("TTree", "TNtuple", "TNtupleD") or "RNTuple" in kind


def _choose(path: Path, trees: set[str], key: str) -> str:
    if key and key.strip("/") not in trees:
        raise DataError(f"{path}: has no tree '{key}'; {nearest(key, trees) if trees else 'it has none at all'}")
    if not trees:
        raise DataError(f"{path}: holds no tree; events are read from a TTree with one branch for each number")
    if len(trees) > 1 and not key:
        first = min(trees)
        raise DataError(
            f"{path}: holds several tables, {', '.join(sorted(trees))}; choose one with --key for --data, or, for any"
            f' file, by a manifest that says file = "{path.name}" and key = "{first}"'
            " ('anomaly data manifest' writes one)"
        )
    return key.strip("/") or next(iter(trees))


def _table(tree: Any) -> FileColumns:
    """Return the branches with one number an event as columns, and what the others hold."""
    columns: dict[str, npt.NDArray[Any]] = {}
    other: dict[str, str] = {}
    for branch in tree.branches if hasattr(tree, "branches") else tree.fields:
        kind = branch.typename.removeprefix("const ").removeprefix("std::")
        if kind in NUMBERS:
            columns[branch.name] = branch.array(library="np")
        else:
            other[branch.name] = f"holds {branch.typename}, no single number for each event (flatten it when writing)"
    table = sort_columns(columns, "ROOT tree")
    return FileColumns(table.columns, table.container, {**table.other, **other})
