"""Time and memory of reading and splitting 1.1 M feature rows in the official layout, and of clustering raw events.

The rows are those of the shipped file, each shifted by its own tiny factor so that none repeats: for timing only.

    python benchmarks/reading.py
    python benchmarks/reading.py --raw lhco_sim_qcd_raw_5k.h5
"""

from __future__ import annotations

import argparse
import resource
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


def measure(name: str, command: list[str]) -> None:
    """Run a command; print wall time, processor time and the largest memory of any command so far."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{name}: {time.monotonic() - start:.1f} s, {cpu:.1f} s CPU, peak {after.ru_maxrss / 1024:.0f} MB", flush=True
    )


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
            cluster = [*anomaly, "data", "features", str(arguments.raw), f"{folder}/f.h5", "--processes", "1"]
            measure("cluster raw events", cluster)


if __name__ == "__main__":
    main()
