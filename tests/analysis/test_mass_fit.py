from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from iminuit import Minuit
from scipy.stats import kstest
from toys import REGIONS

from anomaly_cli.analysis import mass_fit
from anomaly_cli.analysis.mass_fit import fit_mass_spectrum, refuse_poor_fit
from anomaly_cli.analysis.misfit import explain_misfit
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.core.cuts import Cuts
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.windows import Window
from anomaly_cli.search.count import build_cuts


def dijet_masses(n: int, seed: int) -> np.ndarray:
    """Draw masses from (1-x)^12 x^-(4 + 0.3 ln x) above 2.6 TeV."""
    grid = np.linspace(2600.0, 9000.0, 20_001)
    x = grid / 13_000.0
    density = (1 - x) ** 12 * x ** -(4.0 + 0.3 * np.log(x))
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.interp(np.random.default_rng(seed).random(n) * cumulative[-1], cumulative, grid)


def fit(masses: np.ndarray):
    return fit_mass_spectrum([masses[w.contains(masses)] for w in REGIONS.side_bands], REGIONS.side_bands, REGIONS.sr)


@pytest.mark.slow
def test_the_yield_in_the_signal_region_is_unbiased_and_its_error_right():
    pulls = []
    for seed in range(200):
        masses = dijet_masses(np.random.default_rng(seed + 10_000).poisson(60_000), seed)
        found = fit(masses)
        expected = 60_000 * REGIONS.sr.contains(TRUE).mean()
        pulls.append((found.n_expected - expected) / found.uncertainty_statistical)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(200)
    assert 0.85 < np.std(pulls) < 1.2


def test_masses_are_fitted_with_the_energy_of_their_collisions():
    energy, window = 5200.0, REGIONS.sr
    grid = np.linspace(3000.0, 4600.0, 20_001)
    density = (1 - grid / energy) ** 9 * (grid / energy) ** -4.0
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    masses = np.interp(np.random.default_rng(1).random(4_000_000) * cumulative[-1], cumulative, grid)
    inside = [masses[band.contains(masses)] for band in REGIONS.side_bands]
    found = fit_mass_spectrum(inside, REGIONS.side_bands, window, energy)
    expected = len(masses) * np.diff(np.interp([window.low, window.high], grid, cumulative))[0] / cumulative[-1]
    assert abs(found.n_expected - expected) < 4 * found.uncertainty_statistical
    assert found.uncertainty_statistical < 0.02 * expected
    points = np.linspace(window.low, window.high, 2001)
    assert np.trapezoid(found.density(points), points) == pytest.approx(found.n_expected, rel=1e-5)
    other = fit_mass_spectrum(inside, REGIONS.side_bands, window)
    assert (len(found.parameters), len(other.parameters)) == (4, 5)  # with another energy, one more is needed


TRUE = dijet_masses(4_000_000, 99)


@pytest.mark.parametrize("step", [3.0, 7.0, 8.0, 50.0])
def test_masses_in_coarse_steps_are_named_where_they_spoil_the_fit(step):
    masses = np.round(dijet_masses(200_000, 4) / step) * step
    with pytest.raises(PhysicsError, match=f"steps of {step:g} GeV.*write masses with more digits"):
        refuse_poor_fit(fit(masses), 0.001)


def test_masses_with_ten_bits_of_mantissa_are_told_by_their_coarsest_step():
    masses = dijet_masses(200_000, 4)
    mantissa, exponent = np.frexp(masses)
    with pytest.raises(PhysicsError, match="steps of 8 GeV"):
        refuse_poor_fit(fit(np.ldexp(np.round(mantissa * 1024) / 1024, exponent)), 0.001)


def test_a_turn_on_in_a_side_band_is_named_with_the_mass_where_it_ends():
    masses = dijet_masses(300_000, 4)
    passed = np.random.default_rng(1).random(len(masses)) < 1.0 / (1.0 + np.exp(-(masses - 3100.0) / 30.0))
    with pytest.raises(PhysicsError, match=r"the spectrum rises in 3-3.3 TeV up to about 3\.\d+ TeV.*--side-bands"):
        refuse_poor_fit(fit(masses[passed]), 0.001)


def test_smooth_masses_have_neither_steps_nor_a_rise():
    for n in (300, 3_000, 60_000):
        masses = dijet_masses(n, n)
        bands = [masses[window.contains(masses)] for window in REGIONS.side_bands]
        assert explain_misfit(bands, REGIONS.side_bands) == ""


def test_the_fit_agrees_with_minuit():
    masses = dijet_masses(60_000, 3)
    found = fit(masses)
    bands = REGIONS.side_bands
    edges = [np.linspace(w.low, w.high, round(w.width / 20) + 1) for w in bands]
    counts = np.concatenate([np.histogram(masses, e)[0] for e in edges])
    nodes, weights = np.polynomial.legendre.leggauss(4)

    def expected(c0, c1, c2, c3):
        total = []
        for e in edges:
            m = (e[1:] + e[:-1])[:, None] / 2 + np.diff(e)[:, None] / 2 * nodes
            x, x0 = np.log(m / 13_000), np.log(3600 / 13_000)
            rate = np.exp(
                c0 + c1 * (np.log1p(-m / 13_000) - np.log1p(-3600 / 13_000)) + c2 * (x - x0) + c3 * (x - x0) ** 2
            )
            total.append((rate * weights * np.diff(e)[:, None] / 2).sum(1))
        return np.concatenate(total)

    def deviance(c0, c1, c2, c3):
        mu = expected(c0, c1, c2, c3)
        return 2 * (mu - counts + np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / mu), 0)).sum()

    minuit = Minuit(deviance, c0=np.log(counts.mean() / 20), c1=0.0, c2=-6.0, c3=0.0)
    minuit.tol = 1e-4
    minuit.migrad(ncall=20_000)
    assert found.chi2 == pytest.approx(minuit.fval, abs=2e-4)


