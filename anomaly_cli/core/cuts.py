"""How events are counted: cuts on the score, and how large a template is for them."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.systematics import Systematic

OVERSAMPLING = 4.0
"""Template events for each expected one."""
LARGEST_OVERSAMPLING = 100.0
NO_CORRECTION, BY_MEAN = CORRECTIONS = ("none", "mean")
"""Whether expectations are corrected by the mean excess of the validation windows."""


@dataclass(frozen=True)
class Cuts:
    """The cuts on the score, and what normalises the background after each.

    Attributes:
        background_efficiencies: fractions of the template that the cuts keep.
        pass_fail_from: from this background efficiency on, the data that fail the cut normalise the
            background; below it, the side-band fit.
        least_fit_p: cuts that the side-band fit normalises are refused where its goodness of fit has a smaller
            p-value; 0 accepts it, with its uncertainty scaled up.
        systematics: the user's own, with a shift for each cut.
    """

    background_efficiencies: tuple[float, ...] = (0.2, 0.05, 0.01, 0.001)
    pass_fail_from: float = 0.05
    least_fit_p: float = 0.001
    systematics: tuple[Systematic, ...] = ()

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


def check_oversampling(oversampling: float) -> None:
    """Refuse a number of template events per observed one that cannot be meant.

    Raises:
        ConfigError: where it is.
    """
    if not 0.0 < oversampling <= LARGEST_OVERSAMPLING:
        raise ConfigError(
            f"template: oversampling = {oversampling:g} is outside (0, {LARGEST_OVERSAMPLING:g}]; the usual value is"
            f" {OVERSAMPLING:g}"
        )
