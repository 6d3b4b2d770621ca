from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, poisson

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
    assert alike.mean_error == pytest.approx(shared.std(ddof=1) / np.sqrt(200))
    apart = summarise(own, norm.sf(own), norm.sf(own), which)
    assert alike.type_one[1].high - alike.type_one[1].low > 1.5 * (apart.type_one[1].high - apart.type_one[1].low)
    assert alike.ks_p > 1e-3


def test_one_set_has_no_error():
    z = np.random.default_rng(4).standard_normal(5)
    found = summarise(z, norm.sf(z), norm.sf(z), np.zeros(5, dtype=np.int64))
    assert np.isnan([found.mean_error, found.std.low, found.std.high]).all()
    assert found.type_one[0].high > 0.8
