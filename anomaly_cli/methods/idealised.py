"""The idealised template: true background, which no analysis has; the yardstick of every other method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.events import Events, make_events
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods.base import (
    Arrays,
    Context,
    FittedTemplate,
    Need,
    Sample,
    TemplateInputs,
    TemplateMethod,
    true_background,
)


@dataclass(frozen=True)
class Idealised(TemplateMethod):
    """True background events that are not in the pseudo-data, each used once, at their own mass.

    References:
        A. Hallin et al., "Classifying Anomalies THrough Outer Density Estimation (CATHODE)", 2021,
        arXiv:2109.00546 (the "idealized anomaly detector").
    """

    name: ClassVar[str] = "idealised"
    summary: ClassVar[str] = "true background in the signal region: what other methods are compared with"
    reference: ClassVar[str] = "arXiv:2109.00546"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.TRUTH})
    chooses_mass: ClassVar[bool] = True

    def fit(self, inputs: TemplateInputs, context: Context) -> FittedIdealised:
        """Keep the true background; nothing is trained.

        Raises:
            ConfigError: where the data set has no reserved background.
        """
        return FittedIdealised(true_background(inputs, self.name))

    def load(self, arrays: Arrays, inputs: TemplateInputs) -> FittedIdealised:
        """Rebuild from the inputs alone."""
        return FittedIdealised(true_background(inputs, self.name))


class FittedIdealised(FittedTemplate):
    """The true background events."""

    def __init__(self, background: Events) -> None:
        self.background = background

    def sample(self, target_masses: FloatArray, streams: Streams) -> Sample:
        """Return every true background event once; the target masses are not used."""
        events = self.background
        n, d = events.features.shape
        copies = make_events(events.mjj, events.features, events.names, np.arange(n), events.source_id)
        return Sample(copies, np.zeros(d, dtype=np.int64))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return nothing: there is nothing to keep."""
        return {}
