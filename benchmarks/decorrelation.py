"""Rejection against divergence of a jet tagger, before and after it was made free of the jet mass.

The tagger is made up to depend on the mass on purpose: m / 900 GeV - tau21 of the leading jet, between 20 and 800 GeV.

python benchmarks/decorrelation.py --background qcd.h5 --signal signal.h5 --out results/decorrelation.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from anomaly_cli.stages.decorrelate import decorrelate, scored_table

N_BACKGROUND, N_SIGNAL = 40_000, 8_000
LIGHTEST, HEAVIEST = 20.0, 800.0


def main() -> None:
    """Make the table, decorrelate, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--background", type=Path, required=True)
    parser.add_argument("--signal", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1, help="also which events: the next ones for every seed")
    asked = parser.parse_args()
    place = asked.seed - 1
    rows = [
        jets(asked.background, slice(place * N_BACKGROUND, (place + 1) * N_BACKGROUND), 0.0),
        jets(asked.signal, slice(place * N_SIGNAL, (place + 1) * N_SIGNAL), 1.0),
    ]
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "jets.csv"
        np.savetxt(table, np.concatenate(rows), delimiter=",", header="mass,tagger,is_signal", comments="")
        scored = scored_table(table, "tagger", ["mass"], "is_signal")
        made = decorrelate(scored, Path(folder) / "made.h5", asked.seed, False)
    found = {name: {key: column.tolist() for key, column in made.groups[name].items()} for name in ("cuts", "tagging")}
    asked.out.write_text(json.dumps({"seed": asked.seed, "cpu": time.process_time() - start, **found}, indent=1) + "\n")


def jets(path: Path, which: slice, label: float) -> np.ndarray:
    """Return mass, tagger and label of the leading jets of some events of a file `(n, 3)`."""
    with h5py.File(path) as file:
        data = file["features"]
        names = [name.decode() if isinstance(name, bytes) else name for name in data.attrs["columns"]]
        events = data[which].astype(np.float64)
    mass, tau1, tau2 = (events[:, names.index(name)] for name in ("mj1", "tau1j1", "tau2j1"))
    tau21 = tau2 / np.maximum(tau1, 1e-5)
    kept = (mass > LIGHTEST) & (mass < HEAVIEST) & (tau21 < 2.0)
    found: np.ndarray = np.column_stack([mass, mass / 900.0 - tau21, np.full(len(mass), label)])[kept]
    return found


if __name__ == "__main__":
    main()
