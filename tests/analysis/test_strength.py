from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.limits import asymptotic_limits
from anomaly_cli.analysis.strength import Response, measure_response, strength_limits
from anomaly_cli.core.errors import PhysicsError

DATA = CountingModel("SR", 110, 400.0, 4.0, {"closure": 0.05}).experiment()
STRENGTHS = np.array([0.0, 100.0, 200.0, 400.0, 800.0])


def response(efficiency, spread=0.0):
    mean = STRENGTHS * efficiency
    return Response(STRENGTHS, mean, spread * mean)


def test_with_a_constant_efficiency_it_is_the_limit_on_the_yield_divided_by_it():
    yields = asymptotic_limits(DATA)
    found = strength_limits(DATA, response(np.full(5, 0.25)))
    assert found == pytest.approx(np.append(yields.observed, yields.expected) / 0.25, rel=2e-3)


def test_a_classifier_that_learns_from_the_signal_excludes_fewer_strengths_than_the_largest_efficiency_says():
    learning = strength_limits(DATA, response(0.25 * STRENGTHS / 800.0))
    assert (learning > asymptotic_limits(DATA).observed / 0.25).all()
    n = learning[0]
    assert n * np.interp(n, STRENGTHS, 0.25 * STRENGTHS / 800.0) == pytest.approx(
        float(asymptotic_limits(DATA).observed), rel=0.25
    )  # the study is interpolated in the yield, not in the efficiency


def test_spread_between_trainings_weakens_the_limit():
    sure, unsure = (strength_limits(DATA, response(np.full(5, 0.25), spread)) for spread in (0.0, 0.3))
    assert (unsure > 1.02 * sure).all()


def test_what_the_study_does_not_reach_is_not_excluded():
    assert np.isinf(strength_limits(DATA, response(np.full(5, 0.01)))).all()
    # an efficiency that falls again: strengths above the largest excluded stretch are open
    falling = Response(STRENGTHS, np.array([0.0, 100.0, 100.0, 50.0, 5.0]), np.zeros(5))
    assert np.isinf(strength_limits(DATA, falling)[0])


def test_the_response_is_measured_without_the_binomial_part_of_its_spread():
    rng = np.random.default_rng(1)
    injected = np.repeat([0, 100, 400], 400)
    trained = np.clip(rng.normal(0.25, 0.05, len(injected)), 0.0, 1.0)
    found = measure_response(injected, rng.binomial(injected, trained))
    assert found.strength.tolist() == [0.0, 100.0, 400.0]
    assert found.mean == pytest.approx([0.0, 25.0, 100.0], rel=0.04)
    assert found.spread[1:] == pytest.approx([5.0, 20.0], rel=0.12)
    for bad in (np.array([0, 0]), np.array([100, 200, 200])):
        with pytest.raises(PhysicsError, match="at least 2 pseudo-experiments of each strength"):
            measure_response(bad, bad)


def test_limits_on_the_strength_follow_the_toys_observed_and_expected():
    ratio = np.array([1.2, 1.3, 1.1, 1.0, 1.0, 0.9])
    plain, by_toys = (strength_limits(DATA, response(np.full(5, 0.25)), r) for r in (1.0, ratio))
    assert by_toys == pytest.approx(ratio * plain, rel=5e-3)
