"""What jobs found: one small file each, named by the content key of the job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.documents import parse_json

Record = Mapping[str, Any]


def record_name(kind: str, key: str) -> str:
    """Return the file name of the record of a job."""
    return f"{kind}-{key}.json"


def load_record(path: Path) -> Record | None:
    """Return the record in a file, or None where there is none that can be read."""
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
        found = {str(name): float(value) for name, value in record["found"].items()}
        texts = {name: str(record[name]) for name in ("key", "kind", "failure", "release")}
        numbers = {"seed": int(record["seed"]), "cpu_seconds": float(record["cpu_seconds"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return {**texts, **numbers, "found": found}


def write_record(folder: Path, record: Record) -> None:
    """Write the record of a job, in one step.

    Raises:
        ArtifactError: where it cannot be written.
    """
    path = folder / record_name(record["kind"], record["key"])
    write_files({path: json.dumps(record, indent=1).encode()})
