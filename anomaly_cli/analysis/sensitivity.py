"""What an analysis can find, before anybody looks: expected limits, and the signal that would be significant.

The expected data of Cowan et al. (Asimov data) stand in for the count: the background expectation, and that plus a
signal. Nothing of the observed signal region enters.

References:
    G. Cowan, K. Cranmer, E. Gross, O. Vitells, 2011, arXiv:1007.1727, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.analysis.claim import claimable_significance
from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.limits import asymptotic_limits
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.core.arrays import FloatArray

EVIDENCE, DISCOVERY = 3.0, 5.0
"""Significances that a signal is asked to reach."""
STEPS = 60
"""Bisections of a signal yield."""
LARGEST = 2.0**60
"""No signal is larger; what needs more cannot be found."""


@dataclass(frozen=True)
class Sensitivity:
    """What one cut can find.

    Attributes:
        limits: expected 95 % CLs limits on signal events after the cut at +2, +1, 0, -1, -2 sigma, the strongest
            first `(5,)`.
        evidence: signal events after the cut whose expected Z is 3.
        discovery: the same for 5.
        claimable: the same for a claimable Z of 5; infinite where no signal reaches it.
        costs: by uncertainty, the Z that the signal of `discovery` would gain without it.
    """

    limits: FloatArray
    evidence: float
    discovery: float
    claimable: float
    costs: dict[str, float]


def expected_sensitivity(model: CountingModel, n_windows: int) -> Sensitivity:
    """Return what a cut can find.

    Args:
        model: its count with everything that is known; the number of observed events is not used.
        n_windows: windows that its closure uncertainty was measured in.
    """
    discovery = smallest_signal(lambda s: expected_significance(model, s), DISCOVERY)
    names = [*model.relative, *(shift.name for shift in model.systematics)]
    lesser = {name: model.without(name) for name in names}
    if not model.is_pass_fail:  # whose template is a control sample, and no term
        lesser = {"template": model.with_endless_control(), **lesser}
    is_finite = bool(np.isfinite(discovery))
    reached = expected_significance(model, discovery) if is_finite else np.nan
    costs = {
        name: expected_significance(one, discovery) - reached if is_finite else np.nan for name, one in lesser.items()
    }
    data = replace(model.experiment(), n=np.asarray(model.n_expected))
    return Sensitivity(
        limits=asymptotic_limits(data).expected,
        evidence=smallest_signal(lambda s: expected_significance(model, s), EVIDENCE),
        discovery=discovery,
        claimable=smallest_signal(lambda s: _claimable(model, n_windows, s), DISCOVERY),
        costs=costs,
    )


def expected_significance(model: CountingModel, signal: float) -> float:
    """Return the significance of the background expectation plus a signal."""
    return float(signed_root(replace(model.experiment(), n=np.asarray(model.n_expected + signal))))


def _claimable(model: CountingModel, n_windows: int, signal: float) -> float:
    return claimable_significance(replace(model, n_observed=round(model.n_expected + signal)), n_windows)


def smallest_signal(significance: Callable[[float], float], level: float) -> float:
    """Return the signal whose significance, which rises with it, is `level`; infinite where none reaches it."""
    high = 1.0
    while not significance(high) >= level:  # nor where there is none
        high *= 2.0
        if high > LARGEST:
            return float("inf")
    low = 0.0
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if significance(middle) >= level else (middle, high)
        if high - low < 1e-3 * high:
            break
    return high
