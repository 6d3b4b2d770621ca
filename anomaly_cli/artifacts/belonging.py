"""Whether the likelihoods beside a count or a bump hunt are those that it holds; artifacts themselves name digests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.errors import ArtifactError

WORKSPACES = {schema.SIGNIFICANCE.name: "SR_*.json", schema.BUMP.name: "bump_*.json"}
"""Names of the likelihoods that lie beside an artifact which holds them."""


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


def _read_json(path: Path) -> Mapping[str, object]:
    """Return what a file holds, or an empty mapping, which is no likelihood, where it is no JSON."""
    try:
        found: Mapping[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
