"""What the flow methods share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import compute, draw, toy_inputs

from anomaly_cli.core.drawing import draw_by_weight, draw_sources
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import concatenate
from anomaly_cli.methods.base import METHODS
from anomaly_cli.methods.densities import limit_epochs, load_scaler


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


def test_a_method_scales_as_it_is_told_and_learns_from_the_mass_what_the_scaling_leaves():
    inputs, sr = toy_inputs(8_000)
    masses = np.linspace(3300.0, 3700.0, 2003)
    method = METHODS.make("cathode", {"scaling": "standard", "base_epochs": 6})
    fitted = method.fit(inputs, compute())
    assert not fitted.replicas()  # nothing was averaged
    events = draw(fitted, masses).events
    again = draw(method.load(fitted.to_arrays(), inputs), masses).events
    assert np.array_equal(events.features, again.features)
    shift = np.abs(inputs.sb2.features.mean(axis=0) - inputs.sb1.features.mean(axis=0))
    missed = np.abs(events.features.mean(axis=0) - sr.features.mean(axis=0))
    moving = np.argmax(shift / sr.features.std(axis=0))
    assert missed[moving] < 0.25 * shift[moving]


def test_a_shared_base_is_the_density_of_features_scaled_as_it_scales_them():
    inputs, sr = toy_inputs(6_000)
    settings = {"scaling": "logit", "base_epochs": 1, "transport_epochs": 1}
    method = METHODS.make("curtains_f4f_efficient", settings)
    bands = [concatenate([inputs.sb1, sr, inputs.sb2])]
    shared = method.fit_shared(bands, np.arange(len(bands[0])) % 10 == 0, compute())
    fitted = method.fit(replace(inputs, shared=shared), compute())
    own, base = (load_scaler(arrays) for arrays in (fitted.to_arrays(), shared.arrays))
    assert all(np.array_equal(a.points, b.points) for a, b in zip(own.features, base.features, strict=True))


def test_a_scaling_that_is_not_known_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'quantile'"):
        METHODS.make("drapes", {"scaling": "quantiles"})
    with pytest.raises(ConfigError, match="unknown setting 'scaling'"):
        METHODS.make("mass_scaling", {"scaling": "standard"})  # which is that scaling and nothing else
