"""The settings of a search, resolved once into one record with one digest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anomaly_cli.classifiers.base import CLASSIFIERS, Classifier
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.crossfit import FEWEST_FOLDS, GROUPS, HALVES, NONE, PARTS
from anomaly_cli.core.cuts import OVERSAMPLING, Cuts, check_oversampling
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.plugins import Family
from anomaly_cli.core.seen import Need
from anomaly_cli.methods.base import METHODS, TemplateMethod
from anomaly_cli.scores.base import GIVEN, SCORES, Score
from anomaly_cli.scores.decorrelated import AS_IT_IS, check_decorrelation

DECORRELATE = "decorrelate"
"""Name of the setting in the provenance, where a score is made free of the mass."""
DEFAULT_CROSSFIT = "default"
"""Stands for the scheme that a method asks for."""


def default_method() -> TemplateMethod:
    """Return the template method that is used where none is named."""
    return METHODS.make("curtains_f4f", {})


def default_score() -> Score:
    """Return the score of that method."""
    return SCORES.make("cwola", {})


@dataclass(frozen=True)
class SearchSettings:
    """How a search is done, whatever the events.

    Attributes:
        method: makes the template.
        oversampling: template events per observed signal-region event.
        crossfit: how the side-bands are divided between models of the template, one of `core.crossfit.SCHEMES`;
            by default as the method asks for, or less finely where there are few events.
        score: ranks events.
        classifier: what the score trains.
        kfold: how events are divided into folds.
        cuts: where events are counted.
        decorrelate: whether the score is made free of the mass, one of `scores.decorrelated.DECORRELATIONS`.
    """

    method: TemplateMethod = field(default_factory=default_method)
    oversampling: float = OVERSAMPLING
    crossfit: str = DEFAULT_CROSSFIT
    score: Score = field(default_factory=default_score)
    classifier: Classifier = field(default_factory=Trees)
    kfold: KFold = field(default_factory=KFold)
    cuts: Cuts = field(default_factory=Cuts)
    decorrelate: str = AS_IT_IS

    def __post_init__(self) -> None:
        check_oversampling(self.oversampling)
        check_decorrelation(self.decorrelate)
        if beyond := self.score.needs - GIVEN:
            needs = ", ".join(sorted(need.value for need in beyond))
            raise ConfigError(f"score {self.score.name}: needs {needs}, which only template methods are given")

    @property
    def scheme(self) -> str:
        """How the side-bands are divided where their events are enough: as asked for, or what goes with the method."""
        if self.crossfit != DEFAULT_CROSSFIT:
            return self.crossfit
        if Need.SR_FEATURES in self.method.needs:
            return PARTS if self.kfold.folds >= FEWEST_FOLDS else NONE
        return HALVES if GROUPS.get(self.method.crossfit, 0) > self.kfold.folds else self.method.crossfit

    def describe_crossfit(self) -> dict[str, Any]:
        """Return what determines how the side-bands are divided."""
        return {"scheme": self.scheme, "folds": 0 if self.scheme == NONE else self.kfold.folds}

    @property
    def needs(self) -> frozenset[Need]:
        """What method and score need beyond side-bands and observed events."""
        return (self.method.needs | self.score.needs) - {Need.SIDE_BANDS, Need.SR_FEATURES}

    def describe_ranking(self) -> dict[str, Any]:
        """Return what determines the scores of given events and template."""
        changed = {} if self.decorrelate == AS_IT_IS else {DECORRELATE: self.decorrelate}
        return {
            **changed,
            "score": describe(self.score, SCORES),
            "classifier": describe(self.classifier, CLASSIFIERS),
            "folds": self.kfold.folds,
            "validation_fraction": self.kfold.validation_fraction,
        }


def describe_method(method: TemplateMethod) -> dict[str, Any]:
    """Return what determines what a method does."""
    return describe(method, METHODS, method.members)


def describe(member: Any, family: Family[Any], members: Sequence[Any] = ()) -> dict[str, Any]:
    """Return a plug-in's name and settings, apart, so that a setting may have any name.

    Another version of the package that it comes from, or that of one of its `members`, may do something else with the
    same settings; that of our own package is in every provenance.
    """
    packages = sorted({family.package_of(one) for one in (member, *members)} - {""})
    described = {"name": member.name, "settings": dataclasses.asdict(member)}
    return {**described, "package": ", ".join(packages)} if packages else described
