from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from anomaly_cli.analysis.conformal import conformal_p_values, tilted_weights
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.core.errors import PhysicsError


def events(score, fold=None):
    n = len(score)
    return ScoredEvents(np.arange(n), np.arange(n), np.ones(n), np.zeros(n, int) if fold is None else fold, score)


def test_p_values_of_like_events_are_uniform_in_every_fold():
    rng = np.random.default_rng(1)
    fold = rng.integers(3, size=3000)
    scale = np.array([1.0, 5.0, 0.1])  # scores of different models cannot be compared
    found = conformal_p_values(
        events(rng.normal(size=3000) * scale[fold], fold),
        events(np.concatenate([rng.normal(size=2000) * one for one in scale]), np.repeat(np.arange(3), 2000)),
    )
    assert kstest(found.p, "uniform").pvalue > 0.01
    assert abs(found.significance(0.2)) < 3.0
    assert found.n_effective == pytest.approx(6000)


def test_weights_make_up_for_another_spectrum():
    """Scores that follow the mass, on events of twice as steep a spectrum: unweighted p-values are too small."""
    rng = np.random.default_rng(2)
    masses, others = 3300.0 + rng.exponential(300.0, 20_000), 3300.0 + rng.exponential(600.0, 4000)
    observed, calibration = (events(m / 1000.0 + rng.normal(scale=0.5, size=len(m))) for m in (others, masses))
    assert conformal_p_values(observed, calibration).significance(0.2) > 20.0
    weight = tilted_weights(masses, float(others.mean()))
    assert np.average(masses, weights=weight) == pytest.approx(others.mean())
    found = conformal_p_values(observed, calibration, weight)
    assert found.n_effective < 15_000
    assert abs(found.significance(0.2)) < 4.0


def test_the_statistics_of_both_kinds_of_events_are_in_the_significance():
    """As few calibration events as observed ones make Z half as certain in its square."""
    rng = np.random.default_rng(3)
    z = [conformal_p_values(*(events(rng.normal(size=500)) for _ in range(2))).significance(0.2) for _ in range(400)]
    assert np.std(z) == pytest.approx(1.0, abs=0.12)


def test_weights_have_mean_one_so_that_the_observed_event_counts_as_one():
    weight = tilted_weights(3300.0 + np.random.default_rng(4).exponential(300.0, 1000), 3500.0)
    assert weight.mean() == pytest.approx(1.0)
    assert np.ptp(weight) > 0.1


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=30), st.lists(st.floats(-3, 3), min_size=1, max_size=30))
def test_a_p_value_counts_the_events_that_are_as_high(scores, others):
    found = conformal_p_values(events(np.array(scores)), events(np.array(others))).p
    direct = [(sum(other >= score for other in others) + 1) / (len(others) + 1) for score in scores]
    assert found == pytest.approx(direct)


def test_what_cannot_be_compared():
    with pytest.raises(PhysicsError, match="fold 0 has no events to compare with"):
        conformal_p_values(events(np.ones(3)), events(np.ones(3), np.ones(3, int)))
    with pytest.raises(PhysicsError, match="no weights give the events a mean mass of 3500 GeV"):
        tilted_weights(np.array([3000.0, 3100.0]), 3500.0)
