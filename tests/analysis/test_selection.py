from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.analysis.selection import (
    ScoredEvents,
    ScoredReplicas,
    effective_sources,
    efficiency_uncertainty,
    passes,
    select,
)
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import make_events
from anomaly_cli.search.template import at_unit_weight
from anomaly_cli.studies.bump import pass_rate_flatness


def scored(score, fold, source=None, first_id=0):
    n = len(score)
    ids = first_id + np.arange(n)
    return ScoredEvents(ids, ids if source is None else source, np.ones(n), fold, score)


@pytest.mark.slow
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


def test_a_fold_of_few_template_events_lets_pass_one_in_one_more_than_it_has():
    """Above the m-th largest of M lies another event of the same kind with probability m/(M + 1), not m/M."""
    rng, fold = np.random.default_rng(3), np.repeat([0, 1], 9)
    rates = []
    for _ in range(400):
        template = scored(rng.standard_normal(18), fold, first_id=400)
        selection = select(scored(rng.standard_normal(400), np.arange(400) % 2), template, 0.5)
        assert selection.efficiency == 10 / 20
        rates.append(selection.is_observed_selected.mean())
    assert np.mean(rates) == pytest.approx(10 / 20, abs=4 * np.std(rates) / np.sqrt(400))


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


def test_the_errors_of_independent_models_add_in_quadrature():
    """Counts 10, 12, 14 of one part and 20, 20, 26 of another, 12 and 20 by the models themselves."""
    fold, part = np.zeros(60, dtype=np.int64), np.repeat([0, 1], 30)
    template = scored(np.arange(60.0), fold)

    def scores(*n):
        return np.concatenate([np.where(np.arange(30) < one, 100.0, -100.0) for one in n])

    replicas = ScoredReplicas(
        scored(scores(12, 20), fold, first_id=100), part, np.array([scores(10, 20), scores(12, 20), scores(14, 26)])
    )
    found = select(template, template, 0.5, replicas).model_uncertainty
    assert found == pytest.approx(np.sqrt(4.0 + 12.0) / 32)
    assert np.isnan(select(template, template, 0.5).model_uncertainty)


@pytest.mark.slow
def test_a_template_drawn_by_its_weights_is_cut_without_bias():
    """A cut at a sum of weights would leave out the heavy events that exceed it: five times too low at 0.1 %."""
    rng = np.random.default_rng(8)
    excess = []
    for _ in range(300):
        score, weight = rng.random(20_000), rng.choice([0.2, 5.0], 20_000)
        ids = np.arange(len(score))
        drawn = at_unit_weight(make_events(score, score[:, None], ("score",), ids, weight=weight), 20_000, rng)
        template = ScoredEvents(
            drawn.event_id, drawn.source_id, drawn.weight, drawn.source_id % 5, drawn.features[:, 0]
        )
        selection = select(template, template, 0.002)
        excess.append((1.0 - selection.thresholds).mean() / selection.efficiency - 1.0)
    assert abs(np.mean(excess)) < 4 * np.std(excess) / np.sqrt(len(excess))


def test_the_flatness_of_the_pass_rate_counts_copies_of_a_source_as_one_event():
    rng = np.random.default_rng(7)
    p_values = []
    for _ in range(200):
        times = np.repeat(np.arange(1500), 4)
        mjj, score, fold = rng.uniform(3300, 3700, 1500), rng.standard_normal(1500), rng.integers(0, 5, 1500)
        copies = scored(score[times], fold[times], source=times)
        p_values.append(pass_rate_flatness(mjj[times], select(copies, copies, 0.2)))
    assert 0.4 < np.mean(p_values) < 0.6
    sculpted = scored((score + (mjj - 3500) / 200)[times], fold[times], source=times)
    assert pass_rate_flatness(mjj[times], select(copies, sculpted, 0.2)) < 1e-6
