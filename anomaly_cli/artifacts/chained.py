"""Records that may only grow: each holds the hash of its own content and of the record before it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ArtifactError


def read_chain(path: Path) -> list[dict[str, Any]]:
    """Return all records of a file, none where there is no file.

    Raises:
        ArtifactError: where one was changed or taken away between others.
    """
    if not os.path.lexists(path):  # a link that leads nowhere may hide records
        return []
    try:
        records: list[dict[str, Any]] = parse_json(path.read_text(encoding="utf-8"))
        before = ["", *(record["hash"] for record in records)]
        is_whole = all(
            record["hash"] == _hash(record) and record["previous"] == previous
            for record, previous in zip(records, before, strict=False)
        )
    except (OSError, ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise ArtifactError(f"{path}: was changed by hand; restore it, it may only grow")
    return records


def extend_chain(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Add a record, and return it with its hash.

    Raises:
        ArtifactError: where earlier ones were changed.
    """
    records = read_chain(path)
    record = {**content, "previous": records[-1]["hash"] if records else ""}
    record["hash"] = _hash(record)
    write_files({path: json.dumps([*records, record], indent=1).encode()})
    return record


def _hash(record: Mapping[str, Any]) -> str:
    return hash_json({key: value for key, value in record.items() if key != "hash"})
