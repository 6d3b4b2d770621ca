from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, poisson

from anomaly_cli.analysis.nonclosure import WindowCounts, measure_nonclosure, transfer_nonclosure


def counts(n, n_all, efficiency=0.01, template=0.01):
    n = np.asarray(n, dtype=float)
    full = np.full(len(n), 1.0)
    return WindowCounts(n, n_all * full, efficiency * full, template * full)


@pytest.mark.parametrize(
    ("b", "d", "mean"), [(1200.0, 0.0, 0.024), (1200.0, 0.05, 0.068), (1200.0, 0.15, 0.21), (120.0, 0.0, 0.08)]
)
def test_the_upper_edge_covers_the_truth_and_is_not_far_above(b, d, mean):
    rng = np.random.default_rng(1)
    upper = [
        measure_nonclosure(counts(rng.poisson(b * np.exp(d * rng.standard_normal(8))), b / 0.01), 1.0).upper
        for _ in range(60)
    ]
    assert np.mean(np.array(upper) >= d) > 0.65
    assert np.mean(upper) == pytest.approx(mean, rel=0.2)


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


@pytest.mark.parametrize("d", [0.05, 0.2, 0.5])
def test_it_covers_at_loose_cuts_of_many_events(d):
    rng = np.random.default_rng(4)
    n = rng.poisson(5000.0 * np.exp(np.log1p(d) * rng.standard_normal((100, 6))))
    upper = np.array([measure_nonclosure(counts(row, 25_000, efficiency=0.2), 1.0).upper for row in n])
    assert 0.7 < np.mean(upper >= d) < 0.95


def test_perfect_agreement_is_no_zero():
    assert measure_nonclosure(counts([1200] * 8, 120_000), 1.0).upper > 0.005


def test_scatter_that_folds_explain_is_not_counted_twice():
    rng = np.random.default_rng(2)
    n = np.round(500 + 1.4 * np.sqrt(500) * rng.standard_normal(8))
    without, with_factor = (measure_nonclosure(counts(n, 50_000), factor) for factor in (1.0, 1.4))
    assert with_factor.upper < without.upper


def test_a_loose_cut_has_the_variance_of_a_binomial():
    """At 50 % a binomial scatters by half of a Poisson; treating it as Poisson would hide non-closure."""
    rng = np.random.default_rng(3)
    n = rng.binomial(20_000, 0.5, 40) * np.exp(0.012 * rng.standard_normal(40))
    found = measure_nonclosure(counts(np.round(n), 20_000, efficiency=0.5, template=1e-4), 1.0)
    assert 0.008 < found.best < 0.018


def test_tight_cuts_take_their_uncertainty_from_looser_ones():
    loose = counts([1200, 1260, 1130, 1250, 1190, 1300, 1100, 1210], 120_000)
    tight = counts([12, 10, 15, 9, 11, 14, 12, 13], 120_000, efficiency=1e-4)
    first, second = transfer_nonclosure([(loose, 1.0), (tight, 1.0)])
    assert not first.is_transferred
    assert second.is_transferred
    assert second.upper == first.upper
    worse = counts([2, 40, 15, 1, 30, 14, 3, 45], 120_000, efficiency=1e-4)
    assert transfer_nonclosure([(loose, 1.0), (worse, 1.0)])[1].upper > 0.5


def test_empty_windows_do_not_break_it():
    found = measure_nonclosure(counts([0, 0, 1, 0], 300, efficiency=1e-3), 1.0)
    assert np.isfinite(found.upper)
