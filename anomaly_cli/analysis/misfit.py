"""Why a smooth function does not describe a spectrum: masses in coarse steps, or a spectrum that rises."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from anomaly_cli.analysis.spectrum import BIN_WIDTH
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.windows import Window

COARSE_STEP = 0.05
"""Steps between masses that are larger, in bins of the fit, make neighbouring bins hold unlike numbers of steps."""
FEWEST_STEPS = 5
"""Different masses that are needed to tell steps from chance; each is there twice on average."""
TOLERANCE = 0.01
"""Largest departure of a distance from a multiple of the step, in steps."""
N_PARTS = 8
"""Parts of a window that are compared with each other, or may have steps of their own."""
RISE = 5.0
"""Standard deviations by which a part has to exceed the first part of its window to be a rise."""


def explain_misfit(masses: Sequence[FloatArray], windows: Sequence[Window]) -> str:
    """Return what about the masses in some windows no fit can describe, as part of a sentence; empty where nothing.

    Args:
        masses: masses in each window `(n,)` [GeV].
        windows: the windows, in the same order, the lowest first.
    """
    parts = [part for mjj, window in zip(masses, windows, strict=True) for part in _divide(mjj, window)]
    step = max(find_step(part) for part in (*masses, *parts))  # of rounded mantissas, steps grow with the mass
    if step > COARSE_STEP * BIN_WIDTH:
        return (
            f"masses come in steps of {step:.4g} GeV, of which the fit's bins of {BIN_WIDTH:g} GeV hold now more, now"
            " fewer: write masses with more digits"
        )
    window = windows[0]  # a threshold lies below everything else
    counts = np.array([len(part) for part in _divide(masses[0], window)], dtype=np.float64)
    top = int(counts.argmax())
    if counts[top] - counts[0] > RISE * np.sqrt(counts[top] + counts[0]):
        peak = window.low + window.width * top / N_PARTS
        return (
            f"the spectrum rises in {window.text} TeV up to about {peak / 1000.0:.3g} TeV, as behind the threshold of a"
            " trigger, where the function falls: leave that part out with --side-bands"
        )
    return ""


def find_step(masses: FloatArray) -> float:
    """Return the step of which all distances between masses `(n,)` are multiples [GeV], 0 where there is none."""
    values = np.unique(np.round(masses, 6))
    if not FEWEST_STEPS <= len(values) <= len(masses) / 2:
        return 0.0
    distances = np.diff(values)
    step = float(distances.min())
    departures = np.abs(distances / step - np.round(distances / step))
    return step if departures.max() < TOLERANCE else 0.0


def _divide(masses: FloatArray, window: Window) -> list[FloatArray]:
    edges = np.linspace(window.low, window.high, N_PARTS + 1)
    return [masses[(masses >= low) & (masses < high)] for low, high in pairwise(edges)]
