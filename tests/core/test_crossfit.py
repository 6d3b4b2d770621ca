from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_cli.core.crossfit import COMPLEMENTS, HALVES, NONE, PARTS, SCHEMES, THIRDS, CrossFit, check_scheme
from anomaly_cli.core.errors import ConfigError

crossfits = st.builds(
    CrossFit, st.sampled_from([name for name in SCHEMES if name != NONE]), st.integers(3, 9), st.integers(0, 2**31)
)
lagged = st.builds(CrossFit, st.just(PARTS), st.integers(4, 9), st.integers(0, 2**31), st.just(True))
IDS = np.arange(5000)


@given(crossfits | lagged)
def test_no_division_trains_a_fold_and_is_counted_there(crossfit):
    for fold in range(crossfit.n_folds):
        trains = [set(plan.divisions) for plan in crossfit.plans if fold in plan.trains]
        counts = [set(plan.divisions) for plan in crossfit.plans if fold in plan.counts]
        assert len(counts) == 1
        assert trains
        assert not set.union(*trains) & set.union(*counts)


@given(crossfits | lagged)
def test_every_side_band_event_is_counted_by_one_model_and_scored_by_models_that_have_not_seen_it(crossfit):
    division, fold = crossfit.division(IDS), crossfit.side_band_fold(IDS)
    assert set(division.tolist()) == set(range(crossfit.n_divisions))
    assert ((fold >= 0) & (fold < crossfit.n_folds)).all()
    for plan in crossfit.plans:
        own = np.isin(division, plan.divisions)
        assert not np.isin(fold[own], plan.trains).any()
        if plan.counts:
            assert np.isin(crossfit.fold(IDS[own], plan.counts), plan.counts).all()


@given(crossfits | lagged)
def test_a_division_falls_into_all_folds_that_it_is_counted_in_alike(crossfit):
    division = crossfit.division(IDS)
    for plan in crossfit.plans:
        if plan.counts:
            folds, n = np.unique(crossfit.fold(IDS[np.isin(division, plan.divisions)], plan.counts), return_counts=True)
            assert set(folds.tolist()) == set(plan.counts)
            assert n.min() > 0.6 * n.mean()


@given(crossfits)
def test_every_fold_trains_against_as_much_template_as_without_parts(crossfit):
    for fold in range(crossfit.n_folds):
        share = sum(crossfit.share(plan) for plan in crossfit.plans if fold in plan.trains)
        assert share == pytest.approx(1.0 - 1.0 / crossfit.n_folds, rel=0.35)


@given(lagged)
def test_copies_of_counted_events_never_enter_their_own_expectation(crossfit):
    """A part's sources are observed events of its own number; so neither they nor what is trained on them may count."""
    fold = crossfit.fold(IDS)
    trains = crossfit.observed_trains(fold)
    for plan in crossfit.plans:
        (part,), (counted,) = plan.divisions, plan.counts
        assert part != counted
        assert not trains[fold == part, counted].any()
        assert not trains[fold == counted, counted].any()
        assert not set(plan.trains) & {part, counted}
    assert trains[:, 0].mean() > 0.4


def test_without_parts_folds_are_those_of_the_sources():
    crossfit = CrossFit(NONE, 5, 3)
    assert crossfit.plans[0].divisions is None
    assert np.array_equal(crossfit.side_band_fold(IDS), crossfit.fold(IDS))
    assert np.array_equal(crossfit.observed_trains(crossfit.fold(IDS)).sum(axis=1), np.full(len(IDS), 4))


@pytest.mark.parametrize("scheme", [HALVES, COMPLEMENTS])
def test_sources_in_the_signal_region_go_with_parts_only(scheme):
    with pytest.raises(ConfigError, match="cannot keep copies of counted events out"):
        CrossFit(scheme, 6, 1, is_lagged=True)
    with pytest.raises(ConfigError, match="4 folds or more"):
        CrossFit(PARTS, 3, 1, is_lagged=True)


def test_too_few_folds_for_a_scheme_are_refused():
    with pytest.raises(ConfigError, match="'thirds' needs 3 folds or more"):
        CrossFit(THIRDS, 2, 1)
    for scheme in (PARTS, NONE):
        with pytest.raises(ConfigError, match=f"'{scheme}' needs 2 folds or more"):
            CrossFit(scheme, 1, 1)


def test_an_unknown_scheme_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"'fifths' is not known.*default, parts"):
        check_scheme("fifths", "default")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_another_seed_divides_events_otherwise(scheme):
    ids = np.arange(2000)
    first, second = (CrossFit(scheme, 6, salt) for salt in (1, 20))
    assert np.mean(first.fold(ids) != second.fold(ids)) > 0.5
    assert np.mean(first.fold(ids, (1, 4)) != second.fold(ids, (1, 4))) > 0.3
    if scheme != NONE:
        assert np.mean(first.division(ids) != second.division(ids)) > 0.3
