"""What has become of every job of a scan; needs no engine and no event."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.scans.batch import queued_jobs
from anomaly_cli.scans.manifest import Manifest, ScanDirectory
from anomaly_cli.scans.parts import Base, Measurement, Point
from anomaly_cli.scans.records import is_alive, is_engine, read_record
from anomaly_cli.scans.results import read_result


class JobState(Enum):
    """What has become of a job."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "running"
    STARTED = "started elsewhere"
    DIED = "died"
    INTERRUPTED = "interrupted"
    WAITING = "waiting"


@dataclass(frozen=True)
class JobStatus:
    """One point, base flow or measurement, and what has become of it.

    Attributes:
        job: the point, or what points share.
        state: what has become of it.
        reason: why it failed or died, or who runs it.
        log: the log of its job.
    """

    job: Point | Base | Measurement
    state: JobState
    reason: str
    log: Path


def job_statuses(scan: ScanDirectory, manifest: Manifest) -> list[JobStatus]:
    """Return the status of every base flow, every measurement, and every point, job by job."""
    present = files_in(scan.path / "results")
    may_be_driven = bool(is_engine(read_record(scan.driver))) or scan.is_locked
    queue = cache(queued_jobs)

    @cache
    def state_of_shared(job: Base | Measurement) -> tuple[JobState, str]:
        if (scan.path / job.verdict).exists():
            return JobState.DONE, ""
        return _without_result(read_record(scan.path / job.record), queue, may_be_driven)

    def state_of(point: Point) -> tuple[JobState, str]:
        if Path(point.output).name in present:
            return _with_result(scan, point)
        state, reason = _without_result(read_record(scan.path / point.record), queue, may_be_driven)
        if state is JobState.WAITING:
            return state, next(filter(None, map(death_of, (point.base, point.measurement))), "")
        return state, reason

    def death_of(key: str) -> str:
        """Say how what a point waits for has died, if so."""
        job = manifest.base_by_key.get(key) or manifest.measurement_by_key.get(key)
        state, reason = state_of_shared(job) if job is not None else (JobState.DONE, "")
        what = "shared base flow" if isinstance(job, Base) else "measurement"
        return f"its {what} died: {reason}" if state is JobState.DIED else ""

    shared: tuple[Base | Measurement, ...] = (*manifest.bases, *manifest.measurements)
    points = ((point, chunk.log) for chunk in manifest.chunks for point in chunk.points)
    return [JobStatus(job, *state_of_shared(job), scan.path / job.log) for job in shared] + [
        JobStatus(point, *state_of(point), scan.path / log) for point, log in points
    ]


def current_result(scan: ScanDirectory, manifest: Manifest) -> Artifact | None:
    """Return what was collected, if it has all points of the manifest; keys say what their content is."""
    try:
        collected = read_artifact(scan.result, SCAN)
    except ArtifactError:
        return None
    points = collected.groups["points"]
    is_whole = points["key"].tolist() == [point.key for point in manifest.points]
    return collected if is_whole and not (points["state"] == "missing").any() else None


def missing_points(scan: ScanDirectory, manifest: Manifest) -> list[Point]:
    """Return the points that have no result file."""
    present = files_in(scan.path / "results")
    return [point for point in manifest.points if Path(point.output).name not in present]


def files_in(folder: Path) -> set[str]:
    """Return the names of the files in the folders of a folder: two look-ups per folder, not one per file.

    Names carry content keys, so that two regions never share one.
    """
    try:
        folders = [entry.path for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return set()
    return {entry.name for path in folders for entry in os.scandir(path)}


def _with_result(scan: ScanDirectory, point: Point) -> tuple[JobState, str]:
    record = read_record(scan.path / point.record)
    reason = str(record.get("failure", ""))
    if "failure" not in record:
        result, damage = read_result(scan.path / point.output, puts_aside=False)
        if result is None:
            return JobState.DIED, damage
        outcome = result.groups["outcome"]
        reason = "" if outcome["is_done"] else str(outcome["reason"])
    return (JobState.FAILED if reason else JobState.DONE), reason


def _without_result(
    record: dict[str, Any], queue: Callable[[str], set[str] | None], may_be_driven: bool
) -> tuple[JobState, str]:
    state, alive = record.get("state"), is_alive(record)
    if not record:
        return JobState.WAITING, ""
    if state in (JobState.DIED.value, JobState.INTERRUPTED.value):
        return JobState(state), str(record.get("reason", ""))
    if state == "ended":
        return JobState.DIED, "its result is gone or damaged; the next run makes it again"
    where = f"{record.get('host')}, process {record.get('pid')}, since {record.get('began')}"
    if alive is None:
        return _elsewhere(record, where, queue, may_be_driven)
    return (JobState.RUNNING, where) if alive else (JobState.DIED, "it was killed")


def _elsewhere(
    record: dict[str, Any], where: str, queue: Callable[[str], set[str] | None], may_be_driven: bool
) -> tuple[JobState, str]:
    number = str(record.get("batch_job", ""))
    queued = queue(str(record.get("scheduler", "")))
    if number and queued is not None:
        gone = f"ended on {record.get('host')} without a result: job {number} is not in the queue any more"
        return (JobState.RUNNING, f"{where}, job {number}") if number in queued else (JobState.DIED, gone)
    if may_be_driven:
        return JobState.STARTED, where
    return JobState.DIED, f"died or lost on {record.get('host')}"
