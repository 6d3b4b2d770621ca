"""An external score: what anyone's model has said of the events, counted and calibrated as any other score.

The column, or that of a file of scores joined to the events, is one of the features, so the template method predicts
its distribution in the signal region from the side-bands as it does for every feature, and every template event has a
score. Nothing is trained here; whether the model has seen the events that it scores is for its author to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.records import nearest_sentence
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.scores.base import FittedScore, Ranking, Score


@dataclass(frozen=True)
class External(Score):
    """Settings of an external score.

    Attributes:
        column: the feature that ranks.
        sign: 1 where signal has larger values, -1 where it has smaller ones.
    """

    name: ClassVar[str] = "external"
    summary: ClassVar[str] = "scores of your own: a column of the data (--score-column) or a file (--score-file)"
    reference: ClassVar[str] = "none"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SIDE_BANDS})

    column: str = ""
    sign: int = 1

    def __post_init__(self) -> None:
        if self.sign not in (-1, 1):
            raise ConfigError(f"score {self.name}: sign is 1 where signal has larger values, else -1")

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedColumn:
        """Find the column.

        Raises:
            ConfigError: where it is not among the features.
            PhysicsError: where it is the same in all template events.
        """
        names = template.events.names
        if not self.column:
            raise ConfigError(
                "score external: name the column of the data that ranks, with --score-column NAME, or give a file of"
                " scores with --score-file FILE"
            )
        place = find_column(names, self.column)
        if np.ptp(template.events.features[:, place]) == 0.0:
            raise PhysicsError(f"score external: '{self.column}' has the same value in every template event")
        return FittedColumn(place, self.sign)

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedColumn:
        """Rebuild it."""
        return FittedColumn(int(arrays["place"]), int(arrays["sign"]))


def find_column(names: Sequence[str], column: str) -> int:
    """Return the place of a column among the features.

    Raises:
        ConfigError: where it is not there.
    """
    if column not in names:
        raise ConfigError(
            f"score external: '{column}' is not among the features, so the template has no such score;"
            f" {nearest_sentence(column, names)} Name a column of the event file as a feature in its manifest"
            " ('anomaly data manifest FILE' writes one to fill in), or give scores in a file of their own to"
            " 'anomaly split' or 'run' by --score-file FILE"
        )
    return list(names).index(column)


@dataclass(frozen=True)
class FittedColumn(FittedScore):
    """A column of the features.

    Attributes:
        place: which.
        sign: with which it ranks.
    """

    place: int
    sign: int

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the column, with its sign."""
        ranked: FloatArray = self.sign * events.features[:, self.place]
        return ranked

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return place and sign."""
        return {"place": np.array(self.place), "sign": np.array(self.sign)}
