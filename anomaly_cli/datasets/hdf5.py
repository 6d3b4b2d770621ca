"""HDF5 event files: pandas frames, data sets with named columns, one data set per column, raw events."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.columns import RawPlace, Table, damaged, sort_columns

RAW_COLUMNS = (2100, 2101)
"""700 x (pT, eta, phi), without and with label."""
BLOSC = 32001
"""HDF5 filter of the official raw files."""
Node: TypeAlias = h5py.Group | h5py.Dataset


def read_hdf5(path: Path, key: str = "") -> Table | RawPlace:
    """Return the table of an HDF5 file, or where its raw events lie.

    Args:
        path: the file.
        key: path of the frame, data set or group of columns inside; needed where there are several.

    Raises:
        DataError: where there is no table, or more than one and no key.
        ConfigError: where a filter is needed that is not installed.
    """
    if not h5py.is_hdf5(path):
        raise DataError(
            f"{path}: cannot be read as HDF5, being another kind of file or damaged; other kinds are known by .csv,"
            " .parquet, .npz and .npy; compare its size and checksum with the source, or fetch it again"
        )
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _read(path, file, key)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if "filter" in str(error) or "plugin" in str(error):
            _load_filters(path)
            with h5py.File(path, "r", locking=False) as file:
                return _read(path, file, key)
        raise damaged(path, "HDF5", error) from error


def _load_filters(path: Path) -> None:
    """Make the BLOSC filter of the official raw files known.

    Raises:
        ConfigError: where hdf5plugin is not installed.
    """
    try:
        import hdf5plugin  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"{path}: is compressed with BLOSC, which needs hdf5plugin; install it with pip install hdf5plugin"
        ) from error


def _read(path: Path, file: h5py.File, key: str) -> Table | RawPlace:
    if "kind_version" in file.attrs:
        raise DataError(
            f"{path}: is an artifact of an analysis, not an event file; 'anomaly inspect {path}' explains it"
        )
    node = _choose(path, file, key)
    if isinstance(node, h5py.Group):
        if "pandas_type" not in node.attrs:
            return sort_columns({name: _column(data) for name, data in _loose(node)}, "HDF5 data sets")
        if _text(node.attrs["pandas_type"]) == "frame":
            return _read_pandas_frame(path, node)
        raise DataError(
            f"{path}: was written by pandas in 'table' format; write it again with"
            " df.to_hdf(file, key='df', format='fixed')"
        )
    if node.dtype.names:
        values = node[()]
        return sort_columns({name: values[name] for name in node.dtype.names}, "HDF5 data set")
    if node.shape[1] in RAW_COLUMNS:
        return RawPlace(path, node.name, len(node), node.shape[1] == RAW_COLUMNS[1])
    return sort_columns(_by_name(path, _column_names(node.attrs["columns"]), node[()]), "HDF5 data set")


def _choose(path: Path, file: h5py.File, key: str) -> Node:
    """Return the one table of a file, or that at `key`.

    Data sets that are single columns make a table together, by group, where there is no other.

    Raises:
        DataError: where there is none, or more than one and no key.
    """
    nodes = dict(_walk(file))
    framed = {name: node for name, node in nodes.items() if _is_table(node)}
    groups = {"/": file, **{name: node for name, node in nodes.items() if isinstance(node, h5py.Group)}}
    loose = {name: node for name, node in groups.items() if name not in framed and any(_loose(node))}
    if key:
        wanted, known = str(PurePosixPath("/", key.strip("/"))), {**loose, **framed}
        if wanted not in known:
            raise DataError(f"{path}: has no table '{key}'; {nearest(wanted, known)}")
        return known[wanted]
    found = framed or loose
    if len(found) > 1:
        raise DataError(
            f"{path}: holds several tables, {', '.join(found)}; choose one with --key for --data, or by a line"
            f' key = "{next(iter(found)).strip("/") or "/"}" in a manifest (see docs/data.md)'
        )
    if not found:
        raise DataError(
            f"{path}: holds neither a pandas frame nor a data set with named columns"
            f" (found: {', '.join(nodes) or 'nothing'}); the official feature layout has the columns"
            " pxj1 ... tau3j2, label"
        )
    return next(iter(found.values()))


def _walk(group: h5py.Group, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, Node]]:
    """Yield what lies in a group and below by its path; what belongs to a pandas frame is left out."""
    seen = seen | {h5py.h5o.get_info(group.id).addr}
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.SoftLink):
            continue  # what it leads to is met in its own place
        node = group[name]
        if isinstance(node, (h5py.Group, h5py.Dataset)):
            yield node.name, node
        if isinstance(node, h5py.Group) and not _is_table(node) and h5py.h5o.get_info(node.id).addr not in seen:
            yield from _walk(node, seen)


def _is_table(node: Node) -> bool:
    """Whether a node is a table by itself: a pandas frame, a data set with named columns, or raw events."""
    if isinstance(node, h5py.Group):
        return "pandas_type" in node.attrs
    if node.dtype.names:
        return bool(node.ndim == 1)
    return node.ndim == 2 and (node.shape[1] in RAW_COLUMNS or "columns" in node.attrs)


def _loose(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the data sets of a group that are single columns."""
    for name in group:
        node = group.get(name) if not isinstance(group.get(name, getlink=True), h5py.SoftLink) else None
        if isinstance(node, h5py.Dataset) and not _is_table(node) and node.ndim and node.size == len(node):
            yield name, node


def _column(data: h5py.Dataset) -> npt.NDArray[Any]:
    return np.asarray(data[()])


def _read_pandas_frame(path: Path, node: h5py.Group) -> Table | RawPlace:
    n_columns = node["axis0"].shape[0]
    if n_columns in RAW_COLUMNS:
        values = node["block0_values"]
        if BLOSC in _filters(values):
            _load_filters(path)
        return RawPlace(path, values.name, len(values), n_columns == RAW_COLUMNS[1])
    columns: dict[str, npt.NDArray[Any]] = {}
    for index in range(int(node.attrs["nblocks"])):
        if BLOSC in _filters(node[f"block{index}_values"]):
            _load_filters(path)
        names = [_text(name) for name in node[f"block{index}_items"][()]]
        columns |= _by_name(path, names, node[f"block{index}_values"][()])
    return sort_columns(columns, "pandas fixed HDF5")


def _filters(data: h5py.Dataset) -> list[int]:
    creation = data.id.get_create_plist()
    return [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]


def _by_name(path: Path, names: list[str], values: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
    if values.ndim != 2 or values.shape[1] != len(names) or len(set(names)) != len(names):
        raise DataError(f"{path}: must hold a table of numbers with one name per column; check how it was written")
    return dict(zip(names, np.ascontiguousarray(values.T), strict=True))


def _column_names(attribute: Any) -> list[str]:
    if isinstance(attribute, np.ndarray):
        return [_text(name) for name in attribute]
    return re.findall(r"[A-Za-z_]\w*", _text(attribute))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