def test_goodness_of_fit_is_uniform_for_the_right_function():
    p_values = [fit(dijet_masses(40_000, seed)).p_value for seed in range(100)]
    assert 0.3 < np.mean(p_values) < 0.7
    assert 0.2 < np.std(p_values) < 0.4
    assert kstest(p_values, "uniform").pvalue > 1e-3


def test_a_bump_in_a_side_band_spoils_the_goodness_of_fit():
    masses = np.concatenate([dijet_masses(60_000, 1), np.random.default_rng(2).normal(4100.0, 60.0, 1500)])
    assert fit(masses).p_value < 1e-4


def test_target_masses_follow_the_fit_and_stay_inside():
    found = fit(dijet_masses(60_000, 1))
    masses = found.sample(100_003, np.random.default_rng(1))
    assert len(masses) == 100_003
    assert REGIONS.sr.contains(masses).all()
    middle = 3500.0
    grid = np.linspace(3300.0, 3700.0, 4001)
    below = np.trapezoid(found.density(grid[grid <= middle]), grid[grid <= middle])
    assert (masses < middle).mean() == pytest.approx(below / found.n_expected, abs=0.01)


def test_too_few_events_are_refused():
    with pytest.raises(PhysicsError, match="widen it with --side-bands"):
        fit(dijet_masses(60, 1))


def test_the_uncertainty_of_a_poor_fit_is_scaled_up():
    masses = np.repeat(dijet_masses(60_000, 1), 5)  # five copies of each event: chi2 grows fivefold
    found = fit(masses)
    assert found.p_value < 1e-3
    assert found.misfit_scale == pytest.approx(np.sqrt(5), rel=0.3)
    assert found.uncertainty == pytest.approx(
        found.misfit_scale * np.hypot(found.uncertainty_statistical, found.uncertainty_function)
    )
    assert fit(dijet_masses(60_000, 1)).misfit_scale == 1.0
    refuse_poor_fit(found)
    with pytest.raises(PhysicsError, match=r"significance\.least_fit_p=0"):
        refuse_poor_fit(found, 0.001)


def test_only_cuts_that_the_side_bands_normalise_need_a_good_fit():
    rng = np.random.default_rng(1)
    poor = fit(np.repeat(dijet_masses(60_000, 1), 5))
    observed = ScoredEvents(*(np.arange(1000),) * 2, np.ones(1000), np.zeros(1000, dtype=int), rng.random(1000))
    template = replace(observed, score=rng.random(1000))
    settings = Cuts(background_efficiencies=(0.2,))
    assert len(build_cuts(observed, template, None, poor, settings, {})) == 1
    tight = replace(settings, background_efficiencies=(0.2, 0.01))
    with pytest.raises(PhysicsError, match="the side-band mass fit is poor"):
        build_cuts(observed, template, None, poor, tight, {})
    assert len(build_cuts(observed, template, None, poor, replace(tight, least_fit_p=0.0), {})) == 2


def test_a_poor_fit_is_refused_where_its_yield_is_used():
    masses = np.concatenate([dijet_masses(60_000, 1), np.random.default_rng(2).normal(4100.0, 60.0, 1500)])
    with pytest.raises(PhysicsError, match="narrow the side-bands"):
        refuse_poor_fit(fit(masses))
    refuse_poor_fit(fit(dijet_masses(60_000, 1)))


@pytest.mark.parametrize("largest", [3, 4])
def test_a_larger_fit_that_is_singular_is_left_out(monkeypatch, largest):
    """With five parameters singular, the difference to three stands for the choice of the function."""
    solve = mass_fit.np.linalg.solve

    def sometimes_singular(matrix, vector):
        if len(matrix) > largest:
            raise np.linalg.LinAlgError
        return solve(matrix, vector)

    monkeypatch.setattr(mass_fit.np.linalg, "solve", sometimes_singular)
    if largest == 4:
        found = fit(dijet_masses(60_000, 1))
        assert len(found.parameters) == 4
        assert found.uncertainty_function > 0
    else:
        with pytest.raises(PhysicsError, match="do not determine the 4 parameters"):
            fit(dijet_masses(60_000, 1))


def test_three_stretches_of_side_bands_predict_as_two_do():
    """Validation windows have side-bands that skip the signal region."""
    masses = dijet_masses(200_000, 5)
    window, stretches = Window(3100.0, 3300.0), [Window(2800.0, 3100.0), Window(3300.0, 3400.0), Window(3700.0, 4600.0)]
    found = fit_mass_spectrum([masses[w.contains(masses)] for w in stretches], stretches, window)
    expected = 200_000 * window.contains(TRUE).mean()
    assert abs(found.n_expected - expected) < 4 * found.uncertainty
