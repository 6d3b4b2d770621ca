"""Processes change nothing but the time: models of a template, and what its closure is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import compute

from anomaly_cli.analysis.quality import Sampled
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.workers import in_order
from anomaly_cli.methods.base import METHODS
from anomaly_cli.search import closure, template
from anomaly_cli.search.closure import Check, measure_closure
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.template import choose_crossfit, fit_parts, see
from anomaly_cli.testing import toy_split

MANY = Compute(compute().streams, processes=2)
SHORT = {"base_epochs": 1, "transport_epochs": 1, "base_hidden": [8], "transport_hidden": [8], "scaling_bags": 2}


@pytest.fixture
def asked(monkeypatch):
    """How many processes pieces of work are given to; they are done all the same."""
    found = []

    def recorded(work, pieces, processes):
        found.append(processes)
        return in_order(work, pieces, processes)

    for module in (template, closure):
        monkeypatch.setattr(module, "in_order", recorded)
    return found


def test_models_of_a_template_are_the_same_in_several_processes(asked):
    split, settings = toy_split(), SearchSettings(method=METHODS.make("curtains_f4f", SHORT))
    seen = see(split, settings.method, Provisions(), compute())
    fitted = [fit_parts(settings, seen, choose_crossfit(settings, seen, one), one).models for one in (compute(), MANY)]
    assert len(fitted[0]) > 1
    assert asked == [1, 2]
    for one, other in zip(*fitted, strict=True):
        arrays = one.to_arrays()
        assert arrays.keys() == other.to_arrays().keys()
        for name, array in arrays.items():
            assert np.array_equal(array, other.to_arrays()[name]), name


def test_models_on_a_gpu_are_fitted_in_one_process_side_by_side(monkeypatch):
    asked = []
    monkeypatch.setattr(
        template, "fit_side_by_side", lambda pieces: asked.append(len(pieces)) or ["model"] * len(pieces)
    )
    own = replace(MANY, device="cuda")
    settings = SearchSettings(method=METHODS.make("curtains_f4f", SHORT))
    seen = see(toy_split(), settings.method, Provisions(), own)
    crossfit = choose_crossfit(settings, seen, own)
    assert fit_parts(settings, seen, crossfit, own).models == ["model"] * len(crossfit.plans)
    assert asked == [len(crossfit.plans)] == [2]


def test_models_of_other_packages_are_not_sent(monkeypatch):
    asked = []

    def recorded(work, pieces, processes):
        asked.append(processes)
        yield from ()

    monkeypatch.setattr(template, "in_order", recorded)
    monkeypatch.setattr(template, "is_foreign", lambda member: member.name == "mass_scaling")
    both = METHODS.make("combined", {"methods": ["mass_scaling", "cathode"]})
    settings = SearchSettings(method=both)
    seen = see(toy_split(), settings.method, Provisions(), MANY)
    fit_parts(settings, seen, choose_crossfit(settings, seen, MANY), MANY)
    assert asked == [1]


@pytest.mark.slow
def test_closure_is_the_same_in_several_processes(asked):
    rng = np.random.default_rng(1)
    made, untouched, compared = (
        Sampled(rng.standard_normal((900, 3)) + shift, 1000 * n + np.arange(900), np.ones(900))
        for n, shift in enumerate((0.0, 0.3, 0.1))
    )
    check = Check("side-bands, held-out events", made, untouched, compared, 2)
    one, other = (measure_closure(check, with_processes) for with_processes in (compute(), MANY))
    assert asked == [1, 2]
    assert (one.found, one.baseline) == (other.found, other.baseline)
    assert one.baseline.auc > one.found.auc
    for name, distances in one.distances.items():
        for quantity, value in vars(distances).items():
            assert np.array_equal(value, vars(other.distances[name])[quantity]), quantity
