"""Time and memory of a run on a file as large as the official one: 1.1 M rows in the official layout.

The rows are those of the shipped file, tiled: for timing only, the physics of copies is meaningless. Jet masses
and taus of the copies are smeared by 20 %: trees would learn exact copies by heart, and not stop as early as on
real events.

    python benchmarks/large_file.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.manifests import shipped_file

N_ROWS = 1_100_000


def write_tiled(path: Path) -> None:
    """Write 1.1 M rows in the official columns."""
    with h5py.File(shipped_file()) as source:
        rows = source["df/block0_values"][()]
    tiled = np.tile(rows, (-(-N_ROWS // len(rows)), 1))[:N_ROWS]
    smeared = [OFFICIAL_COLUMNS.index(f"{name}j{jet}") for name in ("m", "tau1", "tau2", "tau3") for jet in (1, 2)]
    tiled[:, smeared] *= np.exp(0.2 * np.random.default_rng(1).standard_normal((N_ROWS, len(smeared))))
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=tiled).attrs["columns"] = [*OFFICIAL_COLUMNS, "label"]


def main() -> None:
    """Run the main job on the tiled file and print wall time and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "events.h5"
        write_tiled(data)
        command = [sys.executable, "-m", "anomaly_cli", "run", "--data", str(data), "--inject", "1000"]
        command += ["--signal-region", "3.3-3.7", "--run", f"{folder}/run", "--processes", str(arguments.processes)]
        start = time.monotonic()
        process = subprocess.Popen(command)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, memory_mb(process.pid))
            time.sleep(1.0)
        print(f"exit {process.returncode}, {time.monotonic() - start:.0f} s, peak memory {peak:.0f} MB (all processes)")


def memory_mb(pid: int) -> float:
    """Return the proportional memory of a process and its descendants [MB] (Linux)."""
    total = 0.0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += float(line.split()[1]) / 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(memory_mb(int(child)) for child in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return total
    return total


if __name__ == "__main__":
    main()
