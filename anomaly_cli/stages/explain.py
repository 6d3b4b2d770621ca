"""Explain: which features drive the score of a run, by its kept models and without labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_template
from anomaly_cli.artifacts.store import event_columns
from anomaly_cli.core.records import as_columns
from anomaly_cli.search.explain import REPEATS, Placed, explain
from anomaly_cli.stages.blinding import permission, require_unblinded
from anomaly_cli.stages.classify import stored_score
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import stored_identity
from anomaly_cli.stages.split import stored_split


def _settings(analysis: Analysis) -> dict[str, Any]:
    efficiencies = analysis.settings.cuts.background_efficiencies
    digest = stored_identity(analysis.run).digest
    return {"background_efficiencies": list(efficiencies), "repeats": REPEATS, "settings_digest": digest}


def _inputs(analysis: Analysis) -> dict[str, str]:
    kept = analysis.run.read(schema.CLASSIFIER).digest
    return {"classifier": kept, **permission(analysis.run, stored_identity(analysis.run).digest)}


def _make(analysis: Analysis) -> Made:
    run = analysis.run
    split, template = stored_split(run.read(schema.SPLIT)), read_template(run.read(schema.TEMPLATE))
    score, crossfit = stored_score(run.read(schema.CLASSIFIER))
    fold = template.fold(crossfit)
    counted = np.flatnonzero(fold >= 0)
    found = explain(
        score,
        Placed(split.sr, crossfit.fold(split.sr.source_id)),
        Placed(template.events.take(counted), fold[counted]),
        analysis.settings.cuts.background_efficiencies,
        analysis.compute.child("explain"),
    )
    groups: dict[str, Mapping[str, Any]] = {
        "importance": as_columns([vars(one) for one in found.importances]),
        "distributions": as_columns([vars(one) for one in found.distributions]),
        "events": {**event_columns(split.sr.take(found.order)), "tail": found.tail, "score": found.score},
    }
    return Made(groups, features=split.sr.names)


EXPLAIN = Stage(
    name="explain",
    version=1,
    kind=schema.EXPLANATION,
    settings=_settings,
    inputs=_inputs,
    make=_make,
    refuse=lambda analysis: require_unblinded(analysis.run, stored_identity(analysis.run).digest),
    looks=True,
)
"""Says which features drive the score."""
