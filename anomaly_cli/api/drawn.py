"""What the pictures of the Python API are drawn from: directories, artifacts, and the results of verbs as such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from anomaly_cli.api.results import ClosureResult, Counts, MadeTemplateEvents, RegionEvents, Scores
from anomaly_cli.api.runs import Run
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import COLLISION_ENERGY_SETTING, template_groups
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, event_columns
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.report.plots.sources import TAGS, Sources, of_artifact, of_directory, of_run
from anomaly_cli.stages.blinding import hides_region
from anomaly_cli.stages.closure import check_row
from anomaly_cli.stages.measurements import Measurements
from anomaly_cli.stages.significance import count_row
from anomaly_cli.stages.template import mass_fit_columns

Drawn: TypeAlias = "str | Path | Run | Artifact | RegionEvents | MadeTemplateEvents | Scores | Counts | ClosureResult"
"""What can be drawn."""
Groups: TypeAlias = Mapping[str, Mapping[str, Any]]
NOTHING_MEASURED = Measurements({}, {}, {})


def sources_of(of: Drawn, tag: str | None = None) -> Sources:  # noqa: PLR0911  one for each type
    """Return what a picture is drawn from.

    Args:
        of: what to draw.
        tag: what stands beside the name of the program; None for what the data are.

    Raises:
        ConfigError: where nothing can be drawn of it.
        ArtifactError: where a directory or an artifact cannot be read.
    """
    match of:
        case str() | Path():
            return of_directory(Path(of), hides_region, tag)
        case Run():
            return of_run(of.directory, hides_region, tag)
        case Artifact():
            return of_artifact(of, tag or "")
        case RegionEvents() as regions:
            return _of_events(regions, {}, "", tag)
        case MadeTemplateEvents():
            return _of_events(of.regions, _template(of), of.settings.method.name, tag)
        case Scores():
            return _of_events(of.regions, _scores(of), of.settings.method.name, tag)
        case _:
            return Sources(_artifacts(_numbers(of)), tag=tag or "")


def _numbers(of: object) -> dict[str, Groups]:
    """Return counts or closure as the groups of their artifact."""
    if isinstance(of, Counts):
        return {"significance": {"tests": _columns([count_row(one, NOTHING_MEASURED) for one in of.counted])}}
    if isinstance(of, ClosureResult):
        return {"closure": {"checks": _columns([check_row(of.closure)])}}
    raise ConfigError(f"plot: {of!r:.60} cannot be drawn; give a run's directory, an artifact or what a verb returned")


def _of_events(regions: RegionEvents, found: Mapping[str, Groups], method: str, tag: str | None) -> Sources:
    """Return events divided into regions, and what was made of them."""
    split, truth = regions.split, regions.data.truth
    windows = split.regions.named()
    events: dict[str, Mapping[str, Any]] = {name: event_columns(getattr(split, name)) for name in windows}
    events["windows"] = {
        "name": np.array(list(windows)),
        "low": np.array([window.low for window in windows.values()]),
        "high": np.array([window.high for window in windows.values()]),
    }
    labels: dict[str, Groups] = {}
    if truth is not None:
        ids = np.arange(len(truth.is_signal))
        labels = {"truth": {"observed": {"event_id": ids, "is_signal": truth.is_signal}}}
    about = ", ".join(filter(None, [f"{split.regions.sr.text} TeV", method, f"seed {regions.seed}"]))
    settings = {COLLISION_ENERGY_SETTING: split.regions.collision_energy}
    artifacts = _artifacts({"split": events, **labels, **found}, split.sr.names, settings)
    return Sources(artifacts, tag=TAGS[truth is not None] if tag is None else tag, about=about)


def _template(made: MadeTemplateEvents) -> dict[str, Groups]:
    groups = {name: columns for name, columns in template_groups(made.template).items() if name == "parts"}
    events = event_columns(made.template.events)
    return {"template": {**groups, "events": events, "mass_fit": mass_fit_columns(made.mass_fit)}}


def _scores(scores: Scores) -> dict[str, Groups]:
    groups = {"observed": vars(scores.observed), "template": vars(scores.template)}
    return {"scores": groups, "template": {"mass_fit": mass_fit_columns(scores.mass_fit)}}


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}


def _artifacts(
    found: Mapping[str, Groups], features: tuple[str, ...] = (), settings: Mapping[str, Any] | None = None
) -> dict[str, Artifact]:
    """Return groups of columns as artifacts that were never in a file."""
    provenance = Provenance("api", 1, settings or {}, 0, {}, {})
    return {
        name: Artifact(Path(f"{name}.h5"), schema.KINDS[name], groups, features, provenance, "")
        for name, groups in found.items()
    }
