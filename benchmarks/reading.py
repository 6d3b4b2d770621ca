"""Time and memory of reading and splitting 1.1 M feature rows in the official layout, and of clustering raw events.

The rows are those of the shipped file, each shifted by its own tiny factor so that none repeats: for timing only.

    python benchmarks/reading.py
    python benchmarks/reading.py --raw lhco_sim_qcd_raw_5k.h5

With a raw file, its rows are also repeated (by reference) to the 1.1 M of the R&D set (2.9 GB as compressed there),
and all of them are read; and twice as many rows are clustered, to show that memory does not grow with them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.frames import write_frame
from anomaly_cli.datasets.manifests import shipped_file

N_ROWS = 1_100_000
READ = "from pathlib import Path; from anomaly_cli.datasets.readers import read_events; read_events(Path({!r}))"


def write_rows(path: Path) -> None:
    """Write 1.1 M different rows as a pandas frame."""
    with h5py.File(shipped_file()) as source:
        rows = source["df/block0_values"][()]
    tiled = np.tile(rows, (-(-N_ROWS // len(rows)), 1))[:N_ROWS]
    tiled[:, :14] *= 1.0 + 1e-3 * np.random.default_rng(1).random((N_ROWS, 1), dtype=np.float32)
    write_frame(path, (*OFFICIAL_COLUMNS, "label"), tiled)


READ_RAW = """
from pathlib import Path
from anomaly_cli.datasets.rawfeatures import CHUNK_EVENTS, locate_raw, read_rows, to_constituents
place = locate_raw(Path({!r}))
for first in range(0, place.n_events, CHUNK_EVENTS):
    to_constituents(place, first, read_rows(place, first, CHUNK_EVENTS))
"""


def repeat_rows(source: Path, target: Path, n: int) -> None:
    """Write a raw file of `n` rows that are those of `source` again and again, by reference."""
    with h5py.File(source) as file:
        data = h5py.VirtualSource(file["events"])
    layout = h5py.VirtualLayout((n, data.shape[1]), data.dtype)
    for first in range(0, n, data.shape[0]):
        layout[first : first + data.shape[0]] = data[: min(data.shape[0], n - first)]
    with h5py.File(target, "w") as file:
        file.create_virtual_dataset("events", layout)


def measure(name: str, command: list[str]) -> None:
    """Run a command; print wall time, processor time and peak memory.

    Raises:
        SystemExit: where it fails.
    """
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{name}: failed")
    cpu, wall = used.ru_utime + used.ru_stime, time.monotonic() - start
    print(f"{name}: {wall:.1f} s, {cpu:.1f} s CPU, peak {used.ru_maxrss / 1024:.0f} MB", flush=True)


def main() -> None:
    """Measure reading, splitting and, where a raw file is given, clustering."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="raw file to cluster on one core")
    arguments = parser.parse_args()
    anomaly = [sys.executable, "-m", "anomaly_cli"]
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/events.h5"
        write_rows(Path(data))
        measure("start of Python and imports", [sys.executable, "-c", "import anomaly_cli.datasets.readers"])
        measure("read 1.1 M rows", [sys.executable, "-c", READ.format(data)])
        split = [*anomaly, "split", "--run", f"{folder}/run", "--signal-region", "3.3-3.7", "--data", data]
        measure("split 1.1 M rows", split)
        if arguments.raw:
            repeat_rows(arguments.raw, Path(folder) / "whole.h5", N_ROWS)
            measure("read 1.1 M raw events", [sys.executable, "-c", READ_RAW.format(f"{folder}/whole.h5")])
            for n in (5000, 10_000):
                repeat_rows(arguments.raw, Path(folder) / f"{n}.h5", n)
                cluster = [*anomaly, "data", "features", f"{folder}/{n}.h5", f"{folder}/f{n}.h5", "--processes", "1"]
                measure(f"cluster {n} raw events", cluster)


if __name__ == "__main__":
    main()
