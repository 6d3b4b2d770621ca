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
from anomaly_cli.datasets.frames import write_frame

LOWEST_MJJ = 2600.0  # [GeV]
N_SIGNAL = 20_000


def read_above(path: str) -> np.ndarray:
    """Return the rows `(n, 15)` with mjj > 2.6 TeV."""
    with h5py.File(path) as file:
        rows = file["features"][()]
    columns = {name: rows[:, index] for index, name in enumerate(OFFICIAL_COLUMNS)}
    return rows[compute_features(columns, ("mj1",)).mjj > LOWEST_MJJ]


def main() -> None:
    """Read the two samples, write the file, print its figures."""
    qcd, signal, target = sys.argv[1:]
    rows = np.concatenate([read_above(qcd), read_above(signal)[:N_SIGNAL]])
    write_frame(Path(target), (*OFFICIAL_COLUMNS, "label"), rows)
    content = Path(target).read_bytes()
    label = rows[:, -1]
    print(f'bytes = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"')
    print(f"n_background = {int((label == 0).sum())}\nn_signal = {int((label == 1).sum())}")


if __name__ == "__main__":
    main()
