"""Reads any table of numbers with named columns: HDF5, CSV or npz."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import DataError
from anomaly_cli.core.records import nearest
from anomaly_cli.core.tables import Table
from anomaly_cli.datasets import containers
from anomaly_cli.datasets.columns import RawPlace


def read_table(path: Path, columns: Sequence[str], conditions: Sequence[str]) -> Table:
    """Read the columns of a file.

    Accepted are HDF5 (pandas `fixed` format, a data set whose attribute `columns` names its columns, or one
    data set per column), npz (one array per column) and CSV with a header line.

    Args:
        path: the file.
        columns: features to read, in order; all that are no condition where empty.
        conditions: columns to read as conditions.

    Raises:
        DataError: where the file cannot be read, or a column is missing, no numbers or not finite.
    """
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "no such file"
        raise DataError(f"{path}: {what}; give an HDF5, CSV or npz file, or a built-in toy as toy:ring")
    found = containers.read_table(path)
    if isinstance(found, RawPlace):
        raise DataError(f"{path}: holds raw events; make features first with 'anomaly data features'")
    names = tuple(columns) or tuple(name for name in found.names if name not in conditions)
    for name in (*names, *conditions):
        if name not in found.names:
            raise DataError(f"{path}: has no column '{name}'; {nearest(name, found.names)}")
    if not names:
        raise DataError(f"{path}: no column is left to be moved; name the features with --columns")
    twice = [name for name, number in Counter([*names, *conditions]).items() if number > 1]
    if twice:
        raise DataError(f"{path}: column '{twice[0]}' is named twice; name it once, in --columns or in --condition")
    try:
        taken = found.take([*names, *conditions])
    except DataError as error:
        raise DataError(f"{path}: {error}; leave it out with --columns, or mend the file") from None
    try:
        return Table(_stack(taken, names), _stack(taken, conditions), names, tuple(conditions))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _stack(taken: Mapping[str, FloatArray], names: Sequence[str]) -> FloatArray:
    n = len(next(iter(taken.values())))
    return np.stack([taken[name] for name in names], axis=1) if names else np.empty((n, 0))
