"""Distances have known values on Gaussians."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from anomaly_cli.analysis.distances import feature_distances, measure_distances, sliced_wasserstein


def normal(n, seed, shift=0.0, correlation=0.0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    x[:, 1] = correlation * x[:, 0] + np.sqrt(1.0 - correlation**2) * x[:, 1]
    x[:, 2] += shift
    return x


def distances(first, second):
    return measure_distances(first, second, np.random.default_rng(0))


def test_samples_of_one_distribution_are_not_apart():
    found = distances(normal(20_000, 1), normal(20_000, 2))
    assert abs(found.fpd) < 2e-3
    assert abs(found.kpd) < 0.02
    assert found.wasserstein.max() < 0.04
    assert found.correlation < 0.03


def test_distances_of_samples_of_one_distribution_scatter_about_0_as_their_errors_say():
    found = [distances(normal(5_000, 2 * seed), normal(1_300, 2 * seed + 1)) for seed in range(16)]
    for value, error in (("fpd", "fpd_error"), ("kpd", "kpd_error")):
        values = np.array([getattr(one, value) for one in found])
        assert abs(values.mean()) < 3.0 * values.std(ddof=1) / 4.0
        assert 0.5 < values.std(ddof=1) / np.median([getattr(one, error) for one in found]) < 1.8


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.05, 0.2])
def test_frechet_distances_scatter_about_the_shift_as_their_errors_say(shift):
    found = [distances(normal(10_000, 2 * seed, shift=shift), normal(10_000, 2 * seed + 1)) for seed in range(16)]
    values, errors = (np.array([getattr(one, name) for one in found]) for name in ("fpd", "fpd_error"))
    assert abs(values.mean() - shift**2) < 3.0 * values.std(ddof=1) / 4.0
    assert 0.5 < values.std(ddof=1) / np.median(errors) < 1.5


def test_too_few_events_have_no_frechet_distance():
    found = distances(normal(2_000, 1), normal(100, 2))
    assert np.isnan(found.fpd)
    assert np.isfinite(found.kpd)


def test_three_events_have_no_kernel_distance_and_nobody_is_warned():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = distances(normal(2_000, 1), normal(3, 2))
    assert np.isnan([found.kpd, found.kpd_error]).all()


@pytest.mark.parametrize("shift", [0.2, 0.5])
def test_a_shift_has_its_own_length(shift):
    found = distances(normal(20_000, 1, shift=shift), normal(20_000, 2))
    assert found.wasserstein[2] == pytest.approx(shift, abs=0.03)
    assert found.fpd == pytest.approx(shift**2, abs=0.02)
    assert found.kpd > 5 * found.kpd_error
    # the mean over directions u of |shift u_z| is |shift| / 2 in three dimensions
    assert found.sliced_wasserstein == pytest.approx(shift / 2, rel=0.2)


def test_a_correlation_is_found_that_no_single_feature_shows():
    found = distances(normal(20_000, 1, correlation=0.5), normal(20_000, 2))
    assert found.wasserstein.max() < 0.04
    assert found.correlation == pytest.approx(0.5, abs=0.03)
    # two unit Gaussians with and without a correlation r: 4 - 2 (sqrt(1 + r) + sqrt(1 - r))
    assert found.fpd == pytest.approx(4.0 - 2.0 * (np.sqrt(1.5) + np.sqrt(0.5)), abs=0.01)


def test_units_do_not_matter():
    x, y = normal(4_000, 1, shift=0.3), normal(4_000, 2)
    scale = np.array([1.0, 1000.0, 1e-3])
    first, second = distances(x, y), distances(x * scale, y * scale)
    assert first.fpd == pytest.approx(second.fpd)
    assert first.wasserstein == pytest.approx(second.wasserstein)


def test_the_sliced_distance_of_a_shift_is_its_mean_projection():
    points = np.random.default_rng(1).standard_normal((4_001, 2))
    # a shift s along one axis projects to s |cos(angle)|, on average 2 s / pi
    shifted = sliced_wasserstein(points, points + [3.0, 0.0], np.random.default_rng(2))
    assert shifted == pytest.approx(6.0 / np.pi, rel=0.1)
    assert feature_distances(points, points + [2.0, 0.5]) == pytest.approx([2.0, 0.5])


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_kernel_distances_scatter_as_their_errors_say_though_their_batches_overlap(shift):
    found = [distances(normal(1_200, 2 * seed, shift=shift), normal(1_200, 2 * seed + 1)) for seed in range(40)]
    values, errors = (np.array([getattr(one, name) for one in found]) for name in ("kpd", "kpd_error"))
    assert 0.6 < values.std(ddof=1) / errors.mean() < 1.4


def test_distances_agree_with_those_of_the_authors_package():
    """Values of jetnet 0.2.5 on the same points in units of the reference.

    `fpd(..., normalise=False, min_samples=5000, max_samples=15000)`, `kpd(..., normalise=False, batch_size=2000)`.
    """
    rng = np.random.default_rng(20221129)
    n = 30_000
    reference = rng.standard_normal((n, 3))
    reference[:, 1] = 0.6 * reference[:, 0] + 0.8 * reference[:, 1]
    points = rng.standard_normal((n, 3))
    points[:, 1] = 0.3 * points[:, 0] + np.sqrt(1.0 - 0.09) * points[:, 1]
    points[:, 2] = points[:, 2] * 1.1 + 0.2
    found = measure_distances(points, reference, np.random.default_rng(1))
    assert abs(found.fpd - 0.11244) < 2.0 * np.hypot(found.fpd_error, 0.00172)
    assert abs(found.kpd - 0.53655) < 2.0 * np.hypot(found.kpd_error, 0.12398)
