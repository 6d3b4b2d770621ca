from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, poisson
from scipy.stats import t as student

from anomaly_cli.analysis.claim import claimable_significance, reason_for_no_claim
from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.nonclosure import WindowCounts, measure_cuts, measure_nonclosure
from anomaly_cli.analysis.profile import signed_root


def counts(n, n_all, efficiency=0.01, template=0.01):
    n = np.asarray(n, dtype=float)
    full = np.full(len(n), 1.0)
    return WindowCounts(n, n_all * full, efficiency * full, template * full, 0.0 * full, np.arange(len(n)))


def drawn(b, d, mean=0.0, windows=8, times=40, seed=1):
    rng = np.random.default_rng(seed)
    return [
        counts(rng.poisson(b * np.exp(mean + d * rng.standard_normal(windows))), b / 0.01, template=0.0)
        for _ in range(times)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("d", [0.05, pytest.param(0.15, marks=pytest.mark.slow)])
def test_the_size_is_that_of_the_truth(d):
    size = np.array([measure_nonclosure(one, 1.0).size for one in drawn(1200.0, d)])
    assert np.sqrt((size**2).mean()) == pytest.approx(d, rel=0.35)
    assert np.median(size) == pytest.approx(d, rel=0.25)


def test_without_nonclosure_the_size_is_below_the_statistics_of_a_window():
    size = np.array([measure_nonclosure(one, 1.0).size for one in drawn(1200.0, 0.0)])
    assert size.min() > 0.0
    assert size.mean() < 1200.0**-0.5


@pytest.mark.slow
def test_a_common_excess_is_in_the_size_and_in_the_mean():
    found = [measure_nonclosure(one, 1.0) for one in drawn(5000.0, 0.02, mean=0.08)]
    assert np.mean([one.mean for one in found]) == pytest.approx(np.expm1(0.08), abs=0.006)
    assert np.mean([one.spread for one in found]) == pytest.approx(0.02, abs=0.008)
    assert np.median([one.size for one in found]) == pytest.approx(0.085, rel=0.2)
    pulls = [(one.mean - np.expm1(0.08)) / one.mean_error for one in found]
    assert 0.7 < np.std(pulls) < 1.5


def reference(ratios, expected, efficiency):
    """Best value and upper edge by brute force: a fine sum over the logarithm of every rate."""
    factor = 1.0 / (1.0 - efficiency)
    spreads = np.geomspace(1e-3, 3.0, 800)[:, None]
    found = np.zeros(len(spreads))
    for n in np.round(np.asarray(ratios) * expected) * factor:
        y = np.linspace(np.log(n) - 12.0 / np.sqrt(n), np.log(n) + 12.0 / np.sqrt(n), 2001)
        of_count = poisson.pmf(round(n), np.exp(y))
        total = (of_count * norm.pdf(y, np.log(expected * factor), spreads)).sum(axis=1) * (y[1] - y[0])
        found += np.log(np.maximum(total, 1e-300))
    allowed = np.flatnonzero(2.0 * (found.max() - found) <= 1.0)
    return np.expm1(spreads[found.argmax(), 0]), np.expm1(spreads[allowed[-1], 0])


@pytest.mark.parametrize("expected", [50.0, 5000.0, 24_000.0])
@pytest.mark.parametrize("ratios", [(1.10, 0.92, 1.06, 1.15), (1.5, 0.7, 1.3, 0.8), (1.01, 0.99, 1.0, 1.02)])
def test_it_is_the_integral_for_few_and_for_many_events(ratios, expected):
    """Nodes about the expectation, not about the count, collapse the interval where counts are large."""
    n = np.round(np.asarray(ratios) * expected)
    found = measure_nonclosure(counts(n, expected / 0.2, efficiency=0.2, template=0.0), 1.0)
    best, upper = reference(ratios, expected, 0.2)
    assert found.upper == pytest.approx(upper, rel=0.04)
    assert found.best == pytest.approx(best, rel=0.05, abs=0.003)


def test_scatter_that_folds_or_the_models_of_the_template_explain_is_not_counted_twice():
    rng = np.random.default_rng(2)
    n = np.round(500 + 1.4 * np.sqrt(500) * rng.standard_normal(8))
    without, with_factor = (measure_nonclosure(counts(n, 50_000), factor) for factor in (1.0, 1.4))
    assert with_factor.size < without.size
    assert measure_nonclosure(counts(n, 50_000, template=0.05), 1.0).size < without.size


def test_a_loose_cut_has_the_variance_of_a_binomial():
    """At 50 % a binomial scatters by half of a Poisson; treating it as Poisson would hide non-closure."""
    rng = np.random.default_rng(3)
    n = rng.binomial(20_000, 0.5, 40) * np.exp(0.012 * rng.standard_normal(40))
    found = measure_nonclosure(counts(np.round(n), 20_000, efficiency=0.5, template=1e-4), 1.0)
    assert 0.008 < found.best < 0.018


LOOSE = counts([1200, 1260, 1130, 1250, 1190, 1300, 1100, 1210], 120_000)


def test_a_cut_that_expects_too_few_events_takes_what_the_next_looser_one_measures():
    tight = counts([12, 10, 15, 9, 11, 14, 12, 13], 120_000, efficiency=1e-4)
    first, second = measure_cuts([(LOOSE, 1.0), (tight, 1.0)])
    assert not first.is_transferred
    assert second.is_transferred
    assert second.size == first.size


def test_each_window_counts_by_what_it_expects_itself_and_not_by_the_mean():
    mixed = replace(counts([400, 380, 410, 2, 0, 9], 1.0), n_all=np.array([40_000.0] * 3 + [300.0] * 3))
    _, found = measure_cuts([(LOOSE, 1.0), (mixed, 1.0)])
    assert found.n_windows == 3
    assert not found.is_transferred
    assert found.size < 0.2


def test_an_outlier_is_seen_in_the_pulls():
    quiet = counts([1200, 1210, 1190, 1180, 1220, 1205], 120_000)
    assert measure_nonclosure(quiet, 1.0).p_value > 0.1
    first = measure_nonclosure(counts([1200, 1210, 1190, 1180, 1220, 9000], 120_000), 1.0)
    assert first.size > 0.5


def test_empty_windows_do_not_break_it():
    found = measure_nonclosure(counts([0, 0, 1, 0], 300, efficiency=1e-3), 1.0)
    assert all(np.isfinite(value) for name, value in vars(found).items() if not name.endswith("in_errors"))


def model(n, b=1000.0, closure=0.1):
    return CountingModel("SR", n, 1e9, 1e9 / b, {"closure": closure} if closure else {})


@pytest.mark.parametrize(("errors", "z"), [(10.0, 3.8), (20.0, 4.5), (-10.0, -3.8)])
def test_six_windows_support_no_more_than_student_says(errors, z):
    """Poisson errors are negligible here: what is left are the tails of the shift of the expectation."""
    huge = model(round(1e6 * np.exp(errors * np.log1p(0.02))), 1e6, 0.02)
    assert claimable_significance(huge, 6) == pytest.approx(z, abs=0.06)
    assert claimable_significance(huge, 6) == pytest.approx(norm.isf(student.sf(errors, 5)), abs=0.03)
    assert abs(signed_root(huge.experiment())) > abs(errors) - 1.0


def test_without_a_window_term_the_claim_is_the_significance():
    assert claimable_significance(model(1150, closure=0.0), 6) == pytest.approx(
        float(signed_root(model(1150, closure=0.0).experiment()))
    )
    many, few = (claimable_significance(model(1500), n) for n in (200, 4))
    assert many == pytest.approx(float(signed_root(model(1500).experiment())), abs=0.15)
    assert few < many


def test_closure_of_a_loose_cut_moves_the_expectation_that_the_failing_events_set_by_more():
    """Of 1e8 events a fifth passes: a pass rate that is off by d moves the expectation by d/(1 - 1/5)."""
    loose = CountingModel("SR", 21_000_000, 8e7, 4.0, {"closure": 0.02}, is_pass_fail=True)
    errors = np.log(21.0 / 20.0) / (1.25 * np.log1p(0.02))
    assert claimable_significance(loose, 1000) == pytest.approx(errors, abs=0.06)
    assert claimable_significance(loose, 4) == pytest.approx(norm.isf(student.sf(errors, 3)), abs=0.03)


def test_a_deficit_stays_one():
    assert claimable_significance(model(800), 6) < -1.0


def test_no_claim_where_windows_disagree_or_closure_is_all_there_is():
    assert reason_for_no_claim(model(1000, closure=0.03), 0.5) == ""
    assert reason_for_no_claim(model(1000, closure=0.0), np.nan) == ""
    assert "disagree" in reason_for_no_claim(model(1000, closure=0.03), 0.001)
    assert "times the statistical one" in reason_for_no_claim(model(1000, closure=0.5), 0.5)
    assert "expects no event" in reason_for_no_claim(CountingModel("SR", 0, 0, 1.0, {"closure": 0.03}), 0.5)


@pytest.mark.slow
def test_a_correction_by_the_mean_leaves_its_error_and_the_spread():
    """Over many draws, the next window lies about the corrected expectation as `residual` says."""
    found = [measure_nonclosure(one, 1.0) for one in drawn(5000.0, 0.03, mean=0.10, times=80, seed=4)]
    rng = np.random.default_rng(5)
    left = [np.exp(0.10 + 0.03 * rng.standard_normal()) / (1.0 + one.mean) - 1.0 for one in found]
    assert np.mean(left) == pytest.approx(0.0, abs=0.01)
    size = np.sqrt(np.mean([one.residual**2 for one in found]))
    assert np.sqrt(np.mean(np.square(left))) == pytest.approx(size, rel=0.2)
    assert all(one.residual < one.size for one in found)


def test_a_common_excess_fails_the_windows_only_where_nothing_allows_for_it():
    one = measure_nonclosure(drawn(50_000.0, 0.0, mean=0.2, times=1)[0], 1.0)
    assert one.residual < 0.02 < 0.15 < one.size
    assert one.residual_p > 0.01
