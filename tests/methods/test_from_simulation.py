from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import REGIONS, compute, draw, toy_inputs, toy_simulation

from anomaly_cli.analysis.selection import effective_sources
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.seen import Simulation
from anomaly_cli.methods.base import METHODS

QUICK = {"base_epochs": 1, "transport_epochs": 1}


@pytest.fixture(scope="module")
def inputs():
    seen, _ = toy_inputs(12_000)
    return with_simulation(seen, toy_simulation())


def with_simulation(seen, events):
    return replace(seen, true=None, simulation=Simulation(events, Cutflow()))


def fit(inputs, **settings):
    return METHODS.make("flows_for_flows", {**QUICK, **settings}).fit(inputs, compute())


@pytest.mark.parametrize(
    ("direction", "parts"),
    [
        ("forward", ["observed density", "transport flow"]),
        ("inverse", ["simulation density", "transport flow"]),
        ("both", ["simulation density", "observed density", "transport flow"]),
    ],
)
def test_a_direction_trains_the_densities_it_needs(inputs, direction, parts):
    fitted = fit(inputs, direction=direction)
    assert list(dict.fromkeys(row.part for row in fitted.training)) == parts
    assert np.isfinite(draw(fitted, np.full(11, 3500.0)).events.features).all()


def test_events_keep_about_their_mass_and_only_signal_region_events_are_moved(inputs):
    masses = np.random.default_rng(1).uniform(REGIONS.sr.low, REGIONS.sr.high, 8209)
    events = draw(fit(inputs), masses).events
    simulated = dict(
        zip(inputs.simulation.events.event_id.tolist(), inputs.simulation.events.mjj.tolist(), strict=True)
    )
    sources = np.array([simulated[identity] for identity in events.source_id.tolist()])
    assert np.array_equal(events.mjj, masses)
    assert REGIONS.sr.contains(sources).all()
    assert np.abs(sources - masses).max() < 50.0  # the windows' spectra differ a little; at random 400 GeV


def test_a_simulation_without_enough_events_in_a_window_is_refused(inputs):
    simulated = inputs.simulation.events
    few = simulated.take(simulated.mjj < REGIONS.sr.high)
    with pytest.raises(PhysicsError, match=r"0 events in 3.7-4.6 TeV.*--simulation"):
        fit(with_simulation(inputs, few))


def thinned(simulation, share=0.25):
    """Simulation of which events with a negative first feature are thinned, and weighted to make up for it."""
    kept = (simulation.features[:, 0] > 0.0) | (np.random.default_rng(4).random(len(simulation)) < share)
    events = simulation.take(kept)
    weight = np.where(events.features[:, 0] > 0.0, 1.0, 1.0 / share)
    return replace(events, weight=weight / weight.mean())


QUICK_OF = {"flows_for_flows": QUICK, "salad": {"epochs": 3}}


@pytest.mark.parametrize("method", ["flows_for_flows", "salad"])
def test_a_weighted_simulation_stands_for_the_events_it_weighs(inputs, method):
    masses = np.random.default_rng(1).uniform(REGIONS.sr.low, REGIONS.sr.high, 8209)
    templates = [
        draw(METHODS.make(method, QUICK_OF[method]).fit(with_simulation(inputs, simulation), compute()), masses)
        for simulation in (inputs.simulation.events, thinned(inputs.simulation.events))
    ]
    (full, weighted) = (sample.events for sample in templates)
    below = [np.average(e.features[:, 0] < 0.0, weights=e.weight) for e in (full, weighted)]
    error = np.sqrt(0.25 / effective_sources(weighted.source_id, weighted.weight))
    assert abs(below[0] - below[1]) < 5 * error + 0.02  # the trainings differ
    assert weighted.weight.mean() == pytest.approx(1.0)
    assert effective_sources(weighted.source_id, weighted.weight) < 0.8 * effective_sources(full.source_id, full.weight)


def test_few_effective_events_are_refused_however_many_rows_there_are(inputs):
    simulation = inputs.simulation.events
    weight = np.where(np.arange(len(simulation)) % 100 == 0, 1e4, 1.0)
    with pytest.raises(PhysicsError, match=r"events worth \d+ of equal weight in 3-3.3 TeV"):
        fit(with_simulation(inputs, replace(simulation, weight=weight)))


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'forward'"):
        METHODS.make("flows_for_flows", {"direction": "forwards"})
    with pytest.raises(ConfigError, match="0 \\(no penalty\\) or above"):
        METHODS.make("flows_for_flows", {"penalty_weight": -1.0})
