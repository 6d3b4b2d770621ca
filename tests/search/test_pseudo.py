"""Pseudo-experiments drawn from the template."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from toys import REGIONS, compute, toy_events

from anomaly_cli.analysis.modelling import Measured, model_by_fail
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import select
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.crossfit import HALVES, NONE, SCHEMES, THIRDS, CrossFit
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.folds import KFold
from anomaly_cli.methods.base import METHODS
from anomaly_cli.search import pseudo
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.pseudo import draw_experiment, ids_in_folds, search_experiment
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import split_events
from anomaly_cli.search.template import choose_crossfit, fit_parts, sample_template, see

SETTINGS = SearchSettings(
    method=METHODS.make("mass_scaling", {}), classifier=Trees(ensemble=1, iterations=20), kfold=KFold(4)
)


@pytest.fixture(scope="module")
def split():
    return split_events(toy_events(20_000, 1), REGIONS)


def made(split, scheme):
    settings = replace(SETTINGS, crossfit=scheme)
    seen = see(split, settings.method, Provisions(), compute())
    fitted = fit_parts(settings, seen, choose_crossfit(settings, seen, compute()), compute())
    return sample_template(settings.method, fitted, split, settings.oversampling, compute()).template, fitted


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_observed_events_and_templates_share_no_source_and_every_source_is_used_once(split, scheme):
    template, fitted = made(split, scheme)
    experiment = draw_experiment(template, fitted, len(split.sr), compute(7))
    features = {row.tobytes() for row in experiment.observed.features}
    origins = [
        source
        for part in template.parts
        for source, row in zip(part.events.source_id, part.events.features, strict=True)
        if part.counts != () and row.tobytes() in features
    ]
    assert len(set(origins)) == len(experiment.observed)
    assert not set(origins) & set(experiment.template.events.source_id.tolist())
    for part, new in zip(template.parts, experiment.template.parts, strict=True):
        assert (new.trains, new.counts) == (part.trains, part.counts)
        assert len(new.events) == pytest.approx(len(part.events), rel=0.1)
        assert set(new.events.source_id.tolist()) <= set(part.events.source_id.tolist()) | set(
            split.side_bands.source_id.tolist()
        )


def test_an_observed_event_is_in_a_fold_that_counts_with_the_part_it_was_drawn_from(split):
    template, fitted = made(split, HALVES)
    experiment = draw_experiment(template, fitted, len(split.sr), compute(7))
    fold = fitted.crossfit.fold(experiment.observed.source_id)
    for part in template.parts:
        own = {row.tobytes() for row in part.events.features}
        is_own = np.array([row.tobytes() in own for row in experiment.observed.features])
        assert set(fold[is_own].tolist()) == set(part.counts)


def test_new_ids_fall_into_the_folds_asked_for_and_are_unique():
    crossfit = CrossFit(THIRDS, 6, 12)
    fold = np.random.default_rng(1).integers(6, size=3000)
    ids = ids_in_folds(fold, crossfit)
    assert len(set(ids.tolist())) == 3000
    assert np.array_equal(crossfit.fold(ids), fold)


def test_replicas_differ_from_one_experiment_to_the_next(split):
    template, fitted = made(split, THIRDS)
    one, other = (draw_experiment(template, fitted, len(split.sr), compute(seed)) for seed in (1, 2))
    again = draw_experiment(template, fitted, len(split.sr), compute(1))
    assert one.template.events.features.tobytes() == again.template.events.features.tobytes()
    assert one.template.events.features.tobytes() != other.template.events.features.tobytes()


def test_a_template_of_few_sources_is_refused(split):
    template, fitted = made(split, NONE)
    few = replace(template, parts=(replace(template.parts[0], events=template.parts[0].events.take(np.arange(200))),))
    with pytest.raises(PhysicsError, match="independent sources"):
        draw_experiment(few, fitted, len(split.sr), compute())


@pytest.mark.parametrize("n", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_z_of_a_right_template_is_centred(split, n):
    template, fitted = made(split, THIRDS)
    settings, z = replace(SETTINGS, crossfit=THIRDS), []
    for index in range(n):
        own = compute(100 + index)
        experiment = draw_experiment(template, fitted, len(split.sr), own)
        ranked = search_experiment(experiment, split, settings, Provisions(), own)
        cut = select(ranked.observed, ranked.template, 0.2, ranked.replicas)
        z.append(float(signed_root(model_by_fail("pseudo", cut, Measured()).experiment())))
    assert abs(np.mean(z)) < 3.5 * 1.2 / np.sqrt(n)
    assert 0.5 < np.std(z, ddof=1) < 1.9


def test_no_score_sees_the_side_band_events_that_became_observed_ones(split, monkeypatch):
    template, fitted = made(split, THIRDS)
    experiment = draw_experiment(template, fitted, len(split.sr), compute(7))
    shown = []
    monkeypatch.setattr(pseudo, "rank", lambda own, *_: shown.append(own))
    search_experiment(experiment, split, SETTINGS, Provisions(), compute())
    assert len(experiment.sources) == len(experiment.observed)
    assert not np.isin(shown[0].side_bands.event_id, experiment.sources).any()
    assert len(shown[0].side_bands) == len(split.side_bands) - len(experiment.sources)


def test_templates_are_made_by_replicas_and_never_by_the_models_that_made_the_observed_events(split):
    """The errors of the models are among what counts scatter by: the nominal model would have none."""
    template, fitted = made(split, THIRDS)
    used = []

    def listed(model):
        replicas = model.replicas()
        named = [SimpleNamespace(sample=lambda *of, one=one: used.append(one) or one.sample(*of)) for one in replicas]
        return SimpleNamespace(replicas=lambda: named)  # which has no events of its own to give

    only = replace(fitted, models=[listed(model) for model in fitted.models])
    for seed in range(4):
        draw_experiment(template, only, len(split.sr), compute(seed))
    assert len(used) == 4 * len(fitted.models)
    assert len({id(one) for one in used}) > len(fitted.models)
