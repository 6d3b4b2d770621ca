"""From a configuration to the settings of a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.config import DEFAULT, Config
from anomaly_cli.core.plugins import Family
from anomaly_cli.methods.base import METHODS
from anomaly_cli.scores.base import SCORES
from anomaly_cli.search.settings import SearchSettings

EXTERNAL = "external"
"""The score that is meant where a column or a file of scores is named and no score."""


def resolve_settings(config: Config) -> SearchSettings:
    """Return how the search of a configuration is done.

    Raises:
        ConfigError: for an unknown method, score, classifier or setting.
    """
    method = choose(METHODS, config.template.method, config.methods).configure(config.methods)
    score, scores = config.score.name, dict(config.scores)
    if config.score_feature:
        scores[EXTERNAL] = {**scores.get(EXTERNAL, {}), "column": config.score_feature}
    if score == DEFAULT:
        score = EXTERNAL if scores.get(EXTERNAL, {}).get("column") else method.score
    return SearchSettings(
        method=method,
        oversampling=config.template.oversampling,
        crossfit=config.template.crossfit,
        score=choose(SCORES, score, scores),
        classifier=choose(CLASSIFIERS, config.classifier.name, config.classifiers),
        kfold=config.classifier.kfold,
        cuts=config.significance.cuts,
        decorrelate=config.score.decorrelate,
    )


def resolve_correction(config: Config) -> str:
    """Return how expectations are corrected, one of `CORRECTIONS`.

    Raises:
        ConfigError: for an unknown method or setting.
    """
    correct = config.significance.correct
    if correct != DEFAULT:
        return correct
    return str(choose(METHODS, config.template.method, config.methods).correction)


def choose(family: Family[Any], name: str, settings: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return one member with its settings; those of the others are checked as well.

    Raises:
        ConfigError: for an unknown member or setting.
    """
    made = {other: family.make(other, values) for other, values in settings.items()}
    return made[name] if name in made else family.make(name, {})
