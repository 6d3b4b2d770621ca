"""Coverage of the counting chain without signal, and negative controls that must fail.

Each pseudo-experiment is a Poisson spectrum, a side-band fit, scores of data and template, thresholds from
the template in folds, and the models that the analysis builds. The figures are shown with

    pytest -m slow tests/analysis/test_coverage.py --log-cli-level=INFO
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyhf
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from test_mass_fit import dijet_masses
from test_selection import scored
from toys import REGIONS

from anomaly_cli.analysis.asymptotics import compute_significance
from anomaly_cli.analysis.calibration import clopper_pearson, spread_interval
from anomaly_cli.analysis.counting import CountingModel, experiments
from anomaly_cli.analysis.mass_fit import fit_mass_spectrum
from anomaly_cli.analysis.modelling import Measured, model_by_fail, model_by_template
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import select
from anomaly_cli.analysis.workspaces import build_workspace

pytestmark = pytest.mark.slow
POOL = dijet_masses(2_000_000, 77)
BANDS = REGIONS.side_bands
FOLDS = 5
LOG = logging.getLogger(__name__)
TESTED = {(0.2, "fail"), (0.05, "fail"), (0.05, "template"), (0.01, "template")}


def pseudo_experiment(rng, n_mean=12_000, oversampling=4.0, bias=0.0):
    """Return fit, observed and template scores; `bias` is the spread of ln(pass rate) of the template."""
    masses = POOL[rng.integers(len(POOL), size=rng.poisson(n_mean))]
    n = int(REGIONS.sr.contains(masses).sum())
    fit = fit_mass_spectrum([masses[w.contains(masses)] for w in BANDS], BANDS, REGIONS.sr)
    m = round(oversampling * n)
    # an exponential score: shifting it multiplies every pass rate by the same factor
    shift = bias * rng.standard_normal()
    observed = scored(rng.exponential(size=n) + shift, rng.integers(0, FOLDS, n))
    template = scored(rng.exponential(size=m), rng.integers(0, FOLDS, m), first_id=n)
    return fit, observed, template


def models(rng, efficiencies, measured=None, overdispersion=1.0, **options):
    """Return the models of one pseudo-experiment by efficiency and control sample.

    `overdispersion` is the factor on the standard deviation that training in folds would give each cut.
    """
    fit, observed, template = pseudo_experiment(rng, **options)
    known, found = measured or Measured(), {}
    for efficiency in efficiencies:
        statistical = (1 - efficiency) / efficiency * (1 / len(observed.score) + 1 / len(template.score))
        more = np.sqrt((overdispersion**2 - 1) * statistical) * rng.standard_normal()
        selection = select(replace(observed, score=observed.score + more), template, efficiency)
        found[efficiency, "fail"] = model_by_fail("SR", selection, known)
        found[efficiency, "template"] = model_by_template("SR", selection, fit, known)
    return found


def signed_z(n_experiments, efficiencies, seed, **options):
    """Return signed z by efficiency and control sample, `(n,)` each."""
    rng = np.random.default_rng(seed)
    drawn = [models(rng, efficiencies, **options) for _ in range(n_experiments)]
    return {key: signed_root(experiments([item[key] for item in drawn])) for key in drawn[0]}


def check(label, z):
    spread, small = spread_interval(z, 0.999), clopper_pearson(int((z > 1.6449).sum()), len(z), 0.999)
    LOG.info(
        "%s: %d experiments, mean %.3f, std %.3f [%.3f, %.3f], f(p < 0.05) %.4f [%.4f, %.4f] (99.9 %%)",
        *(label, len(z), z.mean(), spread.value, spread.low, spread.high, small.value, small.low, small.high),
    )
    assert 0.93 < spread.value < 1.07
    assert small.low < 0.05 < small.high


@pytest.fixture(scope="module")
def without_signal():
    return signed_z(5000, (0.2, 0.05, 0.01, 0.002), 11)


@pytest.mark.parametrize(("efficiency", "control"), sorted(TESTED))
def test_z_is_standard_normal_without_signal(without_signal, efficiency, control):
    z = without_signal[efficiency, control]
    check(f"{efficiency:g} {control}", z)
    assert abs(z.mean()) < 0.12


def test_few_events_are_counted_on_the_safe_side(without_signal):
    """At 0.2 % some 4.5 events are expected: asymptotic p-values are discrete, and not too small."""
    z = without_signal[0.002, "template"]
    rate = clopper_pearson(int((z > 1.6449).sum()), len(z), 0.999)
    LOG.info("0.002 template: mean %.3f, std %.3f, f(p < 0.05) %.4f", z.mean(), z.std(), rate.value)
    assert rate.low < 0.05
    assert 0.93 < z.std() < 1.07


EVERYTHING = {"bias": 0.05, "overdispersion": 1.25, "measured": Measured(np.expm1(0.05), 1.25)}
"""A template that is off by 5 %, and folds that scatter 25 % more than Poisson, both in the model."""


def test_six_hundred_through_pyhf_with_closure_and_kfold_cover():
    """Signed Z from pyhf's own fits, the signal free to be negative; q0 of the analysis beside."""
    rng = np.random.default_rng(5)
    controls, z = ("fail", "template"), []
    for index in range(600):
        model = models(rng, (0.05,), **EVERYTHING)[0.05, controls[index % 2]]
        result = compute_significance(model)
        z.append(pyhf_signed_z(model))
        assert z[-1] == pytest.approx(result.z_closed_form, abs=0.02)
        assert result.z == pytest.approx(max(z[-1], 0.0), abs=0.02)
    check("through pyhf, 5 %, closure and k-fold", np.array(z))


