"""Whether the likelihoods beside a count or a bump hunt are those that it holds; artifacts themselves name digests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ArtifactError

WORKSPACES = {schema.SIGNIFICANCE.name: "workspaces/SR_*.json", schema.BUMP.name: "workspaces/bump_*.json"}
"""Names of the likelihoods that lie beside an artifact which holds them."""


def workspace_files(texts: Iterable[str]) -> dict[str, str]:
    """Return likelihoods (HistFactory JSON) by their paths in a run; empty texts, which are none, have none."""
    held = [(json.loads(text), text) for text in map(str, texts) if text]
    return {f"workspaces/{workspace['channels'][0]['name']}.json": text for workspace, text in held}


def check_workspaces(run: RunDirectory, artifact: Artifact) -> None:
    """Refuse likelihoods beside a count or a bump hunt that are not those which it holds.

    Raises:
        ArtifactError: where one is another, or cannot be read.
    """
    held = workspace_files(artifact.groups["tests"]["workspace"])
    by_path = {run.path / name: json.loads(text) for name, text in held.items()}
    for path in sorted(run.path.glob(WORKSPACES[artifact.kind.name])):
        if _read_json(path) != by_path.get(path):
            raise ArtifactError(
                f"{path}: is not the likelihood that {artifact.path.name} holds; move it away, 'anomaly significance"
                " export' writes the one that belongs there"
            )


def _read_json(path: Path) -> Mapping[str, object]:
    """Return what a file holds, or an empty mapping, which is no likelihood, where it is no JSON."""
    try:
        found: Mapping[str, object] = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
