from __future__ import annotations

import numpy as np
import pytest
from toys import compute

from anomaly_cli.classifiers.argos import FEWEST_PASSING, argos
from anomaly_cli.classifiers.base import CLASSIFIERS, Draws, Labelled
from anomaly_cli.classifiers.chosen import Chosen, found_by
from anomaly_cli.classifiers.kfold import Contest, Ensembles, train_in_folds
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import make_events
from anomaly_cli.core.folds import KFold, assign_folds
from anomaly_cli.testing import check_classifier

BLUNT, SHARP = {"family": "trees", "leaves": 2, "iterations": 1}, {"family": "trees", "iterations": 30}
CHOICE = Chosen(ensemble=3, candidates=("blunt", "sharp"), settings={"blunt": BLUNT, "sharp": SHARP})


def test_argos_is_near_nothing_without_signal_and_grows_with_it():
    rng = np.random.default_rng(1)
    template = rng.standard_normal(20_000)
    nothing = [argos(rng.standard_normal(5000), template) for _ in range(5)]
    found = argos(np.append(rng.standard_normal(4900), rng.normal(3.0, 1.0, 100)), template)
    assert max(nothing) < 0.08
    assert found > 2 * max(nothing)
    assert argos(rng.standard_normal(5000) - 9.0, template) < 0.01


def test_argos_of_a_known_case():
    """A tenth of the data lies above all of the template but FEWEST_PASSING events."""
    template = np.arange(1000.0)
    observed = np.concatenate([np.full(100, 2000.0), np.full(900, -1.0)])
    kept = FEWEST_PASSING / 1000
    assert argos(observed, template) == pytest.approx(0.1 / np.sqrt(kept) - np.sqrt(kept))
    assert argos(observed, template, np.full(1000, 3.0)) == pytest.approx(0.1 / np.sqrt(kept) - np.sqrt(kept))


def test_argos_of_constant_or_missing_scores_is_nothing():
    assert argos(np.ones(500), np.ones(500)) == 0.0
    assert argos(np.zeros(0), np.ones(500)) == 0.0
    assert argos(np.ones(500), np.ones(FEWEST_PASSING - 1)) == 0.0


def events_of(n, seed, n_signal=0):
    """Signal lies where two features agree, which a single cut does not see."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    x[:n_signal, 0] = x[:n_signal, 1] = rng.choice([-1.5, 1.5], n_signal)
    return make_events(np.full(n, 3500.0), x, ("a", "b", "c"), 100_000 * seed + np.arange(n))


def train(settings=CHOICE, n_signal=200):
    observed, template = events_of(2000, 1, n_signal), events_of(4000, 2)
    folds = tuple(assign_folds(events.source_id, 2, 1) for events in (observed, template))
    contest = Contest(observed, template, (folds[0], folds[1]))
    return train_in_folds(contest, settings, KFold(2, 0.3), compute()), observed, folds[0]


def test_the_candidate_that_finds_the_signal_is_chosen_in_every_fold_wherever_it_stands():
    for candidates, expected in ((("blunt", "sharp"), 1), (("sharp", "blunt"), 0)):
        trained, *_ = train(Chosen(ensemble=3, candidates=candidates, settings={"blunt": BLUNT, "sharp": SHARP}))
        assert [model.chosen for members in trained.members for model in members] == [expected] * 6


def test_what_is_chosen_survives_being_stored_with_candidates_of_unlike_form():
    unlike = {"mlp": {"hidden": [4], "epochs": 1, "best_epochs": 1}, "trees": {"iterations": 5}}
    trained, observed, fold = train(Chosen(ensemble=2, settings=unlike))
    settings = trained.classifier
    back = Ensembles.from_arrays(settings, trained.to_arrays())
    assert back.score(observed, fold).tobytes() == trained.score(observed, fold).tobytes()
    check_classifier(Chosen(ensemble=1, settings=unlike))


def test_only_events_that_a_model_stopped_on_say_how_much_it_finds(monkeypatch):
    """A model that knows its training by heart finds nothing more for it."""

    class ByHeart:
        def __init__(self, trained):
            self.trained = trained

        def log_odds(self, events):
            assert not np.isin(events.event_id, self.trained).any()
            return np.zeros(len(events))

    events = events_of(500, 1)
    is_positive, is_stopping = np.arange(500) % 2 == 0, np.random.default_rng(1).random((3, 500)) < 0.2
    draws = Draws(Labelled(events, is_positive), is_stopping, np.ones((3, 500)))
    assert found_by([ByHeart(events.event_id[~stops]) for stops in is_stopping], draws) == 0.0


def test_bad_choices_end_in_a_sentence():
    with pytest.raises(ConfigError, match="two or more different ones"):
        CLASSIFIERS.make("chosen", {"candidates": ["trees"]})
    with pytest.raises(ConfigError, match="settings of 'forest', which is not among"):
        CLASSIFIERS.make("chosen", {"settings": {"forest": {}}})
    with pytest.raises(ConfigError, match="takes families as candidates"):
        CLASSIFIERS.make("chosen", {"candidates": ["trees", "chosen"]})
    with pytest.raises(ConfigError, match="unknown setting 'leafs'"):
        CLASSIFIERS.make("chosen", {"settings": {"trees": {"leafs": 3}}})
