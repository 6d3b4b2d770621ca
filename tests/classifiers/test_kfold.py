from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from anomaly_cli.analysis.profile import Experiments, signed_root
from anomaly_cli.analysis.selection import ScoredEvents, select
from anomaly_cli.classifiers.kfold import Contest, Ensembles, KFold, train_in_folds
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import make_events
from anomaly_cli.core.folds import assign_folds
from anomaly_cli.core.streams import Streams

SETTINGS = Trees(ensemble=2, iterations=60)
LOG = logging.getLogger(__name__)


def train(observed, template, settings=SETTINGS, seed=1, processes=1, trains=None):
    compute = Compute(Streams(seed), processes=processes)
    folds = (fold_of(observed, seed), fold_of(template, seed))
    return train_in_folds(Contest(observed, template, folds, (None, trains)), settings, KFold(4), compute)


def fold_of(events, seed=1):
    return assign_folds(events.source_id, 4, seed)


def score_in_folds(sets, settings=SETTINGS, seed=1, processes=1):
    """Train the first set against the second, and return fold and score of all sets."""
    ensembles = train(sets[0], sets[1], settings, seed, processes)
    folds = [fold_of(events, seed) for events in sets]
    return [(fold, ensembles.score(events, fold)) for events, fold in zip(sets, folds, strict=True)]


def background(n, rng, first_id=0):
    return make_events(np.full(n, 3500.0), rng.standard_normal((n, 3)), ("a", "b", "c"), first_id + np.arange(n))


def repeated(sources, times, rng, jitter=1e-3):
    """Copies of each source event, moved by next to nothing, as a transport to a near mass would."""
    index = np.tile(np.arange(len(sources)), times)
    features = sources.features[index] + jitter * rng.standard_normal((len(index), 3))
    return make_events(
        np.full(len(index), 3500.0), features, sources.names, np.arange(len(index)), sources.event_id[index]
    )


def z_at(observed, template, scores, efficiency=0.05):
    both = [
        ScoredEvents(e.event_id, e.source_id, e.weight, fold, score)
        for e, (fold, score) in zip((observed, template), scores, strict=True)
    ]
    selection = select(both[0], both[1], efficiency)
    tau = selection.n_sources / (len(observed) * selection.efficiency)
    counts = (selection.is_observed_selected.sum(), selection.n_sources, tau, 0.0, 0.0)
    return float(signed_root(Experiments(*(np.array([float(value)]) for value in counts)))[0])


