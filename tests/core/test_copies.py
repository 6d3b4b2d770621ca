"""Copies of events are found in any format; events that only look alike are not taken for copies."""

from __future__ import annotations

import numpy as np
import pytest
from toys import shipped_rows, toy_events

from anomaly_cli.core.copies import refuse_copies, share_of_copies
from anomaly_cli.core.errors import ConfigError


def table(n, seed):
    events = toy_events(n, seed)
    return np.column_stack([events.mjj, events.features])


@pytest.mark.parametrize(
    "written",
    [
        lambda x: x[::-1],
        lambda x: x.astype("f4").astype("f8"),
        lambda x: x.astype("f2").astype("f8"),
        lambda x: np.round(x, 3),
        lambda x: np.array([float(f"{value:.4g}") for value in x.ravel()]).reshape(x.shape),
    ],
    ids=["reversed", "single", "half", "three decimals", "four digits"],
)
def test_copies_are_found_however_they_were_written(written):
    known = table(20_000, 1)
    assert share_of_copies(written(known[:5_000]), known) > 0.95


@pytest.mark.parametrize("n_copies", [40, 400])
def test_a_few_copies_among_many_events_are_counted(n_copies):
    known = table(20_000, 1)
    mixed = np.concatenate([table(8_000, 2), known[:n_copies]])
    assert share_of_copies(mixed, known) == pytest.approx(n_copies / len(mixed), rel=0.1)


def whole(n, seed):
    generator = np.random.default_rng(seed)
    mass = np.round(3000.0 + generator.exponential(350.0, n))
    return np.column_stack([mass, np.round(generator.exponential(60.0, n)), np.round(generator.beta(3.0, 3.0, n), 2)])


def binary(n, seed):
    generator = np.random.default_rng(seed)
    return np.column_stack([3000.0 + generator.exponential(350.0, n), generator.integers(0, 2, (n, 2))])


@pytest.mark.parametrize("make", [table, whole, binary])
@pytest.mark.parametrize("n", [800, *(pytest.param(n, marks=pytest.mark.slow) for n in (8_000, 40_000))])
def test_independent_events_are_no_copies_however_coarse(make, n):
    assert [share_of_copies(make(n, seed), make(30_000, 1)) for seed in range(2, 7)] == [0.0] * 5


def smooth(n, n_features, seed):
    generator = np.random.default_rng(seed)
    return np.column_stack([3000.0 + generator.exponential(350.0, n), generator.normal(size=(n, n_features))])


def resonance(n, n_features, seed):
    generator = np.random.default_rng(seed)
    return np.column_stack([generator.normal(3500.0, 80.0, n), generator.normal(1.0, 0.05, (n, n_features))])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "n_features"), [(500, 1), (1_000, 3), *(pytest.param(n, 1, marks=pytest.mark.slow) for n in (1_500, 8_000))]
)
def test_few_columns_are_near_by_chance(n, n_features):
    known = smooth(30_000, n_features, 1)
    assert [share_of_copies(smooth(n, n_features, seed), known) for seed in range(2, 22)] == [0.0] * 20


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_features"), [(100, 3), (600, 4), (3_000, 4)])
def test_a_narrow_resonance_is_not_taken_for_copies_of_another_sample_of_it(n, n_features):
    known = np.concatenate([smooth(20_000, n_features, 1), resonance(600, n_features, 2)])
    assert [share_of_copies(resonance(n, n_features, seed), known) for seed in range(3, 13)] == [0.0] * 10


@pytest.mark.parametrize(("n", "n_again"), [(500, 2), (8_000, 700), (20_000, 20_000)])
def test_duplicates_in_the_file_hide_no_copies(n, n_again):
    known = smooth(20_000, 4, 1)
    assert share_of_copies(np.concatenate([known[:n], known[:n_again]]), known) == 1.0


def test_a_dense_signal_is_not_taken_for_copies_of_another_sample_of_it():
    rows = shipped_rows(1)
    signal = rows[rows[:, -1] == 1][:, :14]
    known = np.concatenate([rows[rows[:, -1] == 0][:20_000, :14], signal[::2]])
    assert share_of_copies(signal[1::2], known) == 0.0
    assert share_of_copies(signal, known) == pytest.approx(0.5, abs=0.01)


def test_data_with_duplicates_do_not_hide_copies():
    known = table(20_000, 1)
    doubled = np.concatenate([known, known[:5_500]])
    assert share_of_copies(table(8_000, 2), doubled) == 0.0
    assert share_of_copies(known[:8_000], doubled) == 1.0


def test_the_refusal_names_the_file_and_the_share():
    events = toy_events(6_000, 1)
    with pytest.raises(ConfigError, match=r"^--simulation f.h5: 100 % of its events are among the analysed events"):
        refuse_copies(events.take(np.arange(3_000)), events, "--simulation f.h5", "the analysed events")
    refuse_copies(toy_events(3_000, 2), events, "--simulation f.h5", "the analysed events")
    refuse_copies(events.take(np.arange(0)), events, "--simulation f.h5", "the analysed events")
