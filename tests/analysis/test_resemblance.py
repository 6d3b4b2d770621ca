from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.analysis.quality import Sampled
from anomaly_cli.analysis.resemblance import feature_distances, measure_resemblance, sliced_wasserstein


def normal(n, seed, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, 2)) + [shift, 0.0]


def test_the_sliced_distance_of_a_shift_is_its_mean_projection():
    points = normal(20_011, 1)
    # a shift s along one axis projects to s |cos(angle)|, on average 2 s / pi
    assert sliced_wasserstein(points, points + [3.0, 0.0], 1) == pytest.approx(6.0 / np.pi, rel=0.1)
    assert sliced_wasserstein(points, points, 1) == 0.0
    assert sliced_wasserstein(points, normal(19_997, 2), 1) < 0.03


def test_feature_distances_are_in_the_unit_of_each_feature():
    points = normal(10_007, 1)
    assert feature_distances(points, points + [2.0, 0.5]) == pytest.approx([2.0, 0.5])


def test_a_resemblance_tells_equal_from_shifted():
    ids = np.arange(4_003)
    same = measure_resemblance(Sampled(normal(4_003, 1), ids), Sampled(normal(4_003, 2), ids + 4_003), 1, 1)
    apart = measure_resemblance(Sampled(normal(4_003, 1), ids), Sampled(normal(4_003, 2, 1.0), ids + 4_003), 1, 1)
    assert abs(same.separation.auc - 0.5) < 0.03
    assert apart.separation.auc > 0.7
    assert apart.sliced_wasserstein > 5 * same.sliced_wasserstein
