from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import compute

from anomaly_cli.classifiers.base import CLASSIFIERS, Draws, Labelled, draw_features
from anomaly_cli.classifiers.kfold import Contest, Ensembles, train_in_folds
from anomaly_cli.classifiers.mlp import BLOCK, MLP, Standardisation
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.errors import ConfigError, TrainingError
from anomaly_cli.core.events import make_events
from anomaly_cli.core.folds import KFold, assign_folds

QUICK = MLP(ensemble=3, hidden=(8, 8), epochs=8, patience=1, learning_rate=0.02, batch_size=64, best_epochs=1)


def labelled(n=900, seed=1, n_features=4, first_id=0):
    rng = np.random.default_rng(seed)
    is_positive = np.arange(n) % 3 == 0
    x = rng.standard_normal((n, n_features)) + np.where(is_positive, 0.7, 0.0)[:, None]
    names = tuple(f"x{index}" for index in range(n_features))
    events = make_events(np.full(n, 3500.0), x, names, first_id + np.arange(n))
    return Labelled(Standardisation(np.zeros(n_features), np.ones(n_features)).apply(events), is_positive)


def draws(n_members=3, n=900, seed=1):
    pool = labelled(n)
    rng = np.random.default_rng(seed)
    is_stopping = rng.random((n_members, n)) < rng.uniform(0.1, 0.3, (n_members, 1))
    weight = np.where(pool.is_positive, 2.0, 1.0) * rng.uniform(0.5, 1.5, (n_members, n))
    return Draws(pool, is_stopping, weight)


def computes(n_members=3):
    return [compute().child(str(index)) for index in range(n_members)]


@pytest.mark.parametrize(
    "settings", [QUICK, replace(QUICK, best_epochs=3, patience=2), replace(QUICK, feature_fraction=0.5)]
)
def test_members_trained_side_by_side_are_those_trained_one_by_one(settings):
    """Members differ in what they stop on, in their weights and in when they end, and none sees the others."""
    together = settings.fit_members(draws(), computes())
    events = labelled(500, seed=2).events
    for index, (model, own) in enumerate(zip(together, computes(), strict=True)):
        one = draws()
        alone = settings.fit_members(
            Draws(one.pool, one.is_stopping[index : index + 1], one.weight[index : index + 1]), [own]
        )
        assert np.abs(model.log_odds(events) - alone[0].log_odds(events)).max() < 1e-5
    first, second = (model.log_odds(events) for model in together[:2])
    assert np.abs(first - second).max() > 0.01


def test_some_members_end_before_others():
    """So that the test above is one of members that leave."""
    ends = {
        len(model.weights[0]) for model in replace(QUICK, epochs=12, best_epochs=12).fit_members(draws(), computes())
    }
    assert len(ends) > 1
    assert max(ends) < 12


def test_scores_do_not_depend_on_what_is_scored_beside_and_survive_storing():
    model = QUICK.fit_members(draws(), computes())[0]
    events = labelled(2 * BLOCK + 17, seed=3).events
    whole = model.log_odds(events)
    some = np.arange(5, len(events), 11)
    assert model.log_odds(events.take(some)).tobytes() == whole[some].tobytes()
    assert QUICK.load(model.to_arrays()).log_odds(events).tobytes() == whole.tobytes()


def test_kept_ensembles_score_bitwise_the_same():
    observed, template = labelled(400).events, labelled(700, 2, first_id=10_000).events
    folds = tuple(assign_folds(events.source_id, 2, 1) for events in (observed, template))
    contest = Contest(observed, template, (folds[0], folds[1]))
    trained = train_in_folds(contest, QUICK, KFold(2), compute())
    loaded = Ensembles.from_arrays(QUICK, trained.to_arrays())
    assert loaded.score(template, folds[1]).tobytes() == trained.score(template, folds[1]).tobytes()


def test_the_best_epoch_is_kept_and_not_the_last():
    """A member that learns by heart is best early on; all of its epochs averaged are another model."""
    pool = labelled(300)
    stops = np.arange(300)[None] % 2 == 0
    settings = MLP(ensemble=1, hidden=(64, 64), epochs=60, patience=60, learning_rate=0.01, batch_size=32)
    made = Draws(pool, stops, np.ones((1, 300)))
    best, last = (
        replace(settings, best_epochs=n).fit_members(made, computes(1))[0].log_odds(labelled(2000, 9).events)
        for n in (1, 60)
    )
    assert loss(best) < loss(last)


def loss(odds):
    sign = np.where(labelled(2000, 9).is_positive, -1.0, 1.0)
    return float(np.logaddexp(0.0, sign * odds).mean())


def test_attribute_bagging_shows_each_model_a_part_of_the_features():
    """What a model does not see does not change its log-odds; the models see different parts."""
    for settings in (replace(QUICK, feature_fraction=0.5), Trees(iterations=5, feature_fraction=0.5)):
        pool = draws()
        preparation = settings.prepare(pool.pool.events, compute())
        prepared = Draws(Labelled(preparation.apply(pool.pool.events), pool.pool.is_positive), *vars_of(pool))
        models = settings.fit_members(prepared, computes())
        events = labelled(200, 5).events
        seen = []
        for model, own in zip(models, computes(), strict=True):
            is_used = draw_features(4, 0.5, own.streams)
            assert is_used.sum() == 2
            for column in range(4):
                moved = events.features.copy()
                moved[:, column] += 1.0
                other = make_events(events.mjj, moved, events.names, events.event_id)
                changed = model.log_odds(preparation.apply(other)) != model.log_odds(preparation.apply(events))
                assert changed.any() == is_used[column]
            seen.append(tuple(is_used))
        assert len(set(seen)) > 1


def vars_of(made):
    return made.is_stopping, made.weight


def test_bad_settings_and_diverging_trainings_end_in_a_sentence():
    with pytest.raises(ConfigError, match="classifier mlp: needs hidden, epochs"):
        CLASSIFIERS.make("mlp", {"hidden": []})
    with pytest.raises(ConfigError, match="classifier mlp: needs feature_fraction in"):
        CLASSIFIERS.make("mlp", {"feature_fraction": 0.0})
    with pytest.raises(ConfigError, match="classifier trees: needs feature_fraction in"):
        CLASSIFIERS.make("trees", {"feature_fraction": 1.5})
    with pytest.raises(TrainingError, match="a training diverged; lower its learning rate"):
        replace(QUICK, learning_rate=1e30).fit_members(draws(), computes())
