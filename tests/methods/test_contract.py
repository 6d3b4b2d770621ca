"""The contract of a template method, run over every method found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toys import REGIONS, given_to, inputs_by_need, toy_inputs, toy_simulation

from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.progress import silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods.base import (
    Context,
    Need,
    TemplateInputs,
)
from anomaly_cli.methods.registry import find_methods, make_method

METHODS = list(find_methods())
PRIME = 8209  # more than one batch, and the last one partly filled
QUICK = {
    **{name: {"epochs": 10, "width": 64} for name in METHODS if name.startswith("drapes")},
    "salad": {"epochs": 8},
    "cathode": {"base_epochs": 5},
    "combined": {"methods": ["cathode", "curtains_f4f"]},
}


def brief(name):
    """Settings that train for an epoch, enough where only sameness is asked for."""
    if name == "combined":
        return {"methods": ["cathode", "rad_ot"]}
    epochs = [field.name for field in dataclasses.fields(find_methods()[name]) if field.name.endswith("epochs")]
    return QUICK.get(name, {}) | dict.fromkeys(epochs, 1)


@pytest.fixture(scope="module")
def inputs_and_hidden():
    return toy_inputs()


@pytest.fixture(scope="module")
def seen(inputs_and_hidden):
    """What each method may see, by name."""
    inputs, hidden = inputs_and_hidden
    method = make_method("curtains_f4f_efficient", {})
    by_need = inputs_by_need(inputs, hidden, toy_simulation(), inputs.background, method)
    return {name: given_to(method, by_need) for name, method in find_methods().items()}


@pytest.fixture(scope="module")
def fitted(seen):
    return {name: fit(name, seen) for name in METHODS}


def fit(name, seen, settings=None):
    return make_method(name, settings or QUICK.get(name, {})).fit(seen[name], Context(Streams(1), 1, silent))


def sources(name, given):
    """The events that a template's `source_id` may name."""
    for field in ("background", "simulation", "observed"):
        if hasattr(given, field):
            return getattr(given, field)
    return given.side_bands


def sampled(events, first_id=0):
    return Sampled(events.features, first_id + events.source_id, events.weight)


def masses(n=PRIME):
    return np.random.default_rng(1).uniform(REGIONS.sr.low, REGIONS.sr.high, n)


@pytest.mark.parametrize("name", METHODS)
def test_there_is_one_finite_event_per_target_mass(fitted, name):
    sample = fitted[name].sample(masses(), Streams(1))
    events = sample.events
    if not find_methods()[name].chooses_mass:
        assert np.array_equal(np.sort(events.mjj), np.sort(masses()))
        rows, counts = np.unique(events.features, axis=0, return_counts=True)
        assert counts[np.argmax(counts)] < 5, "a phantom event repeats"
        assert len(rows) > 0.99 * PRIME
    if name != "cwola_hunting":
        assert REGIONS.sr.contains(events.mjj).all()
    assert np.array_equal(events.event_id, np.arange(len(events)))


@pytest.mark.parametrize("name", METHODS)
def test_every_template_event_names_its_source(fitted, seen, name):
    events = fitted[name].sample(masses(), Streams(1)).events
    assert np.isin(events.source_id, sources(name, seen[name]).event_id).all()


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_template_and_another_another(seen, name):
    one, again = (fit(name, seen, brief(name)) for _ in range(2))
    first, same, other = (f.sample(masses(), Streams(s)).events for f, s in ((one, 1), (again, 1), (one, 2)))
    assert np.array_equal(first.features, same.features)
    if not find_methods()[name].chooses_mass:
        assert not np.array_equal(first.features, other.features)


@pytest.mark.parametrize("name", METHODS)
def test_the_template_closes_on_a_toy(fitted, inputs_and_hidden, name):
    inputs, hidden = inputs_and_hidden
    bands = inputs.side_bands
    rng = np.random.default_rng(0)
    target = hidden.mjj[rng.integers(0, len(hidden), 4 * len(hidden))]
    events = fitted[name].sample(target, Streams(1)).events
    truth = sampled(hidden)
    untouched = measure_separation(sampled(bands), truth, 1, 1)
    template = measure_separation(sampled(events, 10**6), truth, 1, 1)
    assert untouched.auc > 0.8
    if find_methods()[name].claims_closure:
        assert template.auc < 0.55
    else:
        assert template.auc > 0.55, "it closes after all: let it claim so"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_survives_being_stored(fitted, seen, name):
    loaded = make_method(name, QUICK.get(name, {})).load(fitted[name].to_arrays(), seen[name])
    a, b = (f.sample(masses(), Streams(1)).events for f in (fitted[name], loaded))
    assert np.array_equal(a.features, b.features)
    assert np.array_equal(a.weight, b.weight)


@pytest.mark.parametrize("name", METHODS)
def test_unknown_settings_are_refused(name):
    with pytest.raises(ConfigError, match="unknown setting 'epochz'"):
        make_method(name, {"epochz": 1})


@pytest.mark.parametrize("name", [name for name in METHODS if find_methods()[name].needs != {Need.SIDE_BANDS}])
def test_a_method_that_lacks_what_it_needs_says_what_to_do(inputs_and_hidden, name):
    inputs, _ = inputs_and_hidden
    blind = TemplateInputs(inputs.sb1, inputs.sb2, inputs.regions, inputs.is_validation)
    with pytest.raises(ConfigError, match=r"--reserve|--simulation|anomaly base|does not hand over"):
        make_method(name, {}).fit(blind, Context(Streams(1), 1, silent))


def test_the_inputs_of_a_blind_method_hold_nothing_of_the_signal_region():
    assert set(TemplateInputs.__dataclass_fields__) == {"sb1", "sb2", "regions", "is_validation"}


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'curtains_f4f'"):
        make_method("curtains", {})


def test_training_curves_are_kept(fitted):
    parts = [row.part for row in fitted["curtains_f4f"].training]
    assert set(parts) == {"base flow", "transport flow"}
