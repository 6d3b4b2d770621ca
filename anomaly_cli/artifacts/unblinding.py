"""The record of who looked at the signal region of real data, and what was made with that permission.

Every record holds the hash of its own content and of the record before it, and an artifact made by looking holds the
hash of the record that allowed it among its inputs. A record that is edited or taken away then no longer fits what
follows: the next record, or the artifact, whose content is covered by its own digest. Whoever forges all of them
together is not found out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.store import Artifact, read_artifact, write_files
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ArtifactError

INPUT = "unblinding"
"""Name of the record's hash among the inputs of an artifact."""
NOT_NEEDED = "none"
"""Stands there where nothing had to be unblinded."""
LOOKING = (schema.SIGNIFICANCE, schema.BUMP, schema.PERMUTATION)
"""Kinds that are made by looking at the signal region."""


def read_records(run: RunDirectory) -> list[dict[str, Any]]:
    """Return all unblindings so far.

    Raises:
        ArtifactError: where the record was changed.
    """
    if not os.path.lexists(run.unblinding):  # a link that leads nowhere may hide records
        return []
    try:
        records: list[dict[str, Any]] = parse_json(run.unblinding.read_text(encoding="utf-8"))
        before = ["", *(record["hash"] for record in records)]
        is_whole = all(
            record["hash"] == _hash(record) and record["previous"] == previous
            for record, previous in zip(records, before, strict=False)
        )
    except (OSError, ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise ArtifactError(f"{run.unblinding}: was changed by hand; restore it, it may only grow")
    return records


def append_record(run: RunDirectory, split: Artifact, content: Mapping[str, Any]) -> None:
    """Add a record.

    Raises:
        ArtifactError: where earlier ones were changed, or one is missing that an artifact was made with.
    """
    records = read_records(run)
    for kind in LOOKING:
        if run.artifact(kind).exists():
            made = read_artifact(run.artifact(kind), kind, groups=())
            if (
                made.provenance.inputs["split"] == split.digest
                and made.provenance.inputs.get(INPUT, NOT_NEEDED) != NOT_NEEDED
            ):
                require_record(run, split, made)
    record = {**content, "previous": records[-1]["hash"] if records else ""}
    records.append({**record, "hash": _hash(record)})
    write_files({run.unblinding: json.dumps(records, indent=1).encode()})


def find_record(run: RunDirectory, split: Artifact, digest: str) -> str | None:
    """Return the hash of the record that allows to look at these events with these settings, if there is one."""
    found = [r for r in read_records(run) if r["split"] == split.digest and r["settings_digest"] == digest]
    return str(found[0]["hash"]) if found else None


def require_record(run: RunDirectory, split: Artifact, made: Artifact) -> None:
    """Refuse an artifact that was made by looking at a blinded signal region without a record of it.

    Raises:
        ArtifactError: where the record is missing or was changed.
    """
    if split.groups["origin"]["has_truth"]:
        return
    known = find_record(run, split, str(made.provenance.settings["settings_digest"]))
    if known is None or made.provenance.inputs.get(INPUT, NOT_NEEDED) != known:
        raise ArtifactError(
            f"{made.path}: was made after an unblinding that {run.unblinding} does not hold; restore that file, it may"
            " only grow"
        )


def _hash(record: Mapping[str, Any]) -> str:
    content = {key: value for key, value in record.items() if key != "hash"}
    return hash_json(content)
