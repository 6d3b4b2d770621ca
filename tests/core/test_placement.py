from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from anomaly_cli.core.placement import place_windows
from anomaly_cli.core.windows import Regions, Window

REGIONS = Regions(sr=Window(3300.0, 3700.0), sb1=Window(3000.0, 3300.0), sb2=Window(3700.0, 4600.0))


def overlap(first, second):
    return max(0.0, min(first.high, second.high) - max(first.low, second.low))


@given(st.floats(50.0, 400.0), st.floats(2000.0, 3100.0), st.floats(3900.0, 9000.0))
def test_windows_are_disjoint_and_hold_nothing_of_the_signal_region(width, lowest, highest):
    placed = place_windows(REGIONS, lowest, highest, width)
    for index, item in enumerate(placed):
        for part in (item.regions.sr, *item.stretches):
            assert overlap(part, REGIONS.sr) < 1e-6
            assert lowest - 1e-6 <= part.low < part.high <= highest + 1e-6
        for part in item.stretches:
            assert overlap(part, item.regions.sr) < 1e-6
        for other in placed[:index]:
            assert overlap(item.regions.sr, other.regions.sr) < 1e-6


def test_placed_windows_belong_to_collisions_of_the_same_energy():
    placed = place_windows(replace(REGIONS, collision_energy=8000.0), 2600.0, 6000.0, 400.0)
    assert {item.regions.collision_energy for item in placed} == {8000.0}


def test_the_nearest_windows_come_first_and_side_bands_skip_the_signal_region():
    placed = place_windows(REGIONS, 2600.0, 6000.0, 400.0)
    assert [item.regions.sr.text for item in placed[:4]] == ["2.8-3.2", "3.8-4.2", "4.2-4.6", "4.6-5"]
    first, second = placed[:2]
    assert [part.text for part in first.stretches] == ["2.6-2.8", "3.2-3.3", "3.7-4.5"]
    assert first.regions.sb2.text == "3.2-4.5"
    assert [part.text for part in second.stretches] == ["3.1-3.3", "3.7-3.8", "4.2-5.1"]


def test_the_gap_that_a_template_bridges_is_the_window_alone():
    for item in place_windows(REGIONS, 2000.0, 9000.0, 400.0):
        edges = [edge for part in item.stretches for edge in (part.low, part.high)]
        assert item.regions.sr.low in edges
        assert item.regions.sr.high in edges


def test_side_bands_are_as_wide_as_those_of_the_analysis():
    for item in place_windows(REGIONS, 2000.0, 9000.0, 200.0):
        below = sum(part.width for part in item.stretches if part.high <= item.regions.sr.low + 1)
        above = sum(part.width for part in item.stretches if part.low >= item.regions.sr.high - 1)
        assert below <= REGIONS.sb1.width + 1e-6
        assert above <= REGIONS.sb2.width + 1e-6
