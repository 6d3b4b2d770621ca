"""HDF5 event files: pandas frames, data sets with named columns, one data set per column, raw events."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import ConfigError, DataError, first_line
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.columns import FileColumns, RawPlace, damaged, require_single, several_levels, sort_columns

RAW_COLUMNS = (2100, 2101)
"""700 x (pT, eta, phi), without and with label."""
BLOSC = 32001
"""HDF5 filter of the official raw files."""
MOST_NAMED = 4
"""Columns of a group that a sentence names."""
Node: TypeAlias = h5py.Group | h5py.Dataset


def read_hdf5(path: Path, key: str = "") -> FileColumns | RawPlace:
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
        if "already open for write" in str(error) or "h5clear" in str(error):
            raise DataError(
                f"{path}: was not closed by the program that writes it; wait for it to end, or, where it was cut off,"
                f" mend the file with 'h5clear --status {shlex.quote(str(path))}' (of the HDF5 tools), and count its"
                " events"
            ) from error
        if "locking flag values" in str(error):
            raise DataError(
                f"{path}: is open in this program already, in another way; close it there first, for instance by"
                " 'with h5py.File(...) as file:'"
            ) from error
        raise damaged(path, "HDF5", error) from error


def why_not_whole(path: Path) -> str:
    """Return why an HDF5 file cannot be opened, for instance since its end is missing; empty where it can."""
    try:
        with h5py.File(path, "r", locking=False):
            return ""
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        return first_line(error)


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


def _read(path: Path, file: h5py.File, key: str) -> FileColumns | RawPlace:
    if "kind_version" in file.attrs:
        raise DataError(
            f"{path}: is an artifact of an analysis, not an event file; 'anomaly inspect {shlex.quote(str(path))}'"
            " explains it"
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

    Data sets that are single columns make a table together, by group. Beside a table of another kind they are refused
    as one more, since they may hold its labels or its weights; single values are not.

    Raises:
        DataError: where there is none, or more than one and no key.
    """
    nodes = dict(_walk(path, file, {h5py.h5o.get_info(file.id).addr}))
    frames = {name: node for name, node in nodes.items() if _is_table(node)}
    groups = {"/": file, **{name: node for name, node in nodes.items() if isinstance(node, h5py.Group)}}
    loose = {name: node for name, node in groups.items() if name not in frames and any(_loose(node))}
    if key:
        wanted, known = str(PurePosixPath("/", key.strip("/"))), {**loose, **frames}
        if wanted not in known:
            raise DataError(f"{path}: has no table '{key}'; {nearest(wanted, known)}")
        return known[wanted]
    rivals = [name for name, node in loose.items() if any(len(column) > 1 for _, column in _loose(node))]
    found = {**frames, **{name: loose[name] for name in (rivals if frames else loose)}}
    if len(found) > 1:
        listed = ", ".join(
            f"{name} ({_columns_text(loose[name])})" if frames and name in rivals else name for name in found
        )
        raise DataError(
            f"{path}: holds several tables, {listed}; choose one with --key for --data, or, for any file, by a manifest"
            f' that says file = "{path.name}" and key = "{next(iter(found)).strip("/") or "/"}"'
        )
    if not found:
        raise DataError(
            f"{path}: holds neither a pandas frame nor a data set with named columns"
            f" (found: {', '.join(nodes) or 'nothing'}); the official feature layout has the columns"
            " pxj1 ... tau3j2, label"
        )
    return next(iter(found.values()))


def _walk(path: Path, group: h5py.Group, seen: set[int]) -> Iterator[tuple[str, Node]]:
    """Yield once what lies in a group and below, by its path; the parts of a pandas frame are looked at only.

    Raises:
        DataError: where something lies in another file.
    """
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            continue  # what it leads to is met in its own place
        where = f"{group.name.rstrip('/')}/{name}"
        if isinstance(link, h5py.ExternalLink):
            raise _lies_outside(path, where, link.filename)
        node = group[name]
        address = h5py.h5o.get_info(node.id).addr
        if address in seen:
            continue
        seen.add(address)
        if isinstance(node, h5py.Dataset):
            _require_inside(path, where, node)
        if isinstance(node, (h5py.Group, h5py.Dataset)):
            yield where, node
        if isinstance(node, h5py.Group):
            for part in _walk(path, node, seen):
                if not _is_table(node):
                    yield part


