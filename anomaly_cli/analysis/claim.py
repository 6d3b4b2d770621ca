"""The significance that so few windows can carry, and whether a cut may be quoted at all.

A closure uncertainty from k windows is itself known to some 1/sqrt(2 k). Taken as the width of a Gaussian, it makes
claims of its far tails that k windows do not support: there, the shift of the expectation in units of its measured size
follows Student's distribution with k - 1 degrees of freedom. With six windows an excess of 10 window errors is 3.8
sigma, and one of 20 is 4.5.

References:
    Student, "The probable error of a mean", 1908, Biometrika 6, 1.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri, stdtr

from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.profile import Experiments, signed_root
from anomaly_cli.core.arrays import FloatArray

LEAST_P = 0.01
"""Windows whose pulls are less likely, with all uncertainties, allow no claim."""
LARGEST_TERM = 3.0
"""A closure uncertainty above this multiple of the statistical one allows no claim."""
CLOSURE = "closure"
LARGEST_EXCESS = 1e7
"""Shifts up to so many sizes are integrated over."""
LARGEST_SHIFT = 300.0
"""An expectation that is shifted by more in its logarithm explains any count."""
SURE = 38.0
"""A normal variable is never found above."""
SMALLEST_SHIFT, NODES = 1e-4, 200
"""Smallest shift at which a model with skewed parameters is fitted, and at how many to either side of none."""


def claimable_significance(model: CountingModel, n_windows: int) -> float:
    """Return the one-sided significance with Student's tails for the closure term; that of the model where it has none.

    The p-value without the closure term (asymptotic, in closed form) is averaged over the shift of the expectation.

    Args:
        model: of the count.
        n_windows: windows that its closure uncertainty was measured in.
    """
    closure = model.relative.get(CLOSURE, 0.0)
    if closure <= 0.0 or n_windows < 2:
        return float(signed_root(model.experiment()))
    edges = np.concatenate([-np.geomspace(LARGEST_EXCESS, 1e-3, 2000), [0.0], np.geomspace(1e-3, LARGEST_EXCESS, 8000)])
    weight = np.diff(stdtr(n_windows - 1, edges))
    upper = edges[1:] > 0.0  # differences of the far upper tail, without cancellation
    weight[upper] = -np.diff(stdtr(n_windows - 1, -edges))[upper]
    middle = 0.5 * (edges[1:] + edges[:-1])
    shift = np.clip(model.leverage * math.log1p(closure) * middle, -LARGEST_SHIFT, LARGEST_SHIFT)
    one = model.without(CLOSURE).experiment()
    root = _interpolated_root(one, shift) if one.skewed else signed_root(replace(one, theta0=shift))
    upper_tail, lower_tail = (float((weight * ndtr(side * root)).sum() / weight.sum()) for side in (-1.0, 1.0))
    return float(-ndtri(upper_tail) if upper_tail < lower_tail else ndtri(lower_tail))


def _interpolated_root(data: Experiments, shift: FloatArray) -> FloatArray:
    """Return the signed root at every shift `(s,)`, from fits at few of them.

    It falls smoothly with the shift. Where its probability is 0 or 1 to machine precision it is not needed, so only
    shifts near the data are fitted: far from them, fits with skewed parameters may fail.
    """
    doubled = SMALLEST_SHIFT * 2.0 ** np.arange(1.0, math.log2(LARGEST_SHIFT / SMALLEST_SHIFT))
    low, high = doubled[_first(_root_at(data, -doubled) > SURE)], doubled[_first(_root_at(data, doubled) < -SURE)]
    lower, upper = (np.geomspace(SMALLEST_SHIFT, end, NODES) for end in (low, high))
    nodes = np.concatenate([-lower[::-1], [0.0], upper])
    root: FloatArray = PchipInterpolator(nodes, _root_at(data, nodes))(np.clip(shift, nodes[0], nodes[-1]))
    return root


def _root_at(data: Experiments, shift: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):  # far from the data nothing is finite, and nothing is asked for
        return signed_root(replace(data, theta0=shift))


def _first(is_there: npt.NDArray[np.bool_]) -> int:
    """Return the place of the first that is true, or the last place."""
    return int(is_there.argmax()) if is_there.any() else len(is_there) - 1


def reason_for_no_claim(model: CountingModel, p_value: float) -> str:
    """Return why a cut may not be quoted, as part of a sentence; empty where it may.

    Args:
        model: of the count, with a closure uncertainty where it is measured.
        p_value: of the windows' pulls; NaN where there are none.
    """
    closure = model.relative.get(CLOSURE, 0.0)
    if model.n_expected == 0.0:
        return "the template expects no event"
    if math.isnan(p_value):
        return ""
    if p_value < LEAST_P:
        return f"the windows disagree with their expectations (p = {p_value:.1g}) beyond all uncertainties"
    statistical = math.hypot(model.without(CLOSURE).uncertainty, math.sqrt(model.n_expected)) / model.n_expected
    if model.leverage * closure > LARGEST_TERM * statistical:
        return (
            f"the closure uncertainty is {model.leverage * closure / statistical:.2g} times the statistical one, more"
            f" than {LARGEST_TERM:g} times"
        )
    return ""
