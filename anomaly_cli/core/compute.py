"""What a piece of work may use: random streams, threads, processes, a device, and where to report."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from anomaly_cli.core.meeting import Meeting
from anomaly_cli.core.progress import Progress, Step, silent
from anomaly_cli.core.streams import Streams

CPU = "cpu"
DEVICES = ("auto", CPU, "cuda")
"""What a user may ask for; `auto` becomes one of the others before anything is computed."""


def available_cores() -> int:
    """Return the cores that this process may use, where the system tells, or all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Compute:
    """What a piece of work may use. It goes through fit and sample alike; nothing is global.

    Attributes:
        streams: random streams; a result depends on their seed and names.
        threads: threads per process; may change rounding, so it stands in the provenance.
        processes: processes; never changes a result.
        device: `cpu` or `cuda`, for networks; may change rounding, so it stands in the provenance.
        progress: where to report.
        meeting: where trainings of like pieces of work meet, to be done side by side; None where there are no others.
    """

    streams: Streams
    threads: int = 1
    processes: int = 1
    device: str = CPU
    progress: Progress = silent
    meeting: Meeting[Any, Any] | None = None

    def child(self, name: str) -> Compute:
        """Return the same with streams whose names all start with `name/`."""
        return replace(self, streams=self.streams.child(name))

    def alone(self) -> Compute:
        """Return the same for one of several pieces side by side: one process, no progress or meeting of its own."""
        return replace(self, processes=1, progress=silent, meeting=None)

    def named(self, task: str) -> Compute:
        """Return the same with every report under the name `task`."""

        def report(step: Step) -> None:
            self.progress(replace(step, task=task))

        return replace(self, progress=report)

    def part(self, index: int, n: int) -> Compute:
        """Return the same for one of `n` like pieces in turn: all of them report as one task."""

        def report(step: Step) -> None:
            done, total = index * step.total + step.done, n * step.total
            self.progress(replace(step, done=done, total=total, note=f"part {index + 1} of {n} {step.note}".rstrip()))

        return replace(self, progress=report)
