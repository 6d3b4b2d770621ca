"""The claimable Z where a systematic's sides differ, and the signals that it asks for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import t as student

from anomaly_cli.analysis.claim import claimable_significance
from anomaly_cli.analysis.counting import CountingModel, Shift
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.sensitivity import smallest_signal

CLOSURE = 0.009


def counted(up: float, down: float, n: int, is_pass_fail: bool) -> CountingModel:
    expected = 4473.0 if is_pass_fail else 225.0
    shifts = (Shift("jet", "jet", "background", up, down),)
    return CountingModel("x", n, 4.0 * expected, 4.0, {"model": 0.008, "closure": CLOSURE}, is_pass_fail, shifts)


def averaged(model: CountingModel, n_windows: int) -> float:
    """Return the claimable Z by a sum over quantiles of the shift."""
    middle = (np.arange(4000) + 0.5) / 4000
    shift = model.leverage * math.log1p(CLOSURE) * student.ppf(middle, n_windows - 1)
    one = model.without("closure").experiment()
    return float(-ndtri(ndtr(-signed_root(replace(one, theta0=shift))).mean()))


@pytest.mark.parametrize("is_pass_fail", [True, False])
@pytest.mark.parametrize("sides", [(0.01, -0.01), (0.3, -0.02), (0.02, -0.3)])
def test_it_is_the_p_value_averaged_over_students_shifts(sides, is_pass_fail):
    model = counted(*sides, 4600 if is_pass_fail else 270, is_pass_fail)
    assert claimable_significance(model, 5) == pytest.approx(averaged(model, 5), abs=0.01)


def test_sides_that_are_nearly_each_others_inverse_change_nothing():
    inverse, rounded = (counted(0.01, down, 4823, True) for down in (-0.01 / 1.01, -0.01))
    assert claimable_significance(rounded, 4) == pytest.approx(claimable_significance(inverse, 4), abs=1e-3)


@settings(deadline=None, max_examples=15)
@given(
    up=st.floats(0.001, 0.9),
    down=st.floats(-0.9, -0.001),
    n=st.integers(0, 20_000),
    n_windows=st.integers(2, 40),
    is_pass_fail=st.booleans(),
)
def test_it_is_a_number_whatever_the_sides(up, down, n, n_windows, is_pass_fail):
    with np.errstate(all="raise", under="ignore"):
        assert math.isfinite(claimable_significance(counted(up, down, n, is_pass_fail), n_windows))


def test_no_signal_is_enough_where_the_significance_is_no_number():
    assert smallest_signal(lambda _: math.nan, 5.0) == math.inf
    assert smallest_signal(lambda signal: math.nan if signal < 3.0 else signal, 5.0) == pytest.approx(5.0, rel=2e-3)
