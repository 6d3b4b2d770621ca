"""What the flow methods share."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.methods.densities import draw_sources, limit_epochs
from anomaly_cli.methods.registry import make_method


@pytest.mark.parametrize(("n", "epochs"), [(1000, 10), (40_000, 5), (10**6, 1)])
def test_large_samples_take_fewer_epochs_but_at_least_one(n, epochs):
    assert limit_epochs(10, 200_000, n) == epochs


def test_every_source_is_used_equally_often():
    events = np.arange(7)
    drawn = draw_sources(events, 7 * 3 + 2, np.random.default_rng(1))
    counts = np.bincount(drawn, minlength=7)
    assert len(drawn) == 23
    assert set(counts) == {3, 4}


def test_the_defaults_leave_the_shipped_data_their_epochs():
    method = make_method("curtains_f4f", {})
    assert limit_epochs(method.base_epochs, method.base_events, 50_000) == method.base_epochs
    assert limit_epochs(method.transport_epochs, method.transport_events, 50_000) == method.transport_epochs