def null_z(seed, by_source, n=1500, settings=SETTINGS):
    rng = np.random.default_rng(seed)
    observed, sources = background(n, rng), background(5 * n // 3, rng, 10_000)
    template = repeated(sources, 4, rng)
    if not by_source:  # what a naive split does: every copy in a fold of its own
        template = replace(template, source_id=10**6 + np.arange(len(template)))
    scores = score_in_folds([observed, template], settings, seed)
    if not by_source:
        template = replace(template, source_id=sources.event_id[np.tile(np.arange(len(sources)), 4)])
    return z_at(observed, template, scores)


SMALL = Trees(ensemble=1, iterations=20)


@pytest.mark.parametrize("n_experiments", [12, pytest.param(150, marks=pytest.mark.slow)])
def test_pure_background_with_repeated_sources_gives_no_excess(n_experiments):
    """Mean Z is compatible with 0 (150 give it to 0.1); the spread exceeds 1 since folds share training data."""
    z = np.array([null_z(seed, by_source=True, n=600, settings=SMALL) for seed in range(n_experiments)])
    LOG.info("repeated sources, grouped folds: mean Z %.3f, std %.3f of %d", z.mean(), z.std(), len(z))
    assert abs(z.mean()) < 3 * 1.3 / np.sqrt(len(z))
    if n_experiments > 100:
        assert 0.9 < z.std() < 1.5


@pytest.mark.slow
def test_folds_drawn_at_random_over_copies_would_fake_an_excess():
    assert np.mean([null_z(seed, by_source=False, n=600, settings=SMALL) for seed in range(6)]) > 2.5
    assert np.mean([null_z(seed, by_source=False) for seed in range(3)]) > 4


def test_a_signal_is_found():
    rng = np.random.default_rng(1)
    observed = background(3000, rng)
    observed.features[:150] = 0.2 * rng.standard_normal((150, 3)) + 2.0
    template = background(9000, rng, 10_000)
    scores = score_in_folds([observed, template])
    assert z_at(observed, template, scores, 0.01) > 8


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes():
    rng = np.random.default_rng(1)
    observed, template = background(600, rng), background(1500, rng, 10_000)
    one, two = (score_in_folds([observed, template], processes=n) for n in (1, 2))
    for (_, a), (_, b) in zip(one, two, strict=True):
        assert a.tobytes() == b.tobytes()


def test_every_event_is_scored_once_also_events_of_other_sets():
    rng = np.random.default_rng(1)
    sets = [
        background(601, rng),
        background(1499, rng, 10_000),
        background(97, rng, 20_000),
        background(1, rng, 30_000),
    ]
    scores = score_in_folds(sets)
    for events, (_, found) in zip(sets, scores, strict=True):
        assert found.shape == (len(events),)
        assert (found != 0.0).all()


def test_an_event_of_a_fold_without_models_has_no_score():
    rng = np.random.default_rng(1)
    ensembles = train(background(600, rng), background(1500, rng, 10_000))
    events = background(3, rng, 20_000)
    found = ensembles.score(events, np.array([0, -1, 99]))
    assert np.isnan(found).tolist() == [False, True, True]


def test_too_few_events_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(PhysicsError, match="too few for 4 folds"):
        train(background(50, rng), background(500, rng, 10_000))


def test_trained_models_survive_being_stored():
    rng = np.random.default_rng(1)
    observed, template, others = background(600, rng), background(1500, rng, 10_000), background(211, rng, 20_000)
    ensembles = train(observed, template)
    loaded = Ensembles.from_arrays(SETTINGS, ensembles.to_arrays())
    for events in (observed, template, others):
        assert loaded.score(events, fold_of(events)).tobytes() == ensembles.score(events, fold_of(events)).tobytes()


def test_models_stop_on_sources_that_they_are_not_trained_on(monkeypatch):
    """Copies of a source in training and stopping events would let the trees recognise them and never stop."""
    rng = np.random.default_rng(1)
    observed, template = background(600, rng), repeated(background(900, rng, 10_000), 4, rng)
    seen = []
    fit = Trees.fit

    def watched(self, training, stopping, compute):
        seen.append((set(training.events.source_id.tolist()), set(stopping.events.source_id.tolist())))
        return fit(self, training, stopping, compute)

    monkeypatch.setattr(Trees, "fit", watched)
    train(observed, template, SMALL)
    assert len(seen) == 4
    for trained, stopped in seen:
        assert stopped
        assert not trained & stopped


def test_a_part_of_the_template_trains_only_the_folds_that_it_serves(monkeypatch):
    rng = np.random.default_rng(1)
    observed, template = background(600, rng), background(1500, rng, 10_000)
    trains = np.ones((1500, 4), dtype=bool)
    trains[:700] = [True, False, True, False]
    seen = {}
    fit = Trees.fit

    def watched(self, training, stopping, compute):
        ids = np.concatenate([training.events.event_id, stopping.events.event_id])
        seen[compute.streams.prefix] = (np.isin(ids, template.event_id[:700]).any(), np.isin(ids, 11_400).any())
        return fit(self, training, stopping, compute)

    monkeypatch.setattr(Trees, "fit", watched)
    train(observed, template, SMALL, trains=trains)
    assert [seen[f"model/{fold}/0/"][0] for fold in range(4)] == [True, False, True, False]


def test_both_classes_weigh_the_same_in_every_training(monkeypatch):
    """A score is a ratio of densities, whatever the numbers and weights of the two classes."""
    rng = np.random.default_rng(1)
    observed, template = background(600, rng), background(1500, rng, 10_000)
    template = replace(template, weight=rng.exponential(2.0, 1500))
    totals, factors = [], []
    given = dict(zip(template.event_id.tolist(), template.weight.tolist(), strict=True))
    fit = Trees.fit

    def watched(self, training, stopping, compute):
        totals.append([training.events.weight[is_class].sum() for is_class in _classes(training)])
        own = []
        for part in (training, stopping):
            positive, negative = (part.events.take(np.flatnonzero(is_class)) for is_class in _classes(part))
            assert (positive.weight == 1.0).all()
            own += (negative.weight / [given[index] for index in negative.event_id.tolist()]).tolist()
        factors.append(own)
        return fit(self, training, stopping, compute)

    monkeypatch.setattr(Trees, "fit", watched)
    train(observed, template, SMALL)
    assert len(totals) == 4
    for positive, negative in totals:
        assert negative == pytest.approx(positive)
    for own in factors:  # one factor for all events of a training, those that it stops on included
        assert own == pytest.approx([own[0]] * len(own))
        assert own[0] < 0.5


def _classes(part):
    return part.is_positive, ~part.is_positive
