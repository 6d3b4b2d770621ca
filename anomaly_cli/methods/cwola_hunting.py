"""CWoLa hunting: side-band events as they are, against the signal region.

References:
    J. H. Collins, K. Howe, B. Nachman, "Anomaly Detection for Resonant New Physics with Machine
    Learning", 2018, arXiv:1805.02664.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import NONE
from anomaly_cli.core.seen import Seen
from anomaly_cli.methods.base import TemplateMethod
from anomaly_cli.methods.given_events import FittedEvents


@dataclass(frozen=True)
class CwolaHunting(TemplateMethod):
    """Side-band events, each used once, at their own mass.

    Right only where no feature depends on mjj; the classifier finds every feature that does. It makes no
    claim to close.
    """

    name: ClassVar[str] = "cwola_hunting"
    summary: ClassVar[str] = "side-band events as they are; only for features that do not depend on mjj"
    reference: ClassVar[str] = "arXiv:1805.02664"
    chooses_mass: ClassVar[bool] = True
    crossfit: ClassVar[str] = NONE
    claims_closure: ClassVar[bool] = False

    def fit(self, seen: Seen, compute: Compute) -> FittedEvents:
        """Keep the side-band events; nothing is trained."""
        return FittedEvents(seen.side_bands, takes_all=True)

    def load(self, arrays: Arrays, seen: Seen) -> FittedEvents:
        """Rebuild from the inputs alone."""
        return FittedEvents(seen.side_bands, takes_all=True)
