"""Upper limits after each cut, with the bands expected without signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts import schema
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.report.contents import describe_tests
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import BLACK, GREY, cut_label, legend_above, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
AFTER, BEFORE = "after the cut", "before any cut"
INNER, OUTER = "#4d9fcc", "#c6dff0"
"""Of the bands of one and two standard deviations: light and dark, so that grey print keeps them apart."""


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw observed and expected limits of each cut.

    Args:
        axes: where to draw.
        sources: limits.
        panel: on signal events after the cut, or before any cut where that was studied.
    """
    rows = _rows(sources, panel)
    places = np.arange(len(rows["observed"]), dtype=float)
    expected = rows["expected"]
    draw_bands(axes, places, expected)
    known = np.isfinite(rows["observed"])
    axes.plot(places[known], rows["observed"][known], "o", color=BLACK, label="observed")
    for place in places[~known]:
        axes.annotate("above what\nwas studied", (place, float(expected[:, 4].max())), ha="center", color=GREY)
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_xticks(places, [cut_label(cut) for cut in rows["background_efficiency"]])
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel("background efficiency of the cut")
    axes.set_ylabel(f"limit {panel} [events]")
    legend_above(axes)


def draw_bands(axes: Axes, places: Array, expected: Array) -> None:
    """Draw the quantiles of expected limits at each cut: median, central 68 % and 95 %.

    Args:
        axes: where to draw.
        places: of the cuts `(t,)`.
        expected: limits, the smallest first `(t, 5)`.
    """
    for low, high, colour, label in ((0, 4, OUTER, "expected, 95 %"), (1, 3, INNER, "expected, 68 %")):
        heights = expected[:, high] - expected[:, low]
        axes.bar(places, heights, 0.5, bottom=expected[:, low], color=colour, label=label, linewidth=0.0)
    axes.hlines(expected[:, 2], places - 0.25, places + 0.25, color=BLACK, linestyle="--", label="expected, median")


def _rows(sources: Sources, panel: str) -> Arrays:
    return sources.group(schema.LIMITS, "tests" if panel == AFTER else "strength")


def _panels(sources: Sources) -> Sequence[str]:
    return (AFTER, BEFORE) if sources.has(schema.LIMITS, "strength") else (AFTER,)


PLOT = Plot(
    "limits",
    "Upper limits after each cut, with the bands expected without signal.",
    {"limits": ("tests",)},
    draw,
    _panels,
    stamp=lambda sources: "95 % CLs; " + describe_tests(sources.group(schema.LIMITS, "tests")),
)
