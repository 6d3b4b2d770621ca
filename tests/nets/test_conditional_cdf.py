"""The distribution of a score given the mass."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from anomaly_cli.nets import conditional_cdf, training

SETTINGS = conditional_cdf.SplineSettings(schedule=training.Schedule(6, 512, 5e-3, 6))


@pytest.fixture(scope="module")
def toy():
    """A score whose mean and width move with its condition."""
    rng = np.random.default_rng(1)
    mass = rng.uniform(0.0, 1.0, 8000)
    return 2.0 * mass + (0.5 + mass) * rng.standard_normal(8000), mass[:, None]


@pytest.fixture(scope="module")
def fitted(toy):
    values, mass = toy
    with training.seeded(1, 1) as generator:
        return conditional_cdf.ConditionalCdf.fit(values, mass, np.arange(8000) % 10 == 0, SETTINGS, generator)


def test_the_cdf_is_uniform_at_every_condition(toy, fitted):
    values, mass = toy
    cdf = fitted.cdf(values, mass)
    before = np.argsort(np.argsort(values)) / len(values)
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = (mass[:, 0] >= low) & (mass[:, 0] < low + 0.25)
        assert kstest(cdf[inside], "uniform").statistic < 0.04
    assert kstest(before[mass[:, 0] < 0.25], "uniform").statistic > 0.2  # so that the comparison would tell


def test_it_rises_with_the_score_at_fixed_condition_far_outside_as_well(fitted):
    values = np.sort(np.concatenate([np.linspace(-60.0, 60.0, 4000), np.linspace(-1.0, 3.0, 9000)]))
    for mass in (-1.0, 0.0, 0.3, 1.0, 2.0):
        assert (np.diff(fitted.normal(values, np.full((len(values), 1), mass))) >= 0.0).all()
        assert np.diff(fitted.normal(values, np.full((len(values), 1), mass))).max() > 0.0


def test_an_event_is_moved_alike_whatever_it_is_moved_with(toy, fitted):
    values, mass = toy
    some = np.arange(0, 8000, 7)
    assert np.array_equal(fitted.normal(values, mass)[some], fitted.normal(values[some], mass[some]))


def test_it_survives_being_stored(toy, fitted):
    back = conditional_cdf.ConditionalCdf.from_arrays(fitted.to_arrays("one"), "one", SETTINGS)
    assert np.array_equal(back.cdf(*toy), fitted.cdf(*toy))


def test_a_table_keeps_the_order_of_scores_with_many_equal_ones():
    values = np.repeat([0.0, 1.0, 5.0], [500, 300, 200])
    table = conditional_cdf.QuantileTable.of(values)
    assert (np.diff(table(np.array([-3.0, 0.0, 0.5, 1.0, 5.0, 9.0]))) > 0.0).all()
    assert (np.diff(conditional_cdf.QuantileTable.of(np.ones(100))(np.array([0.0, 1.0, 2.0]))) > 0.0).all()
