"""The meaning of results: versions of all stages that make them, part of every content key."""

from __future__ import annotations

from anomaly_cli.artifacts.scan_kinds import SCAN_POINT
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.scans.manifest import Manifest
from anomaly_cli.scans.parts import hash_key
from anomaly_cli.stages import (
    base,
    classify,
    closure,
    limits,
    permutation,
    significance,
    split,
    template,
    validation,
)

BASE_MEANING = {"split": split.VERSION, "base": base.VERSION, "region of a base": 1}
SEARCH_MEANING = {
    **BASE_MEANING,
    "model": template.MODEL_VERSION,
    "template": template.SAMPLE_VERSION,
    "classify": classify.VERSION,
}
POINT_MEANING = {
    **SEARCH_MEANING,
    "significance": significance.VERSION,
    "closure": closure.VERSION,
    "limits": limits.VERSION,
    "result": SCAN_POINT.version,
}
MEASURED_MEANING = {"windows": validation.VERSION, "permutations": permutation.VERSION}
"""Versions of the stages: an upgrade of the package makes anew what has changed its meaning, and only that."""


def meaning() -> str:
    """Return a hash of the meaning of all results of this release."""
    return hash_key([BASE_MEANING, SEARCH_MEANING, POINT_MEANING, MEASURED_MEANING])


def refuse_other_meaning(manifest: Manifest) -> None:
    """Refuse a manifest whose keys promise results that this release does not make.

    Raises:
        ArtifactError: where that is so.
    """
    if manifest.meaning != meaning():
        raise ArtifactError(
            f"the scan was planned by release {manifest.release}, whose results have another meaning than those of this"
            " one; plan it again (results that mean the same are kept)"
        )
