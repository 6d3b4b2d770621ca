from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, kstwo, norm, poisson

from anomaly_cli.analysis.calibration import clopper_pearson, independent_searches, summarise


def summarised(z):
    return summarise(z, norm.sf(z), norm.sf(z), np.arange(len(z)), 0.999)


def test_discrete_p_values_are_no_deviation_from_uniform():
    """Poisson counts about 2: p0 itself has steps of up to a fourth, and a plain KS test calls that a failure."""
    rng = np.random.default_rng(2)
    n = rng.poisson(2.0, 4000)
    p0, above = poisson.sf(n - 1, 2.0), poisson.sf(n, 2.0)
    between = above + rng.random(4000) * (p0 - above)
    z = norm.isf(between)
    assert summarise(z, p0, between, np.arange(4000)).ks_p > 1e-3
    assert summarise(z, p0, p0, np.arange(4000)).ks_p < 1e-6


def test_a_calibrated_z_is_called_calibrated():
    found = summarised(np.random.default_rng(1).standard_normal(4000))
    assert abs(found.mean) < 4 * found.mean_error
    assert found.std.low < 1.0 < found.std.high
    assert all(item.low < level < item.high for item, level in zip(found.type_one, (0.159, 0.05, 0.01), strict=True))
    assert found.ks_p > 1e-3


def test_a_wide_z_is_called_wide():
    found = summarised(1.4 * np.random.default_rng(1).standard_normal(4000))
    assert found.std.low > 1.2
    assert found.type_one[1].low > 0.05
    assert found.ks_p < 1e-6


def test_intervals_of_nothing_and_of_everything():
    assert clopper_pearson(0, 40, 0.68).low == 0.0
    assert clopper_pearson(0, 40, 0.68).high == pytest.approx(1 - 0.16 ** (1 / 40))
    assert clopper_pearson(40, 40, 0.68).high == 1.0


def test_searches_of_one_set_count_as_few():
    """Five regions that share a bias of their set are hardly more than one search; independent ones are five."""
    rng = np.random.default_rng(3)
    which, own = np.repeat(np.arange(200), 5), rng.standard_normal(1000)
    shared = rng.standard_normal(200)[which]
    assert independent_searches(own, which) > 700
    assert independent_searches(shared, which) == pytest.approx(200.0)
    assert 200 < independent_searches(shared + own, which) < 500
    alike = summarise(shared, norm.sf(shared), norm.sf(shared), which)
    assert alike.mean_error == pytest.approx(shared[::5].std(ddof=1) / np.sqrt(200))
    assert alike.std.value == pytest.approx(shared[::5].std(ddof=1))
    apart = summarise(own, norm.sf(own), norm.sf(own), which)
    assert alike.type_one[1].high - alike.type_one[1].low > 1.5 * (apart.type_one[1].high - apart.type_one[1].low)
    assert alike.ks_p == pytest.approx(kstwo.sf(kstest(norm.sf(shared), "uniform").statistic, 200))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_few_sets_of_a_calibrated_z_show_its_mean_error_and_its_width(share):
    """Three sets of five regions: what the regions share is one number in each, and does not narrow Z."""
    rng, which = np.random.default_rng(6), np.repeat(np.arange(3), 5)
    variances, errors, means = [], [], []
    for _ in range(400):
        z = np.sqrt(share) * rng.standard_normal(3)[which] + np.sqrt(1.0 - share) * rng.standard_normal(15)
        found = summarise(z, norm.sf(z), norm.sf(z), which)
        variances.append(found.std.value**2)
        errors.append(found.mean_error**2)
        means.append(found.mean**2)
    assert np.mean(variances) == pytest.approx(1.0, abs=0.12)
    assert 0.85 < np.mean(errors) / np.mean(means) < 1.7


def test_the_width_has_as_many_independent_searches_as_its_own_scatter_tells():
    """Signs of Z that a set shares tell of its mean, and not of its width."""
    rng, which = np.random.default_rng(7), np.repeat(np.arange(100), 5)
    z = rng.choice([-1.0, 1.0], 100)[which] * np.abs(rng.standard_normal(500))
    found = summarise(z, norm.sf(z), norm.sf(z), which)
    assert found.mean_error > 1.5 * z.std() / np.sqrt(500)
    assert found.std.high - found.std.low == pytest.approx(2.0 * found.std.value / np.sqrt(2 * 500), rel=0.3)


def test_p_values_at_a_level_are_errors_at_it():
    z = np.random.default_rng(8).standard_normal(10)
    found = summarise(z, np.full(10, 0.05), norm.sf(z), np.arange(10))
    assert [one.value for one in found.type_one] == pytest.approx([1.0, 1.0, 0.0])


def test_one_set_has_no_error():
    z = np.random.default_rng(4).standard_normal(5)
    found = summarise(z, norm.sf(z), norm.sf(z), np.zeros(5, dtype=np.int64))
    assert np.isnan([found.mean_error, found.std.low, found.std.high]).all()
    assert found.type_one[0].high > 0.8
