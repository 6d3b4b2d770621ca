"""Closure of all cuts together, in units of the errors of the template's models."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.nonclosure import WindowCounts, measure_cuts
from anomaly_cli.analysis.scaled_nonclosure import NestedCounts, measure_scaled
from anomaly_cli.analysis.selection import CutCounts

EFFICIENCIES = np.array([0.2, 0.05, 0.01, 0.001])
ERRORS = np.array([0.012, 0.026, 0.05, 0.1])
SIZES = np.array([30_000.0, 12_000.0, 8000.0, 5000.0, 4000.0])


def window(rng, n_all, shift):
    """Return the counts of a window whose rates are off by exp(shift * error)."""
    rates = EFFICIENCIES * np.exp(shift * ERRORS)
    shares = np.concatenate([[1.0 - rates[0]], rates[:-1] - rates[1:], rates[-1:]])
    drawn = rng.multinomial(int(n_all), shares)[1:]
    return NestedCounts(n_all, drawn[::-1].cumsum()[::-1].astype(float), EFFICIENCIES, ERRORS, 1.0)


def measured(mean, spread, times=24, seed=1):
    """Return what windows say whose shifts scatter as said, beyond the statistics of their models."""
    rng = np.random.default_rng(seed)
    return [
        measure_scaled([window(rng, n, mean + np.hypot(1.0, spread) * rng.standard_normal()) for n in SIZES])
        for _ in range(times)
    ]


def test_a_large_size_is_that_of_the_truth():
    assert np.median([one.size for one in measured(0.0, 8.0)]) == pytest.approx(8.0, rel=0.3)


def test_the_truth_is_as_often_above_the_size_as_below():
    """Where the truth is drawn from the prior, as for any median of a posterior."""
    quantiles = np.random.default_rng(4).uniform(0.0, 0.98, 80)
    truths = quantiles / (1.0 - quantiles)
    found = [measured(0.0, truth, times=1, seed=10 + index)[0] for index, truth in enumerate(truths)]
    assert 0.36 < np.mean([one.size < truth for one, truth in zip(found, truths, strict=True)]) < 0.64


def test_without_nonclosure_the_size_is_below_that_of_the_models():
    found = measured(0.0, 0.0)
    assert min(one.size for one in found) > 0.1  # five windows never show that there is none
    assert np.median([one.size for one in found]) < 1.0


def test_a_common_excess_is_in_the_size_and_leaves_its_error_once_corrected():
    found = measured(4.0, 1.0)
    assert np.mean([one.mean for one in found]) == pytest.approx(4.0, abs=0.35)
    assert np.median([one.size for one in found]) == pytest.approx(np.hypot(4.0, 1.0), rel=0.2)
    pulls = [(one.mean - 4.0) / one.mean_error for one in found]
    assert 0.6 < np.std(pulls) < 1.3
    next_window = 4.0 + np.random.default_rng(3).standard_normal(len(found))
    left = np.sqrt(np.mean([(x - one.mean) ** 2 for x, one in zip(next_window, found, strict=True)]))
    assert left == pytest.approx(np.sqrt(np.mean([one.residual**2 for one in found])), rel=0.4)


def cuts(windows, factor=1.0):
    columns = [
        WindowCounts(
            n_passing=np.array([one.n_passing[index] for one in windows]),
            n_all=np.array([one.n_all for one in windows]),
            efficiency=np.full(len(windows), efficiency),
            template_uncertainty=np.full(len(windows), 1e-4),
            model_uncertainty=np.full(len(windows), ERRORS[index]),
            window=np.arange(len(windows)),
        )
        for index, efficiency in enumerate(EFFICIENCIES)
    ]
    return [(one, factor) for one in columns]


def test_every_cut_has_the_same_size_in_errors_of_its_own():
    rng = np.random.default_rng(5)
    found = measure_cuts(cuts([window(rng, n, 3.0) for n in SIZES]))
    assert len({one.size_in_errors for one in found}) == 1
    assert [one.size for one in found] == pytest.approx(np.expm1(found[0].size_in_errors * ERRORS))
    assert [one.is_transferred for one in found] == [False, False, False, True]
    assert all(one.p_value > 0.01 for one in found)


def test_a_cut_of_the_search_gets_the_size_that_its_own_models_have():
    cut = CutCounts(0.01, 150, 15_000, 0.01, 500.0, 0.045, 0.07)
    known = Measured(0.10, 1.2, 5, 0.4, closure_in_errors=2.0, mean_in_errors=1.0).at(cut)
    assert known.closure == pytest.approx(np.expm1(0.14))
    assert known.correction == pytest.approx(np.exp(0.07))
    assert known.at(cut) == known
    for without in (np.nan, 0.0):
        bare = CutCounts(0.01, 150, 15_000, 0.01, 500.0, 0.045, without)
        assert Measured(0.10, 1.2, 5, 0.4, closure_in_errors=2.0).at(bare).closure == 0.10


def test_windows_without_errors_of_the_models_are_measured_cut_by_cut():
    rng = np.random.default_rng(6)
    windows = [window(rng, n, 0.0) for n in SIZES]
    bare = [(WindowCounts(**(vars(one) | {"model_uncertainty": 0.0 * one.n_all})), 1.0) for one, _ in cuts(windows)]
    assert all(np.isnan(one.size_in_errors) for one in measure_cuts(bare))


def test_a_window_that_is_off_in_tight_cuts_only_is_seen_in_the_pulls():
    rng = np.random.default_rng(7)
    windows = [window(rng, n, 0.0) for n in SIZES]
    odd = NestedCounts(
        30_000.0, windows[0].n_passing * [1.0, 1.0, 1.0, 1.0] + [900.0, 900.0, 900.0, 0.0], EFFICIENCIES, ERRORS, 1.0
    )
    found = measure_cuts(cuts([odd, *windows[1:]]))
    assert found[2].p_value < 0.01
