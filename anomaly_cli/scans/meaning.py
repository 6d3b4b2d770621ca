"""The meaning of results: versions of all stages that make them, part of every content key."""

from __future__ import annotations

from anomaly_cli.artifacts.scan_kinds import SCAN_POINT
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.scans.manifest import Manifest
from anomaly_cli.scans.parts import hash_key
from anomaly_cli.stages.classify import CLASSIFY
from anomaly_cli.stages.closure import CLOSURE
from anomaly_cli.stages.shared import SHARED
from anomaly_cli.stages.significance import SIGNIFICANCE
from anomaly_cli.stages.split import SPLIT
from anomaly_cli.stages.template import MODEL, TEMPLATE
from anomaly_cli.studies.limits import limits_stage
from anomaly_cli.studies.overdispersion import OVERDISPERSION
from anomaly_cli.studies.windows import WINDOWS

BASE_MEANING = {"split": SPLIT.version, "base": SHARED.version, "region of a base": 1}
SEARCH_MEANING = {
    **BASE_MEANING,
    "model": MODEL.version,
    "template": TEMPLATE.version,
    "classify": CLASSIFY.version,
}
POINT_MEANING = {
    **SEARCH_MEANING,
    "significance": SIGNIFICANCE.version,
    "closure": CLOSURE.version,
    "limits": limits_stage().version,
    "result": SCAN_POINT.version,
}
MEASURED_MEANING = {"windows": WINDOWS.version, "experiments": OVERDISPERSION.version}
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
