from __future__ import annotations

import json
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyhf
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anomaly_cli.analysis.asymptotics import LARGEST_DISAGREEMENT, compute_significance, fit_workspace
from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.exact import binomial_significance
from anomaly_cli.analysis.modelling import Measured, model_by_template
from anomaly_cli.analysis.profile import Experiments, signed_root
from anomaly_cli.analysis.pyhf_toys import repair_pyhf_toys
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.analysis.workspaces import _on_off, build_workspace
from anomaly_cli.core.errors import PhysicsError

# n, B0, m, d_norm, d_closure -> q0, computed independently with pyhf
KNOWN = [
    (24800, 24270.0, 96000.0, 0.005, 0.005, 4.63893),
    (1300, 1214.0, 4800.0, 0.005, 0.02, 3.33734),
    (160, 121.0, 480.0, 0.005, 0.05, 7.05868),
    (30, 12.0, 48.0, 0.01, 0.1, 12.34436),
    (6, 1.2, 5.0, 0.01, 0.2, 6.22775),
    (3, 0.25, 1.0, 0.01, 0.3, 5.28508),
]


def model(n, b, m, d_norm=0.0, d_closure=0.0):
    return CountingModel("SR", n, m, m / b, {"norm": d_norm, "closure": d_closure})


def closed_form_z(test):
    return float(signed_root(test.experiment()))


@pytest.mark.parametrize(("n", "b", "m", "d_norm", "d_closure", "q0"), KNOWN)
def test_q0_is_the_known_one_by_pyhf_and_in_closed_form(n, b, m, d_norm, d_closure, q0):
    result = compute_significance(model(n, b, m, d_norm, d_closure))
    assert result.q0 == pytest.approx(q0, abs=2e-4)
    assert closed_form_z(model(n, b, m, d_norm, d_closure)) ** 2 == pytest.approx(q0, abs=2e-4)


# Cousins, Linnemann, Tucker, table 1: n_on, n_off, tau -> Z_Bi, Z_LM
TABLE = [
    *((4, 5, 5.0, 1.66, 1.95), (6, 18.78, 14.44, 2.63, 2.82), (9, 17.83, 4.69, 1.82, 1.99)),
    *((17, 40.11, 10.56, 4.46, 4.58), (50, 55, 2.0, 2.93, 3.02), (67, 15, 0.5, 2.89, 3.04)),
    *((200, 10, 0.1, 2.20, 2.38), (523, 2327, 5.99, 5.93, 5.95), (498426, 493434, 1.0, 5.01, 5.01)),
    (2119449, 23650096, 11.21, 6.40, 6.41),
]


@pytest.mark.parametrize(("n_on", "n_off", "tau", "z_bi", "z_lm"), TABLE)
def test_without_other_uncertainties_both_published_significances_come_out(n_on, n_off, tau, z_bi, z_lm):
    test = model(n_on, n_off / tau, n_off)
    assert closed_form_z(test) == pytest.approx(z_lm, abs=0.006)
    assert float(binomial_significance(test.experiment())) == pytest.approx(z_bi, abs=0.006)


@pytest.mark.parametrize(("n", "m", "tau"), [(160, 480, 4.0), (12, 20, 5.0), (45, 15, 0.5)])
def test_li_and_ma_is_shapesys_is_two_channels(n, m, tau):
    test = CountingModel("SR", n, float(m), tau, {})
    b = m / tau
    li_ma = math.sqrt(2 * (n * math.log((1 + tau) / 1 * n / (n + m)) + m * math.log((1 + tau) / tau * m / (n + m))))
    two_channels = pyhf_q0(_on_off(test))
    assert closed_form_z(test) == pytest.approx(li_ma, abs=1e-7)
    assert compute_significance(test).z == pytest.approx(li_ma, abs=1e-3)
    assert math.sqrt(two_channels) == pytest.approx(li_ma, abs=1e-3)
    assert b == test.n_expected


def pyhf_q0(spec):
    return fit_workspace(spec, "SR")[0]


@pytest.mark.parametrize(
    ("s", "b", "sigma"), [(10.0, 50.0, 7.0), (100.0, 1214.0, 25.0), (5.0, 1.2, 0.6), (800, 24270, 300)]
)
def test_asimov_data_give_the_formula_with_a_background_uncertainty(s, b, sigma):
    """G. Cowan, 2012, eq. 20 of 'Discovery sensitivity for a counting experiment with background uncertainty'."""
    v, n = sigma**2, s + b
    formula = math.sqrt(
        2 * (n * math.log(n * (b + v) / (b**2 + n * v)) - b**2 / v * math.log(1 + v * s / (b * (b + v))))
    )
    data = Experiments(*(np.asarray(x) for x in (n, b**2 / v, b / v, 0.0, 0.0)))
    assert float(signed_root(data)) == pytest.approx(formula, abs=1e-5)


