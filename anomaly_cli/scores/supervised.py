"""Supervised: true signal against true background, the bound of every score that learns without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anomaly_cli.classifiers.kfold import Contest
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.scores.base import FittedEnsembles, Ranking, Score


@dataclass(frozen=True)
class Supervised(Score):
    """The log-odds of a classifier of labelled events that are not in the pseudo-data."""

    name: ClassVar[str] = "supervised"
    summary: ClassVar[str] = "a classifier of true signal against true background (truth)"
    reference: ClassVar[str] = "arXiv:2109.00546"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS, Need.SR_FEATURES, Need.TRUTH})

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedEnsembles:
        """Train true signal against true background.

        Raises:
            ConfigError: where there is no labelled signal or background outside the pseudo-data.
            PhysicsError: where there are too few events.
        """
        true = seen.need(Need.TRUTH)
        if not len(true.signal):
            raise ConfigError(
                f"{seen.reader} needs true signal that is not in the pseudo-data; use labelled data and inject fewer"
                " events with --inject"
            )
        folds = (ranking.crossfit.fold(true.signal.source_id), ranking.crossfit.fold(true.background.source_id))
        contest = Contest(true.signal, true.background, folds, names=("true signal", "true background"))
        return FittedEnsembles(ranking.train(contest, compute))

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedEnsembles:
        """Rebuild the trained classifiers."""
        return FittedEnsembles.load(arrays, ranking)
