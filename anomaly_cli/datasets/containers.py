"""Tables of numbers from files: HDF5, CSV, Parquet, npz and npy, by suffix and by what is inside."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import ConfigError, DataError, first_line
from anomaly_cli.datasets.columns import FileColumns, RawPlace, damaged, require_single, several_levels, sort_columns
from anomaly_cli.datasets.csvfiles import read_csv
from anomaly_cli.datasets.hdf5 import read_hdf5
from anomaly_cli.datasets.rootfiles import SUFFIX as ROOT_SUFFIX
from anomaly_cli.datasets.rootfiles import is_root, read_root
from anomaly_cli.datasets.signatures import refuse_other_kind

if TYPE_CHECKING:
    import pandas as pd

CATHODE_COLUMNS = ("m_jj", "m_jmin", "m_jmax-m_jmin", "tau21_jmin", "tau21_jmax", "label")
"""Columns of the CATHODE layout, masses in TeV."""
_NUMPY_ERRORS = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


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
    if path.is_dir():
        raise DataError(f"{path}: is a directory, not an event file; name a file in it")
    if not is_file:
        raise DataError(f"{path}: is no regular file but a device, pipe or socket; write its content to a file first")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty (0 bytes); download or copy it again")


def read_table(path: Path, key: str = "") -> FileColumns | RawPlace:
    """Return the table of a file, or where its raw events lie.

    Args:
        path: the file.
        key: which of the tables of an HDF5 or ROOT file; needed where it has several.

    Raises:
        DataError: where the file is missing, damaged or in no layout that is known.
        ConfigError: for a key to a file of another kind.
    """
    require_file(path)
    readers = {".csv": read_csv, ".parquet": _read_parquet, ".npz": _read_npz, ".npy": _read_npy}
    reader = readers.get(path.suffix.lower())
    if is_root(path):
        refuse_other_kind(path, ROOT_SUFFIX)
        return _with_events(path, read_root(path, key))
    if reader and key:
        raise ConfigError(f"{path}: holds one table, so there is no '{key}' to choose; leave out --key")
    refuse_other_kind(path, path.suffix.lower() if reader else ".h5")
    found = reader(path) if reader else read_hdf5(path, key)
    return found if isinstance(found, RawPlace) else _with_events(path, found)


def _with_events(path: Path, found: FileColumns) -> FileColumns:
    if len(found) == 0 and not found.other:
        raise DataError(f"{path}: holds no events; check how it was written")
    return found


def _read_parquet(path: Path) -> FileColumns:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ConfigError(
            f"{path}: reading Parquet needs the extra 'parquet'; install it with pip install 'anomaly-cli[parquet]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            require_single(path, file.schema_arrow.names)
            if any(name.startswith("('") for name in file.schema_arrow.names):
                raise several_levels(path, file.schema_arrow.names[0])
            # what pandas writes about itself may be damaged, and is not needed
            frame = file.read().replace_schema_metadata(None).to_pandas()
    except (ValueError, OSError, KeyError, TypeError, ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({first_line(error)}); the file is damaged, cut short or of another"
            " type: write or copy it again"
        ) from error
    return sort_columns({str(name): _values(series) for name, series in frame.items()}, "Parquet")


def _values(series: pd.Series[Any]) -> npt.NDArray[Any]:
    if series.dtype.kind in "fiu" and series.hasnans:  # integers that may be missing are objects to numpy
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return series.to_numpy()


def _read_npz(path: Path) -> FileColumns:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise DataError(f"{path}: holds a single array (npy), not npz; give it a name that ends in .npy")
        with found as file:
            require_single(path, file.files)
            return _npz_columns(file)
    except (*_NUMPY_ERRORS, AttributeError) as error:
        raise damaged(path, "npz", error) from error


def _npz_columns(file: Any) -> FileColumns:
    """Return the table of an open npz file; what cannot be read without running code, or is no array, is no column."""
    columns: dict[str, npt.NDArray[Any]] = {}
    other: dict[str, str] = {}
    for name in file.files:
        try:
            values = file[name]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            other[name] = "holds Python objects"
            continue
        if isinstance(values, np.ndarray):
            columns[name] = values
        else:
            other[name] = "is no array"
    table = sort_columns(columns, "npz")
    return FileColumns(table.columns, table.container, {**table.other, **other})


def _read_npy(path: Path) -> FileColumns:
    try:
        values = np.load(path, allow_pickle=False)
    except _NUMPY_ERRORS as error:
        raise damaged(path, "npy", error) from error
    if not isinstance(values, np.ndarray):
        values.close()
        raise DataError(f"{path}: holds several arrays (npz), not npy; give it a name that ends in .npz")
    if values.dtype.names:
        return sort_columns({name: values[name] for name in values.dtype.names}, "npy")
    if values.ndim != 2 or values.shape[1] != len(CATHODE_COLUMNS):
        raise DataError(
            f"{path}: holds an array of shape {values.shape}; the layout of .npy files has six columns"
            f" ({', '.join(CATHODE_COLUMNS)}): describe anything else by a manifest; it needs another kind of"
            " file, in which columns have names: HDF5, CSV, Parquet or npz"
        )
    return sort_columns(dict(zip(CATHODE_COLUMNS, values.T, strict=True)), "npy")
