"""Blinding: nobody reads scores or counts of the signal region of real data before saying so.

Observed data without truth labels are blinded until `--unblind` is given; pseudo-data with labels are
not. Every unblinding is recorded beside the artifacts: who, when, which events, which windows, which
settings. Each record carries the hash of those before it, so a record cannot be taken away unnoticed.
"""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
import platform
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split, read_template
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import canonical_json
from anomaly_cli.artifacts.store import Artifact, write_files
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.stages.measurements import settings_digest


def is_blinded(run: RunDirectory, split: Artifact, digest: str) -> bool:
    """Return whether the signal region may not be looked at yet, with these settings."""
    if split.groups["origin"]["has_truth"]:
        return False
    return not any(
        record["split"] == split.digest and record["settings_digest"] == digest for record in read_records(run)
    )


def hides_region(run: RunDirectory, artifact: Artifact) -> bool:
    """Return whether what an artifact tells about its signal region may not be shown.

    It may where the split beside it holds pseudo-data or has been unblinded; scores only where that was done
    with their settings. Without that split nobody can know, and it may not.
    """
    if not any(group.tells_region for group in artifact.kind.groups.values()):
        return False
    if not run.artifact(schema.SPLIT).exists():
        return True
    split = artifact if artifact.kind is schema.SPLIT else read_split(run)
    if artifact.provenance.inputs.get("split", split.digest) != split.digest:
        return True
    if split.groups["origin"]["has_truth"]:
        return False
    unblinded = [record["settings_digest"] for record in read_records(run) if record["split"] == split.digest]
    if artifact.kind is schema.SCORES:
        template = read_template(run, split).provenance.settings
        return settings_digest(split, template, artifact.provenance.settings) not in unblinded
    return not unblinded


def require_unblinded(run: RunDirectory, split: Artifact, digest: str) -> None:
    """Refuse to look at a blinded signal region.

    Raises:
        ConfigError: where it is blinded.
    """
    if is_blinded(run, split, digest):
        raise ConfigError(
            f"the signal region {read_regions(split).sr.text} TeV of {split.path} is blinded for these settings;"
            " pass --unblind to look at it, which is recorded in unblinding.json"
        )


def unblind(run: RunDirectory, split: Artifact, digest: str) -> None:
    """Record that the signal region is looked at, unless that is recorded or the data are pseudo-data."""
    if not is_blinded(run, split, digest):
        return
    records = read_records(run)
    records.append(
        {
            "user": _user(),
            "host": platform.node(),
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "windows_tev": {name: window.text for name, window in read_regions(split).named().items()},
            "split": split.digest,
            "settings_digest": digest,
            "previous": _hash(records),
        }
    )
    write_files({run.unblinding: json.dumps(records, indent=1).encode()})


def read_records(run: RunDirectory) -> list[dict[str, Any]]:
    """Return all unblindings so far.

    Raises:
        ArtifactError: where the record was changed.
    """
    if not run.unblinding.exists():
        return []
    try:
        records: list[dict[str, Any]] = json.loads(run.unblinding.read_text(encoding="utf-8"))
        is_whole = all(record["previous"] == _hash(records[:index]) for index, record in enumerate(records))
    except (OSError, ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise ArtifactError(f"{run.unblinding}: was changed by hand; restore it, it may only grow")
    return records


def _hash(records: list[dict[str, Any]]) -> str:
    return hashlib.sha256(canonical_json(records).encode()).hexdigest()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
