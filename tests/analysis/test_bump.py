from __future__ import annotations

import numpy as np
import pyhf
import pytest
from test_mass_fit import dijet_masses

from anomaly_cli.analysis.asymptotics import fit_workspace
from anomaly_cli.analysis.bump import Resonance, build_bump_workspace, bump_toys, choose_parameters, fit_bump
from anomaly_cli.analysis.spectrum import bin_masses
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.windows import Window

RANGE, SR = Window(3000.0, 4600.0), Window(3300.0, 3700.0)
RESONANCE = Resonance(3500.0, 105.0)


def spectrum(n, seed, n_signal=0):
    masses = dijet_masses(n, seed)
    generator = np.random.default_rng(seed + 500)
    shape = RESONANCE.fractions(bin_masses([np.zeros(0)], [RANGE]))
    background = bin_masses([masses[RANGE.contains(masses)]], [RANGE])
    return type(background)(background.low, background.high, background.counts + generator.poisson(n_signal * shape))


def test_without_signal_z_is_standard_normal():
    truth = fit_bump(spectrum(20_000, 1), RESONANCE, 3)
    z = bump_toys(spectrum(20_000, 1), RESONANCE, truth, 400, np.random.default_rng(1))
    assert abs(z.mean()) < 4 / np.sqrt(400)
    assert 0.87 < z.std() < 1.13


def test_an_injected_signal_is_found_as_large_as_it_is():
    found = [fit_bump(spectrum(20_000, seed, n_signal=400), RESONANCE, 3) for seed in range(60)]
    pulls = np.array([(fit.signal_yield - 400.0) / fit.signal_error for fit in found])
    assert abs(pulls.mean()) < 4 / np.sqrt(60)
    asimov = 400.0 / np.mean([fit.signal_error for fit in found])
    assert np.mean([fit.z for fit in found]) == pytest.approx(asimov, rel=0.1)


@pytest.mark.parametrize("seed", range(6))
def test_the_exported_workspace_gives_the_same_significance(seed):
    data = spectrum(22_000, seed, n_signal=60 * seed)
    fit = fit_bump(data, RESONANCE, 3)
    workspace = build_bump_workspace(data, RESONANCE, fit, "bump")
    pyhf.Workspace(workspace)  # validates against the schema
    q0, mu = fit_workspace(workspace, "bump")
    assert np.sqrt(max(q0, 0.0)) == pytest.approx(max(fit.z, 0.0), abs=0.05)
    if fit.z > 1.0:
        assert mu * max(fit.signal_error, 1.0) == pytest.approx(fit.signal_yield, rel=0.05)


def test_a_deficit_has_a_negative_sign():
    data = spectrum(40_000, 3)
    carved = type(data)(data.low, data.high, np.where(SR.contains(data.centers), 0.8 * data.counts, data.counts))
    assert fit_bump(carved, RESONANCE, 3).z < -3


def test_a_sculpted_pass_rate_fakes_a_bump():
    """Why the check of flatness is there: 20 % more at 3.5 TeV."""
    data = spectrum(60_000, 4)
    rate = 1 + 0.2 * np.exp(-(((data.centers - 3500.0) / 200.0) ** 2) / 2)
    sculpted = type(data)(data.low, data.high, np.round(data.counts * rate))
    assert fit_bump(sculpted, RESONANCE, 3).z > 4


def test_parameters_are_added_only_where_the_side_bands_ask_for_them():
    data = spectrum(5000, 5)
    assert choose_parameters(data, ~data.inside(SR)) == 3
    bent = type(data)(
        data.low, data.high, np.random.default_rng(1).poisson(3000 * np.exp(60 * np.log(data.centers / 3800) ** 3))
    )
    assert choose_parameters(bent, ~bent.inside(SR)) > 3


@pytest.mark.parametrize("seed", range(8))
def test_a_few_dozen_events_beside_a_large_signal_carry_a_fit(seed):
    """What a cut at 0.1 % leaves; with a third parameter the smooth part vanishes at one end."""
    rng = np.random.default_rng(seed)
    data = spectrum(60, seed, n_signal=150)
    n_parameters = choose_parameters(data, ~data.inside(SR))
    fit = fit_bump(data, RESONANCE, n_parameters)
    assert n_parameters == 2
    assert fit.z > 6.0
    assert abs(fit.signal_yield - 150.0) < 5.0 * fit.signal_error
    scaled = type(data)(
        data.low, data.high, np.where(data.inside(SR), rng.poisson(2.0, len(data.low)) / 4, data.counts)
    )
    assert np.isfinite(fit_bump(scaled, RESONANCE, n_parameters).z)


def test_a_few_dozen_events_without_signal_have_a_standard_normal_z():
    data = spectrum(160, 3)
    z = bump_toys(data, RESONANCE, fit_bump(data, RESONANCE, 2), 400, np.random.default_rng(2))
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 0.2
    assert 0.87 < z.std() < 1.13


def test_a_smooth_part_that_vanishes_is_refused_in_a_sentence():
    data = spectrum(60, 1)
    counts = np.where(np.abs(data.centers - 3450.0) < 50.0, 40.0, 0.0) + (data.centers > 4400.0)
    with pytest.raises(PhysicsError, match="not determined beside the resonance; use a looser cut"):
        fit_bump(type(data)(data.low, data.high, counts), RESONANCE, 3)


def test_too_few_events_are_refused():
    data = spectrum(50, 1)
    with pytest.raises(PhysicsError, match="looser background efficiency"):
        choose_parameters(data, ~data.inside(SR))
