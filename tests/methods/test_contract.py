"""The contract of a template method, run over every method found."""

from __future__ import annotations

import numpy as np
import pytest
from toys import REGIONS, toy_inputs

from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.progress import silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods.base import Context, Need, TemplateInputs
from anomaly_cli.methods.registry import find_methods, make_method

METHODS = list(find_methods())
PRIME = 8209  # more than one batch, and the last one partly filled


@pytest.fixture(scope="module")
def inputs_and_hidden():
    return toy_inputs()


@pytest.fixture(scope="module")
def fitted(inputs_and_hidden):
    inputs, _ = inputs_and_hidden
    context = Context(Streams(1), 1, silent)
    return {name: make_method(name, {}).fit(what_it_may_see(name, inputs), context) for name in METHODS}


def what_it_may_see(name, inputs):
    if Need.TRUTH in find_methods()[name].needs:
        return inputs
    return TemplateInputs(inputs.sb1, inputs.sb2, inputs.regions, inputs.is_validation)


def masses(n=PRIME):
    return np.random.default_rng(1).uniform(REGIONS.sr.low, REGIONS.sr.high, n)


@pytest.mark.parametrize("name", METHODS)
def test_there_is_one_finite_event_per_target_mass(fitted, name):
    sample = fitted[name].sample(masses(), Streams(1))
    events = sample.events
    if not find_methods()[name].chooses_mass:
        assert np.array_equal(events.mjj, masses())
        rows, counts = np.unique(events.features, axis=0, return_counts=True)
        assert counts[np.argmax(counts)] < 5, "a phantom event repeats"
        assert len(rows) > 0.99 * PRIME
    assert REGIONS.sr.contains(events.mjj).all()
    assert len(np.unique(events.event_id)) == len(events)


@pytest.mark.parametrize("name", METHODS)
def test_every_template_event_names_its_source(fitted, inputs_and_hidden, name):
    inputs, _ = inputs_and_hidden
    known = inputs.background if Need.TRUTH in find_methods()[name].needs else inputs.side_bands
    events = fitted[name].sample(masses(), Streams(1)).events
    assert np.isin(events.source_id, known.event_id).all()


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_template_and_another_another(fitted, inputs_and_hidden, name):
    inputs, _ = inputs_and_hidden
    again = make_method(name, {}).fit(inputs, Context(Streams(1), 1, silent))
    first, same, other = (
        f.sample(masses(), Streams(s)).events for f, s in ((fitted[name], 1), (again, 1), (fitted[name], 2))
    )
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
    truth = Sampled(hidden.features, hidden.source_id)
    untouched = measure_separation(Sampled(bands.features, bands.source_id), truth, 1, 1)
    template = measure_separation(Sampled(events.features, 10**6 + events.source_id), truth, 1, 1)
    assert untouched.auc > 0.8
    if find_methods()[name].claims_closure:
        assert template.auc < 0.55


@pytest.mark.parametrize("name", METHODS)
def test_a_method_survives_being_stored(fitted, inputs_and_hidden, name):
    inputs, _ = inputs_and_hidden
    loaded = make_method(name, {}).load(fitted[name].to_arrays(), what_it_may_see(name, inputs))
    a, b = (f.sample(masses(), Streams(1)).events for f in (fitted[name], loaded))
    assert np.array_equal(a.features, b.features)


@pytest.mark.parametrize("name", METHODS)
def test_unknown_settings_are_refused(name):
    with pytest.raises(ConfigError, match="unknown setting 'epochz'"):
        make_method(name, {"epochz": 1})


@pytest.mark.parametrize("name", METHODS)
def test_a_method_sees_truth_only_if_it_says_so(inputs_and_hidden, name):
    inputs, _ = inputs_and_hidden
    blind = TemplateInputs(inputs.sb1, inputs.sb2, inputs.regions, inputs.is_validation)
    method = find_methods()[name]
    if Need.TRUTH in method.needs:
        with pytest.raises(ConfigError, match="--reserve"):
            make_method(name, {}).fit(blind, Context(Streams(1), 1, silent))
    else:
        assert not any("sr" in field or "background" in field for field in TemplateInputs.__dataclass_fields__)


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'curtains_f4f'"):
        make_method("curtains", {})


def test_training_curves_are_kept(fitted):
    parts = [row.part for row in fitted["curtains_f4f"].training]
    assert set(parts) == {"base flow", "transport flow"}
