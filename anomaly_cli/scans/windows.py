"""The signal regions of a scan."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.windows import LOWER_WIDTH, UPPER_WIDTH, Window, default_side_bands, parse_window
from anomaly_cli.scans.settings import AUTO, GridSettings

STEPS_PER_WIDTH = 4
"""Automatic windows are moved by a quarter of their width, so that no resonance falls between two."""
FEWEST_EVENTS = 500
"""Events that an automatic window and each of its side-bands hold at least, as training asks for."""
BIN = 50.0
"""Width of the bins in which the spectrum's maximum is looked for [GeV]."""


def find_windows(grid: GridSettings, mjj: FloatArray, share: float) -> list[Window]:
    """Return the signal regions of a grid in order of mass.

    Args:
        grid: the grid.
        mjj: masses of the file's events `(n,)` [GeV].
        share: share of them that is analysed.

    Raises:
        ConfigError: where a window is named twice, or has no data or no room for side-bands.
    """
    if grid.windows == (AUTO,):
        return cover_spectrum(mjj, [width * 1000.0 for width in grid.widths], FEWEST_EVENTS / share)
    windows = named_windows(grid)
    windows.sort(key=lambda window: (window.low, window.high))
    for first, second in pairwise(windows):
        if first == second:
            raise ConfigError(f"grid: the signal region {first.text} TeV is named twice; name each once")
    lowest, highest = float(mjj.min()), float(mjj.max())
    for window in windows:
        default_side_bands(window, lowest, highest)  # refuses what has no data
    return windows


def named_windows(grid: GridSettings) -> list[Window]:
    """Return the windows of a grid that names them, or their centres and widths, in its order."""
    return [parse_window(text) for text in grid.windows] or [
        _centred(centre * 1000.0, width * 1000.0) for centre in grid.centres for width in grid.widths
    ]


def cover_spectrum(mjj: FloatArray, widths: Iterable[float], fewest: float) -> list[Window]:
    """Return overlapping windows that cover the falling part of a spectrum.

    The lowest side-band starts at the spectrum's maximum, below which no falling function describes it;
    windows go up as long as they and both side-bands hold enough events to train on.

    Args:
        mjj: masses `(n,)` [GeV].
        widths: widths of the windows [GeV].
        fewest: events that each window and side-band must hold.

    Raises:
        ConfigError: where no window fits.
    """
    ordered = np.sort(mjj)
    counts, bins = np.histogram(ordered, bins=np.arange(np.floor(ordered[0] / BIN), ordered[-1] / BIN + 2) * BIN)
    start = float(bins[int(np.argmax(counts))]) + LOWER_WIDTH
    found = []
    for width in widths:
        step = width / STEPS_PER_WIDTH
        for k in range(int(np.ceil(start / step)), int(ordered[-1] / step)):
            window = _centred(k * step + width / 2, width)
            edges = (window.low - LOWER_WIDTH, window.low, window.high, window.high + UPPER_WIDTH)
            if np.diff(np.searchsorted(ordered, edges)).min() > fewest:
                found.append(window)
    if not found:
        raise ConfigError("grid: no automatic window holds enough events; name windows, or use more data")
    return sorted(found, key=lambda window: (window.low, window.high))


def _centred(centre: float, width: float) -> Window:
    return Window(round(centre - width / 2, 6), round(centre + width / 2, 6))
