from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyhf
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.limits import asymptotic_limits, expected_toy_limits, toy_limit
from anomaly_cli.analysis.profile import Experiments, fit_background, q_tilde
from anomaly_cli.analysis.workspaces import build_workspace


@pytest.mark.parametrize(
    ("n", "b", "m", "relative", "is_pass_fail"),
    [
        (1300, 1214.0, 4800.0, {"norm": 0.005, "closure": 0.02}, False),
        (30, 12.0, 48.0, {"norm": 0.01, "closure": 0.1}, False),
        (8, 12.0, 48.0, {"norm": 0.01}, False),
        (5100, 4500.0, 18000.0, {"template": 0.01, "closure": 0.02}, True),
    ],
)
def test_the_observed_limit_is_that_of_pyhf(n, b, m, relative, is_pass_fail):
    test = CountingModel("SR", n, m, m / b, relative, is_pass_fail)
    limit = float(asymptotic_limits(test.experiment()).observed)
    pyhf.set_backend("numpy", "minuit")
    spec = build_workspace(test)
    spec["measurements"][0]["config"]["parameters"][0]["bounds"] = [[0.0, 50.0]]
    workspace = pyhf.Workspace(spec)
    pdf = workspace.model()
    cls = pyhf.infer.hypotest(limit / test.nominal_signal, workspace.data(pdf), pdf, test_stat="qtilde")
    assert float(cls) == pytest.approx(0.05, abs=5e-4)


def test_expected_limits_are_those_before_the_fit():
    """With the expectation itself observed, median expected and observed limit are equal; observing more moves one."""
    at = [CountingModel("SR", n, 400.0, 4.0, {"closure": 0.05}).experiment() for n in (100, 130)]
    first, second = (asymptotic_limits(data) for data in at)
    assert float(first.observed) == pytest.approx(float(first.expected[2]), rel=1e-6)
    assert second.expected == pytest.approx(first.expected)
    assert second.observed > 1.3 * first.observed
    assert np.all(np.diff(first.expected) > 0)


@pytest.mark.parametrize(("n", "b", "factor"), [(0, 1.2, 1.28), (0, 0.25, 1.42), (3, 1.2, 1.0), (40, 40.0, 1.0)])
def test_toys_correct_the_asymptotic_limit_where_nothing_is_seen(n, b, factor):
    data = CountingModel("SR", n, 4 * b, 4.0, {"norm": 0.01}).experiment()
    ratio = toy_limit(data, 1024, np.random.default_rng(1)) / float(asymptotic_limits(data).observed)
    assert ratio == pytest.approx(factor, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("b", [0.25, 1.2, 3.5])
def test_expected_limits_by_toys_are_those_of_pseudo_experiments_without_signal(b):
    """Quantiles over many counts drawn, each count's limit from other random numbers."""
    m, d = 40 * b, 0.05
    data = CountingModel("SR", 0, m, 40.0, {"norm": d}).experiment()
    rng = np.random.default_rng(3)
    counts = rng.poisson(b * np.exp(d * rng.standard_normal(400_000)) * rng.gamma(m, size=400_000) / m)
    quantiles = [
        toy_limit(replace(data, n=np.asarray(float(n))), 1024, np.random.default_rng(100 + int(n)))
        for n in np.quantile(counts, norm.cdf([-2, -1, 0, 1, 2]), method="inverted_cdf")
    ]
    found = expected_toy_limits(data, 1024, np.random.default_rng(1))
    assert found == pytest.approx(quantiles, rel=0.02)
    assert found[0] > 2.99  # nothing seen excludes three events, whatever was expected
    assert asymptotic_limits(data).expected[0] < 2.6


def test_the_limit_hardly_depends_on_the_random_numbers():
    data = CountingModel("SR", 90, 25.0, 0.25, {"norm": 0.1}).experiment()
    limits = [toy_limit(data, 1024, np.random.default_rng(seed)) for seed in range(4)]
    assert np.ptp(limits) < 0.02 * np.mean(limits)


def test_nothing_seen_excludes_three_events():
    data = CountingModel("SR", 0, 5.0, 4.0, {}).experiment()
    assert toy_limit(data, 1024, np.random.default_rng(1)) == pytest.approx(-np.log(0.05), abs=0.01)


@given(st.integers(0, 300), st.floats(0.0, 400.0), st.floats(0.3, 10.0), st.floats(0.0, 0.3))
@example(0, 5e-324, 1.0, 0.0)
@settings(max_examples=25, deadline=None)
def test_q_tilde_is_finite_and_rises_beyond_the_best_signal(n, m, tau, width):
    data = Experiments(*(np.asarray(float(x)) for x in (n, m, tau, 0.0, width)))
    signals = np.linspace(0.1, n + 50.0, 40)
    q = q_tilde(data, signals)
    assert np.isfinite(q).all()
    assert (np.diff(q) >= -1e-6).all()
    limits = asymptotic_limits(data)
    assert np.isfinite(limits.observed)
    assert np.isfinite(limits.expected).all()


@given(st.integers(0, 5000), st.floats(0.0, 5000.0), st.floats(0.1, 20.0), st.floats(-0.5, 0.5), st.floats(0.0, 0.5))
@settings(max_examples=100, deadline=None)
def test_the_profile_is_a_stationary_point(n, m, tau, theta0, width):
    fit = fit_background(Experiments(*(np.asarray(float(x)) for x in (n, m, tau, theta0, width))))
    b, control, theta = (float(x) for x in (fit.background, fit.control, fit.theta))
    assert b == pytest.approx(control / tau * np.exp(theta), rel=1e-6, abs=1e-9)
    assert control == pytest.approx(m + n - b, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("n", "m", "width"), [(4, 1500.0, 0.0), (3, 3000.0, 0.02)])
def test_a_deficit_that_no_toy_shows_has_the_asymptotic_limit_and_not_none(n, m, width):
    data = Experiments(*(np.asarray(float(x)) for x in (n, m, 1.0, 0.0, width)))
    found = toy_limit(data, 1024, np.random.default_rng(1))
    assert found == pytest.approx(float(asymptotic_limits(data).observed), rel=0.05)
