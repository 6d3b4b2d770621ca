"""What jobs found: one small file each, named by the content key of the job."""

from __future__ import annotations

import json
import math
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
    """Return the record in a file, without values that are not finite, or None where there is none that can be read."""
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
        every = {str(name): float(value) for name, value in record["found"].items()}
        found = {name: value for name, value in every.items() if math.isfinite(value)}
        texts = {name: record[name] for name in ("key", "kind", "failure", "release")}
        if not all(isinstance(text, str) for text in texts.values()):
            return None
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
