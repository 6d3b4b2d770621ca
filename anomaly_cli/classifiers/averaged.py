"""The mean of several families or settings, each counting the same.

Log-odds of families differ in how sure of themselves they are: a network that has been stopped early has smaller ones
than trees have. So those of a model are divided by their spread over the events of its training before the mean is
taken, and the mean is multiplied by the mean spread, which changes no order.

References:
    T. Golling et al., "The interplay of machine learning-based resonant anomaly detection methods", 2023,
    arXiv:2307.11157 (averaged scores of template methods).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.classifiers.base import Draws, FittedClassifier
from anomaly_cli.classifiers.several import OfSeveral, numbered
from anomaly_cli.core.arrays import Arrays, FloatArray, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events


@dataclass(frozen=True)
class Averaged(OfSeveral):
    """Settings of the average.

    Attributes:
        candidates: names of what is averaged; families, unless `settings` says of which family one is.
        settings: settings by candidate, `family` and `preset` among them.
    """

    name: ClassVar[str] = "averaged"
    summary: ClassVar[str] = "the mean log-odds of several families, each counting the same"
    reference: ClassVar[str] = "arXiv:2307.11157"

    def fit_members(self, draws: Draws, computes: Sequence[Compute]) -> list[FittedAveraged]:
        """Train all models of every candidate and measure how far the log-odds of each spread over its training."""
        trained = self._train(draws, computes)
        made = []
        for index, models in enumerate(zip(*trained, strict=True)):
            events = draws.sets(index)[0].events
            spreads = np.array([float(model.log_odds(events).std()) for model in models])
            made.append(FittedAveraged(models, spreads))
        return made

    def load(self, arrays: Arrays) -> FittedAveraged:
        """Rebuild a kept model."""
        models = [one.load(under(f"{index}:", arrays)) for index, one in enumerate(self._made())]
        return FittedAveraged(models, np.asarray(arrays["spreads"], dtype=np.float64))


@dataclass(frozen=True)
class FittedAveraged(FittedClassifier):
    """One model of each candidate.

    Attributes:
        models: of the candidates.
        spreads: standard deviation of the log-odds of each over its training `(c,)`; 0 where they are constant, which
            then counts for nothing.
    """

    models: Sequence[FittedClassifier]
    spreads: FloatArray

    def log_odds(self, events: Events) -> FloatArray:
        """Return the mean of those that tell events apart, each on the scale of their mean spread `(n,)`."""
        total = np.zeros(len(events))
        telling = [(model, spread) for model, spread in zip(self.models, self.spreads, strict=True) if spread > 0.0]
        for model, spread in telling:
            total += model.log_odds(events) / spread
        return total * float(self.spreads.sum() / max(len(telling), 1) ** 2)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of all models, and their spreads."""
        stored = [numbered(index, model.to_arrays()) for index, model in enumerate(self.models)]
        return {name: array for one in stored for name, array in one.items()} | {"spreads": self.spreads}
