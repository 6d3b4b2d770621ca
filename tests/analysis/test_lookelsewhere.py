from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from anomaly_cli.analysis.lookelsewhere import SelectedEvents, claimable_global, global_p_value, overlap_correlation

NONE = np.zeros(0, dtype=np.int64)


def test_independent_tests_give_the_formula_of_sidak_at_any_significance():
    for z in (2.0, 3.0, 8.0, 39.0):
        found = global_p_value(np.full(25, z), np.eye(25), np.zeros(25, dtype=int), np.random.default_rng(1))
        assert found.p_global == pytest.approx(-np.expm1(25 * np.log1p(-norm.sf(z))), rel=0.02)
        assert found.n_effective == pytest.approx(25, rel=0.02)


def test_equal_tests_count_once():
    found = global_p_value(np.full(10, 3.0), np.ones((10, 10)), np.zeros(10, dtype=int), np.random.default_rng(1))
    assert found.p_global == pytest.approx(norm.sf(3.0), rel=0.01)


def test_nested_selections_have_the_root_of_their_ratio_as_correlation():
    loose, tight = np.arange(10_000), np.arange(100)
    found = overlap_correlation([SelectedEvents(loose, NONE, 4.0), SelectedEvents(tight, NONE, 4.0)])
    assert found[0, 1] == pytest.approx(0.1)


def test_cuts_whose_control_sample_fails_are_less_correlated():
    """Binomial: (e2 - e1 e2) / sqrt(e1 (1 - e1) e2 (1 - e2)), for data and template alike."""
    everything = np.arange(100_000)
    loose, tight = everything[:20_000], everything[:5000]
    found = overlap_correlation(
        [
            SelectedEvents(loose, loose, 1.0, 1.0, 0.2 / 0.8, everything, everything),
            SelectedEvents(tight, tight, 1.0, 1.0, 0.05 / 0.95, everything, everything),
            SelectedEvents(everything[:1000], everything[:1000], 1.0),
        ]
    )
    assert found[0, 1] == pytest.approx((0.05 - 0.01) / np.sqrt(0.16 * 0.0475))
    # n2 - B2 is independent of what fails the loose cut: covariance 0.01 of variances 0.2 / 0.8 and 0.01
    assert found[0, 2] == pytest.approx(0.01 / np.sqrt(0.25 * 0.01))


def test_closure_of_its_own_makes_tests_more_independent():
    """Against pseudo-experiments: pass rates off by an independent factor in each of two nested cuts."""
    rng, n, closure = np.random.default_rng(2), 100_000, 0.05
    tight, rest = rng.poisson(900, n), rng.poisson(2100, n)
    b = np.array([3000.0, 900.0])
    counts = np.stack([tight + rest, tight], axis=1) + closure * b * rng.standard_normal((n, 2))
    total = b + (closure * b) ** 2
    z_max = ((counts - b) / np.sqrt(total)).max(axis=1)
    ids = np.arange(3000)
    pairs = zip((ids, ids[:900]), b / total, strict=True)
    correlation = overlap_correlation([SelectedEvents(selected, NONE, 1.0, share) for selected, share in pairs])
    assert correlation[0, 1] < 0.25  # it would be 0.55 without closure
    for z in (2.0, 2.5):
        toys = np.mean(z_max >= z)
        found = global_p_value(np.full(2, z), correlation, np.array([0, 1]), rng)
        assert found.p_global == pytest.approx(toys, rel=0.05)


def test_a_probability_below_any_float_has_a_significance():
    found = global_p_value(np.array([45.0, 1.0]), np.eye(2), np.zeros(2, dtype=int), np.random.default_rng(1))
    assert found.p_global == 0.0
    assert 44.9 < found.z_global < 45.0


@pytest.mark.slow
def test_the_copula_agrees_with_pseudo_experiments():
    """Sliding windows and nested cuts: Poisson counts in cells of mass and score, summed to tests."""
    rng = np.random.default_rng(1)
    n_mass, width = 24, 4
    rates = np.array([0.8, 0.15, 0.05]) * 6000.0  # exclusive score classes of a mass cell
    cells = np.tile(rates, (n_mass, 1))
    members = [
        (slice(start, start + width), slice(cut, None)) for cut in range(3) for start in range(n_mass - width + 1)
    ]
    ids = np.arange(n_mass * 3 * 1000).reshape(n_mass, 3, 1000)
    selections = []
    for rows, columns in members:
        kept = [ids[i, j, : round(rates[j] / 6)] for i in range(rows.start, rows.stop) for j in range(columns.start, 3)]
        selections.append(SelectedEvents(np.concatenate(kept), NONE, 1.0))
    correlation = overlap_correlation(selections)
    z_max = []
    for _ in range(20_000):
        counts = rng.poisson(cells) - cells
        z_max.append(max(counts[m].sum() / np.sqrt(cells[m].sum()) for m in members))
    cuts = np.repeat(np.arange(3), n_mass - width + 1)
    for z in (2.5, 3.0):
        toys = np.mean(np.array(z_max) >= z)
        found = global_p_value(np.full(len(members), z), correlation, cuts, rng)
        error = np.sqrt(toys / 20_000) + found.error
        assert found.p_global == pytest.approx(toys, abs=0.05 * toys + 2 * error)
        assert found.p_global < found.gross_vitells
        assert found.p_global < found.sidak


def test_a_result_without_excess_is_unremarkable():
    found = global_p_value(np.full(5, -1.0), np.eye(5), np.zeros(5, dtype=int), np.random.default_rng(1))
    assert found.p_global > 0.9


def test_the_claimable_z_has_a_global_one_of_its_own():
    """That of the largest, which need not be the cut with the largest Z; none where one is not known."""
    cuts, z = np.zeros(4, dtype=int), np.array([1.0, 3.0, 2.0, 0.0])
    found = claimable_global(z, np.eye(4), cuts, np.random.default_rng(1))
    assert found.index == 1
    assert found.z_global == pytest.approx(norm.isf(-np.expm1(4 * np.log1p(-norm.sf(3.0)))), abs=0.01)
    alike = claimable_global(z, np.full((4, 4), 0.999) + 0.001 * np.eye(4), cuts, np.random.default_rng(1))
    assert alike.z_global == pytest.approx(3.0, abs=0.05), "tests that see the same events are one"
    assert claimable_global(np.array([1.0, np.nan, 2.0, 0.0]), np.eye(4), cuts, np.random.default_rng(1)) is None
