"""Reads any table of numbers with named columns: HDF5, CSV or npz."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from anomaly_cli.core.errors import DataError
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.records import nearest
from anomaly_cli.core.tables import Table
from anomaly_cli.datasets import containers

Columns = Mapping[str, npt.NDArray[Any]]


def read_table(path: Path, columns: Sequence[str], conditions: Sequence[str]) -> Table:
    """Read the columns of a file.

    Accepted are HDF5 (pandas `fixed` format, a data set whose attribute `columns` names its columns, or one
    data set per column), npz (one array per column) and CSV with a header line.

    Args:
        path: the file.
        columns: features to read, in order; all that are no condition where empty.
        conditions: columns to read as conditions.

    Raises:
        DataError: where the file cannot be read, or a column is missing, constant, no numbers or not finite.
    """
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "no such file"
        raise DataError(f"{path}: {what}; give an HDF5, CSV or npz file, or a built-in toy as toy:ring")
    try:
        found = _read_columns(path)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read as HDF5, CSV or npz ({str(error).splitlines()[0]}); it needs one column of"
            " numbers per name, all of one length"
        ) from error
    names = tuple(columns) or tuple(name for name in found if name not in conditions)
    for name in (*names, *conditions):
        if name not in found:
            raise DataError(f"{path}: has no column '{name}'; {nearest(name, found)}")
    if not names:
        raise DataError(f"{path}: no column is left to be moved; name the features with --columns")
    twice = [name for name, number in Counter([*names, *conditions]).items() if number > 1]
    if twice:
        raise DataError(f"{path}: column '{twice[0]}' is named twice; name it once, in --columns or in --condition")
    try:
        return Table(_stack(found, names), _stack(found, conditions), names, tuple(conditions))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _read_columns(path: Path) -> Columns:
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    if path.suffix.lower() == ".csv":
        frame = pd.read_csv(path)
        return {str(name).strip(): frame[name].to_numpy() for name in frame.columns}
    with h5py.File(path, "r", locking=False) as file:
        singles = {name: node[()] for name, node in file.items() if isinstance(node, h5py.Dataset) and node.ndim == 1}
    if singles:
        return singles
    table = containers.read_table(path)
    if isinstance(table, containers.RawPlace):
        raise DataError(f"{path}: holds raw events; make features first with 'anomaly data features'")
    return table.columns


def _stack(found: Columns, names: Sequence[str]) -> FloatArray:
    n = len(next(iter(found.values())))
    if n == 0:
        raise DataError("holds no events; give a file with rows")
    stacked = np.empty((n, len(names)))
    for index, name in enumerate(names):
        column = np.asarray(found[name])
        if column.shape != (n,) or column.dtype.kind not in "fiub":
            raise DataError(f"column '{name}' must hold {n} numbers; leave it out with --columns, or mend the file")
        stacked[:, index] = column
    return stacked
