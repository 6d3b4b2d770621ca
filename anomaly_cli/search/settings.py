"""The settings of a search, resolved once into one record with one digest."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from anomaly_cli.classifiers.base import Classifier
from anomaly_cli.classifiers.kfold import KFold
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.seen import Need
from anomaly_cli.methods.base import METHODS, TemplateMethod
from anomaly_cli.scores.base import SCORES, Ranking, Score

LARGEST_OVERSAMPLING = 100.0


@dataclass(frozen=True)
class Cuts:
    """The cuts on the score, and what normalises the background after each.

    Attributes:
        background_efficiencies: fractions of the template that the cuts keep.
        pass_fail_from: from this background efficiency on, the data that fail the cut normalise the
            background; below it, the side-band fit.
        least_fit_p: cuts that the side-band fit normalises are refused where its goodness of fit has a smaller
            p-value; 0 accepts it, with its uncertainty scaled up.
    """

    background_efficiencies: tuple[float, ...] = (0.2, 0.05, 0.01, 0.001)
    pass_fail_from: float = 0.05
    least_fit_p: float = 0.001

    def __post_init__(self) -> None:
        if not self.background_efficiencies or not all(0.0 < eff < 1.0 for eff in self.background_efficiencies):
            raise ConfigError(
                "significance: background efficiencies must lie between 0 and 1, as in 0.2,0.05,0.01,0.001"
            )
        if len(set(self.background_efficiencies)) < len(self.background_efficiencies):
            raise ConfigError("significance: a background efficiency is named twice; name each once")
        if not 0.0 <= self.least_fit_p < 1.0:
            raise ConfigError("significance: needs least_fit_p in [0, 1); 0 accepts every side-band fit")
        if not self.pass_fail_from > 0.0:
            raise ConfigError("significance: needs pass_fail_from above 0")

    @property
    def loosest_first(self) -> list[float]:
        """The background efficiencies from loose to tight."""
        return sorted(self.background_efficiencies, reverse=True)


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
        score: ranks events.
        classifier: what the score trains.
        kfold: how events are divided into folds.
        cuts: where events are counted.
    """

    method: TemplateMethod = field(default_factory=default_method)
    oversampling: float = 4.0
    score: Score = field(default_factory=default_score)
    classifier: Classifier = field(default_factory=Trees)
    kfold: KFold = field(default_factory=KFold)
    cuts: Cuts = field(default_factory=Cuts)

    def __post_init__(self) -> None:
        if not 0.0 < self.oversampling <= LARGEST_OVERSAMPLING:
            raise ConfigError(
                f"template: oversampling = {self.oversampling:g} is outside (0, 100]; the usual value is 4"
            )

    @property
    def ranking(self) -> Ranking:
        """What the score may train."""
        return Ranking(self.classifier, self.kfold)

    @property
    def needs(self) -> frozenset[Need]:
        """What method and score need beyond side-bands and observed events."""
        return (self.method.needs | self.score.needs) - {Need.SIDE_BANDS, Need.SR_FEATURES}

    def describe_ranking(self) -> dict[str, Any]:
        """Return what determines the scores of given events and template."""
        return {
            "score": describe(self.score),
            "classifier": describe(self.classifier),
            "folds": self.kfold.folds,
            "validation_fraction": self.kfold.validation_fraction,
        }


def describe(member: Any) -> dict[str, Any]:
    """Return a plug-in's name and settings, apart, so that a setting may have any name."""
    return {"name": member.name, "settings": dataclasses.asdict(member)}
