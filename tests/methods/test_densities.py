"""What the flow methods share."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.core.drawing import draw_by_weight, draw_sources
from anomaly_cli.methods.base import METHODS
from anomaly_cli.methods.densities import limit_epochs


@pytest.mark.parametrize(("n", "epochs"), [(1000, 10), (40_000, 5), (10**6, 1)])
def test_large_samples_take_fewer_epochs_but_at_least_one(n, epochs):
    assert limit_epochs(10, 200_000, n) == epochs


def test_every_source_is_used_equally_often():
    events = np.arange(7)
    drawn = draw_sources(events, 7 * 3 + 2, np.random.default_rng(1))
    counts = np.bincount(drawn, minlength=7)
    assert len(drawn) == 23
    assert set(counts) == {3, 4}


def test_events_are_drawn_as_often_as_their_weight_says():
    weight = np.array([0.5, 1.0, 2.0, 4.0, 0.0, 0.25])
    drawn = draw_by_weight(weight, 1000, np.random.default_rng(1))
    assert np.abs(np.bincount(drawn, minlength=6) - 1000 * weight / weight.sum()).max() <= 1.0
    equal = draw_by_weight(np.full(101, 0.3), 101, np.random.default_rng(2))
    assert sorted(equal) == list(range(101))
    assert np.abs(np.corrcoef(equal, np.arange(101))[0, 1]) < 0.4  # in random order


def test_the_defaults_leave_the_shipped_data_their_epochs():
    method = METHODS.make("curtains_f4f", {})
    assert limit_epochs(method.base_epochs, method.base_events, 50_000) == method.base_epochs
    assert limit_epochs(method.transport_epochs, method.transport_events, 50_000) == method.transport_epochs
    drapes = METHODS.make("drapes", {})
    assert limit_epochs(drapes.epochs, drapes.training_events, 50_000) == drapes.epochs
    assert limit_epochs(drapes.epochs, drapes.training_events, 250_000) < 20
