"""From a cut to its counting model: which control sample, which uncertainties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from anomaly_cli.analysis.counting import CountingModel, Shift
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.core.systematics import Systematic

MEASURED = ("closure", "kfold")
"""Terms of a model that further studies measure."""


class Predicted(Protocol):
    """Background events in the signal region before any cut, as `MassFit` predicts them."""

    @property
    def n_expected(self) -> float:
        """Their number."""

    @property
    def uncertainty(self) -> float:
        """Its uncertainty."""


@dataclass(frozen=True)
class Measured:
    """Uncertainties that only further studies can measure; NaN where they have not been.

    Attributes:
        closure: relative uncertainty of the template's pass rate.
        overdispersion: factor on the statistical standard deviation from folds that share training data.
        n_windows: signal-free windows that the closure uncertainty comes from.
        windows_p: probability of larger pulls in these windows.
        correction: factor on the template's pass rate, what the windows exceed their expectation by on average.
        closure_in_errors: the closure uncertainty in units of the model error, where the windows give it in them; that
            of a cut is then this number times the cut's own model error.
        mean_in_errors: the same of the logarithm of the correction; 0 without one.
    """

    closure: float = math.nan
    overdispersion: float = math.nan
    n_windows: int = 0
    windows_p: float = math.nan
    correction: float = 1.0
    closure_in_errors: float = math.nan
    mean_in_errors: float = 0.0

    def at(self, cut: CutCounts) -> Measured:
        """Return what this is for a cut, in relative terms."""
        if math.isnan(self.closure_in_errors) or not cut.model_uncertainty > 0.0:
            return self
        closure, correction = (
            math.exp(size * cut.model_uncertainty) for size in (self.closure_in_errors, self.mean_in_errors)
        )
        return replace(self, closure=closure - 1.0, correction=correction, closure_in_errors=math.nan)

    def pass_rate(self, cut: CutCounts) -> float:
        """Return the corrected fraction of the background that passes a cut, below 1."""
        return min(cut.efficiency * self.correction, 0.5 * (1.0 + cut.efficiency))


def model_by_fail(name: str, cut: CutCounts, measured: Measured) -> CountingModel:
    """Return the pass/fail model: the data that fail the cut normalise the background.

    It uses neither the side-band fit nor its uncertainty, and is exact for a free normalisation. Signal
    among the failing events makes it a little conservative.
    """
    n_fail, efficiency = cut.n_all - cut.n_passing, measured.pass_rate(cut)
    expected = n_fail * efficiency / (1.0 - efficiency)
    relative = {"template": cut.efficiency_uncertainty, **_of_model(cut)}
    variance = (1.0 - efficiency) / max(expected, 1.0) + sum(d**2 for d in relative.values())
    relative |= _measured(measured, variance)
    return CountingModel(
        name, cut.n_passing, float(n_fail), (1.0 - efficiency) / efficiency, relative, is_pass_fail=True
    )


def model_by_template(name: str, cut: CutCounts, fit: Predicted, measured: Measured) -> CountingModel:
    """Return the model with the template as control sample, normalised by the side-band fit."""
    expected = fit.n_expected * measured.pass_rate(cut)
    relative = {"norm": fit.uncertainty / fit.n_expected}
    relative |= _of_model(cut)
    variance = 1.0 / max(expected, 1.0) + 1.0 / cut.n_sources + sum(d**2 for d in _of_model(cut).values())
    relative |= _measured(measured, variance)
    return CountingModel(name, cut.n_passing, cut.n_sources, cut.n_sources / expected, relative)


def shifts_of(systematics: Sequence[Systematic], channel: str, index: int) -> tuple[Shift, ...]:
    """Return what systematics do to one cut.

    Args:
        systematics: of the search.
        channel: name of the cut's channel, whose last part names the cut and the rest the signal region.
        index: of the cut, in the order of the count.
    """
    region, _, cut = channel.rpartition("_")
    return tuple(
        Shift(one.name, one.parameter(region, cut), one.on, one.up[index], one.down[index]) for one in systematics
    )


def _of_model(cut: CutCounts) -> dict[str, float]:
    return {} if math.isnan(cut.model_uncertainty) else {"model": cut.model_uncertainty}


def _measured(measured: Measured, variance: float) -> dict[str, float]:
    """Return closure, and over-dispersion as d = sqrt((f^2 - 1) x relative statistical variance)."""
    relative = {}
    if not np.isnan(measured.closure):
        relative["closure"] = measured.closure
    if not np.isnan(measured.overdispersion):
        relative["kfold"] = math.sqrt(max(measured.overdispersion**2 - 1.0, 0.0) * variance)
    return relative