@given(st.integers(20, 5000), st.floats(0.05, 0.4), st.floats(0.8, 1.2), st.floats(0.0, 0.05), st.floats(0.0, 0.1))
@settings(max_examples=25, deadline=None)
def test_pass_fail_agrees_with_pyhf_in_two_channels(n_expected, efficiency, ratio, d_template, d_closure):
    n_fail = n_expected * (1 - efficiency) / efficiency
    relative = {"template": d_template, "closure": d_closure}
    test = CountingModel(
        "SR",
        round(ratio * n_expected),
        float(round(n_fail)),
        (1 - efficiency) / efficiency,
        relative,
        is_pass_fail=True,
    )
    result = compute_significance(test)
    assert result.z == pytest.approx(max(result.z_closed_form, 0.0), abs=LARGEST_DISAGREEMENT)


def test_nothing_anywhere_has_a_correct_answer():
    # the last: next to no background expected, three events seen
    three = (3, 5.0, 5e6, math.sqrt(2 * (3 * math.log(5e6 * 3 / 8) + 5 * math.log(5 / 8))))
    for n, m, tau, z in ((0, 0.0, 4.0, 0.0), (0, 5.0, 4.0, -1.4935), (6, 0.0, 4.0, 4.3944), three):
        result = compute_significance(CountingModel("SR", n, m, tau, {"norm": 0.01}))
        assert result.z_closed_form == pytest.approx(z, abs=2e-3)
        assert result.z == pytest.approx(max(z, 0.0), abs=2e-3)
    # no template events at tau = 4 and ten observed: Li and Ma, 2 n ln(1 + tau)
    exact = math.sqrt(2 * 3 * math.log(5.0))
    assert closed_form_z(CountingModel("SR", 3, 0.0, 4.0, {})) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(
    ("n", "m", "tau", "relative", "sentence"),
    [
        (-1, 5.0, 4.0, {}, "counts must be 0 or more"),
        (5, math.nan, 4.0, {}, "counts must be 0 or more"),
        (5, 5.0, 0.0, {}, "must be above 0"),
        (5, 5.0, math.inf, {}, "must be above 0"),
        (5, 5.0, 4.0, {"norm": -0.1}, "'norm' is -0.1"),
        (5, 5.0, 4.0, {"closure": math.nan}, "'closure' is nan"),
        (5, 5.0, 4.0, {"closure": 50.0}, "measure it again"),
    ],
)
def test_absurd_numbers_are_refused_in_a_sentence(n, m, tau, relative, sentence):
    with pytest.raises(PhysicsError, match=sentence):
        CountingModel("SR", n, m, tau, relative)


@given(st.integers(0, 5000), st.floats(0.5, 3000.0), st.floats(2.0, 1e5), st.floats(0.0005, 0.2), st.floats(0.0, 0.2))
@settings(max_examples=40, deadline=None)
@example(20, 477.0, 2.0, 0.0625, 0.015625)
def test_pyhf_and_the_closed_form_agree(n, b, m, d_norm, d_closure):
    n = min(n, round(30 * b + 100))
    result = compute_significance(model(n, b, m, d_norm, d_closure))
    assert result.z == pytest.approx(max(result.z_closed_form, 0.0), abs=0.01)


@pytest.mark.parametrize(
    ("s", "b", "m", "d", "is_pass_fail"),
    [
        *((60.0, 121.0, 480.0, 0.05, False), (400.0, 1214.0, 4800.0, 0.03, False), (20.0, 12.0, 48.0, 0.1, False)),
        (1500.0, 24_270.0, 97_080.0, 0.005, True),
    ],
)
def test_an_injected_signal_is_found_as_large_as_it_is(s, b, m, d, is_pass_fail):
    rng, n_experiments, tau = np.random.default_rng(12), 4000, m / b
    width = CountingModel("SR", 0, m, tau, {"d": d}, is_pass_fail).width
    data = Experiments(
        n=rng.poisson(s + b, n_experiments).astype(float),
        m=rng.poisson(m, n_experiments).astype(float),
        tau=np.asarray(tau),
        theta0=width * rng.standard_normal(n_experiments),
        width=np.asarray(width),
    )
    fitted = data.n - data.expected  # the fit of signal and background reproduces both counts
    # the mean of a log-normal expectation lies above its median
    assert abs((fitted + b * np.expm1(width**2 / 2)).mean() - s) < 4 * fitted.std() / math.sqrt(n_experiments)
    asimov = signed_root(Experiments(*(np.asarray(x) for x in (s + b, m, tau, 0.0, width))))
    found = signed_root(data)
    assert np.median(found) == pytest.approx(float(asimov), abs=0.1)
    assert 0.8 < found.std() < 1.2


