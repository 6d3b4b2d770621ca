"""What is there of a scan: results, base flows, measurements. Needs neither torch nor an engine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.scan_kinds import SCAN_POINT
from anomaly_cli.artifacts.store import Artifact, OtherVersionError, read_artifact
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.scans.manifest import ScanDirectory
from anomaly_cli.scans.parts import Base, Measurement, Point

MEASURED_KINDS = {"windows": schema.VALIDATION, "experiments": schema.OVERDISPERSION}
"""What measuring gives, by the name in the grid."""


def is_made(scan: ScanDirectory, job: Point | Base | Measurement) -> bool:
    """Return whether a job has been done; what cannot be read is made again."""
    if isinstance(job, Base):
        return base_verdict(scan, job) is not None
    if isinstance(job, Measurement):
        return not_measured(scan, job) is not None
    return is_usable(scan.path / job.output, SCAN_POINT)


def base_verdict(scan: ScanDirectory, base: Base) -> str | None:
    """Return why a base flow could not be trained, nothing where it was, or None where that is not known."""
    try:
        reason = str(parse_json((scan.path / base.verdict).read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return reason if reason or is_usable(scan.path / base.output, schema.SHARED_MODEL) else None


def not_measured(scan: ScanDirectory, job: Measurement) -> str | None:
    """Return why something could not be measured, nothing where all was, or None where that is not known."""
    try:
        verdict = parse_json((scan.path / job.verdict).read_text(encoding="utf-8"))
        kinds = [MEASURED_KINDS[name] for name in verdict["measured"]]
        reason = "; ".join(verdict["reasons"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    folder = RunDirectory(scan.path / job.folder)
    return reason if all(is_usable(folder.artifact(kind), kind) for kind in kinds) else None


def is_usable(output: Path, kind: Kind) -> bool:
    """Return whether a result exists; one that cannot be read is made again."""
    if not output.exists():
        return False
    try:
        read_artifact(output, kind, groups=())
    except ArtifactError:
        return False
    return True


def read_result(path: Path, puts_aside: bool) -> tuple[Artifact | None, str]:
    """Return a result, or why there is none.

    Args:
        path: its file.
        puts_aside: whether a damaged one is renamed: the engine looks at names only, so the next run then makes it.
    """
    if not path.exists():
        return None, ""
    try:
        return read_artifact(path, SCAN_POINT), ""
    except OtherVersionError as error:
        return None, str(error)
    except ArtifactError as error:
        if not os.access(path, os.R_OK):
            return None, str(error)
        if not puts_aside:
            return None, f"{error} ('anomaly scan collect' puts it aside, and the next run makes it again)"
        with contextlib.suppress(OSError):
            path.replace(path.with_name(f"{path.name}.damaged"))
        return None, f"put aside, the next run makes it again: {error}"
