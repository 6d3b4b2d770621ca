"""One search on values, without files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import ks_2samp, spearmanr
from toys import REGIONS, compute, toy_events

from anomaly_cli.analysis.modelling import Measured, model_by_fail
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import event_columns, read_artifact, write_artifact
from anomaly_cli.classifiers.base import Classifier, FittedClassifier
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.blocks import Block, Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import HALVES, NONE, PARTS, SCHEMES, THIRDS
from anomaly_cli.core.cuts import Cuts
from anomaly_cli.core.errors import AnomalyWarning, ConfigError, DataError, PhysicsError
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.seen import VALIDATION_FRACTION, Need
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.methods.base import METHODS, FittedTemplate, Sample, TemplateMethod
from anomaly_cli.scores.base import SCORES
from anomaly_cli.search.provisions import Provisions, show
from anomaly_cli.search.rank import rank
from anomaly_cli.search.run import run_search
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import rank_correlations, refuse_mass, split_events
from anomaly_cli.search.template import at_unit_weight, choose_crossfit, make_template
from anomaly_cli.search.windows import find_windows, search_windows

SETTINGS = SearchSettings(
    method=METHODS.make("rad_ot", {"batch": 500}),
    oversampling=3.0,
    classifier=Trees(ensemble=1, iterations=20),
    kfold=KFold(3),
    cuts=Cuts((0.2, 0.05)),
)


@pytest.fixture(scope="module")
def split():
    return split_events(toy_events(20_000, 1), REGIONS)


@dataclass(frozen=True)
class Constituents(Block):
    """A ragged block: a different number of values for every event. Nothing but this test knows it."""

    kind: ClassVar[str] = "constituents"

    length: npt.NDArray[np.int64]
    pt: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.length)

    def take(self, index: npt.NDArray[np.int64]) -> Constituents:
        ends = np.cumsum(self.length)
        parts = [self.pt[ends[i] - self.length[i] : ends[i]] for i in index]
        return Constituents(self.length[index], np.concatenate([*parts, np.zeros(0)]))

    @classmethod
    def join(cls, parts: Sequence[Constituents]) -> Constituents:
        return Constituents(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("length", "pt")))

    def to_arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        return {"length": self.length, "pt": self.pt}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Constituents:
        return Constituents(arrays["length"], arrays["pt"])

    def sums(self) -> npt.NDArray[np.float64]:
        return np.bincount(np.repeat(np.arange(len(self)), self.length), weights=self.pt, minlength=len(self))


class SumOfConstituents(FittedClassifier):
    def log_odds(self, events):
        return events.blocks["particles"].sums()

    def to_arrays(self):
        return {"none": np.zeros(1)}


@dataclass(frozen=True)
class BySum(Classifier):
    name: ClassVar[str] = "by_sum"
    summary: ClassVar[str] = "looks at particles only"
    reference: ClassVar[str] = "nobody"

    ensemble: int = 1

    def fit(self, training, stopping, compute):
        return SumOfConstituents()

    def load(self, arrays):
        return SumOfConstituents()


def with_particles(events, seed=1):
    rng = np.random.default_rng(seed)
    length = rng.integers(0, 6, len(events))
    return events.with_block("particles", Constituents(length, events.mjj.repeat(length) / 1000.0))


def test_a_ragged_block_goes_through_split_classification_and_an_artifact(tmp_path):
    events = with_particles(toy_events(6000, 1))
    split = split_events(events, REGIONS)
    sums = np.concatenate([getattr(split, name).blocks["particles"].sums() for name in ("sb1", "sr", "sb2", "rest")])
    assert np.sort(sums) == pytest.approx(np.sort(events.blocks["particles"].sums()))
    background = with_particles(toy_events(6000, 2), 2)
    inside = background.take(REGIONS.sr.contains(background.mjj))
    apart = replace(inside, source_id=10**6 + inside.event_id)
    template = Template.of([TemplatePart(apart)])
    settings = replace(SETTINGS, classifier=BySum())
    ranked = rank(split, template, settings, Provisions(), compute())
    assert np.array_equal(ranked.observed.score, split.sr.blocks["particles"].sums())
    groups = {name: event_columns(getattr(split, name)) for name in ("sb1", "sr", "sb2", "rest")}
    windows = REGIONS.named()
    groups["windows"] = {
        "name": list(windows),
        "low": [w.low for w in windows.values()],
        "high": [w.high for w in windows.values()],
    }
    groups |= {"origin": {"has_truth": False}, "cutflow": {"step": ["read"], "n_events": [6000]}}
    write_artifact(tmp_path / "split.h5", schema.SPLIT, groups, Provenance("split", 1, {}, 1, {}), events.names)
    back = read_artifact(tmp_path / "split.h5", schema.SPLIT).events("sr")
    assert isinstance(back.blocks["particles"], Constituents)
    assert np.array_equal(back.blocks["particles"].pt, split.sr.blocks["particles"].pt)
    assert np.array_equal(back.features, split.sr.features)


def test_a_block_of_another_length_is_refused_and_one_that_not_all_have_is_left_out():
    events = toy_events(10, 1)
    with pytest.raises(DataError, match="particles of 3 events, expected 10"):
        events.with_block("particles", Constituents(np.ones(3, dtype=np.int64), np.ones(3)))
    assert "particles" not in concatenate([with_particles(events), events]).blocks


def with_feature(split, change):
    """Return a split whose last feature is made of the masses."""

    def changed(events):
        features = np.column_stack([events.features[:, :-1], change(events.mjj)])
        return events.with_block(Features.kind, Features(features, events.names))

    return replace(split, **{name: changed(getattr(split, name)) for name in ("sb1", "sr", "sb2", "rest")})


def test_a_feature_that_is_the_mass_is_refused_and_one_that_follows_it_warned_of(split):
    noise = np.random.default_rng(1)
    refuse_mass(with_feature(split, lambda mjj: noise.normal(size=len(mjj))))
    assert rank_correlations(split)["shape"] == pytest.approx(
        spearmanr(split.side_bands.mjj, split.side_bands.features[:, 2]).statistic
    )
    for change in (np.log, lambda mjj: -mjj / 1e3, lambda mjj: mjj + noise.normal(scale=1.0, size=len(mjj))):
        with pytest.raises(ConfigError, match=r"feature 'shape' follows mjj .*leave it out"):
            refuse_mass(with_feature(split, change))
    with pytest.warns(AnomalyWarning, match="feature 'shape' follows mjj"):
        refuse_mass(with_feature(split, lambda mjj: mjj + noise.normal(scale=100.0, size=len(mjj))))


def test_every_event_lands_in_one_region(split):
    assert len(split.everything) == 20_000
    assert len(np.unique(split.everything.event_id)) == 20_000
    for name, window in REGIONS.named().items():
        assert window.contains(getattr(split, name).mjj).all()


@pytest.mark.parametrize("member", [*METHODS.find().values(), *SCORES.find().values()], ids=lambda one: one.name)
def test_a_reader_sees_nothing_beyond_the_side_bands_unless_it_declares_so(split, member):
    everything = Provisions(simulation="simulation", shared="shared model", true="truth")
    seen = show(split, everything, member.needs, "a test", compute().streams)
    given = {
        Need.SIMULATION: seen.simulation,
        Need.SHARED_MODEL: seen.shared,
        Need.SR_FEATURES: seen.observed,
        Need.TRUTH: seen.true,
    }
    assert set(given) | {Need.SIDE_BANDS} == set(Need)
    assert {need for need, value in given.items() if value is not None} == member.needs - {Need.SIDE_BANDS}


def test_a_template_has_as_many_events_as_oversampling_says(split):
    for oversampling in (1.0, 2.5):
        made = make_template(split, replace(SETTINGS, oversampling=oversampling), Provisions(), compute())
        assert len(made.template) == round(oversampling * len(split.sr))
    windows = find_windows(split_events(toy_events(60_000, 3), REGIONS), 0.5, 0.001)[0][:1]
    ((_, searched),) = search_windows(windows, SETTINGS, Provisions(), compute())
    assert len(searched.template.score) == round(SETTINGS.oversampling * len(windows[0].sr))


def test_template_masses_are_those_that_the_side_bands_predict(split):
    """Neither flat nor those observed, where a signal would sit."""
    lump = replace(split.sr, mjj=np.full(len(split.sr), 3500.0) + np.arange(len(split.sr)) * 1e-3)
    made = make_template(replace(split, sr=lump), replace(SETTINGS, oversampling=2.0), Provisions(), compute())
    masses, predicted = made.template.events.mjj, split.fit_masses().sample(20_000, np.random.default_rng(7))
    assert ks_2samp(masses, predicted).pvalue > 1e-3
    flat = np.random.default_rng(8).uniform(split.regions.sr.low, split.regions.sr.high, len(masses))
    assert ks_2samp(flat, predicted).pvalue < 1e-6  # so that the comparison would tell


@dataclass(frozen=True)
class Parts(TemplateMethod):
    """Weighted events of three components, which their sources tell; they keep their masses."""

    name: ClassVar[str] = "parts"
    chooses_mass: ClassVar[bool] = True

    is_weighted: bool = True

    def fit(self, seen, compute):
        return FittedParts(self, seen.side_bands)

    def load(self, arrays, seen):
        return FittedParts(self, seen.side_bands)


class FittedParts(FittedTemplate):
    def __init__(self, method, events):
        self.method, self.events = method, events

    def sample(self, request, compute):
        events = self.events.take(np.arange(len(request)))
        weight = 1.0 + self.method.is_weighted * np.arange(len(events)) / len(events)
        return Sample(replace(events, weight=weight), np.zeros(3, dtype=np.int64), events.source_id % 3)

    def to_arrays(self):
        return {}


@pytest.mark.parametrize("is_weighted", [True, False])
def test_events_drawn_to_unit_weight_keep_the_component_that_they_came_from(split, is_weighted):
    """The classifier of a component would otherwise train on the events of another."""
    settings = replace(SETTINGS, method=Parts(is_weighted), oversampling=2.0)
    template = make_template(split, settings, Provisions(), compute()).template
    events = template.events
    assert np.array_equal(template.component, events.source_id % 3)
    assert (events.weight == 1.0).all()
    assert (len(np.unique(events.source_id)) < len(events)) is is_weighted


def test_events_of_one_weight_are_all_kept_and_count_one_each(split):
    heavy = replace(split.sr, weight=np.full(len(split.sr), 2.0))
    kept = at_unit_weight(heavy, 5, np.random.default_rng(1))
    assert np.array_equal(kept.event_id, heavy.event_id)
    assert (kept.weight == 1.0).all()


def test_a_tenth_of_the_side_bands_says_when_trainings_stop(split):
    seen = show(split, Provisions(), frozenset({Need.SIDE_BANDS}), "a test", compute().streams)
    n = len(seen.is_validation)
    assert abs(seen.is_validation.mean() - VALIDATION_FRACTION) < 5 * np.sqrt(0.09 / n)
    again = show(split, Provisions(), frozenset({Need.SIDE_BANDS}), "a test", compute(2).streams)
    assert not np.array_equal(seen.is_validation, again.is_validation)


def test_what_is_not_declared_is_not_shown(split):
    provisions = Provisions(simulation="simulation", shared="shared", true="true")
    seen = show(split, provisions, frozenset({Need.SIMULATION, Need.SR_FEATURES}), "a test", compute().streams)
    assert (seen.simulation, seen.shared, seen.true) == ("simulation", None, None)
    assert seen.observed is split.sr
    with pytest.raises(ConfigError, match="a test needs a base flow"):
        seen.need(Need.SHARED_MODEL)


@pytest.mark.slow
def test_a_search_is_the_same_whatever_is_done_beside_it(split):
    one, again = (run_search(split, SETTINGS, Provisions(), compute(3)) for _ in range(2))
    two = run_search(split, SETTINGS, Provisions(), Compute(compute(3).streams, processes=2))
    assert one.observed.score.tobytes() == again.observed.score.tobytes() == two.observed.score.tobytes()


def test_parts_of_a_template_are_counted_in_the_folds_that_they_serve(split):
    made = make_template(split, SETTINGS, Provisions(), compute())
    events = made.template.events
    half = np.arange(len(events)) % 2 == 0
    parts = Template.of(
        [TemplatePart(events.take(half), counts=(0, 2)), TemplatePart(events.take(~half), trains=(1,), counts=(1,))]
    )
    assert np.array_equal(parts.events.event_id, np.arange(len(events)))
    ranked = rank(split, parts, SETTINGS, Provisions(), compute())
    is_first = ranked.template.event_id < half.sum()
    assert set(ranked.template.fold[is_first].tolist()) == {0, 2}
    assert set(ranked.template.fold[~is_first].tolist()) == {1}
    assert parts.trains(3)[half.sum() :].tolist()[0] == [False, True, False]
    whole = rank(split, made.template, SETTINGS, Provisions(), compute())
    assert len(whole.template.score) == len(events)


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != NONE])
def test_no_side_band_event_trains_a_classifier_and_says_how_much_passes_it(split, scheme, monkeypatch):
    settings = replace(SETTINGS, method=METHODS.make("mass_scaling", {}), crossfit=scheme, kfold=KFold(4))
    trained = {}
    fit = Trees.fit

    def watched(self, training, stopping, compute):
        events = concatenate([training.events, stopping.events])
        fold = int(compute.streams.prefix.split("/")[-3])
        trained[fold] = set(events.source_id.tolist())
        return fit(self, training, stopping, compute)

    monkeypatch.setattr(Trees, "fit", watched)
    made = make_template(split, settings, Provisions(), compute())
    ranked = rank(split, made.template, settings, Provisions(), compute())
    crossfit, sides = ranked.crossfit, split.side_bands.source_id
    assert crossfit.scheme == scheme
    for fold in range(4):
        counting = next(plan for plan in crossfit.plans if fold in plan.counts)
        behind = set(sides[np.isin(crossfit.division(sides), counting.divisions)].tolist())
        counted = set(ranked.template.source_id[ranked.template.fold == fold].tolist())
        assert counted
        assert counted <= behind
        assert not behind & trained[fold]
        assert not set(ranked.observed.source_id[ranked.observed.fold == fold].tolist()) & trained[fold]
    assert ranked.replicas is not None
    assert len(ranked.observed.score) == len(split.sr)


def test_small_side_bands_are_divided_less_finely_or_refused_where_a_scheme_is_asked_for(split):
    asked = replace(SETTINGS, kfold=KFold(6))
    for n, scheme in ((1300, HALVES), (700, NONE)):
        few = replace(split, sb1=split.sb1.take(np.arange(n)))
        seen = show(few, Provisions(), SETTINGS.method.needs, "a test", compute().streams)
        assert choose_crossfit(asked, seen, compute()).scheme == scheme
        with pytest.raises(
            PhysicsError, match=r"cross-fitting by parts: part \d of side-band 3-3\.3 TeV holds \d+ events"
        ):
            choose_crossfit(replace(asked, crossfit=PARTS), seen, compute())
        with pytest.raises(PhysicsError, match=f"use template.crossfit={HALVES}"):
            choose_crossfit(replace(asked, crossfit=THIRDS), seen, compute())


def test_side_bands_with_too_few_events_are_refused(split):
    few = replace(split, sb1=split.sb1.take(np.arange(100)))
    with pytest.raises(PhysicsError, match=r"side-band 3-3\.3 TeV holds 100 events"):
        run_search(few, SETTINGS, Provisions(), compute())


def test_the_pass_fail_model_contains_the_statistics_of_the_template():
    cut = CutCounts(0.2, 2000, 10_000, 0.2, 5000.0, 0.02, 0.01)
    model = model_by_fail("SR", cut, Measured())
    assert model.relative == {"template": 0.02, "model": 0.01}
    expected = 8000 * 0.2 / 0.8
    # fail/pass moves by 1/(1 - eff) as much as the pass rate does
    assert model.uncertainty == pytest.approx(expected * np.hypot(np.hypot(0.02, 0.01) / 0.8, 8000**-0.5))


def test_every_event_is_in_one_region_or_in_the_rest(split):
    parts = [split.sb1, split.sr, split.sb2, split.rest]
    ids = np.concatenate([part.event_id for part in parts])
    assert np.array_equal(np.sort(ids), np.sort(toy_events(20_000, 1).event_id))
