from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from test_chosen import BLUNT, train

from anomaly_cli.classifiers.averaged import Averaged, FittedAveraged
from anomaly_cli.classifiers.base import CLASSIFIERS, FittedClassifier
from anomaly_cli.classifiers.kfold import Ensembles
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import make_events
from anomaly_cli.testing import check_classifier

UNLIKE = Averaged(
    ensemble=2, settings={"mlp": {"hidden": [4], "epochs": 1, "best_epochs": 1}, "trees": {"iterations": 5}}
)


@dataclass(frozen=True)
class Column(FittedClassifier):
    """A feature, times something."""

    index: int
    times: float = 1.0

    def log_odds(self, events):
        return self.times * events.features[:, self.index]

    def to_arrays(self):
        return {"times": np.array([self.times])}


def events(n=501):
    x = np.random.default_rng(1).standard_normal((n, 2))
    return make_events(np.full(n, 3500.0), x, ("a", "b"), np.arange(n))


def test_candidates_count_the_same_however_sure_of_themselves_they_are():
    some = events()
    plain = FittedAveraged([Column(0), Column(1)], np.array([1.0, 1.0])).log_odds(some)
    assert plain == pytest.approx(some.features.mean(axis=1))
    sure = FittedAveraged([Column(0), Column(1, 50.0)], np.array([1.0, 50.0])).log_odds(some)
    assert sure == pytest.approx(25.5 * plain)


def test_what_tells_nothing_apart_counts_for_nothing():
    some = events()
    assert FittedAveraged([Column(0), Column(1, 0.0)], np.array([1.0, 0.0])).log_odds(some) == pytest.approx(
        some.features[:, 0]
    )
    nothing = FittedAveraged([Column(0, 0.0), Column(1, 0.0)], np.zeros(2)).log_odds(some)
    assert nothing.tolist() == [0.0] * len(some)


def test_the_spread_is_that_of_the_training_and_members_survive_being_stored():
    trained, observed, fold = train(UNLIKE)
    member = trained.members[0][0]
    assert len(member.models) == 2
    assert (member.spreads > 0.0).all()
    back = Ensembles.from_arrays(trained.classifier, trained.to_arrays())
    assert back.score(observed, fold).tobytes() == trained.score(observed, fold).tobytes()
    check_classifier(Averaged(ensemble=1, settings=UNLIKE.settings))


def test_bad_averages_end_in_a_sentence():
    with pytest.raises(ConfigError, match="classifier averaged: candidates must name two or more different ones"):
        CLASSIFIERS.make("averaged", {"candidates": ["mlp"]})
    with pytest.raises(ConfigError, match="takes families as candidates"):
        CLASSIFIERS.make("averaged", {"candidates": ["trees", "chosen"]})
    made = CLASSIFIERS.make("averaged", {"candidates": ["trees", "one"], "settings": {"one": BLUNT}})
    assert made.candidates == ("trees", "one")
