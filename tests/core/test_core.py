from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.events import concatenate, make_events
from anomaly_cli.core.folds import assign_folds, hash_rows, hash_uniform
from anomaly_cli.core.records import build_record
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions, Window, default_side_bands, parse_side_bands, parse_window


def test_a_stream_depends_on_seed_and_name_only():
    first = Streams(3).generator("a").random(4)
    Streams(3).generator("b").random(100)
    assert np.array_equal(first, Streams(3).generator("a").random(4))
    assert not np.array_equal(first, Streams(3).generator("b").random(4))
    assert not np.array_equal(first, Streams(4).generator("a").random(4))


def test_a_child_stream_is_a_longer_name():
    assert Streams(1).child("x").integer("y") == Streams(1).integer("x/y")


@pytest.mark.parametrize("text", ["3.3-3.7", "3300-3700GeV", " 3.3 - 3.7 TeV", "3300-3700 gev"])
def test_windows_are_tev_when_bare(text):
    assert parse_window(text) == Window(3300.0, 3700.0)


@given(st.integers(1, 6000), st.integers(1, 6000))
def test_a_window_survives_being_written_and_read(low, width):
    window = Window(float(low), float(low + width))
    assert parse_window(window.text) == window


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("3.7-3.3", "lower edge comes first"),
        ("3.3-3.3", "empty"),
        ("3.3", "write it as"),
        ("a-b", "write it as"),
        ("3.3-3.7PeV", "write it as"),
        ("3300-3700", "3300-3700GeV"),
        ("", "write it as"),
    ],
)
def test_unusable_windows_are_refused_with_advice(text, advice):
    with pytest.raises(ConfigError, match=advice):
        parse_window(text)


@given(st.floats(3000.0, 4600.0))
def test_touching_windows_share_no_mass_and_lose_none(mass):
    regions = Regions(Window(3300.0, 3700.0), Window(3000.0, 3300.0), Window(3700.0, 4600.0))
    inside = [window.contains(np.array([mass]))[0] for window in regions.named().values()]
    assert sum(inside) == (1 if mass < 4600.0 else 0)


@pytest.mark.parametrize("side_bands", ["3.0-3.4,3.7-4.6", "3.0-3.3,3.6-4.6"])
def test_overlapping_side_bands_are_refused(side_bands):
    lower, upper = parse_side_bands(side_bands)
    with pytest.raises(ConfigError, match="overlaps the signal region"):
        Regions(Window(3300.0, 3700.0), lower, upper)


def test_no_window_lies_above_the_collision_energy():
    low, middle, high = Window(11_000.0, 12_000.0), Window(12_000.0, 12_900.0), Window(12_900.0, 13_100.0)
    with pytest.raises(ConfigError, match=r"12.9-13.1 TeV lies above the collision energy of 13 TeV; .*manifest"):
        Regions(middle, low, high)
    with pytest.raises(ConfigError, match=r"window 12.9-13.1 TeV lies above"):
        Regions(high, middle, Window(13_100.0, 13_500.0))
    assert Regions(middle, low, high, 14_000.0).collision_energy == 14_000.0


def test_default_side_bands_are_the_documented_ones_and_end_with_the_data():
    sr = Window(3300.0, 3700.0)
    assert default_side_bands(sr, 1000.0, 9000.0) == (Window(3000.0, 3300.0), Window(3700.0, 4600.0))
    assert default_side_bands(sr, 3100.5, 4000.5) == (Window(3100.0, 3300.0), Window(3700.0, 4001.0))
    with pytest.raises(ConfigError, match="further inside"):
        default_side_bands(sr, 3250.0, 9000.0)
    with pytest.raises(ConfigError, match="are masses in GeV"):
        default_side_bands(sr, 1.0, 9.0)


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50), st.integers(0, 2**31), st.integers(2, 10))
def test_all_copies_of_an_event_share_its_fold(ids, salt, n_folds):
    once = assign_folds(np.array(ids), n_folds, salt)
    copies = assign_folds(np.repeat(ids, 4), n_folds, salt)
    assert np.array_equal(np.repeat(once, 4), copies)
    assert ((once >= 0) & (once < n_folds)).all()


def test_fold_hash_is_uniform_and_changes_with_the_salt():
    ids = np.arange(100_000)
    first, second = hash_uniform(ids, 1), hash_uniform(ids, 2)
    assert abs(np.histogram(first, 20, (0, 1))[0] / 5000 - 1).max() < 0.06
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.015
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.015


def test_events_refuse_what_is_not_finite_and_name_it():
    features = np.zeros((3, 2))
    features[1, 1] = np.nan
    with pytest.raises(DataError, match="feature b is not finite"):
        make_events(np.ones(3), features, ("a", "b"), np.arange(3))
    with pytest.raises(DataError, match="features of 3 events, expected 2"):
        make_events(np.ones(2), np.zeros((3, 2)), ("a", "b"), np.arange(2))
    events = make_events(np.ones(2), np.zeros((2, 1)), ("a",), np.arange(2))
    with pytest.raises(DataError, match="weight is not finite"):
        replace(events, weight=np.array([1.0, np.inf]))


def test_rows_that_are_equal_have_the_same_hash_whatever_the_sign_of_their_zeros():
    first, second = hash_rows([np.array([0.0, -0.0]), np.array([-0.0, 0.0])])
    assert first == second
    assert len(np.unique(hash_rows([np.array([0.0, 1.0, -1.0])]))) == 3


def test_joining_events_keeps_every_event():
    parts = [make_events(np.ones(n), np.ones((n, 1)), ("a",), np.arange(n)) for n in (3, 5)]
    assert len(concatenate(parts)) == 8
    with pytest.raises(DataError, match="different features"):
        concatenate([parts[0], make_events(np.ones(1), np.ones((1, 1)), ("b",), np.arange(1))])


def test_a_cutflow_cannot_make_events():
    cutflow = Cutflow()
    cutflow.add("read", 10)
    with pytest.raises(DataError, match="cannot add"):
        cutflow.add("cut", 11)


def test_settings_of_wrong_name_or_type_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'high'"):
        build_record(Window, {"low": 1.0, "hihg": 2.0}, "window")
    with pytest.raises(ConfigError, match="must be a number"):
        build_record(Window, {"low": "1", "high": 2.0}, "window")
