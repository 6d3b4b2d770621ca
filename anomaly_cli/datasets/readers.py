"""Readers of event files; the layout is detected from the file itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from anomaly_cli.core.errors import DataError, first_line
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS

RAW_COLUMNS = (2100, 2101)
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EventTable:
    """The kinematic columns of an event file.

    Attributes:
        columns: the official columns, `(n,)` each, [GeV].
        is_signal: truth label `(n,)`, empty where the file has none.
        is_labelled: whether the file has truth labels.
    """

    columns: Mapping[str, FloatArray]
    is_signal: BoolArray
    is_labelled: bool

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_events(path: Path) -> EventTable:
    """Read a file in the official LHCO feature layout, or the same columns in CSV.

    Accepted are HDF5 written by pandas (`fixed` format, key `df` or any single key), HDF5 with a
    two-dimensional data set whose attribute `columns` names the columns, and CSV with a header line.

    Raises:
        DataError: where the file is missing, damaged, in another layout, or holds values that are not
            finite.
    """
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "no such file"
        raise DataError(f"{path}: {what}; give --data an event file, or leave it out for the shipped data set")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty (0 bytes); download or copy it again")
    values, names = _read_csv(path) if path.suffix.lower() == ".csv" else read_hdf5_columns(path)
    if values.ndim != 2 or values.shape[1] != len(names) or values.dtype.kind not in "fiub":
        raise DataError(f"{path}: must hold a table of numbers with one name per column; check how it was written")
    return _to_table(path, values, names)


def _read_csv(path: Path) -> tuple[npt.NDArray[Any], list[str]]:
    try:
        frame = pd.read_csv(path)
        return frame.to_numpy(dtype=np.float64), [str(name).strip() for name in frame.columns]
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(
            f"{path}: cannot be read as CSV ({first_line(error)}); it needs one header line with the official column"
            " names and numbers below"
        ) from error


def read_hdf5_columns(path: Path) -> tuple[npt.NDArray[Any], list[str]]:
    """Return the table of an HDF5 file `(n, k)` and its k column names.

    Raises:
        DataError: where the file is damaged, or holds no table with named columns.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _find_columns(path, file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read as HDF5 ({first_line(error)}); the file is damaged, cut short or of another"
            " type: compare its size and checksum with the source and fetch it again"
        ) from error


def _find_columns(path: Path, file: h5py.File) -> tuple[npt.NDArray[Any], list[str]]:
    for node in file.values():
        if isinstance(node, h5py.Group) and _text(node.attrs.get("pandas_type", "")) == "frame":
            return _read_pandas_frame(path, node)
    for node in file.values():
        if isinstance(node, h5py.Group) and "table" in node and "pandas_type" in node.attrs:
            raise DataError(
                f"{path}: was written by pandas in 'table' format; write it again with"
                " df.to_hdf(file, key='df', format='fixed')"
            )
        if isinstance(node, h5py.Dataset) and node.ndim == 2 and "columns" in node.attrs:
            return node[()], _column_names(node.attrs["columns"])
    raise DataError(
        f"{path}: holds neither a pandas frame nor a data set with named columns"
        f" (found: {', '.join(file) or 'nothing'}); the official feature layout has the columns"
        f" {OFFICIAL_COLUMNS[0]} ... {OFFICIAL_COLUMNS[-1]}, label"
    )


def _read_pandas_frame(path: Path, node: h5py.Group) -> tuple[npt.NDArray[Any], list[str]]:
    n_columns = len(node["axis0"])
    if n_columns in RAW_COLUMNS:
        raise DataError(
            f"{path}: holds raw constituents ({n_columns} columns), not features; this release reads the"
            " .features.h5 file of the same record"
        )
    blocks, names = [], []
    for index in range(int(node.attrs["nblocks"])):
        names += [_text(name) for name in node[f"block{index}_items"][()]]
        blocks.append(np.asarray(node[f"block{index}_values"][()], dtype=np.float64))
    return np.concatenate(blocks, axis=1), names


def _to_table(path: Path, values: npt.NDArray[Any], names: list[str]) -> EventTable:
    missing = [name for name in OFFICIAL_COLUMNS if name not in names]
    if missing:
        raise DataError(
            f"{path}: column '{missing[0]}' is missing; the official feature layout has {', '.join(OFFICIAL_COLUMNS)}"
            " and, optionally, label"
        )
    if len(values) == 0:
        raise DataError(f"{path}: holds no events; check how it was written")
    columns = {name: np.asarray(values[:, names.index(name)], dtype=np.float64) for name in OFFICIAL_COLUMNS}
    for name, column in columns.items():
        n_bad = int((~np.isfinite(column)).sum())
        if n_bad:
            raise DataError(
                f"{path}: column '{name}' is NaN or infinite in {n_bad} of {len(column)} events; remove those rows"
                " and note how many, then run again"
            )
    if "label" not in names:
        return EventTable(columns, np.zeros(0, dtype=np.bool_), False)
    label = np.asarray(values[:, names.index("label")])
    if not np.isin(label, (0.0, 1.0)).all():
        raise DataError(f"{path}: column 'label' must be 0 (background) or 1 (signal); found {np.unique(label)[:4]}")
    return EventTable(columns, label == 1.0, True)


def _column_names(attribute: Any) -> list[str]:
    if isinstance(attribute, np.ndarray):
        return [_text(name) for name in attribute]
    return re.findall(r"[A-Za-z_]\w*", _text(attribute))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