def _require_inside(path: Path, where: str, data: h5py.Dataset) -> None:
    """Refuse data that lie in another file: a checksum of this one would not tell when they change.

    Raises:
        DataError: naming the other file.
    """
    if data.external:
        raise _lies_outside(path, where, data.external[0][0])
    for source in data.virtual_sources() if data.is_virtual else ():
        if source.file_name != ".":
            raise _lies_outside(path, where, source.file_name)


def _lies_outside(path: Path, where: str, other: str) -> DataError:
    return DataError(
        f"{path}: '{where}' lies in another file ({other}), whose changes the checksum of this one would not tell; copy"
        " everything into one file, for instance with h5repack, or name the other file itself"
    )


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


def _columns_text(group: h5py.Group) -> str:
    names = [name for name, _ in _loose(group)]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"column{'s' if len(names) > 1 else ''} {', '.join(names[:MOST_NAMED])}{more}"


def _column(data: h5py.Dataset) -> npt.NDArray[Any]:
    return np.asarray(data[()])


def _read_pandas_frame(path: Path, node: h5py.Group) -> FileColumns | RawPlace:
    if "axis0" not in node and "axis0_nlevels" in node.attrs:
        raise several_levels(path, "('jet', 'mass')")
    if node["axis0"].shape[0] in RAW_COLUMNS:
        return _locate_raw_frame(path, node)
    columns: dict[str, npt.NDArray[Any]] = {}
    other: dict[str, str] = {}
    require_single(path, (_text(name) for name in node["axis0"][()]))
    for index in range(int(node.attrs["nblocks"])):
        if BLOSC in _filters(node[f"block{index}_values"]):
            _load_filters(path)
        names = [_text(name) for name in node[f"block{index}_items"][()]]
        values = node[f"block{index}_values"]
        if values.dtype.kind == "O":  # pickled by PyTables, all columns in one row
            other |= dict.fromkeys(names, "holds text or other objects")
        else:
            columns |= _by_name(path, names, values[()])
    table = sort_columns(columns, "pandas fixed HDF5")
    return FileColumns(table.columns, table.container, {**table.other, **other})


def _locate_raw_frame(path: Path, node: h5py.Group) -> RawPlace:
    """Return where the particles of a raw frame lie, and its labels, which have a block of their own if they are whole.

    Raises:
        DataError: where the particles of an event do not lie side by side, or the label is not the last column.
    """
    names = node["axis0"][()].tolist()
    blocks = {
        f"block{index}_values": node[f"block{index}_items"][()].tolist() for index in range(int(node.attrs["nblocks"]))
    }
    for block in blocks:
        if BLOSC in _filters(node[block]):
            _load_filters(path)
    particles, label = names[: RAW_COLUMNS[0]], names[RAW_COLUMNS[0] :]
    place = next((block for block, items in blocks.items() if items in (particles, names)), "")
    apart = next((block for block, items in blocks.items() if items == label), "")
    if not place or len(set(names)) < len(names) or node[place].shape[1:] != (len(blocks[place]),):
        raise DataError(
            f"{path}: the particles in '{node.name.strip('/')}' do not lie side by side in the order of its columns"
            f" (its {len(blocks)} blocks hold {', '.join(str(len(items)) for items in blocks.values())} columns); write"
            " it again with numbers of one type and the label last, by df.astype('float32').to_hdf(file, key='df',"
            " format='fixed')"
        )
    values = node[place]
    if apart and node[apart].shape != (len(values), 1):
        raise DataError(
            f"{path}: has {len(node[apart])} labels for {len(values)} events; write it again from its source"
        )
    return RawPlace(path, values.name, len(values), bool(label), node[apart].name if apart else "")


def _filters(data: h5py.Dataset) -> list[int]:
    creation = data.id.get_create_plist()
    return [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]


def _by_name(path: Path, names: list[str], values: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
    require_single(path, names)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise DataError(f"{path}: must hold a table of numbers with one name per column; check how it was written")
    return dict(zip(names, np.ascontiguousarray(values.T), strict=True))


def _column_names(attribute: Any) -> list[str]:
    if isinstance(attribute, np.ndarray):
        return [_text(name) for name in attribute]
    return re.findall(r"[A-Za-z_]\w*", _text(attribute))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
