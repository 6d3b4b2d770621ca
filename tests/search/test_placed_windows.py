"""Which windows may validate a search, from the masses alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import REGIONS, toy_events

from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.search.split import split_events
from anomaly_cli.search.windows import find_fall, find_windows


def test_windows_behind_a_threshold_are_left_out_and_no_side_band_reaches_there():
    split = split_events(spectrum_with_threshold(), REGIONS)
    usable, left_out = find_windows(split, 1.0, 0.0)
    rises = [one.window.text for one in left_out if "the spectrum rises up to 2.6" in one.reason]
    assert rises == ["2.4-2.8", "2-2.4", "1.6-2", "1.2-1.6"]
    assert [one.regions.sr.text for one in usable] == ["2.8-3.2", "3.8-4.2", "4.2-4.6"]
    assert min(stretch.low for one in usable for stretch in one.stretches) >= 2600.0


def test_a_search_in_the_rise_itself_keeps_its_windows():
    events = spectrum_with_threshold()
    split = split_events(replace(events, mjj=events.mjj + 800.0), REGIONS)  # rises up to 3.4 TeV
    assert "rises" not in str([one.reason for one in find_windows(split, 0.5, 0.0)[1]])


@given(st.integers(0, 10_000), st.floats(1000.0, 3000.0))
def test_a_falling_spectrum_begins_where_its_data_do(seed, lowest):
    masses = lowest + np.random.default_rng(seed).exponential(600.0, 5000)
    assert find_fall(masses, lowest) == lowest


@pytest.mark.parametrize("n", [2000, 200_000])
def test_the_fall_begins_behind_the_fullest_stretch(n):
    masses = 1000.0 + np.random.default_rng(1).gamma(3.0, 200.0, n)  # fullest at 1400
    assert find_fall(masses, 1000.0) == pytest.approx(1450.0, abs=101.0)


def spectrum_with_threshold() -> Events:
    """Return 60,000 events above 2.6 TeV and 12,000 below, the more the higher."""
    above = toy_events(60_000, 3)
    below = toy_events(12_000, 4, first_id=60_000)
    rise = 2600.0 - 200.0 * np.random.default_rng(5).exponential(1.0, 12_000)
    return concatenate([above, replace(below, mjj=rise)])
