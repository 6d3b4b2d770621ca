"""What is read from the artifacts of a run, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, event_columns
from anomaly_cli.core.crossfit import CrossFit, Folds
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.template import Replicas, Template, TemplatePart
from anomaly_cli.core.truth import Truth
from anomaly_cli.core.windows import COLLISION_ENERGY, Regions, Window

ALL = "all"
COLLISION_ENERGY_SETTING = "collision_energy_gev"
"""The setting of a split that states the centre-of-mass energy of its data, where that is not 13 TeV."""


def read_regions(split: Artifact) -> Regions:
    """Return the mass windows of a split artifact, with the centre-of-mass energy of its data."""
    columns = split.groups["windows"]
    windows = {
        str(name): Window(float(low), float(high))
        for name, low, high in zip(columns["name"], columns["low"], columns["high"], strict=True)
    }
    energy = float(split.provenance.settings.get(COLLISION_ENERGY_SETTING, COLLISION_ENERGY))
    return Regions(**windows, collision_energy=energy)


def has_truth(run: RunDirectory) -> bool:
    """Return whether the data of a run have labels."""
    return bool(run.read(schema.SPLIT).groups["origin"]["has_truth"])


def read_truth(run: RunDirectory) -> tuple[Truth, str] | None:
    """Return the truth of a run and its digest, or None where its data have no labels.

    Raises:
        ArtifactError: where it is missing or belongs to another split.
    """
    if not has_truth(run):
        return None
    if not run.has(schema.TRUTH):
        raise ArtifactError(
            f"{run.artifact(schema.TRUTH)}: no such file, though the data have labels; run 'anomaly split' again"
        )
    truth = run.read(schema.TRUTH)
    values = Truth(
        is_signal=truth.groups["observed"]["is_signal"],
        reference=truth.events("reference"),
        reference_is_signal=truth.groups["reference"]["is_signal"],
    )
    return values, truth.digest


def template_groups(template: Template) -> dict[str, Mapping[str, Any]]:
    """Return a template as groups of its artifact, without its events."""
    groups: dict[str, Mapping[str, Any]] = {
        "parts": {
            "n_events": [len(part.events) for part in template.parts],
            "trains": [_folds_text(part.trains) for part in template.parts],
            "counts": [_folds_text(part.counts) for part in template.parts],
        }
    }
    if template.crossfit is not None:
        groups["crossfit"] = vars(template.crossfit)
    replicas = [part.replicas for part in template.parts]
    known = [one for one in replicas if one is not None]
    if known:
        groups["replicas"] = {
            **event_columns(concatenate([one.events for one in known])),
            "n_events": [0 if one is None else len(one.events) for one in replicas],
            "replica_features": np.concatenate([one.features for one in known], axis=1),
        }
    component = template.component
    return groups if component is None else {**groups, "components": {"component": component}}


def read_crossfit(artifact: Artifact) -> CrossFit | None:
    """Return how the events of an artifact were divided; None where it does not say."""
    found = artifact.groups.get("crossfit")
    if found is None:
        return None
    return CrossFit(str(found["scheme"]), int(found["n_folds"]), int(found["salt"]), bool(found["is_lagged"]))


def read_template(artifact: Artifact) -> Template:
    """Return the template of an artifact."""
    events, parts = artifact.events("events"), artifact.groups["parts"]
    component = artifact.groups["components"]["component"] if "components" in artifact.groups else None
    ends = np.cumsum(parts["n_events"])
    rows = zip(
        ends, parts["n_events"], parts["trains"], parts["counts"], _read_replicas(artifact, len(ends)), strict=True
    )
    return Template(
        tuple(
            TemplatePart(
                events.take(np.arange(end - n, end)),
                _folds(str(trains)),
                _folds(str(counts)),
                None if component is None else component[end - n : end],
                replicas,
            )
            for end, n, trains, counts, replicas in rows
        ),
        read_crossfit(artifact),
    )


def _read_replicas(artifact: Artifact, n_parts: int) -> list[Replicas | None]:
    found = artifact.groups.get("replicas")
    if found is None:
        return [None] * n_parts
    events, features = artifact.events("replicas"), found["replica_features"]
    ends = np.cumsum(found["n_events"])
    return [
        Replicas(events.take(np.arange(end - n, end)), features[:, end - n : end]) if n else None
        for end, n in zip(ends, found["n_events"], strict=True)
    ]


def _folds_text(folds: Folds) -> str:
    return ALL if folds is None else ",".join(str(fold) for fold in folds)


def _folds(text: str) -> Folds:
    return None if text == ALL else tuple(int(fold) for fold in text.split(",") if fold)
