"""Tables of numbers from files: HDF5, CSV, Parquet, npz and npy, by suffix and by what is inside."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from anomaly_cli.core.errors import ConfigError, DataError, first_line
from anomaly_cli.datasets.columns import RawPlace, Table, damaged, sort_columns
from anomaly_cli.datasets.csvfiles import read_csv

RAW_COLUMNS = (2100, 2101)
"""700 x (pT, eta, phi), without and with label."""
BLOSC = 32001
"""HDF5 filter of the official raw files."""


CATHODE_COLUMNS = ("m_jj", "m_jmin", "m_jmax-m_jmin", "tau21_jmin", "tau21_jmax", "label")
"""Columns of the CATHODE layout, masses in TeV."""
_NUMPY_ERRORS = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def require_file(path: Path) -> None:
    """Refuse what is no readable file with content.

    Raises:
        DataError: for a missing file, a directory, a circle of links, an empty file.
    """
    try:
        path.resolve(strict=True)
        is_file = path.is_file()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check its path; without --data the shipped set is used") from None
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be followed (links that lead in a circle); name the file itself") from error
    if not is_file:
        raise DataError(f"{path}: is a directory, not an event file; name a file in it")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty (0 bytes); download or copy it again")


def read_table(path: Path) -> Table | RawPlace:
    """Return the table of a file, or where its raw events lie.

    Raises:
        DataError: where the file is missing, damaged or in no layout that is known.
    """
    require_file(path)
    suffix = path.suffix.lower()
    readers = {".csv": read_csv, ".parquet": _read_parquet, ".npz": _read_npz, ".npy": _read_npy}
    found = readers.get(suffix, _read_hdf5)(path)
    if isinstance(found, RawPlace):
        return found
    if len(found) == 0 and not found.other:
        raise DataError(f"{path}: holds no events; check how it was written")
    return found


def _read_parquet(path: Path) -> Table:
    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise ConfigError(
            f"{path}: reading Parquet needs the extra 'parquet'; install it with pip install 'anomaly-cli[parquet]'"
        ) from error
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({first_line(error)}); the file is damaged, cut short or of another"
            " type: write or copy it again"
        ) from error
    return sort_columns({str(name): _values(series) for name, series in frame.items()}, "Parquet")


def _values(series: pd.Series[Any]) -> npt.NDArray[Any]:
    if series.dtype.kind in "fiu" and series.hasnans:  # integers that may be missing are objects to numpy
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return series.to_numpy()


def _read_npz(path: Path) -> Table:
    try:
        with np.load(path, allow_pickle=False) as file:
            return sort_columns({name: file[name] for name in file.files}, "npz")
    except (*_NUMPY_ERRORS, AttributeError) as error:
        raise damaged(path, "npz", error) from error


def _read_npy(path: Path) -> Table:
    try:
        values = np.load(path, allow_pickle=False)
    except _NUMPY_ERRORS as error:
        raise damaged(path, "npy", error) from error
    if values.dtype.names:
        return sort_columns({name: values[name] for name in values.dtype.names}, "npy")
    if values.ndim != 2 or values.shape[1] != len(CATHODE_COLUMNS):
        raise DataError(
            f"{path}: holds an array of shape {values.shape}; the layout of .npy files has six columns"
            f" ({', '.join(CATHODE_COLUMNS)}): describe anything else by a manifest (see docs/data.md)"
        )
    return sort_columns(dict(zip(CATHODE_COLUMNS, values.T, strict=True)), "npy")


def _read_hdf5(path: Path) -> Table | RawPlace:
    if not h5py.is_hdf5(path):
        raise DataError(
            f"{path}: cannot be read as HDF5, being another kind of file or damaged; other kinds are known by .csv,"
            " .parquet, .npz and .npy; compare its size and checksum with the source, or fetch it again"
        )
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _find_columns(path, file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if "filter" in str(error) or "plugin" in str(error):
            _load_filters(path)
            with h5py.File(path, "r", locking=False) as file:
                return _find_columns(path, file)
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


def _find_columns(path: Path, file: h5py.File) -> Table | RawPlace:
    if "kind_version" in file.attrs:
        raise DataError(
            f"{path}: is an artifact of an analysis, not an event file; 'anomaly inspect {path}' explains it"
        )
    for node in file.values():
        if isinstance(node, h5py.Group) and _text(node.attrs.get("pandas_type", "")) == "frame":
            return _read_pandas_frame(path, node)
    for node in file.values():
        if isinstance(node, h5py.Group) and "table" in node and "pandas_type" in node.attrs:
            raise DataError(
                f"{path}: was written by pandas in 'table' format; write it again with"
                " df.to_hdf(file, key='df', format='fixed')"
            )
        if isinstance(node, h5py.Dataset) and node.ndim == 2:
            if node.shape[1] in RAW_COLUMNS:
                return RawPlace(path, node.name, len(node), node.shape[1] == RAW_COLUMNS[1])
            if "columns" in node.attrs:
                names = _column_names(node.attrs["columns"])
                return sort_columns(_by_name(path, names, node[()]), "HDF5 data set")
    columns = {name: node for name, node in file.items() if isinstance(node, h5py.Dataset) and node.ndim == 1}
    if columns:
        return sort_columns({name: node[()] for name, node in columns.items()}, "HDF5 data sets")
    raise DataError(
        f"{path}: holds neither a pandas frame nor a data set with named columns"
        f" (found: {', '.join(file) or 'nothing'}); the official feature layout has the columns"
        " pxj1 ... tau3j2, label"
    )


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


def _by_name(path: Path, names: list[str], values: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    if values.ndim != 2 or values.shape[1] != len(names) or len(set(names)) != len(names):
        raise DataError(f"{path}: must hold a table of numbers with one name per column; check how it was written")
    return dict(zip(names, np.ascontiguousarray(values.T), strict=True))


def _column_names(attribute: Any) -> list[str]:
    if isinstance(attribute, np.ndarray):
        return [_text(name) for name in attribute]
    return re.findall(r"[A-Za-z_]\w*", _text(attribute))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
