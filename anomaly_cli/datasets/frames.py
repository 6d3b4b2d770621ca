"""Writing event files in the official layout: what pandas calls the fixed format, key `df`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import DataError
from anomaly_cli.core.scratch import scratch_beside


@contextlib.contextmanager
def written_in_one_step(path: Path) -> Iterator[Path]:
    """Yield a scratch path beside `path` that is renamed to it at the end, or removed after a failure.

    Raises:
        DataError: where the file cannot be written; an earlier one is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch_beside(path) as scratch:
            yield scratch.path
            scratch.publish()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); free some space or choose another place"
        ) from error


def write_frame(
    path: Path,
    names: Sequence[str],
    rows: npt.NDArray[np.float32],
    attributes: Mapping[str, str] | None = None,
    mode: str = "w",
) -> None:
    """Write rows `(n, c)` as a frame that pandas (with PyTables) and h5py both read.

    Args:
        path: target.
        names: the c column names.
        rows: the values.
        attributes: texts stored as attributes of the frame.
        mode: `w` to begin the file anew, `a` to keep what else it holds.
    """
    with h5py.File(path, mode, locking=False) as file:  # it may be locked by ourselves
        for key, value in {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0"}.items():
            file.attrs[key] = _c_string(value)
        file.attrs["PYTABLES_FORMAT_VERSION"] = _c_string("2.1")
        frame = file.create_group("df")
        text = {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0", "encoding": "UTF-8", "errors": "strict"}
        text |= {"pandas_type": "frame", "pandas_version": "0.15.2"}
        text |= {"axis0_variety": "regular", "axis1_variety": "regular", "block0_items_variety": "regular"}
        for key, value in {**text, **(attributes or {})}.items():
            frame.attrs[key] = _c_string(value)
        frame.attrs["ndim"], frame.attrs["nblocks"] = 2, 1
        compressed: dict[str, Any] = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        labels = np.array([name.encode() for name in names])
        for key in ("axis0", "block0_items"):
            _pytables(frame.create_dataset(key, data=labels), "ARRAY", kind="string")
        index = np.arange(len(rows))
        _pytables(frame.create_dataset("axis1", data=index, chunks=index.shape, **compressed), "CARRAY", kind="integer")
        chunks = (len(rows), 1)  # one column a chunk compresses best
        _pytables(frame.create_dataset("block0_values", data=rows, chunks=chunks, **compressed), "CARRAY")


def _pytables(data: h5py.Dataset, node_class: str, kind: str = "") -> None:
    data.attrs["CLASS"], data.attrs["TITLE"] = _c_string(node_class), _c_string("")
    data.attrs["VERSION"] = _c_string("2.4" if node_class == "ARRAY" else "1.1")
    data.attrs["FLAVOR"] = _c_string("numpy")
    data.attrs["transposed"] = np.uint8(1)
    if kind:
        data.attrs["kind"], data.attrs["name"] = _c_string(kind), _c_string("N.")


def _c_string(text: str) -> npt.NDArray[Any]:
    """Return a fixed-length UTF-8 scalar, which PyTables reads as text."""
    return np.array(text.encode(), dtype=h5py.string_dtype("utf-8", max(1, len(text.encode()))))