def pyhf_signed_z(model):
    spec = build_workspace(model)
    poi = spec["measurements"][0]["config"]["parameters"][0]
    poi["bounds"] = [[-5.0, poi["bounds"][0][1]]]
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(maxiter=3000))
    workspace = pyhf.Workspace(spec)
    pdf = workspace.model()
    data = workspace.data(pdf)
    best, free = pyhf.infer.mle.fit(data, pdf, return_fitted_val=True)
    _, null = pyhf.infer.mle.fixed_poi_fit(0.0, data, pdf, return_fitted_val=True)
    return np.copysign(np.sqrt(max(float(null) - float(free), 0.0)), best[pdf.config.poi_index])


@pytest.fixture(scope="module")
def with_everything():
    return signed_z(5000, (0.05, 0.01), 21, **EVERYTHING)


@pytest.mark.parametrize(("efficiency", "control"), [(0.05, "fail"), (0.05, "template"), (0.01, "template")])
def test_five_thousand_with_closure_and_kfold_cover(with_everything, efficiency, control):
    check(f"{efficiency:g} {control}, closure and k-fold", with_everything[efficiency, control])


def test_closure_covers_a_template_that_is_off():
    z = signed_z(2000, (0.2,), 3, bias=0.05, measured=Measured(closure=np.expm1(0.05)))
    check("pass rate off by 5 %, closure in the model", z[0.2, "fail"])


def test_negative_control_without_closure_nothing_is_covered():
    """Bias of 5 % at 20 %: 24,000 expected events."""
    rng = np.random.default_rng(4)
    n = rng.poisson(24_270 * np.exp(0.05 * rng.standard_normal(3000)))
    z = signed_root(experiments([CountingModel("SR", int(k), 96_000.0, 96_000 / 24_270, {"norm": 0.003}) for k in n]))
    LOG.info("negative control, no closure: std %.2f", z.std())
    assert z.std() > 3.0


def test_negative_control_without_template_statistics_z_is_too_wide():
    rng = np.random.default_rng(6)
    drawn = [models(rng, (0.05,), oversampling=1.0)[0.05, "template"] for _ in range(800)]
    naive = [CountingModel("SR", p.n_observed, 1e12, 1e12 / p.n_expected, {}) for p in drawn]
    spread = signed_root(experiments(naive)).std()
    LOG.info("negative control, no template statistics, one template event per observed: std %.2f", spread)
    assert spread > 1.3


def test_negative_control_scores_of_the_training_events_are_a_false_discovery():
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((9000, 4)), np.repeat([1, 0], [3000, 6000])
    tree = HistGradientBoostingClassifier(random_state=1).fit(x, y)
    score = tree.decision_function(x)
    observed, template = (
        scored(score[:3000], np.zeros(3000, dtype=int)),
        scored(score[3000:], np.zeros(6000, dtype=int), first_id=3000),
    )
    model = model_by_fail("SR", select(observed, template, 0.05), Measured())
    z = float(signed_root(model.experiment()))
    LOG.info("negative control, in-sample scores: z %.1f", z)
    assert z > 5.0


def test_negative_control_a_quantile_of_each_fold_is_biased():
    rng = np.random.default_rng(8)
    z = []
    for _ in range(1500):
        n, m, folds = 1000, 4000, 10
        observed, template = rng.standard_normal(n), rng.standard_normal(m)
        fold_n, fold_m = rng.integers(0, folds, n), rng.integers(0, folds, m)
        passing = sum((observed[fold_n == k] > np.quantile(template[fold_m == k], 0.99)).sum() for k in range(folds))
        z.append((passing - 0.01 * n) / np.sqrt(0.01 * n * (1 + n / m)))
    LOG.info("negative control, quantile of each of ten folds: mean %.2f", np.mean(z))
    assert np.mean(z) > 0.3
