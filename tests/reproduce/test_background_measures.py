"""What is measured on reference background is what was put into it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import REGIONS, toy_events

from anomaly_cli.analysis.conformal import conformal_p_values
from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.mass_fit import fit_mass_spectrum
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.cuts import Cuts
from anomaly_cli.reproduce.background_measures import (
    count_by_side_bands,
    measure_bias,
    measure_shape,
    measure_tagging,
    significance_found,
)
from anomaly_cli.search.rank import Ranked
from anomaly_cli.search.rank import scored as search_scored
from anomaly_cli.search.split import split_events

FOLDS = 3
SR = REGIONS.sr
SMALL_SETS = ((2_000, 0), (1_500, 10_000), (30_000, 20_000))
"""Events and first identifiers of observed, template and background."""


def scored(score, first_id=0):
    ids = first_id + np.arange(len(score))
    return ScoredEvents(ids, ids, np.ones(len(score)), ids % FOLDS, np.asarray(score))


@pytest.fixture(scope="module")
def fit():
    masses = 2_500.0 + np.random.default_rng(1).exponential(500.0, 40_000)
    return fit_mass_spectrum([masses[w.contains(masses)] for w in REGIONS.side_bands], REGIONS.side_bands, SR)


@pytest.mark.parametrize("excess", [0.0, 0.5])
def test_the_bias_is_the_excess_of_background_over_the_template(fit, excess):
    rng = np.random.default_rng(2)
    scores = [rng.exponential(size=n) for n in (6_000, 24_000, 60_000)]
    observed, template = scored(scores[0]), scored(scores[1], 6_000)
    background = scored(scores[2] + np.log1p(excess), 30_000)  # raises an exponential's pass rate by the same factor
    cuts = Cuts(background_efficiencies=(0.05, 1e-5))
    found = measure_bias(Ranked(None, None, observed, template, None), background, fit, cuts)
    assert found["bias@0.05"] == pytest.approx(excess, abs=4.0 * found["bias@0.05.error"])
    assert 0.01 < found["bias@0.05.error"] < 0.06
    assert "bias@1e-05" not in found, "too tight for the template, yet measured"


def test_the_error_of_a_bias_is_its_scatter(fit):
    """A template of few events scatters more than the background does."""
    rng, found = np.random.default_rng(4), []
    for _ in range(60):
        observed, template, background = (scored(rng.exponential(size=n), first) for n, first in SMALL_SETS)
        ranked = Ranked(None, None, observed, template, None)
        found.append(measure_bias(ranked, background, fit, Cuts(background_efficiencies=(0.1,))))
    spread = np.std([one["bias@0.1"] for one in found], ddof=1)
    assert np.mean([one["bias@0.1.error"] for one in found]) == pytest.approx(spread, rel=0.3)


def test_a_bias_in_the_error_lowers_a_significance(fit):
    rng = np.random.default_rng(3)
    observed = scored(np.concatenate([rng.exponential(size=6_000), np.full(150, 9.0)]))
    template = scored(rng.exponential(size=24_000), 7_000)
    z = []
    for excess in (0.0, 0.5):
        background = scored(rng.exponential(size=60_000) + np.log1p(excess), 40_000)
        cuts = Cuts(background_efficiencies=(0.05,))
        z.append(measure_bias(Ranked(None, None, observed, template, None), background, fit, cuts)["z_bias@0.05"])
    assert z[0] > 5.0
    assert 0.0 < z[1] < 2.0


@pytest.mark.parametrize("n_signal", [0, 30, 300])
def test_the_error_of_a_significance_is_how_it_scatters(n_signal):
    rng = np.random.default_rng(5)
    models = [
        CountingModel("SR", int(rng.poisson(100 + n_signal)), float(rng.poisson(400)), 4.0, {"closure": 0.02})
        for _ in range(500)
    ]
    found = [significance_found("z", model) for model in models]
    spread = np.std([one["z"] for one in found])
    assert np.mean([one["z.error"] for one in found]) == pytest.approx(spread, rel=0.12)
    none = significance_found("z", CountingModel("SR", 0, 4.0, 4.0, {}))
    assert np.isfinite(none["z.error"])


@pytest.mark.parametrize("excess", [0, 150])
def test_the_error_of_a_conformal_significance_is_how_it_scatters(excess):
    rng, z, errors = np.random.default_rng(6), [], []
    for _ in range(400):
        scores = np.concatenate([rng.exponential(size=2_000), np.full(rng.poisson(excess), 20.0)])
        values = conformal_p_values(scored(scores), scored(rng.exponential(size=4_000), 10_000))
        z.append(values.significance(0.05))
        errors.append(values.scatter(0.05))
    assert np.mean(errors) == pytest.approx(np.std(z), rel=0.12)


def test_a_score_that_follows_the_mass_sculpts_and_one_that_does_not_does_not():
    rng = np.random.default_rng(4)
    mjj = rng.uniform(REGIONS.sb1.low, REGIONS.sb2.high, 30_000)
    inside = SR.contains(mjj)
    flat = measure_shape(mjj, scored(rng.normal(size=len(mjj))), inside)
    follows = measure_shape(mjj, scored(rng.normal(size=len(mjj)) + mjj / 500.0), inside)
    assert abs(flat["chi2_per_ndf"] - 1.0) < 4.0 * flat["chi2_per_ndf.error"]
    assert follows["chi2_per_ndf"] > 50.0
    assert flat["passing"] == pytest.approx(0.1 * len(mjj), rel=0.1)


def test_rejection_and_divergence_are_of_the_cut_that_keeps_half_of_the_signal():
    rng = np.random.default_rng(5)
    mjj, signal = rng.uniform(3000.0, 4600.0, 20_000), scored(rng.normal(2.0, 1.0, 5_000), 50_000)
    plain = measure_tagging(mjj, scored(rng.normal(size=len(mjj))), signal)
    assert plain["rejection"] == pytest.approx(1.0 / 0.02275, rel=0.2)  # of a normal above 2
    bent = measure_tagging(mjj, scored(rng.normal(size=len(mjj)) + (mjj - 3800.0) / 400.0), signal)
    assert bent["inverse_divergence"] < 0.1 * plain["inverse_divergence"]


class _Follows:
    """A score that follows the mass, steeply below the signal region: side-bands are scored lower than it."""

    def score(self, events, fold):
        noise = np.random.default_rng(5).normal(scale=0.3, size=len(events))
        return np.minimum(events.mjj, SR.low) / 1000.0 + noise


class _Asked(_Follows):
    """The same, which notes the fold that it was last asked for."""

    def score(self, events, fold):
        self.folds = fold
        return super().score(events, fold)


def test_side_bands_taken_for_background_of_the_region_fabricate_an_excess():
    split, crossfit = split_events(toy_events(40_000, 4), REGIONS), CrossFit("halves", 4, 1)
    observed = search_scored(_Follows(), split.sr, crossfit.fold(split.sr.source_id))
    found = count_by_side_bands(Ranked(_Follows(), crossfit, observed, None, None), split, (0.2, 0.05))
    assert found["z@0.2"] > 3.0
    asked = _Asked()
    count_by_side_bands(Ranked(asked, crossfit, observed, None, None), split, (0.2,))
    bands = split.side_bands
    assert np.array_equal(asked.folds, crossfit.side_band_fold(bands.source_id)), "scored by a model that has seen them"
    like = search_scored(_Follows(), split.sb2, crossfit.fold(split.sb2.source_id))
    above = replace(split, sb1=split.sb2)
    assert abs(count_by_side_bands(Ranked(_Follows(), crossfit, like, None, None), above, (0.2,))["z@0.2"]) < 3.0
