"""Where validation windows lie: near the signal region, with side-bands, and nothing of it inside."""

from __future__ import annotations

from dataclasses import dataclass, replace

from anomaly_cli.core.windows import SHORTEST_SIDE_BAND, Regions, Window

FEWEST_WINDOW_EVENTS = 500
"""A window with fewer events validates nothing."""


@dataclass(frozen=True)
class PlacedWindow:
    """A validation window with its side-bands.

    Attributes:
        regions: the window as `sr`, and side-bands that may span the signal region.
        stretches: the parts of the side-bands outside the signal region, in order of mass.
    """

    regions: Regions
    stretches: tuple[Window, ...]


def place_windows(regions: Regions, lowest: float, highest: float, width: float) -> list[PlacedWindow]:
    """Return all disjoint windows of a width outside the signal region, the nearest first.

    They are laid edge to edge, downwards and upwards, from 100 GeV away from the signal region: a window that
    bordered on it would have no side-band there, and a template would have to bridge both. Side-bands are as
    wide as those of the analysis, not counting the signal region where they span it, and end where the data
    end.

    Args:
        regions: windows of the analysis.
        lowest: smallest mass in the data [GeV].
        highest: largest mass in the data [GeV].
        width: width of a validation window [GeV].
    """
    placed: list[tuple[float, PlacedWindow]] = []
    sr = regions.sr
    below, above = sr.low - SHORTEST_SIDE_BAND, sr.high + SHORTEST_SIDE_BAND
    windows = [Window(below - (k + 1) * width, below - k * width) for k in range(int((below - lowest) // width))]
    windows += [Window(above + k * width, above + (k + 1) * width) for k in range(int((highest - above) // width))]
    for window in windows:
        lower = _take_down(window.low, regions.sb1.width, sr, lowest)
        upper = _take_up(window.high, regions.sb2.width, sr, highest)
        if min(sum(part.width for part in lower), sum(part.width for part in upper)) < SHORTEST_SIDE_BAND:
            continue
        sides = replace(
            regions, sr=window, sb1=Window(lower[0].low, window.low), sb2=Window(window.high, upper[-1].high)
        )
        distance = max(sr.low - window.high, window.low - sr.high)
        placed.append((distance, PlacedWindow(sides, (*lower, *upper))))
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def _take_down(start: float, width: float, sr: Window, lowest: float) -> list[Window]:
    """Return stretches of total `width` below `start`, without the signal region, in order of mass."""
    parts: list[Window] = []
    if start >= sr.high:
        near = max(start - width, sr.high)
        parts = [Window(near, start)] if near < start else []
        width, start = width - (start - near), sr.low
    far = max(start - width, lowest)
    return ([Window(far, start)] if width > 0.0 and far < start else []) + parts


def _take_up(start: float, width: float, sr: Window, highest: float) -> list[Window]:
    """Return stretches of total `width` above `start`, without the signal region, in order of mass."""
    parts: list[Window] = []
    if start <= sr.low:
        near = min(start + width, sr.low)
        parts = [Window(start, near)] if near > start else []
        width, start = width - (near - start), sr.high
    far = min(start + width, highest)
    return parts + ([Window(start, far)] if width > 0.0 and far > start else [])
