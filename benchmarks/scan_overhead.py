"""What a scan costs besides its physics: planning 10,000 jobs, their status, and a run with nothing to do.

    python benchmarks/scan_overhead.py DIRECTORY FINISHED

plans 10,000 jobs into DIRECTORY, and runs the finished scan FINISHED again; timed as a user does, a process each.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from anomaly_cli.scans.manifest import ScanDirectory

GRID = """
[grid]
centres = [{centres}]
methods = ["curtains_f4f_efficient", "cathode"]
inject = [0, 420]
seeds = 100
"""


def timed(*arguments: str) -> float:
    """Return the seconds that a command takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "anomaly_cli", "scan", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(directory: Path, finished: Path) -> None:
    """Measure and print."""
    directory.mkdir(parents=True)
    grid, scan = directory / "scan.toml", directory / "scan"
    grid.write_text(GRID.format(centres=", ".join(f"{3.1 + 0.04 * step:.2f}" for step in range(25))))
    print(f"plan: {timed('plan', str(grid), '--output', str(scan)):.1f} s")
    manifest = ScanDirectory(scan).read()
    print(f"jobs: {len(manifest.points)}, manifest {(scan / 'scan.json').stat().st_size / 1e6:.1f} MB")
    print(f"status, none run: {timed('status', str(scan)):.1f} s")
    print(f"run with nothing to do, {len(ScanDirectory(finished).read().points)} jobs: ", end="")
    print(f"{timed('run', str(finished)):.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
