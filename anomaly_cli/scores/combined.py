"""Combined: one classifier against the template of each combined method, their scores averaged.

References:
    T. Golling et al., "The Interplay of Machine Learning-based Resonant Anomaly Detection Methods", 2023,
    arXiv:2307.11157.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.scores.base import FittedEnsembles, FittedScore, Ranking, Score


@dataclass(frozen=True)
class CombinedScore(Score):
    """The mean of the log-odds against each component of a template."""

    name: ClassVar[str] = "combined"
    summary: ClassVar[str] = "the mean over classifiers against each component of a combined template"
    reference: ClassVar[str] = "arXiv:2307.11157"

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedMean:
        """Train observed events against each component.

        Raises:
            ConfigError: where the template has no components.
            PhysicsError: where there are too few events.
        """
        component = template.component
        if component is None:
            raise ConfigError(
                "score combined: needs a template of several methods; use it with --method combined, or --score cwola"
            )
        contest = ranking.contest(seen.need(Need.SR_FEATURES), template)
        fitted = [
            FittedEnsembles(ranking.train(contest.against(component == which), compute))
            for which in np.unique(component)
        ]
        return FittedMean(fitted)

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedMean:
        """Rebuild the classifiers of every component."""
        parts = []
        for index in range(int(arrays["components"])):
            parts.append(FittedEnsembles.load(under(f"{index}:", arrays), ranking))
        return FittedMean(parts)


@dataclass(frozen=True)
class FittedMean(FittedScore):
    """Several fitted scores whose mean ranks.

    Attributes:
        parts: the scores.
    """

    parts: Sequence[FittedScore]

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the mean of the scores."""
        mean: FloatArray = np.mean([part.score(events, fold) for part in self.parts], axis=0)
        return mean

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of every part under its number."""
        arrays = {f"{index}:{name}": a for index, part in enumerate(self.parts) for name, a in part.to_arrays().items()}
        return arrays | {"components": np.array(len(self.parts))}
