"""Public checks of plug-ins: does a method, a classifier or a score keep its contract?

They raise `ContractError` with a sentence that says what is broken. A test of a plug-in is one line:

    from anomaly_cli.testing import check_method
    def test_my_method_keeps_its_contract():
        check_method(MyMethod())
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np

from anomaly_cli.classifiers.base import Classifier, Labelled
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import NONE, THIRDS, CrossFit
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.events import Events, concatenate, make_events
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.seen import Need, Seen, Simulation, TrueEvents
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.methods.base import Request, TemplateMethod
from anomaly_cli.scores.base import Ranking, Score
from anomaly_cli.search.split import Split, split_events

REGIONS = Regions(sr=Window(3300.0, 3700.0), sb1=Window(3000.0, 3300.0), sb2=Window(3700.0, 4600.0))
PRIME = 1009
"""Masses that are asked for: what is made in batches has to fill the last one."""
MIXED = 10_000_000
"""Ids of events of other sets start at multiples of this."""


class ContractError(AssertionError):
    """A plug-in breaks its contract; the message says how."""


def toy_events(n: int, seed: int, first_id: int = 0) -> Events:
    """Return events with a falling spectrum and three features that move with mass and depend on each other."""
    rng = np.random.default_rng(seed)
    mjj = 2600.0 + rng.exponential(600.0, n)
    t = np.log(mjj / 3500.0) / 0.1
    linear = 2.0 * t + 0.5 * rng.standard_normal(n)
    curved = 0.5 * t + 0.1 * t**2 + 0.5 * (linear - 2.0 * t) + 0.4 * rng.standard_normal(n)
    shape = rng.gamma(3.0, np.exp(0.1 * t))
    ids = first_id + np.arange(n)
    return make_events(mjj, np.stack([linear, curved, shape], axis=1), ("linear", "curved", "shape"), ids)


def toy_split(n: int = 12_000, seed: int = 1) -> Split:
    """Return toy events divided into side-bands, signal region and rest."""
    return split_events(toy_events(n, seed), REGIONS)


def toy_seen(method: TemplateMethod | Score, split: Split) -> Seen:
    """Return what a method or score may see of a toy: side-bands, and what it declares to need."""
    needs, sides = method.needs, split.side_bands
    truth = toy_events(len(split.everything), 1001, MIXED)
    simulation = toy_events(len(split.everything), 5001)
    ids = -1 - simulation.event_id
    seen = Seen(
        sb1=split.sb1,
        sb2=split.sb2,
        regions=split.regions,
        is_validation=np.arange(len(sides)) % 10 == 0,
        reader=f"method {method.name}",
    )
    if Need.SIMULATION in needs:
        simulated = replace(simulation, event_id=ids, source_id=ids)
        seen = replace(seen, simulation=Simulation(simulated, Cutflow()))
    if Need.SR_FEATURES in needs:
        seen = replace(seen, observed=split.sr)
    if Need.TRUTH in needs:
        inside = truth.take(split.regions.sr.contains(truth.mjj))
        half = np.arange(len(inside)) % 2 == 0
        seen = replace(seen, true=TrueEvents(inside.take(half), inside.take(~half)))
    if Need.SHARED_MODEL in needs and isinstance(method, TemplateMethod):
        everything = concatenate([split.sb1, split.sr, split.sb2])
        shared = method.fit_shared([everything], np.arange(len(everything)) % 10 == 0, _compute(7))
        seen = replace(seen, shared=shared)
    return seen


def check_method(method: TemplateMethod, split: Split | None = None) -> None:
    """Check that a template method keeps its contract on a toy; give it settings that train for seconds.

    Checked: one finite event per mass wanted, at a prime number of them; ids that count from 0; sources that are
    events which it has seen; the same template from the same streams, and another from others; arrays that bring it
    back.

    Raises:
        ContractError: naming what is broken.
    """
    split = split or toy_split()
    seen, masses = toy_seen(method, split), _masses()
    fitted = method.fit(seen, _compute(1))
    sample = fitted.sample(Request(masses), _compute(2))
    events = sample.events
    if not method.chooses_mass:
        _require(len(events) == len(masses), method, f"makes {len(events)} events where {len(masses)} are wanted")
        _require(np.array_equal(np.sort(events.mjj), np.sort(masses)), method, "makes events of other masses")
        _, counts = np.unique(events.features, axis=0, return_counts=True)
        _require(counts.max() < max(5, len(events) // 100), method, "repeats an event: the last batch is not filled")
    _require(events.names == split.sr.names, method, "returns other features than it was given")
    _require(np.array_equal(events.event_id, np.arange(len(events))), method, "must number its events from 0")
    _require(bool(np.isin(events.source_id, _known_ids(seen)).all()), method, "names sources that it has not seen")
    again = method.fit(seen, _compute(1)).sample(Request(masses), _compute(2)).events
    _require(np.array_equal(events.features, again.features), method, "is not reproducible: draw from compute.streams")
    if not method.chooses_mass:
        other = fitted.sample(Request(masses), _compute(3)).events
        _require(not np.array_equal(events.features, other.features), method, "ignores the streams it is given")
    loaded = method.load(_stored(fitted.to_arrays(), method), seen)
    back = loaded.sample(Request(masses), _compute(2)).events
    _require(np.array_equal(events.features, back.features), method, "is another one after it was stored")


def check_classifier(classifier: Classifier) -> None:
    """Check that a family of classifiers keeps its contract on a toy.

    Checked: finite log-odds, one per event, that tell two classes apart; weights that count; the same model from the
    same streams; arrays that bring it back; models that can be sent to other processes.

    Raises:
        ContractError: naming what is broken.
    """
    training, stopping, tested = _labelled(3000, 1), _labelled(600, 2), _labelled(1009, 3)
    preparation = classifier.prepare(training.events, _compute(1))

    def prepared(part: Labelled) -> Labelled:
        return Labelled(preparation.apply(part.events), part.is_positive)

    def fit(part: Labelled, seed: int = 1) -> Any:
        return classifier.fit(prepared(part), prepared(stopping), _compute(seed))

    fitted = fit(training)
    events = preparation.apply(tested.events)
    odds = fitted.log_odds(events)
    _require(odds.shape == (len(events),), classifier, f"returns log-odds of shape {odds.shape}")
    _require(bool(np.isfinite(odds).all()), classifier, "returns log-odds that are not finite")
    empty = fitted.log_odds(events.take(np.zeros(0, dtype=np.int64)))
    _require(empty.shape == (0,), classifier, "fails on no events")
    auc = _auc(odds, tested.is_positive)
    _require(auc > 0.65, classifier, f"does not tell two easy classes apart: AUC {auc:.2f}")
    _require(np.array_equal(odds, fit(training).log_odds(events)), classifier, "is not reproducible")
    heavy = replace(training.events, weight=np.where(training.events.features[:, 0] > 0.0, 20.0, 0.05))
    weighted = fit(Labelled(heavy, training.is_positive)).log_odds(events)
    _require(not np.array_equal(odds, weighted), classifier, "ignores the weights of events")
    loaded = classifier.load(_stored(fitted.to_arrays(), classifier))
    restored = classifier.load_preparation(_stored(preparation.to_arrays(), classifier))
    back = loaded.log_odds(restored.apply(tested.events))
    _require(np.array_equal(odds, back), classifier, "is another one after it was stored")
    sent = pickle.loads(pickle.dumps(fitted))  # our own bytes, as a worker process sends them
    _require(np.array_equal(odds, sent.log_odds(events)), classifier, "does not survive being sent to another process")


def check_score(score: Score, classifier: Classifier | None = None, split: Split | None = None) -> None:
    """Check that a score keeps its contract on a toy, with quick trees unless another classifier is given.

    Checked: one finite score per event; the same scores from the same streams; arrays that bring it back; scores of an
    event that do not depend on what it is scored with; scores of a fold that do not depend on its own observed events,
    nor on what its expectation is made of.

    Raises:
        ContractError: naming what is broken.
    """
    split = split or toy_split()
    crossfit = CrossFit(NONE, 3, 1)
    ranking = Ranking(classifier or Trees(ensemble=1, iterations=20), KFold(crossfit.n_folds), crossfit)
    template = _toy_template(split)
    seen = toy_seen(score, split)
    fitted = score.fit(seen, template, ranking, _compute(1))
    events = concatenate([split.sr, template.events])
    fold = crossfit.fold(events.source_id)
    found = fitted.score(events, fold)
    _require(found.shape == (len(events),), score, f"returns scores of shape {found.shape}")
    _require(bool(np.isfinite(found).all()), score, "returns scores that are not finite")
    _require(len(np.unique(found)) > 1, score, "gives every event the same score")
    some = np.arange(0, len(events), 7)
    alone = fitted.score(events.take(some), fold[some])
    _require(np.array_equal(found[some], alone), score, "scores an event by what it is scored with")
    again = score.fit(seen, template, ranking, _compute(1)).score(events, fold)
    _require(np.array_equal(found, again), score, "is not reproducible: draw from compute.streams")
    loaded = score.load(_stored(fitted.to_arrays(), score), ranking).score(events, fold)
    _require(np.array_equal(found, loaded), score, "is another one after it was stored")
    _check_folds(score, ranking, split)


def _check_folds(score: Score, ranking: Ranking, split: Split) -> None:
    """Check that a fold is ranked by what has seen neither its observed events nor the side-bands behind it."""
    crossfit = CrossFit(THIRDS, ranking.kfold.folds, 1)
    ranking, template, seen = replace(ranking, crossfit=crossfit), _toy_parts(split, crossfit), toy_seen(score, split)
    observed = split.sr
    fold = np.zeros(len(observed), dtype=np.int64)
    before = score.fit(seen, template, ranking, _compute(1)).score(observed, fold)
    ours = np.flatnonzero(crossfit.fold(observed.source_id) == 0)
    theirs = np.flatnonzero(template.fold(crossfit) == 0)
    n = min(len(ours), len(theirs))
    others, parts = _exchanged(observed, template, ours[:n], theirs[:n])
    changed = seen if seen.observed is None else replace(seen, observed=others)
    after = score.fit(changed, parts, ranking, _compute(1)).score(observed, fold)
    _require(np.array_equal(before, after), score, "ranks a fold by what has seen its own events")
    behind = next(plan.divisions or () for plan in crossfit.plans if 0 in (plan.counts or ()))
    sides = [_reversed(band, np.isin(crossfit.division(band.source_id), behind)) for band in (seen.sb1, seen.sb2)]
    after = score.fit(replace(seen, sb1=sides[0], sb2=sides[1]), template, ranking, _compute(1)).score(observed, fold)
    _require(np.array_equal(before, after), score, "ranks a fold by the side-bands that its expectation is made of")


def _exchanged(observed: Events, template: Template, ours: IntArray, theirs: IntArray) -> tuple[Events, Template]:
    """Return observed and template events, some of each with the masses and features of the other."""
    events = template.events
    mjj, x = (observed.mjj.copy(), events.mjj.copy()), (observed.features.copy(), events.features.copy())
    for one, two in (mjj, x):
        one[ours], two[theirs] = two[theirs], one[ours]
    changed = [
        make_events(mass, values, whole.names, whole.event_id, whole.source_id)
        for mass, values, whole in zip(mjj, x, (observed, events), strict=True)
    ]
    firsts = np.cumsum([0, *(len(part.events) for part in template.parts)])
    parts = [
        replace(part, events=changed[1].take(np.arange(first, first + len(part.events))))
        for first, part in zip(firsts, template.parts, strict=False)
    ]
    return changed[0], replace(template, parts=tuple(parts))


def _reversed(events: Events, chosen: Any) -> Events:
    """Return events, the features of those chosen in the reverse order and stretched."""
    features = events.features.copy()
    features[chosen] = 1.5 * features[chosen][::-1]
    return events.with_block(Features.kind, Features(features, events.names))


def _toy_parts(split: Split, crossfit: CrossFit) -> Template:
    """Return true background as a template in parts, each of sources in its divisions of the side-bands."""
    events, sides = _toy_template(split).events, split.side_bands.source_id
    parts = []
    for index, plan in enumerate(crossfit.plans):
        own = events.take(np.arange(index, len(events), len(crossfit.plans)))
        sources = sides[np.isin(crossfit.division(sides), plan.divisions or ())]
        own = replace(own, source_id=np.resize(sources, len(own)))
        parts.append(TemplatePart(own, plan.trains, plan.counts, component=np.zeros(len(own), dtype=np.int64)))
    return Template.of(parts, crossfit)


def _toy_template(split: Split) -> Template:
    """Return true background as a template in two components."""
    background = toy_events(len(split.everything), 2001, 2 * MIXED)
    inside = background.take(split.regions.sr.contains(background.mjj))
    return Template.of([TemplatePart(inside, component=np.arange(len(inside)) % 2)])


def _compute(seed: int) -> Compute:
    return Compute(Streams(seed))


def _masses() -> FloatArray:
    return np.random.default_rng(1).uniform(REGIONS.sr.low, REGIONS.sr.high, PRIME)


def _labelled(n: int, seed: int) -> Labelled:
    rng = np.random.default_rng(seed)
    is_positive = np.arange(n) % 2 == 0
    features = rng.standard_normal((n, 3)) + np.where(is_positive, 0.8, 0.0)[:, None] * np.array([1.0, 0.0, 0.5])
    return Labelled(make_events(np.full(n, 3500.0), features, ("a", "b", "c"), np.arange(n)), is_positive)


def _auc(odds: FloatArray, is_positive: Any) -> float:
    ranks = np.argsort(np.argsort(odds)) + 1.0
    n1, n0 = int(is_positive.sum()), int((~is_positive).sum())
    return float((ranks[is_positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def _known_ids(seen: Seen) -> Any:
    others = [seen.simulation.events] if seen.simulation else []
    others += [seen.observed] if seen.observed else []
    others += [seen.true.background] if seen.true else []
    return np.concatenate([part.event_id for part in (seen.side_bands, *others)])


def _stored(arrays: dict[str, Any], member: Any) -> dict[str, Any]:
    for name, array in arrays.items():
        is_plain = isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
        _require(is_plain, member, f"stores '{name}', which is no numeric array")
        _require("/" not in name, member, f"stores '{name}', which is no name for an array in a file")
    return {name: np.array(array) for name, array in arrays.items()}


def _require(holds: bool, member: Any, what: str) -> None:
    if not holds:
        raise ContractError(f"{member.name} {what}")
