"""CSV files: one header line with the column names, numbers below."""

from __future__ import annotations

import csv
import re
import warnings
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import DataError, first_line
from anomaly_cli.datasets.columns import FileColumns, require_single, shortened

if TYPE_CHECKING:
    import pandas as pd

NUMBER = r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?(\.[0-9]+)?"


def read_csv(path: Path) -> FileColumns:
    """Return the table of a CSV file.

    Raises:
        DataError: where names and values do not fit together.
    """
    import pandas as pd  # 0.2 s, which no command needs that reads no CSV

    try:
        _check_first_lines(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # else pandas takes the first column for an index where lines are longer than the header
            frame = pd.read_csv(path, skipinitialspace=True, low_memory=False, index_col=False)
        if frame.iloc[:, -1].isna().any():  # else no line can be short, and none need be looked at
            _refuse_short_lines(path, frame.shape[1])
    except pd.errors.ParserWarning as error:
        raise _too_many_values(path) from error
    except (ValueError, OSError, csv.Error, pd.errors.ParserError) as error:
        raise DataError(
            f"{path}: cannot be read as CSV ({first_line(error)}); it needs one header line with the column names and"
            " numbers below"
        ) from error
    columns: dict[str, npt.NDArray[Any]] = {}
    other: dict[str, str] = {}
    for label, series in frame.items():
        name = str(label).strip()
        if series.dtype.kind in "fiub" or series.empty:
            columns[name] = series.to_numpy()
        else:
            other[name] = _first_text(name, series)
    return FileColumns(columns, "CSV", other)


def _first_text(name: str, series: pd.Series[Any]) -> str:
    import pandas as pd

    numbers = pd.to_numeric(series, errors="coerce")
    row = int(np.argmax(numbers.isna() & series.notna()))
    text = str(series.iloc[row]).strip()
    remark = " (a second header line, as files have it that were joined)" if text == name else ""
    remark = " (a decimal comma; write a point)" if re.fullmatch(r"[-+]?\d+,\d+", text) else remark
    return f"has '{shortened(text)}' in line {row + 2}{remark}"


def _check_first_lines(path: Path) -> None:
    """Refuse a first line that cannot be the names of the values in the second.

    Raises:
        DataError: saying what it is instead.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(islice((row for row in csv.reader(file, skipinitialspace=True) if row), 2))
    names = [name.strip() for name in rows[0]] if rows else []
    if names and all(re.fullmatch(NUMBER, name) for name in names):
        raise DataError(f"{path}: has no header line; write the column names, separated by commas, into the first line")
    if rows:
        _refuse_other_kinds(path, rows)
    require_single(path, (name for name in names if name))
    if len(rows) < 2:
        raise DataError(f"{path}: holds no events, having {len(rows)} line(s) only; check how it was written")
    values = rows[1]
    if len(values) > len(names):
        raise _too_many_values(path)
    if len(values) < len(names):
        raise DataError(
            f"{path}: its first line has {len(names)} names and the next {len(values)} values, so it is not known which"
            " value belongs to which name; write one name per value into the first line"
        )


def _refuse_short_lines(path: Path, n_names: int) -> None:
    """Refuse a line with fewer values than there are names, also where the missing one is not used.

    Raises:
        DataError: naming the line.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, skipinitialspace=True)
        for values in lines:
            if len(values) < n_names and any(value.strip() for value in values):
                raise DataError(
                    f"{path}: line {lines.line_num} has {len(values)} values for {n_names} names, so it may have been"
                    " cut; compare the file with its source, and write all values of a line, or nothing between commas"
                )


def _refuse_other_kinds(path: Path, rows: list[list[str]]) -> None:
    """Refuse first lines that are of another kind of file than commas and names.

    Raises:
        DataError: saying which.
    """
    text = ",".join(rows[0]).lstrip()
    if text.startswith("#"):
        raise DataError(
            f"{path}: begins with a line of comment ('{shortened(text)}'); remove the lines above the column names, and"
            " the sign # before these"
        )
    if text.startswith(("<", "{", "[")):
        what = "a web page or XML" if text.startswith("<") else "JSON"
        raise DataError(f"{path}: is {what}, not CSV ('{shortened(text)}'); fetch or write the table itself")
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces")):
        if len(rows[0]) == 1 and all(separator in ",".join(row) for row in rows):
            has_comma = any(re.search(r"\d,\d", ",".join(row)) for row in rows[1:])
            points = " and points in numbers" if has_comma else ""
            raise DataError(f"{path}: its columns are separated by {name}; write commas between them{points}")


def _too_many_values(path: Path) -> DataError:
    return DataError(
        f"{path}: some lines have more values than the first line has names, so it is not known which value belongs to"
        " which name; write one name per value into the first line"
    )
