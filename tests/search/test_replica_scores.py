"""Replicas of a template are scored many at once, as they would be one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from toys import compute, toy_events

from anomaly_cli.classifiers.kfold import Contest, train_in_folds
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.template import Replicas
from anomaly_cli.scores.base import FittedEnsembles
from anomaly_cli.search import rank

N_REPLICAS = 5


@pytest.fixture(scope="module")
def fitted():
    events = toy_events(1200, 3)
    positive, negative = events.take(np.arange(600)), events.take(np.arange(600, 1200))
    contest = Contest(positive, negative, (positive.event_id % 3, negative.event_id % 3))
    return FittedEnsembles(train_in_folds(contest, Trees(ensemble=2, iterations=5), KFold(3), compute()))


@pytest.mark.parametrize("at_once", [1, 700, 10**6])
def test_replicas_have_the_scores_that_each_would_have_alone(fitted, at_once, monkeypatch):
    monkeypatch.setattr(rank, "SCORED_AT_ONCE", at_once)
    events = toy_events(331, 4)
    moved = events.features + np.random.default_rng(5).normal(0.0, 0.1, (N_REPLICAS, *events.features.shape))
    fold = events.event_id % 3
    found = rank._score_moved(fitted, Replicas(events, moved), fold)
    alone = [events.with_block(Features.kind, Features(x, events.names)) for x in moved]
    assert np.array_equal(found, [fitted.score(one, fold) for one in alone])
    assert len(np.unique(found, axis=0)) == N_REPLICAS
