"""Do the folds agree? Where nothing but chance tells them apart, the probability is uniform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomaly_cli.analysis.selection import ScoredEvents, select
from anomaly_cli.search.count import fold_heterogeneity

N_FOLDS = 6


def scored(rng, n, copies=1, first=0):
    """Return `n` events in folds, some of them copies of one source with nearly its score."""
    source = np.repeat(np.arange(n // copies), copies)
    fold, score = rng.integers(0, N_FOLDS, n // copies), rng.normal(size=n // copies)
    return ScoredEvents(
        first + np.arange(n), source, np.ones(n), fold[source], score[source] + 1e-3 * rng.normal(size=n)
    )


@pytest.mark.parametrize(("efficiency", "copies"), [(0.2, 1), (0.05, 2), (0.01, 2)])
def test_folds_of_like_events_agree_as_often_as_they_should(efficiency, copies):
    rng = np.random.default_rng(2)
    found = []
    for _ in range(200):
        observed, template = scored(rng, 3000), scored(rng, 12_000, copies, 10**6)
        found.append(fold_heterogeneity(select(observed, template, efficiency), observed))
    assert np.mean(found) == pytest.approx(0.5, abs=0.07)
    assert np.mean(np.array(found) < 0.05) < 0.1
    assert np.mean(np.array(found) < 0.01) < 0.035


def test_folds_that_differ_are_told_apart_unless_models_differ_as_much():
    rng = np.random.default_rng(3)
    observed, template = scored(rng, 6000), scored(rng, 24_000, 1, 10**6)
    moved = replace(observed, score=observed.score + np.where(observed.fold == 0, 0.4, 0.0))
    selection = select(moved, template, 0.05)
    assert fold_heterogeneity(selection, moved) < 1e-4
    assert fold_heterogeneity(replace(selection, model_uncertainty=0.3), moved) > 0.05
