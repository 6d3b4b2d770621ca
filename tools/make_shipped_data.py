"""Make the data file that the package ships from the full simulated samples.

Keeps every QCD event with mjj > 2.6 TeV and the first signal events with mjj > 2.6 TeV, in their order,
all 15 official columns bit for bit, as a pandas-style fixed frame under the key `df`. Prints the numbers
that the manifest states.

    python tools/make_shipped_data.py lhco_sim_qcd.h5 lhco_sim_signal.h5 anomaly_cli/data/lhco_like_sim.h5
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import h5py
import numpy as np

from anomaly_cli.datasets.features import OFFICIAL_COLUMNS, compute_features

LOWEST_MJJ = 2600.0  # [GeV]
N_SIGNAL = 20_000


def read_above(path: str) -> np.ndarray:
    """Return the rows `(n, 15)` with mjj > 2.6 TeV."""
    with h5py.File(path) as file:
        rows = file["features"][()]
    columns = {name: rows[:, index] for index, name in enumerate(OFFICIAL_COLUMNS)}
    return rows[compute_features(columns, ("mj1",)).mjj > LOWEST_MJJ]


def write_frame(path: Path, rows: np.ndarray) -> None:
    """Write a fixed frame that pandas (with PyTables) and h5py both read."""
    names = np.array([*OFFICIAL_COLUMNS, "label"], dtype="S6")
    with h5py.File(path, "w") as file:
        for key, value in {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0"}.items():
            file.attrs[key] = _c_string(value)
        file.attrs["PYTABLES_FORMAT_VERSION"] = _c_string("2.1")
        frame = file.create_group("df")
        text = {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0", "encoding": "UTF-8", "errors": "strict"}
        text |= {"pandas_type": "frame", "pandas_version": "0.15.2"}
        text |= {"axis0_variety": "regular", "axis1_variety": "regular", "block0_items_variety": "regular"}
        for key, value in text.items():
            frame.attrs[key] = _c_string(value)
        frame.attrs["ndim"], frame.attrs["nblocks"] = 2, 1
        compressed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        for key in ("axis0", "block0_items"):
            _pytables(frame.create_dataset(key, data=names), "ARRAY", kind="string")
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


def _c_string(text: str) -> np.ndarray:
    """Return a fixed-length UTF-8 scalar, which PyTables reads as text."""
    return np.array(text.encode(), dtype=h5py.string_dtype("utf-8", max(1, len(text))))


def main() -> None:
    """Read the two samples, write the file, print its figures."""
    qcd, signal, target = sys.argv[1:]
    rows = np.concatenate([read_above(qcd), read_above(signal)[:N_SIGNAL]])
    write_frame(Path(target), rows)
    content = Path(target).read_bytes()
    label = rows[:, -1]
    print(f'bytes = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"')
    print(f"n_background = {int((label == 0).sum())}\nn_signal = {int((label == 1).sum())}")


if __name__ == "__main__":
    main()
