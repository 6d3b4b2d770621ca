"""The contract of a template method, run over every method found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toys import REGIONS, compute, draw, seen_by, shared_model, toy_inputs, toy_simulation

from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.crossfit import HALVES, NONE, PARTS, CrossFit
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.seen import Need
from anomaly_cli.methods.base import METHODS as FAMILY
from anomaly_cli.search.template import FittedParts, sample_template
from anomaly_cli.testing import check_method, toy_seen, toy_split

METHODS = list(FAMILY.find())
PRIME = 8209  # more than one batch, and the last one partly filled
QUICK = {
    **{name: {"epochs": 10, "width": 64, "scaling_bags": 3} for name in METHODS if name.startswith("drapes")},
    "salad": {"epochs": 8},
    "cathode": {"base_epochs": 3, "scaling_bags": 3},
    "combined": {"methods": ["cathode", "mass_scaling"], "settings": {"cathode": {"base_epochs": 3}}},
    "curtains_f4f": {"base_epochs": 4, "transport_epochs": 3, "scaling_bags": 3},
    "flows_for_flows": {"base_epochs": 4, "transport_epochs": 3},
    "rad_ot": {"batch": 500},
}


def brief(name):
    """Settings that train for an epoch, with one mass scaling; enough where only sameness is asked for."""
    if name == "combined":
        return {"methods": ["cathode", "mass_scaling"], "settings": {"cathode": {"base_epochs": 1}}}
    fields = [field.name for field in dataclasses.fields(FAMILY.find()[name])]
    return QUICK.get(name, {}) | dict.fromkeys([one for one in fields if one.endswith(("epochs", "scaling_bags"))], 1)


@pytest.fixture(scope="module")
def inputs_and_hidden():
    return toy_inputs()


@pytest.fixture(scope="module")
def seen(inputs_and_hidden):
    """What each method may see, by name."""
    inputs, hidden = inputs_and_hidden
    shared = shared_model(FAMILY.make("curtains_f4f_efficient", {"base_epochs": 4}), inputs, hidden)
    return {name: seen_by(method, inputs, hidden, toy_simulation(), shared) for name, method in FAMILY.find().items()}


@pytest.fixture(scope="module")
def fitted(seen):
    return {name: FAMILY.make(name, QUICK.get(name, {})).fit(seen[name], compute()) for name in METHODS}


@pytest.fixture(scope="module")
def untouched(inputs_and_hidden):
    """How well side-band events as they are can be told from background of the signal region."""
    inputs, hidden = inputs_and_hidden
    return measure_separation(sampled(inputs.side_bands), sampled(hidden), 1, 1)


def sampled(events, first_id=0):
    return Sampled(events.features, first_id + events.source_id, events.weight)


def masses(n=PRIME):
    return np.random.default_rng(1).uniform(REGIONS.sr.low, REGIONS.sr.high, n)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_keeps_the_public_contract(name):
    check_method(FAMILY.make(name, brief(name)))


@pytest.mark.parametrize("name", METHODS)
def test_there_is_one_finite_event_per_target_mass(fitted, name):
    events = draw(fitted[name], masses()).events
    if not FAMILY.find()[name].chooses_mass:
        assert np.array_equal(np.sort(events.mjj), np.sort(masses()))
        rows, counts = np.unique(events.features, axis=0, return_counts=True)
        assert counts[np.argmax(counts)] < 5, "a phantom event repeats"
        assert len(rows) > 0.99 * PRIME
    if name != "cwola_hunting":
        assert REGIONS.sr.contains(events.mjj).all()
    assert np.array_equal(events.event_id, np.arange(len(events)))


@pytest.mark.parametrize("name", METHODS)
def test_the_template_closes_on_a_toy(fitted, untouched, inputs_and_hidden, name):
    _, hidden = inputs_and_hidden
    rng = np.random.default_rng(0)
    target = hidden.mjj[rng.integers(0, len(hidden), 4 * len(hidden))]
    events = draw(fitted[name], target).events
    template = measure_separation(sampled(events, 10**6), sampled(hidden), 1, 1)
    assert untouched.auc > 0.8
    if FAMILY.find()[name].claims_closure:
        assert template.auc < 0.55
    else:
        assert template.auc > 0.55, "it closes after all: let it claim so"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_survives_being_stored(fitted, seen, name):
    loaded = FAMILY.make(name, QUICK.get(name, {})).load(fitted[name].to_arrays(), seen[name])
    a, b = (draw(f, masses()).events for f in (fitted[name], loaded))
    assert np.array_equal(a.features, b.features)
    assert np.array_equal(a.weight, b.weight)


@pytest.mark.parametrize("name", METHODS)
def test_unknown_settings_are_refused(name):
    with pytest.raises(ConfigError, match="unknown setting 'epochz'"):
        FAMILY.make(name, {"epochz": 1})


@pytest.mark.parametrize("name", [name for name in METHODS if FAMILY.find()[name].needs != {Need.SIDE_BANDS}])
def test_a_method_that_lacks_what_it_needs_says_what_to_do(inputs_and_hidden, name):
    inputs, _ = inputs_and_hidden
    blind = dataclasses.replace(inputs, true=None, reader=f"method {name}")
    with pytest.raises(ConfigError, match=rf"{name} needs .*(--reserve|--simulation|anomaly base|does not hand over)"):
        FAMILY.make(name, {}).fit(blind, compute())


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'curtains_f4f'"):
        FAMILY.make("curtains", {})


def test_training_curves_are_kept(fitted):
    parts = [row.part for row in fitted["curtains_f4f"].training]
    assert set(parts) == {"base flow", "transport flow"}


def crossfit_of(name):
    is_lagged = Need.SR_FEATURES in FAMILY.find()[name].needs
    return CrossFit(PARTS if is_lagged else HALVES, 4, 1, is_lagged)


def scrambled(events, is_kept, seed=5):
    """Return events of which those that are not kept have other features."""
    features = events.features.copy()
    others = np.flatnonzero(~is_kept(events.source_id))
    features[others] = features[np.random.default_rng(seed).permutation(others)] * 1.1 + 0.3
    return events.with_block(Features.kind, Features(features, events.names))


def first_part(method, seen, crossfit, split):
    """Return the first part of a template; the models of the others would not be looked at and are not trained."""
    model = method.fit(crossfit.part_of(seen, crossfit.plans[0].divisions), compute())
    fitted = FittedParts(crossfit, [model] * len(crossfit.plans))
    return sample_template(method, fitted, split, 0.5, compute()).template.parts[0]


@pytest.mark.parametrize("name", [name for name in METHODS if FAMILY.find()[name].crossfit != NONE])
def test_a_part_of_a_template_is_made_of_the_events_of_its_divisions_only(name):
    """Nothing of another division enters: neither scaling and its orders, nor densities, transport or when to stop."""
    method, split = FAMILY.make(name, brief(name)), toy_split()
    seen, crossfit = toy_seen(method, split), crossfit_of(name)
    plan = crossfit.plans[0]

    def is_own(source_id):
        return np.isin(crossfit.division(source_id), plan.divisions)

    hidden = dataclasses.replace(
        seen,
        sb1=scrambled(seen.sb1, is_own),
        sb2=scrambled(seen.sb2, is_own),
        observed=None if seen.observed is None else scrambled(seen.observed, is_own),
        simulation=seen.simulation
        and dataclasses.replace(seen.simulation, events=scrambled(seen.simulation.events, is_own)),
    )
    one, other = (first_part(method, what, crossfit, split) for what in (seen, hidden))
    assert is_own(one.events.source_id).all()
    assert one.events.features.tobytes() == other.events.features.tobytes()
    assert one.events.source_id.tobytes() == other.events.source_id.tobytes()
    if one.replicas is not None:
        assert one.replicas.features.tobytes() == other.replicas.features.tobytes()
