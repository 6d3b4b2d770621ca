from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.sensitivity import expected_sensitivity, expected_significance, smallest_signal

RELATIVE = {"norm": 0.02, "closure": 0.05}


def model(relative, b=100.0, n_observed=0):
    return CountingModel("a", n_observed, 1e9, 1e9 / b, relative)


def asimov(s, b=100.0):
    """Cowan et al., equation 97, for a background that is known."""
    return math.sqrt(2.0 * ((s + b) * math.log1p(s / b) - s))


def test_a_known_background_gives_the_significance_of_the_expected_data():
    found = expected_sensitivity(model({}), 0)
    assert asimov(found.evidence) == pytest.approx(3.0, abs=0.01)
    assert asimov(found.discovery) == pytest.approx(5.0, abs=0.01)
    assert found.claimable == pytest.approx(found.discovery, rel=0.02)
    assert found.costs == {"template": pytest.approx(0.0, abs=1e-4)}


def test_a_template_that_is_a_control_sample_costs_what_more_of_it_would_gain():
    small = replace(model(RELATIVE), n_control=200.0, transfer=2.0)
    found, endless = expected_sensitivity(small, 6), small.with_endless_control()
    at_discovery = expected_significance(endless, found.discovery) - expected_significance(small, found.discovery)
    assert found.costs["template"] == pytest.approx(at_discovery)
    assert found.costs["template"] > 0.1


def test_it_does_not_depend_on_what_is_observed():
    blind, seen = (expected_sensitivity(model(RELATIVE, n_observed=n), 6) for n in (0, 5000))
    assert np.array_equal(blind.limits, seen.limits)
    assert (blind.discovery, blind.claimable, blind.costs) == (seen.discovery, seen.claimable, seen.costs)


def test_uncertainties_cost_and_the_tails_of_few_windows_cost_more():
    found, without = expected_sensitivity(model(RELATIVE), 6), expected_sensitivity(model({}), 6)
    assert found.discovery > without.discovery
    assert found.claimable > 1.2 * found.discovery
    assert found.costs["closure"] > found.costs["norm"] > 0.0


def test_what_nothing_reaches_is_infinite():
    assert smallest_signal(lambda _: 2.0, 3.0) == math.inf
    assert smallest_signal(lambda s: s, 7.0) == pytest.approx(7.0, rel=1e-3)
