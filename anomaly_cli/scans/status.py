"""What has become of every job of a scan; needs no engine and no event."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from anomaly_cli.artifacts.scan_kinds import SCAN, SCAN_POINT
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.scans.manifest import Manifest, Point, ScanDirectory
from anomaly_cli.scans.records import is_alive, read_record


class JobState(Enum):
    """What has become of a job."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "running"
    STARTED = "started elsewhere"
    DIED = "died"
    WAITING = "waiting"


@dataclass(frozen=True)
class JobStatus:
    """One point and what has become of it.

    Attributes:
        point: the point.
        state: what has become of it.
        reason: why it failed or died, or who runs it.
        log: the log of its job.
    """

    point: Point
    state: JobState
    reason: str
    log: Path


def job_statuses(scan: ScanDirectory, manifest: Manifest) -> list[JobStatus]:
    """Return the status of every point, job by job."""
    present = files_in(scan.path / "results")
    return [
        _status(scan, point, Path(point.output).name in present, scan.path / chunk.log)
        for chunk in manifest.chunks
        for point in chunk.points
    ]


def finished_points(
    scan: ScanDirectory, manifest: Manifest, positions: Sequence[int]
) -> Iterator[tuple[int, Artifact]]:
    """Yield those of some points that have a readable result: their position in the manifest, and the result."""
    for position in positions:
        path = scan.path / manifest.points[position].output
        if path.exists():
            with contextlib.suppress(ArtifactError):
                yield position, read_artifact(path, SCAN_POINT)


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


def _status(scan: ScanDirectory, point: Point, is_present: bool, log: Path) -> JobStatus:
    record = read_record(scan.path / point.record)
    if is_present:
        reason = record.get("failure") if "failure" in record else _failure(scan.path / point.output)
        return JobStatus(point, JobState.FAILED if reason else JobState.DONE, str(reason or ""), log)
    if not record:
        return JobStatus(point, JobState.WAITING, "", log)
    if record.get("state") == "died":
        return JobStatus(point, JobState.DIED, str(record.get("reason", "")), log)
    alive = is_alive(record)
    where = f"{record.get('host')}, process {record.get('pid')}, since {record.get('began')}"
    if alive is None:
        return JobStatus(point, JobState.STARTED, where, log)
    return JobStatus(point, JobState.RUNNING if alive else JobState.DIED, where if alive else "it was killed", log)


def _failure(path: Path) -> str:
    try:
        outcome = read_artifact(path, SCAN_POINT, groups=("outcome",)).groups["outcome"]
    except ArtifactError as error:
        return str(error)
    return "" if outcome["is_done"] else str(outcome["reason"])
