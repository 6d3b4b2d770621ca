"""CWoLa: observed events against the template, without labels.

References:
    E. M. Metodiev, B. Nachman, J. Thaler, "Classification without labels", 2017, arXiv:1708.02949.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.scores.base import FittedEnsembles, Ranking, Score


@dataclass(frozen=True)
class CWoLa(Score):
    """The log-odds of a classifier of observed events against the template, in folds by source event."""

    name: ClassVar[str] = "cwola"
    summary: ClassVar[str] = "a classifier of observed events against the template"
    reference: ClassVar[str] = "arXiv:1708.02949"
    is_exchangeable: ClassVar[bool] = True

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedEnsembles:
        """Train observed events against the template.

        Raises:
            PhysicsError: where there are too few events.
        """
        contest = ranking.contest(seen.need(Need.SR_FEATURES), template)
        return FittedEnsembles(ranking.train(contest, compute))

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedEnsembles:
        """Rebuild the trained classifiers."""
        return FittedEnsembles.load(arrays, ranking)
