"""A command under watch: wall and CPU time, peak memory, and both by the stage of its run log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

SECONDS = 0.25
"""Between two looks at the memory."""
MEGABYTE = 1024.0
Figures = dict[str, Any]


@dataclass(frozen=True)
class Watched:
    """What a command took.

    Attributes:
        wall: time from its start to its end [s].
        cpu: of it and all that it started and waited for [s].
        memory: its proportional memory and that of all that it started [MB], at times since the epoch [s].
        output: what it printed.
    """

    wall: float
    cpu: float
    memory: Sequence[tuple[float, float]]
    output: str

    @property
    def peak(self) -> float:
        """The largest memory seen [MB]."""
        return max((memory for _, memory in self.memory), default=0.0)

    def peak_until(self, end: float, seconds: float) -> float:
        """Return the largest memory seen in the `seconds` before a time [MB]."""
        seen = [memory for at, memory in self.memory if end - seconds - 1.0 <= at <= end + 1.0]
        return max(seen, default=0.0)


def watch(code: Path, arguments: Sequence[str]) -> Watched:
    """Run `anomaly` with the code of a checkout.

    Raises:
        SystemExit: where the command fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "anomaly_cli", *arguments]
    start, memory = time.monotonic(), []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=code) as process:
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            memory.append((time.time(), memory_mb(process.pid)))
            time.sleep(SECONDS)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        wall, output = time.monotonic() - start, process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {' '.join(command)}")
    return Watched(wall, ended[2].ru_utime + ended[2].ru_stime, memory, output)


def memory_mb(pid: int) -> float:
    """Return the proportional memory of a process and its descendants [MB] (Linux)."""
    total = 0.0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += float(line.split()[1]) / MEGABYTE
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(memory_mb(int(child)) for child in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return total
    return total


def figures_of(watched: Watched, run: Path) -> Figures:
    """Return what a run took, in all and by stage; what no stage took is the start of the program and its end."""
    stages: dict[str, Figures] = {}
    for entry in json.loads((run / "run_log.json").read_text()):
        end = datetime.fromisoformat(entry["finished"]).timestamp()
        stages[entry["stage"]] = {
            "wall": entry["seconds"],
            "cpu": entry["cpu_seconds"],
            "memory": round(watched.peak_until(end, entry["seconds"])),
        }
    rest = watched.cpu - sum(stage["cpu"] for stage in stages.values())
    stages["start and end"] = {"wall": round(watched.wall - sum(s["wall"] for s in stages.values()), 2)}
    stages["start and end"] |= {"cpu": round(rest, 2), "memory": 0}
    all_of_it = {"wall": round(watched.wall, 2), "cpu": round(watched.cpu, 2), "memory": round(watched.peak)}
    return {"all": all_of_it, "stages": stages}
