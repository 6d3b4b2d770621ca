"""Signal-free windows: observed over expected after each cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import cut_label, guide, legend_above, look, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BESIDE = 0.025
"""Distance of the markers of one window [TeV]."""
FEWEST = 5.0
"""Expected events of a window that is drawn."""


def draw(axes: Axes, sources: Sources, _: str) -> None:
    """Draw how many events of each window pass, over how many should."""
    groups = sources.artifacts[schema.VALIDATION.name].groups
    windows, counts = groups["windows"], groups["counts"]
    middle = (windows["low"] + windows["high"])[counts["window"]] / 2e3
    expected = counts["n_all"] * counts["efficiency"]
    for number, cut in enumerate(np.unique(counts["background_efficiency"])[::-1]):
        here = (counts["background_efficiency"] == cut) & (expected >= FEWEST)
        if not here.any():
            continue
        how, share = (
            look(number),
            np.hypot(counts["efficiency_uncertainty"], np.nan_to_num(counts["model_uncertainty"])),
        )
        ratio = counts["n_passing"][here] / expected[here]
        error = np.sqrt(counts["n_passing"][here] / expected[here] ** 2 + (ratio * share[here]) ** 2)
        moved = middle[here] + BESIDE * (number - 1)
        axes.errorbar(moved, ratio, error, label=f"cut {cut_label(cut)}", **points(how.colour, how.marker))
    guide(axes, 1.0)
    axes.set_xlabel("centre of the signal-free window [TeV]")
    axes.set_ylabel("observed / expected")
    legend_above(axes)


def _lack(sources: Sources) -> str:
    return "" if len(sources.group(schema.VALIDATION, "windows")["low"]) else "no window could be used"


PLOT = Plot(
    "windows",
    "Signal-free windows: observed over expected after each cut.",
    {"validation": ("windows", "counts")},
    draw,
    lack=_lack,
)
