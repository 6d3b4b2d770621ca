from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from anomaly_cli.analysis.roc import (
    FEWEST_BACKGROUND,
    area_under_curve,
    expected_significance,
    measure_curve,
    purity,
    smallest_significance,
)
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.analysis.sic import largest_improvement, measure_improvement
from anomaly_cli.core.errors import PhysicsError

SHIFT = 1.5


def scored(score, fold, copies=1, weight=1.0):
    ids = np.arange(len(score))
    return ScoredEvents(ids, ids // copies, np.broadcast_to(weight, len(score)), fold, score)


def normal(n, seed, shift=0.0, folds=4):
    return scored(np.random.default_rng(seed).normal(shift, 1.0, n), np.arange(n) % folds)


def kept(background, signal, efficiency):
    """Signal above the m-th largest background score of each fold, counted one fold after another."""
    passed = 0
    for fold in range(4):
        scores = sorted(background.score[background.fold == fold])
        passed += (signal.score[signal.fold == fold] > scores[-int(efficiency * len(scores) + 0.5)]).sum()
    return passed / len(signal.score)


def test_a_curve_is_what_single_cuts_give():
    background, signal = normal(8011, 1), normal(3001, 2, SHIFT)
    curve = measure_curve(background, signal)
    assert curve.background_efficiency[-1] == 1.0
    assert curve.signal_efficiency[-1] == pytest.approx(1.0, abs=0.01)
    for efficiency, found, error in zip(
        curve.background_efficiency[::7], curve.sic[::7], curve.sic_error[::7], strict=True
    ):
        single = measure_improvement(background, signal, efficiency)
        assert found == single.sic == pytest.approx(kept(background, signal, efficiency) / efficiency**0.5)
        assert error == pytest.approx(single.sic_error, nan_ok=True)
        if 4 / 2000 < efficiency < 0.4:  # where half and twice of it can be cut at
            low, middle, high = (kept(background, signal, factor * efficiency) for factor in (0.5, 1.0, 2.0))
            slope = (high - low) / np.log(4.0)
            scatter = np.hypot(slope / (8011 * efficiency) ** 0.5, (middle * (1.0 - middle) / 3001) ** 0.5)
            assert error == pytest.approx(scatter / efficiency**0.5)


def test_signal_that_equals_the_threshold_does_not_pass():
    background, signal = (scored(np.round(one.score, 1), one.fold) for one in (normal(8011, 1), normal(3001, 2, SHIFT)))
    for efficiency in (0.003, 0.05, 0.4):
        found = measure_improvement(background, signal, efficiency).signal_efficiency
        assert found == kept(background, signal, efficiency)


def test_the_largest_improvement_is_that_of_the_best_cut_which_may_be_a_loose_one():
    background, signal = normal(8011, 1), normal(3001, 2, SHIFT)
    best, curve = largest_improvement(background, signal, 100), measure_curve(background, signal)
    assert best.sic == measure_improvement(background, signal, best.background_efficiency).sic
    assert best.background_efficiency >= 100 / 8011
    assert best.sic == pytest.approx(curve.sic[curve.background_efficiency >= 100 / 8011].max(), rel=0.03)
    useless = largest_improvement(background, normal(3001, 2, -SHIFT), 100)
    assert 0.5 < useless.background_efficiency < 1.0
    assert np.isfinite(useless.sic_error)
    with pytest.raises(PhysicsError, match="2002 reference events in a fold are too few"):
        largest_improvement(background, signal, 0.8)


def test_a_curve_of_two_normals_is_the_known_one_within_its_errors():
    pulls = []
    for seed in range(8):
        curve = measure_curve(normal(20_000, seed), normal(8000, 100 + seed, SHIFT))
        used = np.searchsorted(curve.background_efficiency, [0.001, 0.01, 0.1])
        b = curve.background_efficiency[used]
        known = norm.sf(norm.isf(b) - SHIFT) / np.sqrt(b)
        pulls.append((curve.sic[used] - known) / curve.sic_error[used])
    assert np.abs(np.mean(pulls, axis=0)).max() < 1.2
    assert 0.5 < np.std(pulls) < 1.6


def test_copies_of_background_events_give_no_precision():
    once = normal(4000, 1)
    twice = scored(np.repeat(once.score, 2), np.repeat(once.fold, 2), copies=2)
    signal = normal(3000, 2, SHIFT)
    one, two = measure_curve(once, signal), measure_curve(twice, signal)
    at = [int(np.argmin(np.abs(curve.background_efficiency - 0.01))) for curve in (one, two)]
    assert two.n_background[at[1]] == pytest.approx(one.n_background[at[0]])
    assert two.sic_error[at[1]] == pytest.approx(one.sic_error[at[0]], rel=0.1)
    assert area_under_curve(twice, signal)[1] == pytest.approx(area_under_curve(once, signal)[1], rel=0.05)


def test_sic_is_relied_on_down_to_where_its_error_is_a_fifth():
    curve = measure_curve(normal(8000, 1), normal(8000, 2, SHIFT))
    at = curve.least_reliable
    assert 2.0 / 8000 < at < 0.1
    relative = curve.sic_error / curve.sic
    assert (relative[curve.background_efficiency >= at] <= 0.2).all()
    assert relative[curve.background_efficiency < at][-1] > 0.2


def test_the_area_is_that_of_a_library_and_scatters_as_it_says():
    background, signal = normal(3000, 1, folds=1), normal(1000, 2, SHIFT, folds=1)
    labels = np.repeat([0, 1], [3000, 1000])
    expected = roc_auc_score(labels, np.concatenate([background.score, signal.score]))
    assert area_under_curve(background, signal)[0] == pytest.approx(expected, abs=1e-12)
    weight = np.random.default_rng(3).uniform(0.5, 2.0, 1000)
    rounded = [scored(np.round(one.score, 1), one.fold) for one in (background, signal)]
    weighted = scored(rounded[1].score, rounded[1].fold, weight=weight)
    scores, weights = np.concatenate([part.score for part in rounded]), np.concatenate([np.ones(3000), weight])
    expected = roc_auc_score(labels, scores, sample_weight=weights)
    assert area_under_curve(rounded[0], weighted)[0] == pytest.approx(expected, abs=1e-12)
    found = np.array([area_under_curve(normal(800, s), normal(400, 100 + s, SHIFT)) for s in range(80)])
    assert found[:, 0].mean() == pytest.approx(norm.cdf(SHIFT / np.sqrt(2.0)), abs=0.004)
    assert 0.75 < found[:, 1].mean() / found[:, 0].std(ddof=1) < 1.3


def test_the_smallest_signal_reaches_five_sigma_and_uses_no_cut_with_few_background_events():
    curve, n_background = measure_curve(normal(20_000, 1), normal(8000, 2, 3.0)), 5000.0
    found = smallest_significance(curve, n_background)
    at = int(np.flatnonzero(curve.background_efficiency == found.background_efficiency)[0])
    assert curve.n_background[at] > FEWEST_BACKGROUND
    kept = [
        found.strength * np.sqrt(n_background) * curve.signal_efficiency[at],
        n_background * found.background_efficiency,
    ]
    assert expected_significance(*kept) == pytest.approx(5.0)
    naive = 5.0 / curve.sic[curve.n_background > FEWEST_BACKGROUND].max()
    assert naive < found.strength < 2.5 * naive  # few background events are worth less than s / sqrt(b)
    assert smallest_significance(curve, 1e9).strength == pytest.approx(naive, rel=0.01)


def test_without_enough_background_no_smallest_signal_is_named():
    few = measure_curve(normal(24, 1, folds=1), normal(1000, 2, 3.0, folds=1))
    assert np.isnan(smallest_significance(few, 1000.0).strength)


def test_purity_is_the_share_of_signal_that_passes():
    assert purity(0.5, 0.01, 100, 10_000) == pytest.approx(50 / 150)
    assert purity(0.5, 0.01, 0, 10_000) == 0.0
    assert np.isnan(purity(0.0, 0.0, 100, 10_000))


def test_expected_significance_is_s_over_root_b_for_much_background_and_less_for_little():
    assert expected_significance(100.0, 1e6) == pytest.approx(0.1, rel=1e-3)
    assert expected_significance(10.0, 4.0) == pytest.approx(np.sqrt(2 * (14 * np.log(3.5) - 10)))
    assert expected_significance(0.0, 4.0) == 0.0
