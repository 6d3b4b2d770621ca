from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, poisson

from anomaly_cli.analysis.calibration import clopper_pearson, summarise


def summarised(z):
    return summarise(z, norm.sf(z), norm.sf(z), 0.999)


def test_discrete_p_values_are_no_deviation_from_uniform():
    """Poisson counts about 2: p0 itself has steps of up to a fourth, and a plain KS test calls that a failure."""
    rng = np.random.default_rng(2)
    n = rng.poisson(2.0, 4000)
    p0, above = poisson.sf(n - 1, 2.0), poisson.sf(n, 2.0)
    between = above + rng.random(4000) * (p0 - above)
    z = norm.isf(between)
    assert summarise(z, p0, between).ks_p > 1e-3
    assert summarise(z, p0, p0).ks_p < 1e-6


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
