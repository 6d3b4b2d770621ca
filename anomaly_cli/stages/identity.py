"""What a search depends on besides its seed and its signal, in one record with one digest.

Measured uncertainties and the permission to look belong to a search with these settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.windows import COLLISION_ENERGY
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.template import template_settings


@dataclass(frozen=True)
class Identity:
    """The settings of a search.

    Attributes:
        windows_gev: edges of lower side-band, signal region and upper side-band.
        features: names of the features.
        template: settings of the template stage.
        ranking: settings of the classification.
        collision_energy_gev: centre-of-mass energy of the data.
    """

    windows_gev: list[list[float]]
    features: list[str]
    template: Mapping[str, Any]
    ranking: Mapping[str, Any]
    collision_energy_gev: float = COLLISION_ENERGY

    @property
    def digest(self) -> str:
        """Hash of all of them; the usual energy leaves it as it was before there were others."""
        content = asdict(self)
        if self.collision_energy_gev == COLLISION_ENERGY:
            del content["collision_energy_gev"]
        return hash_json(content)


def configured_identity(analysis: Analysis) -> Identity:
    """Return the identity that a search with this configuration has."""
    return _identity(analysis.run.read(schema.SPLIT), template_settings(analysis), ranking_settings(analysis))


def stored_identity(run: RunDirectory, scores: Artifact | None = None) -> Identity:
    """Return the identity of the search that a run holds the scores of."""
    ranking = (scores or run.read(schema.SCORES)).provenance.settings
    return _identity(run.read(schema.SPLIT), run.read(schema.TEMPLATE).provenance.settings, ranking)


def ranking_settings(analysis: Analysis) -> dict[str, Any]:
    """Return what the scores depend on beside events and template."""
    return {**analysis.settings.describe_ranking(), **analysis.rounding}


def _identity(split: Artifact, template: Mapping[str, Any], ranking: Mapping[str, Any]) -> Identity:
    regions = read_regions(split)
    windows = [[window.low, window.high] for window in regions.named().values()]
    return Identity(windows, list(split.features), template, ranking, regions.collision_energy)
