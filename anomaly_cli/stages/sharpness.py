"""Sharpness: how sharp the minima are that the networks of a run were trained into, by its kept models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_template
from anomaly_cli.classifiers.minima import MOST_EVENTS, N_STEPS, RADII
from anomaly_cli.core.records import as_columns
from anomaly_cli.scores.base import Ranking
from anomaly_cli.search.sharpness import FoldSharpness, measure_folds, networks_of
from anomaly_cli.stages.classify import stored_score
from anomaly_cli.stages.evaluate import refuse_without_truth
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.split import stored_split


def _settings(analysis: Analysis) -> dict[str, Any]:
    return {"radii": list(RADII), "steps": N_STEPS, "most_events": MOST_EVENTS, **analysis.rounding}


def _refuse(analysis: Analysis) -> None:
    """Refuse data without truth, and scores that are not of networks."""
    refuse_without_truth(analysis)
    kept = analysis.run.read(schema.CLASSIFIER)
    networks_of(stored_score(kept)[0], str(kept.provenance.settings["score"]["name"]))


def _make(analysis: Analysis) -> Made:
    run, kept = analysis.run, analysis.run.read(schema.CLASSIFIER)
    split, template = stored_split(run.read(schema.SPLIT)), read_template(run.read(schema.TEMPLATE))
    score, crossfit = stored_score(kept)
    networks = networks_of(score, str(kept.provenance.settings["score"]["name"]))
    ranking = Ranking(networks.classifier, analysis.settings.kfold, crossfit)
    found = measure_folds(networks, ranking.contest(split.sr, template), analysis.compute.child("sharpness"))
    return Made(_columns(found))


def _columns(found: Sequence[FoldSharpness]) -> dict[str, Any]:
    return {
        "rises": as_columns(
            [
                {"fold": one.fold, "radius": radius, "rise": rise}
                for one in found
                for radius, rise in zip(RADII, one.sharpness.rises, strict=True)
            ]
        ),
        "curvatures": as_columns(
            [
                {"fold": one.fold, "rank": index + 1, "curvature": curvature}
                for one in found
                for index, curvature in enumerate(one.sharpness.curvatures)
            ]
        ),
        "models": as_columns(
            [
                {
                    "fold": one.fold,
                    "n_events": one.sharpness.n_events,
                    "loss": one.sharpness.loss,
                    "loss_unseen": one.loss_unseen,
                }
                for one in found
            ]
        ),
    }


SHARPNESS = Stage(
    name="sharpness",
    version=1,
    kind=schema.SHARPNESS,
    settings=_settings,
    inputs=lambda analysis: {"classifier": analysis.run.read(schema.CLASSIFIER).digest},
    make=_make,
    refuse=_refuse,
)
"""Measures how sharp minima are."""