@pytest.mark.slow
@pytest.mark.parametrize("is_pass_fail", [False, True])
def test_the_fit_of_pyhf_finds_an_injected_signal_as_large_as_it_is(is_pass_fail):
    """Counts, control counts and the pass rate fluctuate; signal yield and Z are those of minuit's fit."""
    rng, s, b, d, n_experiments = np.random.default_rng(14), 60.0, 121.0, 0.03, 60
    m = 4.0 * b
    width = CountingModel("SR", 0, m, m / b, {"d": d}, is_pass_fail).width
    results = [
        compute_significance(
            CountingModel(
                "SR",
                int(rng.poisson(s + b * np.exp(width * rng.standard_normal()))),
                float(rng.poisson(m)),
                m / b,
                {"d": d},
                is_pass_fail,
            )
        )
        for _ in range(n_experiments)
    ]
    yields, z = (np.array([getattr(r, name) for r in results]) for name in ("signal_yield", "z"))
    assert abs(yields.mean() - s) < 3 * yields.std() / math.sqrt(n_experiments)
    assert yields.std() < 25.0
    asimov = float(signed_root(Experiments(*(np.asarray(x) for x in (s + b, m, m / b, 0.0, width)))))
    assert z.mean() == pytest.approx(asimov, abs=0.35)
    assert 0.75 < z.std() < 1.25


def test_a_tight_constraint_is_not_stopped_by_default_bounds():
    assert compute_significance(model(450, 121.0, 480.0, 0.0023, 0.05)).z == pytest.approx(15.856, abs=0.01)
    assert compute_significance(model(120, 50.0, (50 / 7) ** 2)).z == pytest.approx(5.481, abs=0.01)


@pytest.mark.parametrize(
    ("n", "b", "m"), [(15, 0.25, 1.0), (60, 1.0, 4.0), (100, 1.0, 4.0), (2000, 1.0, 0.5), (300, 0.1, 40.0)]
)
@pytest.mark.parametrize("d_closure", [0.0, 0.2])
def test_far_more_events_than_the_template_expects_are_counted(n, b, m, d_closure):
    """The template's rate then rises by more than pyhf's default bound of 10 allows."""
    result = compute_significance(model(n, b, m, 0.01, d_closure))
    assert result.z == pytest.approx(result.z_closed_form, abs=0.01)


def test_nearly_all_events_may_pass():
    test = CountingModel("SR", 3000, 90.0, 4.0, {"closure": 0.1}, is_pass_fail=True)
    result = compute_significance(test)
    assert result.z == pytest.approx(result.z_closed_form, abs=0.01)


def test_a_deficit_has_no_significance_but_keeps_its_sign_in_closed_form():
    result = compute_significance(model(80, 121.0, 480.0, 0.01))
    assert (result.z, result.p0, result.signal_yield) == (
        pytest.approx(0.0),
        pytest.approx(0.5),
        pytest.approx(0.0, abs=0.1),
    )
    assert result.z_closed_form < -2


def test_the_fitted_signal_is_the_excess():
    assert compute_significance(model(1300, 1214.0, 4800.0, 0.005)).signal_yield == pytest.approx(86.0, abs=1.0)


def test_the_workspace_is_read_by_the_pyhf_command(tmp_path):
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(build_workspace(model(160, 121.0, 480.0, 0.005, 0.05))))
    pyhf.Workspace(json.loads(path.read_text()))  # validates against the schema
    done = subprocess.run(
        [sys.executable, "-c", "from pyhf.cli import cli; cli()", "cls", str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert 0.0 <= json.loads(done.stdout)["CLs_obs"] <= 1.0


def test_pyhf_own_toys_run_with_the_repair():
    repair_pyhf_toys()
    workspace = pyhf.Workspace(build_workspace(model(12, 8.0, 40.0, 0.01)))
    pyhf.set_backend("numpy", "minuit")
    pdf = workspace.model()
    _, bands = pyhf.infer.hypotest(
        1.0, workspace.data(pdf), pdf, calctype="toybased", ntoys=40, track_progress=False, return_expected_set=True
    )
    assert len(bands) == 5


@pytest.mark.slow
def test_cabinetry_finds_the_same_significance():
    cabinetry = pytest.importorskip("cabinetry")
    for test in (
        model(160, 121.0, 480.0, 0.005, 0.05),
        CountingModel("SR", 1300, 4800.0, 4.0, {"closure": 0.02}, True),
    ):
        pdf, data = cabinetry.model_utils.model_and_data(build_workspace(test))
        found = cabinetry.fit.significance(pdf, data)
        assert found.observed_significance == pytest.approx(compute_significance(test).z, abs=0.02)


def test_an_enormous_excess_is_not_held_back_by_the_bounds_of_the_fit():
    huge = model(60_000, 30_000.0, 27_000.0, 0.005)
    assert abs(compute_significance(huge).z - closed_form_z(huge)) < LARGEST_DISAGREEMENT
    passing = CountingModel("SR", 60_000, 120_000.0, 4.0, {"closure": 0.003}, is_pass_fail=True)
    assert abs(compute_significance(passing).z - closed_form_z(passing)) < LARGEST_DISAGREEMENT


def test_the_template_model_contains_the_uncertainty_of_the_side_band_fit():
    cut = CutCounts(0.005, 120, 20_000, 0.005, 400.0, 0.05, 0.03)
    fit = SimpleNamespace(n_expected=20_000.0, uncertainty=1000.0)
    model = model_by_template("cut", cut, fit, Measured())
    assert model.relative["norm"] == 0.05
    assert model.uncertainty == pytest.approx(100.0 * np.sqrt(0.05**2 + 0.03**2 + 1 / 400))
