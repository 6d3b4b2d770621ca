from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cli.analysis.counting import (
    LARGEST_DISAGREEMENT,
    CountingModel,
    ScoredEvents,
    build_workspace,
    closed_form_z,
    compute_significance,
    effective_sources,
    select,
)
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
    return CountingModel("SR", n, b, m, {"norm": d_norm, "closure": d_closure})


@pytest.mark.parametrize(("n", "b", "m", "d_norm", "d_closure", "q0"), KNOWN)
def test_q0_is_the_known_one_by_pyhf_and_in_closed_form(n, b, m, d_norm, d_closure, q0):
    result = compute_significance(model(n, b, m, d_norm, d_closure))
    assert result.q0 == pytest.approx(q0, abs=2e-4)
    assert closed_form_z(model(n, b, m, d_norm, d_closure)) ** 2 == pytest.approx(q0, abs=2e-4)


@pytest.mark.parametrize(
    ("n_on", "n_off", "tau", "z"),
    [(4, 5, 5.0, 1.95), (6, 18.78, 14.44, 2.82), (17, 40.11, 10.56, 4.58), (50, 55, 2.0, 3.02), (200, 10, 0.1, 2.38)],
)
def test_without_other_uncertainties_it_is_the_formula_of_li_and_ma(n_on, n_off, tau, z):
    assert closed_form_z(model(n_on, n_off / tau, n_off)) == pytest.approx(z, abs=0.006)


@given(st.integers(0, 5000), st.floats(0.5, 3000.0), st.floats(2.0, 1e5), st.floats(0.0005, 0.2), st.floats(0.0, 0.2))
@settings(max_examples=40, deadline=None)
def test_pyhf_and_the_closed_form_agree(n, b, m, d_norm, d_closure):
    n = min(n, round(3 * b + 10))
    result = compute_significance(model(n, b, m, d_norm, d_closure))
    assert result.z == pytest.approx(max(result.z_closed_form, 0.0), abs=LARGEST_DISAGREEMENT)


def test_a_tight_constraint_is_not_stopped_by_default_bounds():
    assert compute_significance(model(450, 121.0, 480.0, 0.0023, 0.05)).z == pytest.approx(15.856, abs=0.01)
    assert compute_significance(CountingModel("SR", 120, 50.0, 1e9, {"norm": math.expm1(math.log1p(7 / 50))})).z > 5.0


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
        [str(Path(sys.executable).parent / "pyhf"), "cls", str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert 0.0 <= json.loads(done.stdout)["CLs_obs"] <= 1.0


def scored(score, fold, source=None, first_id=0):
    n = len(score)
    ids = first_id + np.arange(n)
    return ScoredEvents(ids, ids if source is None else source, np.ones(n), fold, score)


@pytest.mark.parametrize("efficiency", [0.2, 0.01])
def test_the_cut_is_unbiased_for_background(efficiency):
    """numpy.quantile on each held-out fold would give a mean excess of about 0.4 sigma at 1 %."""
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(1500):
        n, m, folds = 1500, 6000, 10
        template = scored(rng.standard_normal(m), rng.integers(0, folds, m), first_id=n)
        observed = scored(rng.standard_normal(n), rng.integers(0, folds, n))
        selection = select(observed, template, efficiency)
        expected = n * selection.efficiency
        pulls.append((selection.is_observed_selected.sum() - expected) / np.sqrt(expected * (1 + n / m)))
    assert abs(np.mean(pulls)) < 4 / np.sqrt(1500)


def test_equal_scores_do_not_bias_the_cut():
    rng = np.random.default_rng(2)
    n, m = 40_000, 160_000
    template = scored(rng.integers(0, 4, m).astype(float), rng.integers(0, 5, m), first_id=n)
    observed = scored(rng.integers(0, 4, n).astype(float), rng.integers(0, 5, n))
    selection = select(observed, template, 0.1)
    assert selection.is_template_selected.sum() == pytest.approx(16_000, abs=5)
    assert selection.is_observed_selected.sum() == pytest.approx(n * selection.efficiency, abs=5 * np.sqrt(n * 0.1))


def test_a_template_too_small_for_the_cut_is_refused():
    observed, template = (scored(np.arange(100.0), np.arange(100) % 5) for _ in range(2))
    with pytest.raises(PhysicsError, match=r"background efficiency of 0\.001"):
        select(observed, template, 0.001)


def test_copies_count_as_one_source():
    sources = np.repeat(np.arange(50), 4)
    assert effective_sources(sources, np.ones(200)) == pytest.approx(50)
    assert effective_sources(np.arange(200), np.ones(200)) == pytest.approx(200)
    assert effective_sources(np.array([0, 0, 0, 1]), np.ones(4)) == pytest.approx(16 / 10)


def test_an_enormous_excess_is_not_held_back_by_the_bounds_of_the_fit():
    huge = model(60_000, 30_000.0, 27_000.0, 0.005)
    assert abs(compute_significance(huge).z - closed_form_z(huge)) < LARGEST_DISAGREEMENT
