"""True background as a template, which no analysis has: the yardsticks of every other method.

References:
    A. Hallin et al., "Classifying Anomalies THrough Outer Density Estimation (CATHODE)", 2021,
    arXiv:2109.00546 (the "idealized anomaly detector").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import NONE
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.methods.base import SUPERVISED, TemplateMethod
from anomaly_cli.methods.given_events import FittedEvents


@dataclass(frozen=True)
class Idealised(TemplateMethod):
    """True background events that are not in the pseudo-data, at their own mass.

    Each is used at most once, and no more of them than other methods make template events.
    """

    name: ClassVar[str] = "idealised"
    summary: ClassVar[str] = "true background in the signal region, no more events than other templates (truth)"
    reference: ClassVar[str] = "arXiv:2109.00546"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.TRUTH})
    chooses_mass: ClassVar[bool] = True
    crossfit: ClassVar[str] = NONE
    takes_all: ClassVar[bool] = False

    def fit(self, seen: Seen, compute: Compute) -> FittedEvents:
        """Keep the true background; nothing is trained.

        Raises:
            ConfigError: where the data set has no reserved background.
        """
        return FittedEvents(seen.need(Need.TRUTH).background, self.takes_all)

    def load(self, arrays: Arrays, seen: Seen) -> FittedEvents:
        """Rebuild from the inputs alone."""
        return FittedEvents(seen.need(Need.TRUTH).background, self.takes_all)


@dataclass(frozen=True)
class OverIdealised(Idealised):
    """All true background that was held back, however much: the limit of endless template statistics.

    It differs from `idealised` only where more is held back than other methods make, for instance with
    the extra QCD set of the LHC Olympics as --reference.
    """

    name: ClassVar[str] = "over_idealised"
    summary: ClassVar[str] = "all true background in the signal region that was held back (truth)"
    takes_all: ClassVar[bool] = True


@dataclass(frozen=True)
class Supervised(OverIdealised):
    """True signal against true background: the bound of every weakly supervised classifier.

    Its template is that of `over_idealised`; events are ranked by the score `supervised`.
    """

    name: ClassVar[str] = "supervised"
    summary: ClassVar[str] = "true background, and a classifier trained on true signal against it (truth)"
    score: ClassVar[str] = SUPERVISED
