"""The record of who looked at the signal region of real data, and what was made with that permission.

Every record holds the hash of its own content and of the record before it, and an artifact made by looking holds the
hash of the record that allowed it among its inputs. A record that is edited or taken away then no longer fits what
follows: the next record, or the artifact, whose content is covered by its own digest. Whoever forges all of them
together is not found out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.chained import extend_chain, read_chain
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.core.errors import ArtifactError

INPUT = "unblinding"
"""Name of the record's hash among the inputs of an artifact."""
NOT_NEEDED = "none"
"""Stands there where nothing had to be unblinded."""
LOOKING = (schema.SIGNIFICANCE, schema.BUMP, schema.PERMUTATION, schema.EXPLANATION)
"""Kinds that are made by looking at the signal region."""


def read_records(run: RunDirectory) -> list[dict[str, Any]]:
    """Return all unblindings so far.

    Raises:
        ArtifactError: where the record was changed.
    """
    return read_chain(run.unblinding)


def append_record(run: RunDirectory, split: Artifact, content: Mapping[str, Any]) -> None:
    """Add a record.

    Raises:
        ArtifactError: where earlier ones were changed, or one is missing that an artifact was made with.
    """
    for kind in LOOKING:
        if run.artifact(kind).exists():
            made = read_artifact(run.artifact(kind), kind, groups=())
            if (
                made.provenance.inputs["split"] == split.digest
                and made.provenance.inputs.get(INPUT, NOT_NEEDED) != NOT_NEEDED
            ):
                require_record(run, split, made)
    extend_chain(run.unblinding, content)


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
