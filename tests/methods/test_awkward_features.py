"""Features that no density fits as they are, through every template method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import compute, draw, seen_by, shared_model, toy_inputs, toy_simulation

from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.seen import TrueEvents
from anomaly_cli.methods.base import METHODS

NAMES = ("linear", "integer", "floored", "cauchy", "outliers", "constant")
QUICK = {"base_epochs": 1, "transport_epochs": 1, "epochs": 1, "width": 32}


def quick(name):
    """The shortest training of a method."""
    if name == "combined":
        return METHODS.make(name, {"methods": ["cathode", "rad_ot"]})
    method = METHODS.find()[name]
    return METHODS.make(name, {key: value for key, value in QUICK.items() if key in method.__dataclass_fields__})


def awkward(events, seed):
    """Replace the features by awkward ones that depend on mass and on each other."""
    rng, n = np.random.default_rng(seed), len(events)
    linear, t = events.features[:, 0], np.log(events.mjj / 3500.0) / 0.1
    integer = rng.poisson(np.exp(1.0 + 0.2 * np.tanh(linear))).astype(float)
    floored = np.maximum(rng.standard_normal(n) + 0.2 * t - 0.5, 0.0)
    cauchy = linear + rng.standard_cauchy(n)
    outliers = np.where(rng.random(n) < 1e-3, 1e6, 0.5 * linear + rng.standard_normal(n))
    columns = np.stack([linear, integer, floored, cauchy, outliers, np.ones(n)], 1)
    return events.with_block(Features.kind, Features(columns, NAMES))


@pytest.fixture(scope="module")
def everything():
    """Side-bands, simulation and hidden events with awkward features, and what each need is given."""
    clean, hidden = toy_inputs(9_000)
    sb1, sb2, hidden = (awkward(events, seed) for seed, events in enumerate((clean.sb1, clean.sb2, hidden)))
    none = hidden.take(np.zeros(0, dtype=np.int64))
    inputs = replace(clean, sb1=sb1, sb2=sb2, true=TrueEvents(hidden, none))
    simulation = awkward(toy_simulation(12_000), 7)
    return inputs, simulation, shared_model(quick("curtains_f4f_efficient"), inputs, hidden), hidden


def template(method, everything):
    inputs, simulation, shared, hidden = everything
    fitted = method.fit(seen_by(method, inputs, hidden, simulation, shared), compute())
    return draw(fitted, np.random.default_rng(1).choice(hidden.mjj, 2 * len(hidden))).events


@pytest.mark.parametrize("name", list(METHODS.find()))
def test_every_method_keeps_values_possible(everything, name):
    inputs, simulation, _, hidden = everything
    events = template(quick(name), everything)
    columns = dict(zip(NAMES, events.features.T, strict=True))
    assert np.isfinite(events.features).all()
    seen = concatenate([simulation, inputs.side_bands, hidden]).features
    assert (events.features >= seen.min(axis=0) - 1e-9).all()
    assert (events.features <= seen.max(axis=0) + 1e-9).all()
    assert (columns["integer"] == np.round(columns["integer"])).all()
    assert (columns["constant"] == 1.0).all()
    assert np.mean(columns["floored"] == 0.0) == pytest.approx(np.mean(hidden.features[:, 2] == 0.0), abs=0.1)


def test_a_density_of_awkward_features_closes(everything):
    hidden = everything[-1]
    events = template(METHODS.make("cathode", {"base_epochs": 8}), everything)
    sets = [Sampled(e.features, offset + e.source_id, e.weight) for e, offset in ((events, 10**6), (hidden, 0))]
    assert measure_separation(*sets, seed=1, threads=1).auc < 0.55
