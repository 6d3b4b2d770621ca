"""Records of jobs: all that varies. Who runs a job, since when, how long it took, why it died."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.cputime import used_cpu
from anomaly_cli.core.documents import parse_json
from anomaly_cli.scans.batch import own_batch_job
from anomaly_cli.stages.frame import Outcome

INTERRUPTED = "interrupted"
"""State of a job that somebody stopped, and the reason that its command gives."""


@dataclass
class JobRecord:
    """The record of one result in the making, written at its start and its end."""

    path: Path
    content: dict[str, Any]
    started: float = field(default_factory=time.monotonic)
    cpu_before: float = field(default_factory=used_cpu)

    @staticmethod
    def start(path: Path) -> JobRecord:
        """Return a record that says who started now."""
        scheduler, batch = own_batch_job()
        content = {"state": "running", "host": platform.node(), "pid": os.getpid(), "began": _now()}
        content |= {"scheduler": scheduler, "batch_job": batch}
        return JobRecord(path, content)

    def __enter__(self) -> JobRecord:
        self._write()
        return self

    def finish(self, outcomes: Sequence[Outcome], failure: str) -> None:
        """Note the stages of a job that came to its end, and why it has no result, if so."""
        self.content["failure"] = failure
        self.content["stages"] = [
            {"stage": o.stage, "seconds": round(o.seconds, 2), "cpu_seconds": round(o.cpu_seconds, 2)} for o in outcomes
        ]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        largest = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        to_mb = 1024 if sys.platform != "darwin" else 1024**2
        is_wanted = isinstance(error, KeyboardInterrupt) and str(error) in ("", INTERRUPTED)
        how = INTERRUPTED if is_wanted else "died"
        self.content |= {
            "state": "ended" if error is None else how,
            "reason": "" if error is None else f"{str(error) or type(error).__name__}",
            "ended": _now(),
            "seconds": round(time.monotonic() - self.started, 2),
            "cpu_seconds": round(used_cpu() - self.cpu_before, 2),
            "memory_mb": round(max(largest) / to_mb),
        }
        with contextlib.suppress(Exception) if error is not None else contextlib.nullcontext():
            self._write()

    def _write(self) -> None:
        write_files({self.path: json.dumps(self.content, indent=1).encode()})


def read_record(path: Path) -> dict[str, Any]:
    """Return a record, empty where there is none."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_alive(record: dict[str, Any]) -> bool | None:
    """Return whether the process of a record lives; None where it is on another host."""
    if record.get("host") != platform.node():
        return None
    try:
        pid = int(record["pid"])
        if pid <= 0:  # not a process but a group of them
            return False
        os.kill(pid, 0)
    except (ProcessLookupError, KeyError, ValueError, TypeError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def is_engine(record: dict[str, Any]) -> bool | None:
    """Return whether the process of a record lives and is Snakemake, and not a later process of its number."""
    alive = is_alive(record) if record else False
    command = Path(f"/proc/{record.get('pid')}/cmdline")
    return b"snakemake" in command.read_bytes() if alive and command.exists() else alive


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
