from __future__ import annotations

import numpy as np
import pytest

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
