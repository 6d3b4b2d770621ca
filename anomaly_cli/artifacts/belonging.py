"""Whether files that are read together belong together: each names the digests of what it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.core.errors import ArtifactError

BETWEEN = (schema.TEMPLATE_MODEL, schema.TEMPLATE, schema.SCORES)
"""Kinds of the chain from a split to a count."""
WORKSPACES = {schema.SIGNIFICANCE.name: "SR_*.json", schema.BUMP.name: "bump_*.json"}
"""Names of the likelihoods that lie beside an artifact which holds them."""


def check_belongs(child: Artifact, parent: Artifact) -> None:
    """Refuse an artifact that was made from another parent of that kind.

    Raises:
        ArtifactError: where that is so.
    """
    if child.provenance.inputs.get(parent.kind.name) != parent.digest:
        raise ArtifactError(
            f"{child.path}: was made from another {parent.path.name} than lies beside it; bring the run up to date"
            f" with 'anomaly run --run {child.path.parent} --overwrite'"
        )


def check_chain(artifacts: Iterable[Artifact]) -> None:
    """Refuse artifacts of which one was made from another than that of its kind among them.

    Raises:
        ArtifactError: where that is so.
    """
    by_kind = {artifact.kind.name: artifact for artifact in artifacts}
    for child in by_kind.values():
        for name in sorted(by_kind.keys() & child.provenance.inputs.keys()):
            check_belongs(child, by_kind[name])


def read_between(run: RunDirectory) -> list[Artifact]:
    """Return what lies in a run between its split and its count, without any columns.

    Raises:
        ArtifactError: where a file cannot be read.
    """
    return [read_artifact(run.artifact(kind), kind, groups=()) for kind in BETWEEN if run.artifact(kind).exists()]


def check_workspaces(run: RunDirectory, artifact: Artifact) -> None:
    """Refuse likelihoods beside a count or a bump hunt that are not those which it holds.

    Raises:
        ArtifactError: where one is another, or cannot be read.
    """
    texts = artifact.groups["tests"]["workspace"].tolist()
    held = [json.loads(text) for text in texts if text]
    by_name = {f"{workspace['channels'][0]['name']}.json": workspace for workspace in held}
    for path in sorted(run.workspaces.glob(WORKSPACES[artifact.kind.name])):
        if _read_json(path) != by_name.get(path.name):
            raise ArtifactError(
                f"{path}: is not the likelihood that {artifact.path.name} holds; move it away, 'anomaly significance"
                " export' writes the one that belongs there"
            )


def _read_json(path: Path) -> Mapping[str, object] | None:
    """Return what a file holds, or an empty mapping, which is no likelihood, where it is no JSON."""
    try:
        found: Mapping[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
