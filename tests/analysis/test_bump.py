from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyhf
import pytest
from scipy.stats import norm
from test_mass_fit import dijet_masses

from anomaly_cli.analysis.asymptotics import fit_workspace
from anomaly_cli.analysis.bump import Resonance, build_bump_workspace, choose_parameters, fit_bump
from anomaly_cli.analysis.bump_scan import make_grid, scan_bumps
from anomaly_cli.analysis.bump_toys import bump_p_value
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


def bump_toys(spectrum, resonance, fit, n_toys, generator):
    """Return signed significances of pseudo-experiments without signal."""
    drawn = generator.poisson(fit.background, (n_toys, len(fit.background))).astype(np.float64)
    return np.array([fit_bump(replace(spectrum, counts=one), resonance, fit.n_parameters).z for one in drawn])


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
    fit = fit_bump(carved, RESONANCE, 3)
    assert fit.z < -3
    toys = bump_p_value(carved, RESONANCE, fit, 60, np.random.default_rng(1))
    assert toys.z == pytest.approx(fit.z, rel=0.1)  # of so few plain toys none has less: not minus infinity
    assert toys.p0 == pytest.approx(1.0)


def test_z_of_a_deficit_is_that_of_its_toys():
    data = spectrum(20_000, 3)
    carved = type(data)(data.low, data.high, np.where(SR.contains(data.centers), 0.92 * data.counts, data.counts))
    fit = fit_bump(carved, RESONANCE, 3)
    toys = bump_p_value(carved, RESONANCE, fit, 300, np.random.default_rng(1))
    assert -4 < fit.z < -1
    assert toys.z == pytest.approx(fit.z, abs=0.2)
    assert toys.p0 == pytest.approx(norm.sf(toys.z))
    assert toys.error < 0.5 * norm.cdf(fit.z)


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


@pytest.mark.parametrize(("n_signal", "seed"), [(0, 3), (200, 3), (700, 3)])
def test_few_weighted_toys_give_the_p_value_of_any_excess(n_signal, seed):
    data = spectrum(20_000, seed, n_signal)
    fit = fit_bump(data, RESONANCE, 3)
    toys = bump_p_value(data, RESONANCE, fit, 300, np.random.default_rng(1))
    assert toys.p0 == pytest.approx(norm.sf(fit.z), rel=0.6)
    assert toys.error < 0.5 * toys.p0
    assert toys.n_failed == 0
    assert toys.p_value_with_signal > 0.05
    assert (toys.p_value < 0.02) == (n_signal == 700)  # a large bump is no good fit without signal


def test_counts_that_scatter_more_in_the_region_make_the_yield_scatter_more():
    data = spectrum(20_000, 2)
    inside, fit = data.inside(SR), fit_bump(data, RESONANCE, 3)
    assert fit.overdispersed(inside, 1.0) == pytest.approx(1.0)
    rng, wider = np.random.default_rng(5), []
    for _ in range(150):
        counts = fit.background + np.sqrt(fit.background) * rng.standard_normal(len(inside)) * np.where(inside, 1.5, 1)
        wider.append(fit_bump(type(data)(data.low, data.high, np.maximum(counts, 0.0)), RESONANCE, 3).signal_yield)
    expected = fit.overdispersed(inside, 1.5)
    assert 1.3 < expected < 1.5
    assert np.std(wider) / fit.signal_error == pytest.approx(expected, rel=4 / np.sqrt(2 * 150))


def test_a_scan_finds_where_the_signal_is_and_pays_for_having_looked():
    data, grid = spectrum(20_000, 3, 400), make_grid(SR, (0.02, 0.03, 0.05))
    inside = data.inside(SR)
    scan = scan_bumps(data, grid, 3, 100, np.random.default_rng(1), inside)
    best = grid[scan.found.index]
    assert best.mass == pytest.approx(RESONANCE.mass, abs=60)
    assert scan.found.z_local == scan.z.max() == pytest.approx(scan.best.z)
    assert scan.found.z_global < scan.found.z_local
    assert 3 < scan.found.n_effective < 36
    assert np.isnan(scan.p_toys)
    wider = scan_bumps(data, grid, 3, 1, np.random.default_rng(1), inside, factor=1.3)
    assert (np.abs(wider.z) < np.abs(scan.z)).all()


@pytest.mark.parametrize("seed", [4, 8])
def test_the_trials_of_a_scan_are_those_of_toys(seed):
    data, grid = spectrum(20_000, seed), make_grid(SR, (0.03, 0.05))
    scan = scan_bumps(data, grid, 3, 250, np.random.default_rng(1), data.inside(SR))
    assert scan.found.p_global == pytest.approx(scan.p_toys, abs=4 * np.sqrt(0.25 / 250))


@pytest.mark.slow
def test_a_scan_agrees_with_pybumphunter_on_the_same_histogram():
    """Its windows are counts beside the true background; both point at the signal, and neither where there is none."""
    hunter = pytest.importorskip("pyBumpHunter")
    background = spectrum(2_000_000, 99).counts / 100.0
    for n_signal in (0, 400):
        data = spectrum(20_000, 6, n_signal)
        inside = data.inside(SR)
        bins = np.append(data.low[inside], SR.high)
        widths = {"width_min": 6, "width_max": 16, "width_step": 2}
        own = hunter.BumpHunter1D(
            rang=(3300, 3700), bins=bins, npe=300, nworker=1, seed=1, use_sideband=False, **widths
        )
        own.bump_scan(data.counts[inside], background[inside], is_hist=True)
        scan = scan_bumps(data, make_grid(SR, (0.02, 0.03, 0.05)), 3, 100, np.random.default_rng(1), inside)
        p_global = float(np.ravel(own.global_Pval)[0])
        if n_signal:
            first, width = (int(np.ravel(values)[0]) for values in (own.min_loc_ar, own.min_width_ar))
            assert bins[first] < scan.resonances[scan.found.index].mass < bins[first + width]
            assert p_global <= 1 / 300
            assert scan.found.p_global < 1e-3
        else:
            assert p_global > 0.01
            assert scan.found.p_global > 0.01
