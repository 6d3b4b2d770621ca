from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.analysis.sic import measure_improvement
from anomaly_cli.core.errors import PhysicsError


def normal(n, seed, shift=0.0, first_id=0):
    points = np.random.default_rng(seed).standard_normal((n, 3)) + shift
    return Sampled(points, first_id + np.arange(n), np.ones(n))


def test_equal_samples_cannot_be_told_apart():
    found = measure_separation(normal(20_000, 1), normal(8000, 2, first_id=20_000), 1, 1)
    assert abs(found.auc - 0.5) < 4 * found.error


def test_a_known_shift_gives_the_known_auc():
    found = measure_separation(normal(20_000, 1, shift=0.5), normal(20_000, 2, first_id=20_000), 1, 1)
    assert found.auc == pytest.approx(0.73, abs=0.02)  # Phi(0.5 sqrt(3) / sqrt(2)) = 0.730


def test_copies_of_a_source_do_not_fake_separation_or_shrink_the_error():
    first, other = normal(3000, 1), normal(12_000, 2, first_id=3000)
    copies = Sampled(np.repeat(first.points, 4, axis=0), np.repeat(first.source_id, 4), np.repeat(first.weight, 4))
    found = measure_separation(copies, other, 1, 1)
    assert abs(found.auc - 0.5) < 5 * found.error
    assert found.error == pytest.approx(measure_separation(first, other, 1, 1).error)


def scored(fold, score, weight=1.0):
    ids = np.arange(len(fold))
    return ScoredEvents(ids, ids, np.broadcast_to(weight, len(fold)), fold, score)


def test_improvement_is_signal_efficiency_over_root_of_background_efficiency():
    fold = np.arange(10_000) % 5
    background = scored(fold, np.arange(10_000) / 10_000)
    signal = scored(fold, np.where(np.arange(10_000) < 3000, 2.0, -1.0))
    found = measure_improvement(background, signal, 0.01)
    assert found.signal_efficiency == pytest.approx(0.3)
    assert found.sic == pytest.approx(3.0)


def test_the_error_of_an_improvement_is_its_scatter_over_test_sets():
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        background = scored(np.arange(5000) % 5, rng.normal(0.0, 1.0, 5000))
        signal = scored(np.arange(2000) % 5, rng.normal(1.5, 1.0, 2000))
        one = measure_improvement(background, signal, 0.01)
        found.append((one.sic, one.sic_error))
    values, errors = np.array(found).T
    assert 0.7 < np.median(errors) / values.std(ddof=1) < 1.4


def test_copies_of_reference_events_do_not_shrink_the_error_of_an_improvement():
    rng = np.random.default_rng(1)
    source = np.arange(4000)
    score, signal = rng.normal(0.0, 1.0, 4000), scored(np.arange(2000) % 5, rng.normal(1.5, 1.0, 2000))
    once, copied = (
        ScoredEvents(np.arange(len(ids)), ids, np.ones(len(ids)), ids % 5, score[ids])
        for ids in (source, np.repeat(source, 4))
    )
    errors = [measure_improvement(background, signal, 0.02).sic_error for background in (once, copied)]
    assert errors[1] == pytest.approx(errors[0], rel=0.1)


def test_improvement_counts_weights_of_signal_as_that_many_events():
    rng = np.random.default_rng(3)
    fold, score, weight = rng.integers(0, 5, 4000), rng.standard_normal(4000), rng.integers(1, 4, 4000)
    signal_score = rng.standard_normal(4000) + 1.0
    background = scored(fold, score)
    weighted = measure_improvement(background, scored(fold, signal_score, weight), 0.05)
    repeated = measure_improvement(background, scored(np.repeat(fold, weight), np.repeat(signal_score, weight)), 0.05)
    assert weighted.signal_efficiency == pytest.approx(repeated.signal_efficiency)


def test_too_little_background_for_an_efficiency_is_refused():
    scores = scored(np.arange(100) % 5, np.arange(100.0))
    with pytest.raises(PhysicsError, match="too few"):
        measure_improvement(scores, scores, 0.001)
