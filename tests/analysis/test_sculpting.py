"""What cuts do to a spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.analysis.sculpting import cut_at, measure_sculpting, rejection
from anomaly_cli.core.errors import PhysicsError


def test_chi2_of_a_cut_that_shapes_nothing_scatters_about_its_ndf_as_its_error_says():
    rng = np.random.default_rng(1)
    found = [measure_sculpting(rng.uniform(size=4000), rng.uniform(size=4000) < 0.1) for _ in range(200)]
    values = np.array([one.chi2_per_ndf for one in found])
    assert values.mean() == pytest.approx(1.0, abs=4 * found[0].error / np.sqrt(200))
    assert values.std() == pytest.approx(found[0].error, rel=0.3)


def test_a_cut_on_the_spectrum_itself_shapes_all_of_it():
    mass = np.linspace(0.0, 1.0, 4000)
    found = measure_sculpting(mass, mass > 0.5)
    assert found.divergence == pytest.approx(1.0, abs=1e-6)  # passing and failing share no bin: one bit
    assert found.chi2 == pytest.approx(4000.0)
    assert measure_sculpting(mass, np.arange(4000) % 2 == 0).divergence < 1e-4


def test_cuts_keep_as_many_events_as_they_say():
    score = np.repeat(np.arange(10.0), 10)
    assert cut_at(score, 0.13).sum() == 13
    assert score[cut_at(score, 0.1)].min() == 9.0


def test_rejection_is_the_inverse_of_the_background_that_passes_with_the_signal():
    value, is_passing = rejection(np.arange(100.0), np.full(10, 89.5), 0.5)
    assert value == 10.0
    assert is_passing.sum() == 10


def test_too_few_events_have_no_shape():
    with pytest.raises(PhysicsError, match="8 events on one side of a cut"):
        measure_sculpting(np.arange(100.0), np.arange(100) < 8)
    with pytest.raises(PhysicsError, match="a spectrum of one value"):
        measure_sculpting(np.ones(1000), np.arange(1000) < 500)
