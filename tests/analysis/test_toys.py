from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, poisson

from anomaly_cli.analysis.exact import binomial_significance
from anomaly_cli.analysis.profile import Experiments, fit_background, signed_root
from anomaly_cli.analysis.toys import toy_p_value


def experiment(n, m, tau, width=0.0):
    return Experiments(*(np.asarray(float(x)) for x in (n, m, tau, 0.0, width)))


def enumerated_p(data):
    """Sum the probability of every outcome at least as significant, at the fitted rates."""
    fit = fit_background(data)
    b, control = float(fit.background), float(fit.control)
    n = np.arange(int(b + 40 * np.sqrt(b) + 60))[:, None]
    m = np.arange(int(control + 40 * np.sqrt(control) + 60))[None, :]
    z = signed_root(Experiments(n, m, data.tau, np.asarray(0.0), np.asarray(0.0)))
    probability = poisson.pmf(n, b) * poisson.pmf(m, control)
    return float(probability[z >= float(signed_root(data)) - 1e-9].sum())


@pytest.mark.parametrize(("n", "b"), [(3, 1.0), (8, 1.0), (6, 2.4), (14, 2.4), (1, 2.4), (0, 1.0), (25, 2.4)])
def test_toys_agree_with_the_sum_over_all_outcomes(n, b):
    """Up to 9 sigma: p down to 1e-17."""
    data = experiment(n, 4 * b, 4.0)
    exact, toys = enumerated_p(data), toy_p_value(data, 100_000, np.random.default_rng(1))
    assert toys.p0 == pytest.approx(exact, abs=5 * toys.error + 1e-12 * exact)
    assert toys.error < 0.03 * exact


@pytest.mark.parametrize(
    ("n", "b", "m", "width", "z"),
    [
        (24800, 24270.0, 96000.0, 0.0070534, 2.164),
        (160, 121.0, 480.0, 0.049045, 2.672),
        (30, 12.0, 48.0, 0.095828, 3.528),
        (6, 1.2, 5.0, 0.18259, 2.501),
    ],
)
def test_z_from_toys_is_the_known_one(n, b, m, width, z):
    assert toy_p_value(experiment(n, m, m / b, width), 100_000, np.random.default_rng(2)).z == pytest.approx(
        z, abs=0.025
    )


def test_a_significance_far_beyond_plain_toys_is_measured():
    toys = toy_p_value(experiment(450, 480, 480 / 121, 0.05), 100_000, np.random.default_rng(1))
    assert toys.z == pytest.approx(15.8, abs=0.3)
    assert toys.error < 0.1 * toys.p0


@pytest.mark.parametrize(("n", "b"), [(80, 121.0), (3, 12.0), (0, 2.4), (60, 121.0), (10, 30.0)])
def test_a_deficit_has_a_z_as_exact_as_an_excess(n, b):
    """p0 is so near to 1 that 1 - p0 has to be estimated."""
    data = experiment(n, 4 * b, 4.0)
    fit = fit_background(data)
    at = [np.arange(int(rate + 12 * np.sqrt(rate) + 20)) for rate in (float(fit.background), float(fit.control))]
    roots = signed_root(Experiments(at[0][:, None], at[1][None, :], data.tau, np.asarray(0.0), np.asarray(0.0)))
    probability = poisson.pmf(at[0], fit.background)[:, None] * poisson.pmf(at[1], fit.control)
    exact = norm.ppf(probability[roots < float(signed_root(data)) - 1e-9].sum())
    found = [toy_p_value(data, 100_000, np.random.default_rng(seed)).z for seed in range(4)]
    assert found == pytest.approx([exact] * 4, abs=0.03)


def test_nothing_expected_and_nothing_observed_is_no_excess():
    toys = toy_p_value(experiment(0, 0, 4.0), 1000, np.random.default_rng(1))
    assert (toys.p0, toys.z) == (1.0, 0.0)


def test_a_significance_beyond_the_smallest_number_is_finite():
    """p0 is some 1e-470."""
    data = experiment(2000, 400, 4.0)
    toys = toy_p_value(data, 20_000, np.random.default_rng(1))
    assert toys.p0 == np.finfo(float).tiny
    assert toys.z == pytest.approx(float(signed_root(data)), rel=0.01)


def test_what_is_more_significant_is_less_probable_than_what_is_as_significant():
    data = experiment(3, 4, 4.0)
    toys = toy_p_value(data, 100_000, np.random.default_rng(1))
    assert 0.2 * toys.p0 < toys.p_above < 0.95 * toys.p0


def test_the_p_value_is_never_much_too_small_for_few_events():
    """Type-I error of the toys' p-value over all outcomes, b = 1 and tau = 4 (the asymptotic one is 1.5 times off)."""
    b, tau = 1.0, 4.0
    n, m = np.meshgrid(np.arange(12), np.arange(20), indexing="ij")
    probability = poisson.pmf(n, b) * poisson.pmf(m, tau * b)
    likely = probability > 1e-5
    p = np.array([enumerated_p(experiment(i, j, tau)) for i, j in zip(n[likely], m[likely], strict=True)])
    for level in (0.05, 0.01):
        assert probability[likely][p <= level].sum() <= 1.02 * level
    z = signed_root(Experiments(n, m, np.asarray(tau), np.asarray(0.0), np.asarray(0.0)))
    assert probability[norm.sf(z) <= 0.01].sum() > 1.3 * 0.01  # negative control: asymptotic


def test_z_bi_is_conservative():
    b, tau = 2.4, 4.0
    n, m = np.meshgrid(np.arange(25), np.arange(40), indexing="ij")
    probability = poisson.pmf(n, b) * poisson.pmf(m, tau * b)
    z = binomial_significance(Experiments(n, m, np.asarray(tau), np.asarray(0.0), np.asarray(0.0)))
    for level in (0.05, 0.01):
        assert probability[norm.sf(z) <= level].sum() <= level


def test_the_same_seed_gives_the_same_p_value():
    data = experiment(30, 48, 4.0, 0.1)
    first, second = (toy_p_value(data, 5000, np.random.default_rng(3)) for _ in range(2))
    assert first == second
