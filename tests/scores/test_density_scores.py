"""Scores of densities: what they find, and that none of them sees what it ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import compute

from anomaly_cli.core.crossfit import COMPLEMENTS, HALVES, NONE, PARTS, THIRDS, CrossFit
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.seen import Need
from anomaly_cli.methods.base import METHODS
from anomaly_cli.nets import mixtures
from anomaly_cli.scores import backgrounds
from anomaly_cli.scores.base import SCORES, Ranking
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.template import see
from anomaly_cli.testing import ContractError, check_score, toy_split

QUICK = {"base_epochs": 1, "scaling_bags": 0, "flows": 1}
FEW = {**QUICK, "starts": 20, "modes": 2, "splits": 2}


def check(name, settings):
    check_score(SCORES.make(name, settings), split=toy_split(5000))


def normal(n, seed):
    return np.random.default_rng(seed).standard_normal((n, 3))


def log_normal(z):
    return -0.5 * (z**2).sum(axis=1) - 1.5 * np.log(2 * np.pi)


@pytest.mark.parametrize(("name", "settings"), [("r_anode", FEW), ("anode", QUICK), ("lacathode", QUICK)])
def test_density_scores_keep_the_public_contract(name, settings):
    check(name, settings)


def test_a_density_of_all_side_bands_breaks_the_contract(monkeypatch):
    """The expectation of a fold would move with what ranks it."""
    monkeypatch.setattr(backgrounds, "_seen_by", lambda ranking, fold: (None, -1))
    with pytest.raises(ContractError, match="ranks a fold by the side-bands that its expectation is made of"):
        check("r_anode", FEW)


@pytest.mark.parametrize("name", ["r_anode", "anode"])
def test_a_signal_of_all_observed_events_breaks_the_contract(name, monkeypatch):
    leak = f"anomaly_cli.scores.{name}.training_events"
    monkeypatch.setattr(leak, lambda ranking, observed, fold, score: observed)
    with pytest.raises(ContractError, match="ranks a fold by what has seen its own events"):
        check(name, FEW if name == "r_anode" else QUICK)


def test_a_signal_is_the_same_for_any_number_of_processes():
    split, one = toy_split(5000), compute()
    settings = SearchSettings(method=METHODS.make("cathode", {}), kfold=KFold(6))
    seen = see(split, settings.method, Provisions(), one)
    given = replace(seen, observed=split.sr)
    ranking = Ranking(settings.classifier, settings.kfold, CrossFit(NONE, 6, 1))
    fitted = [SCORES.make("r_anode", FEW).fit(given, None, ranking, replace(one, processes=n)) for n in (1, 2)]
    arrays, others = (one.to_arrays() for one in fitted)
    assert arrays.keys() == others.keys()
    assert any(name.startswith("signal5") for name in arrays)
    for name, array in arrays.items():
        assert np.array_equal(array, others[name]), name


@pytest.mark.parametrize("scheme", [HALVES, THIRDS, PARTS, COMPLEMENTS])
def test_what_ranks_a_fold_is_made_of_no_division_behind_its_expectation(scheme):
    crossfit = CrossFit(scheme, 6, 1)
    for fold in range(6):
        behind = {d for plan in crossfit.plans if fold in plan.counts for d in plan.divisions}
        used = set(crossfit.trained_divisions(fold))
        assert used
        assert not used & behind
    assert CrossFit(NONE, 6, 1).trained_divisions(0) is None


def test_of_a_template_of_one_part_a_background_sees_no_event_of_its_fold(monkeypatch):
    split, crossfit, shown = toy_split(5000), CrossFit(NONE, 3, 1), []
    make = backgrounds.densities.ScaledEvents.make
    monkeypatch.setattr(
        backgrounds.densities.ScaledEvents,
        "make",
        lambda scaler, events, *rest: shown.append(events) or make(scaler, events, *rest),
    )
    settings = SearchSettings(method=METHODS.make("cathode", {}), kfold=KFold(3))
    seen = see(split, settings.method, Provisions(), compute())
    ranking = Ranking(settings.classifier, settings.kfold, crossfit)
    SCORES.make("lacathode", QUICK).fit_backgrounds(seen, ranking, compute())
    assert len(shown) == 3
    for fold, events in enumerate(shown):
        assert not (crossfit.side_band_fold(events.source_id) == fold).any()
        assert len(events) > len(seen.side_bands) / 2


def test_a_component_is_found_where_events_are_that_the_background_does_not_expect():
    background, signal = normal(6000, 1), 0.3 * normal(90, 2) + np.array([1.5, -1.0, 1.0])
    z = np.concatenate([background, signal])
    found = mixtures.find_modes(z, log_normal(z), mixtures.Search(), np.random.default_rng(3))
    best = found.mixtures.take(np.array([found.gain.sum(axis=0).argmax()]))
    assert np.abs(best.mean[0, 0] - [1.5, -1.0, 1.0]).max() < 0.2
    assert best.fraction[0] == pytest.approx(90 / 6090, rel=0.4)
    assert found.gain.sum(axis=0).max() > 30.0  # of background alone it is below 8, see below


def test_background_alone_gains_nothing_on_events_left_out():
    gains = []
    for seed in range(4):
        z = normal(3000, 10 + seed)
        found = mixtures.find_modes(z, log_normal(z), mixtures.Search(starts=60), np.random.default_rng(seed))
        gains.append(found.gain.sum(axis=0).max())
        assert found.weight.sum() == pytest.approx(1.0)
    assert np.mean(gains) < 8.0


def test_expectation_maximisation_never_lowers_the_likelihood_beyond_its_prior():
    z = np.concatenate([normal(2000, 1), 0.5 * normal(60, 2) + 2.0])
    prior = mixtures.Prior(events=1e-6)
    one = mixtures.Mixtures.at(z[-2:], np.array([0.01, 0.05]), 0.5)
    likelihood = one.gain(z, log_normal(z)).sum(axis=0)
    for _ in range(10):
        one = mixtures.maximise(one, z, log_normal(z), np.ones((len(z), 2)), prior, 1)
        again = one.gain(z, log_normal(z)).sum(axis=0)
        assert (again > likelihood - 1e-3).all()
        likelihood = again


def test_events_of_no_weight_are_not_seen():
    z = np.concatenate([normal(500, 1), normal(100, 2) + 3.0])
    start = mixtures.Mixtures.at(z[-1:], np.array([0.1]), 0.5)
    weight = (np.arange(600) < 500).astype(float)[:, None]
    some = mixtures.maximise(start, z, log_normal(z), weight, mixtures.Prior(), 5)
    alone = mixtures.maximise(start, z[:500], log_normal(z[:500]), np.ones((500, 1)), mixtures.Prior(), 5)
    assert np.allclose(some.mean, alone.mean)
    assert np.allclose(some.fraction, alone.fraction)


def test_log_densities_of_components_are_those_of_normal_distributions():
    covariance = np.array([[1.0, 0.3, 0.0], [0.3, 0.5, -0.1], [0.0, -0.1, 0.8]])
    mean, z = np.array([0.5, -1.0, 2.0]), normal(50, 5)
    one = mixtures.Mixtures(np.array([0.1]), np.ones((1, 1)), mean[None, None], covariance[None, None])
    step = z - mean
    inverse, size = np.linalg.inv(covariance), np.linalg.slogdet(2 * np.pi * covariance)[1]
    assert np.allclose(one.log_density(z)[:, 0], -0.5 * np.einsum("ni,ij,nj->n", step, inverse, step) - 0.5 * size)


def test_modes_weigh_by_what_they_gain_beyond_half_of_the_best():
    blank = mixtures.Mixtures.at(np.zeros((2, 3)), np.full(2, 0.01), 1.0)
    found = mixtures.Found(blank, np.array([[10.0, 4.0], [10.0, 11.0]]))
    assert np.allclose(found.weight, [10 / 15, 5 / 15])
    assert np.allclose(replace(found, gain=-found.gain).weight, [0.0, 1.0])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"flows": 0}, "score r_anode: needs flows of 1 or more"),
        ({"splits": 1}, "score r_anode: needs starts and modes of 1 or more, 2 splits or more"),
        ({"base_epochs": 0}, "score r_anode: numbers of transforms"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SCORES.make("r_anode", settings)


def test_latent_spaces_of_several_flows_are_refused():
    with pytest.raises(ConfigError, match="score lacathode: needs flows of 1, since latent spaces of several cannot"):
        SCORES.make("lacathode", {"flows": 2})


def test_a_score_that_needs_what_only_methods_are_given_is_refused(monkeypatch):
    score = SCORES.make("cwola", {})
    monkeypatch.setattr(type(score), "needs", frozenset({Need.SIDE_BANDS, Need.SIMULATION}))
    with pytest.raises(ConfigError, match="score cwola: needs simulation, which only template methods are given"):
        SearchSettings(score=score)
