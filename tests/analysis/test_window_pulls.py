"""What of the windows' scatter is known, and the probability of their pulls, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from anomaly_cli.analysis.nonclosure import WindowCounts, measure_cuts, measure_nonclosure

N_ALL, EFFICIENCY, TEMPLATE, MODEL = 20_000.0, 0.2, 0.012, 0.018
PASSING = np.array([4180.0, 3905.0, 4302.0, 4111.0, 4055.0])


def counts(n_passing=PASSING, model=MODEL):
    full = np.ones(len(n_passing))
    columns = (n_passing, N_ALL * full, EFFICIENCY * full, TEMPLATE * full, model * full)
    return WindowCounts(*columns, np.arange(len(n_passing)))


def pulls(n_passing, expected, systematic, factor):
    """Sum of squares: statistics of events, template and models, times the over-dispersion, and what is measured."""
    events = (1.0 - expected / N_ALL) / expected
    nominal = (1.0 - EFFICIENCY) / (N_ALL * EFFICIENCY)
    others = TEMPLATE**2 + MODEL**2
    shared = (factor**2 - 1.0) * (nominal + others)
    return float(((n_passing / expected - 1.0) ** 2 / (events + others + shared + systematic**2)).sum())


@pytest.mark.parametrize("factor", [1.0, 1.4])
def test_the_pulls_contain_all_that_is_known_and_what_is_fitted_takes_a_degree_of_freedom(factor):
    found, expected = measure_nonclosure(counts(), factor), N_ALL * EFFICIENCY
    about_none = pulls(PASSING, expected, np.log1p(found.size), factor)
    assert found.p_value == pytest.approx(chi2.sf(about_none, 5), rel=1e-6)
    corrected = pulls(PASSING, expected * (1.0 + found.mean), np.log1p(found.residual), factor)
    assert found.residual_p == pytest.approx(chi2.sf(corrected, 4), rel=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1.4])
def test_the_pulls_of_cuts_that_are_fitted_together_do_too(factor):
    (found,), expected = measure_cuts([(counts(), factor)]), N_ALL * EFFICIENCY
    about_none = pulls(PASSING, expected, found.size_in_errors * MODEL, factor)
    assert found.p_value == pytest.approx(chi2.sf(about_none, 5), rel=1e-6)
    moved = expected * np.exp(found.mean_in_errors * MODEL)
    corrected = pulls(PASSING, moved, found.residual_in_errors * MODEL, factor)
    assert found.residual_p == pytest.approx(chi2.sf(corrected, 4), rel=1e-6)


def test_what_a_correction_leaves_contains_the_error_of_the_mean():
    """Windows that all exceed alike scatter by nothing about their mean, which few of them know badly all the same."""
    alike = np.full(3, 4400.0)
    (found,) = measure_cuts([(counts(alike), 1.0)])
    error = found.mean_error / (1.0 + found.mean) / MODEL
    assert found.residual_in_errors > 1.03 * error > 0.0
    (more,) = measure_cuts([(counts(np.full(8, 4400.0)), 1.0)])
    assert more.residual_in_errors < 0.8 * found.residual_in_errors


def test_the_error_of_the_mean_is_that_of_a_spread_with_a_fitted_mean():
    """With k windows the most likely spread is too small by (k - 1)/k, and the error makes up for it."""
    found = measure_nonclosure(counts(model=0.0), 1.0)
    scale = 1.0 + found.mean
    variance = 1.0 / (scale * N_ALL * EFFICIENCY) + TEMPLATE**2 + np.log1p(found.spread) ** 2
    assert found.mean_error == pytest.approx(scale * np.sqrt(variance / 4.0), rel=0.02)


def test_more_dispersion_of_counts_says_less_of_the_mean():
    once, twice = (measure_cuts([(counts(), factor)])[0] for factor in (1.0, 3.0))
    assert twice.mean_error > 1.3 * once.mean_error


def test_windows_that_expect_too_few_events_do_not_measure_a_cut():
    """Three windows of 4000 events and three of 10, which say nothing and would scatter by a third."""
    few = counts(np.array([4000.0, 4100.0, 3950.0, 30.0, 2.0, 25.0]), model=0.0)
    few = replace(few, n_all=np.array([N_ALL] * 3 + [50.0] * 3))
    (found,) = measure_cuts([(few, 1.0)])
    assert found.n_windows == 3
    assert found.size < 0.05
