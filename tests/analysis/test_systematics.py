"""A user's own systematics: read, counted, limited, exported, and shared between tests."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest

from anomaly_cli.analysis.asymptotics import INTERPOLATION, compute_significance, fit_workspace
from anomaly_cli.analysis.counting import CountingModel, Shift, experiments
from anomaly_cli.analysis.limits import asymptotic_cls, asymptotic_limits, toy_limit
from anomaly_cli.analysis.lookelsewhere import SelectedEvents, overlap_correlation
from anomaly_cli.analysis.profile import fit_background, poisson_deviance, signed_root
from anomaly_cli.analysis.skewed import Skewed, log_factor
from anomaly_cli.analysis.strength import Response, efficiency_factors, fixed_response, strength_limits
from anomaly_cli.analysis.toys import toy_p_value
from anomaly_cli.analysis.workspaces import build_workspace
from anomaly_cli.config import SignificanceSettings
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.systematics import read_systematics

SKEWED = Shift("scale", "scale", "background", 0.08, -0.02)
BACKWARDS = Shift("tune", "tune", "background", -0.03, 0.12)
MIRRORED = Shift("jets", "jets_SR", "background", 0.05, 1 / 1.05 - 1)
EFFICIENCY = Shift("tagging", "tagging", "signal", 0.1, -0.2)


def model(n, b, tau, *shifts, is_pass_fail=False, **relative):
    return CountingModel("SR", n, float(b * tau), tau, relative, is_pass_fail, shifts)


@pytest.mark.parametrize("is_pass_fail", [False, True])
@pytest.mark.parametrize("ratio", [0.8, 0.97, 1.05, 1.3])
def test_the_closed_form_and_pyhf_agree_where_sides_differ(is_pass_fail, ratio):
    test = model(
        *(round(1200 * ratio), 1200, 4.0, SKEWED, BACKWARDS, MIRRORED, EFFICIENCY),
        is_pass_fail=is_pass_fail,
        closure=0.03,
    )
    result = compute_significance(test)
    assert result.z == pytest.approx(max(result.z_closed_form, 0.0), abs=0.005)
    pdf = pyhf.Workspace(build_workspace(model(1500, 1200, 4.0, SKEWED, MIRRORED, is_pass_fail=is_pass_fail)))
    pdf, data = (found := pdf.model(modifier_settings=INTERPOLATION)), pdf.data(found)
    one = model(1500, 1200, 4.0, SKEWED, MIRRORED, is_pass_fail=is_pass_fail)
    for mu in (4.0, 8.0):
        cls = float(pyhf.infer.hypotest(mu, data, pdf))
        ours = asymptotic_cls(one.experiment(), np.full((6, 1), mu * one.nominal_signal))[0, 0]
        assert cls == pytest.approx(ours, abs=2e-4)


def test_a_factor_goes_through_its_sides_without_a_kink_and_is_log_normal_where_mirrored():
    alpha, high, low = np.linspace(-3, 3, 601), np.asarray(1.3), np.asarray(0.95)
    value, slope, curvature = log_factor(alpha, high, low)
    assert np.interp([-1, 0, 1], alpha, value) == pytest.approx([np.log(0.95), 0.0, np.log(1.3)], abs=1e-12)
    assert np.gradient(value, alpha)[1:-1] == pytest.approx(slope[1:-1], abs=3e-4)
    assert np.gradient(slope, alpha)[1:-1] == pytest.approx(curvature[1:-1], abs=6e-3)
    assert log_factor(alpha, high, 1 / high)[0] == pytest.approx(alpha * np.log(1.3), abs=1e-6)


def test_the_fit_finds_the_lower_of_two_minima():
    """Auxiliary measurements far on the flat side hide that the steep side explains the excess better."""
    rng = np.random.default_rng(3)
    base = model(900, 500, 20.0, Shift("a", "a", "background", 0.4, 0.0)).experiment()
    for measured in (*rng.normal(0, 2, 6), -3.0):
        data = base.measuring([np.asarray(measured)])
        alpha = np.linspace(-6, 12, 40_001)
        rate = base.m / base.tau * np.exp(Skewed.shift(base.skewed[0], alpha)[0])
        b = (base.n + base.m) / (1.0 + base.m / rate)
        scan = poisson_deviance(base.n, b) + poisson_deviance(base.m, b * base.m / rate) + (alpha - measured) ** 2
        assert float(fit_background(data).deviance) == pytest.approx(scan.min(), abs=1e-3)


def test_toys_have_the_asymptotic_significance_of_many_events():
    test = model(5300, 5000, 4.0, SKEWED, MIRRORED)
    z = float(signed_root(test.experiment()))
    assert toy_p_value(test.experiment(), 4000, np.random.default_rng(1)).z == pytest.approx(z, abs=0.12)
    without = float(signed_root(test.without_systematics().experiment()))
    assert without > z + 0.5


@pytest.mark.slow
def test_a_systematic_weakens_limits_and_tests_that_it_does_not_shift_are_as_they_were():
    bare, shifted = model(1200, 1200, 4.0), model(1200, 1200, 4.0, SKEWED)
    together = asymptotic_limits(experiments([bare, shifted])).observed
    assert together[0] == pytest.approx(float(asymptotic_limits(bare.experiment()).observed), rel=1e-6)
    # a limit pulls the background down, and down it is known to 2 %: 24 events beside 39 of statistics
    assert together[1] / together[0] == pytest.approx(np.hypot(39, 24) / 39, abs=0.03)
    few = model(2, 2, 4.0, Shift("a", "a", "background", 0.5, -0.1)).experiment()
    by_toys = toy_limit(few, 64, np.random.default_rng(1))
    assert by_toys == pytest.approx(float(asymptotic_limits(few).observed), rel=0.4)


def test_an_uncertain_efficiency_weakens_the_limit_on_the_strength():
    data = model(1200, 1200, 4.0).experiment()
    largest = 4 * float(asymptotic_limits(data).observed) / 0.3
    limits = {
        size: strength_limits(data, fixed_response(0.3, largest, efficiency_factors(shifts)))
        for size, shifts in {0: (), 20: (EFFICIENCY,), 40: (EFFICIENCY, Shift("b", "b", "signal", 0.3, -0.3))}.items()
    }
    assert limits[0] == pytest.approx(0.3**-1 * np.r_[asymptotic_limits(data).observed, limits[0][1:] * 0.3], rel=0.01)
    assert (limits[0] < limits[20]).all()
    assert (limits[20] < limits[40]).all()
    assert limits[40][0] < 2 * limits[0][0]
    factors = efficiency_factors([Shift("b", "b", "signal", 0.1, 1 / 1.1 - 1)])
    assert factors.mean() == pytest.approx(np.exp(np.log(1.1) ** 2 / 2), abs=2e-3)
    assert isinstance(fixed_response(0.3, 1.0, factors), Response)


def test_one_parameter_shifts_all_tests_that_name_it_and_two_of_other_names_do_not():
    tables = {"jets": {"up": 0.03, "correlated": "cuts"}, "scale": {"up": [0.01, 0.02], "down": -0.005}}
    jets, scale = read_systematics(tables, 2)
    assert jets.parameter("SR_1", "eff0p2") == jets.parameter("SR_1", "eff0p01") == "jets_SR_1"
    assert jets.parameter("SR_2", "eff0p2") == "jets_SR_2"
    assert scale.parameter("SR_1", "eff0p2") == scale.parameter("SR_2", "eff0p01") == "scale"

    def selected(first, **shifts):
        ids = np.arange(first, first + 100)
        return SelectedEvents(ids, ids, 4.0, shifts=shifts)

    apart = overlap_correlation([selected(0, a=0.8), selected(1000, b=0.8)])
    shared = overlap_correlation([selected(0, a=0.8), selected(1000, a=0.5), selected(2000, a=-0.5)])
    assert apart[0, 1] == 0.0
    assert shared[0, 1] == pytest.approx(0.4)
    assert shared[0, 2] == pytest.approx(-0.4)


def test_workspaces_of_two_regions_share_the_parameter_of_a_common_effect():
    one = build_workspace(CountingModel("SR_1_eff", 550, 2000.0, 4.0, {"closure": 0.01}, systematics=(SKEWED,)))
    two = build_workspace(CountingModel("SR_2_eff", 1100, 4000.0, 4.0, {"closure": 0.01}, systematics=(SKEWED,)))
    assert "mu = 1 is" in one["measurements"][0]["name"]
    parameters = {item["name"]: item for ws in (one, two) for item in ws["measurements"][0]["config"]["parameters"]}
    both = {
        **one,
        "channels": one["channels"] + two["channels"],
        "observations": one["observations"] + two["observations"],
        "measurements": [{"name": "both", "config": {"poi": "mu", "parameters": list(parameters.values())}}],
    }
    assert pyhf.Workspace(both).model().config.parameters.count("scale") == 1
    q0, _ = fit_workspace(both, "both")
    separate = sum(fit_workspace(ws, "one")[0] for ws in (one, two))
    assert q0 < 0.95 * separate  # what explains one excess explains the other as well


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"onn": "signal", "up": 0.1}, "unknown setting 'onn'; did you mean 'on'"),
        ({"on": "sgnal", "up": 0.1}, "on = 'sgnal' is not known; did you mean 'signal'"),
        ({"correlated": "yes", "up": 0.1}, "correlated = 'yes' is not known; known are"),
        ({"up": 3.0}, "up = 3 is a shift of 100 % or more; .* write 3 % as 0.03"),
        ({"up": 0.1, "down": -1.0}, "down = -1 is a shift of 100 % or more"),
        ({"up": 0.1, "down": 0.05}, "shift the same way"),
        ({"up": -0.6}, r"up = -0.6 mirrors to \+150 %, a shift of more than 100 %; say what down is"),
        ({"up": "much"}, "must be a number"),
        ({"up": [0.1, 0.2]}, "up has 2 numbers for 4 cuts"),
        ({"down": -0.1}, "needs up"),
        (0.1, "must be a table"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(table, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SignificanceSettings(systematics={"jets": table})
    with pytest.raises(ConfigError, match="is no name for a systematic"):
        SignificanceSettings(systematics={"closure": {"up": 0.1}})
