from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.analysis.selection import ScoredEvents, effective_sources, efficiency_uncertainty, passes, select
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.stages.bump import pass_rate_flatness


def scored(score, fold, source=None, first_id=0):
    n = len(score)
    ids = first_id + np.arange(n)
    return ScoredEvents(ids, ids if source is None else source, np.ones(n), fold, score)


@pytest.mark.parametrize("efficiency", [0.2, 0.01])
def test_the_cut_is_unbiased_for_background(efficiency):
    """numpy.quantile on each held-out fold would give a mean excess of about 0.4 sigma at 1 %."""
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(1500):
        n, m, folds = 1500, 6000, 10
        template = scored(rng.standard_normal(m), rng.integers(0, folds, m), first_id=n)
        observed = scored(rng.standard_normal(n), rng.integers(0, folds, n))
        selection = select(observed, template, efficiency)
        expected = n * selection.efficiency
        pulls.append((selection.is_observed_selected.sum() - expected) / np.sqrt(expected * (1 + n / m)))
    assert abs(np.mean(pulls)) < 4 / np.sqrt(1500)


def test_equal_scores_do_not_bias_the_cut():
    rng = np.random.default_rng(2)
    n, m = 40_000, 160_000
    template = scored(rng.integers(0, 4, m).astype(float), rng.integers(0, 5, m), first_id=n)
    observed = scored(rng.integers(0, 4, n).astype(float), rng.integers(0, 5, n))
    selection = select(observed, template, 0.1)
    assert selection.is_template_selected.sum() == pytest.approx(16_000, abs=5)
    assert selection.is_observed_selected.sum() == pytest.approx(n * selection.efficiency, abs=5 * np.sqrt(n * 0.1))


def test_a_template_too_small_for_the_cut_is_refused():
    observed, template = (scored(np.arange(100.0), np.arange(100) % 5) for _ in range(2))
    with pytest.raises(PhysicsError, match=r"background efficiency of 0\.001"):
        select(observed, template, 0.001)


def test_copies_count_as_one_source():
    sources = np.repeat(np.arange(50), 4)
    assert effective_sources(sources, np.ones(200)) == pytest.approx(50)
    assert effective_sources(np.arange(200), np.ones(200)) == pytest.approx(200)
    assert effective_sources(np.array([0, 0, 0, 1]), np.ones(4)) == pytest.approx(16 / 10)


def test_the_uncertainty_of_the_efficiency_knows_copies():
    n = 10_000
    single = scored(np.arange(n, dtype=float), np.zeros(n, dtype=int))
    selected = single.score >= 9000
    assert efficiency_uncertainty(single, selected) == pytest.approx(np.sqrt(0.9 / 1000), rel=1e-3)
    copies = scored(np.repeat(single.score, 4), np.zeros(4 * n, dtype=int), source=np.repeat(np.arange(n), 4))
    assert efficiency_uncertainty(copies, copies.score >= 9000) == pytest.approx(np.sqrt(0.9 / 1000), rel=1e-3)


def test_other_events_are_cut_as_the_observed_ones_are():
    rng = np.random.default_rng(4)
    observed = scored(rng.integers(0, 50, 3000).astype(float), rng.integers(0, 5, 3000))
    template = scored(rng.integers(0, 50, 9000).astype(float), rng.integers(0, 5, 9000), first_id=3000)
    selection = select(observed, template, 0.1)
    assert np.array_equal(passes(selection, observed), selection.is_observed_selected)


def test_a_weight_counts_as_that_many_copies_of_an_event():
    rng = np.random.default_rng(6)
    score, fold, copies = rng.standard_normal(4000), rng.integers(0, 5, 4000), rng.integers(1, 4, 4000)
    ids = np.arange(4000)
    weighted = ScoredEvents(ids, ids, copies.astype(float), fold, score)
    times = np.repeat(ids, copies)
    repeated = ScoredEvents(np.arange(len(times)), times, np.ones(len(times)), fold[times], score[times])
    observed = scored(rng.standard_normal(1000), rng.integers(0, 5, 1000), first_id=10_000)
    first, second = select(observed, weighted, 0.1), select(observed, repeated, 0.1)
    assert first.efficiency == pytest.approx(second.efficiency, rel=1e-2)
    assert first.n_sources == pytest.approx(second.n_sources, rel=2e-2)
    assert first.efficiency_uncertainty == pytest.approx(second.efficiency_uncertainty, rel=2e-2)
    chosen = copies[first.is_template_selected]
    assert first.n_sources == pytest.approx(chosen.sum() ** 2 / (chosen**2).sum())


def test_a_weighted_template_is_cut_by_weight():
    """Two template events of weight one half are one of weight one."""
    rng = np.random.default_rng(5)
    score, fold = rng.standard_normal(4000), rng.integers(0, 5, 4000)
    observed = scored(rng.standard_normal(1000), rng.integers(0, 5, 1000), first_id=10_000)
    single = scored(score, fold)
    halves = ScoredEvents(
        np.arange(8000), np.repeat(np.arange(4000), 2), np.full(8000, 0.5), np.repeat(fold, 2), np.repeat(score, 2)
    )
    first, second = select(observed, single, 0.1), select(observed, halves, 0.1)
    assert second.efficiency == pytest.approx(first.efficiency, rel=1e-2)
    assert second.n_sources == pytest.approx(first.n_sources, rel=3e-2)
    assert abs(int(second.is_observed_selected.sum()) - int(first.is_observed_selected.sum())) <= 5


def test_the_flatness_of_the_pass_rate_counts_a_weight_as_copies():
    rng = np.random.default_rng(7)
    ids, copies = np.arange(6000), rng.integers(1, 4, 6000)
    mjj, score, fold = rng.uniform(3300, 3700, 6000), rng.standard_normal(6000), rng.integers(0, 5, 6000)
    observed = scored(rng.standard_normal(1000), rng.integers(0, 5, 1000), first_id=10_000)
    weighted = ScoredEvents(ids, ids, copies.astype(float), fold, score)
    times = np.repeat(ids, copies)
    repeated = ScoredEvents(np.arange(len(times)), times, np.ones(len(times)), fold[times], score[times])
    first = pass_rate_flatness(mjj, weighted.weight, select(observed, weighted, 0.2))
    second = pass_rate_flatness(mjj[times], repeated.weight, select(observed, repeated, 0.2))
    assert first == pytest.approx(second, abs=0.15)
    sculpted = ScoredEvents(ids, ids, weighted.weight, fold, score + (mjj - 3500) / 200)
    assert pass_rate_flatness(mjj, weighted.weight, select(observed, sculpted, 0.2)) < 1e-6
