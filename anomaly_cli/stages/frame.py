"""The frame of every stage: where files lie, what is up to date, what may be replaced.

A stage is planned before it is run: its plan states the provenance that its outputs will have. Outputs
that have it already are not made again; others are replaced only with `overwrite`.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import read_any, write_files
from anomaly_cli.config import Config
from anomaly_cli.core.errors import AnomalyError, ArtifactError
from anomaly_cli.core.progress import Progress
from anomaly_cli.core.streams import Streams


@dataclass(frozen=True)
class Resources:
    """What a stage may use; `processes` never changes a result."""

    seed: int
    threads: int
    processes: int
    progress: Progress

    def streams(self, name: str) -> Streams:
        """Return the random streams of a stage."""
        return Streams(self.seed).child(name)


class State(Enum):
    """What a plan finds on disk."""

    MISSING = "run"
    CURRENT = "up to date"
    OTHER = "replace"
    UNDECIDED = "after earlier stages"


@dataclass(frozen=True)
class Plan:
    """What a stage is about to do.

    Attributes:
        stage: its name.
        output: the file that it makes; further files are written before it.
        provenance: the provenance that the output will have.
    """

    stage: str
    output: Path
    provenance: Provenance


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes:
        stage: its name.
        output: its file.
        was_made: whether it was made now.
        seconds: wall time [s].
        cpu_seconds: CPU time of this process and of worker processes that have ended [s].
    """

    stage: str
    output: Path
    was_made: bool
    seconds: float
    cpu_seconds: float


def inspect_plan(plan: Plan) -> tuple[State, str]:
    """Return what lies at the plan's output, and in words how it differs from the plan."""
    if not plan.output.exists():
        return State.MISSING, ""
    try:
        found = read_any(plan.output)
    except AnomalyError as error:
        return State.OTHER, str(error)
    differences = plan.provenance.differences(found.provenance)
    return (State.OTHER, "; ".join(differences)) if differences else (State.CURRENT, "")


def execute(plan: Plan, overwrite: bool, make: Callable[[], None]) -> Outcome:
    """Make the plan's output unless it is up to date.

    Raises:
        ArtifactError: where the output exists with another provenance and `overwrite` is not given.
    """
    state, difference = inspect_plan(plan)
    if state is State.CURRENT:
        return Outcome(plan.stage, plan.output, False, 0.0, 0.0)
    if state is State.OTHER and not overwrite:
        raise ArtifactError(
            f"{plan.output} already exists and differs from what is asked for ({difference});"
            " pass --overwrite to replace it, or another directory with --run"
        )
    start, cpu_start = time.monotonic(), used_cpu()
    make()
    return Outcome(plan.stage, plan.output, True, time.monotonic() - start, used_cpu() - cpu_start)


def used_cpu() -> float:
    """Return the CPU time that this process and its ended children have used [s]."""
    return sum(os.times()[:4])


def save_config(run: RunDirectory, config: Config) -> None:
    """Store the resolved configuration beside the artifacts."""
    content = config.to_toml().encode()
    if not run.config.exists() or run.config.read_bytes() != content:
        write_files({run.config: content})


def append_log(run: RunDirectory, outcomes: Sequence[Outcome]) -> None:
    """Add what was made now to the run log, which no digest covers."""
    made = [outcome for outcome in outcomes if outcome.was_made]
    if not made:
        return
    try:
        entries = json.loads(run.log.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        entries = []
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    host = {"host": platform.node(), "machine": platform.machine(), "python": platform.python_version()}
    entries += [
        {
            **{"stage": o.stage, "output": o.output.name, "seconds": round(o.seconds, 2)},
            **{"cpu_seconds": round(o.cpu_seconds, 2), "finished": now, **host},
        }
        for o in made
    ]
    write_files({run.log: json.dumps(entries, indent=1).encode()})
