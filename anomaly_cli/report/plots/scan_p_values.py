"""Local p-values of a scan against mass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.scan_searches import cuts_of, global_of, lack, medians, placed, searches_with_tests, stamp
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import GREY, cut_label, legend_above, look, points, safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALLEST_P = 1e-30
"""Smaller p-values are drawn here."""
MOST_SIGMAS = 8
LABEL_HEIGHT = 0.06
"""Room that a label takes, as a part of the axis."""


def p_of(z: float) -> float:
    """Return the one-sided p-value of a significance."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def draw(axes: Axes, sources: Sources, search: str) -> None:
    """Draw the p-value of every signal region as a bar as wide as it: regions overlap, so nothing joins them.

    Of several seeds, it is the p-value of the median Z; each has a global significance of its own, so none is drawn.

    Args:
        axes: where to draw.
        sources: a scan.
        search: method, variant and injection, in words.
    """
    smallest = 1.0
    for number, cut in enumerate(cuts_of(sources, search)):
        how = look(number)
        found = list(medians(sources, search, float(cut), "z"))
        p0 = [max(p_of(region.value), SMALLEST_P) for region in found]
        smallest = min([smallest, *p0])
        place, bars = placed(found, number)
        axes.errorbar(place, p0, xerr=bars, label=f"cut {cut_label(cut)}", **points(how.colour, how.marker))
    largest_excesses = global_of(sources, search)
    if len(largest_excesses) == 1:
        (largest,) = largest_excesses
        words = f"largest excess, global: Z = {largest['z_global']:.1f}"
        axes.axhline(max(largest["p_global"], SMALLEST_P), color=GREY, linestyle="--", linewidth=1.0, label=words)
    axes.set_yscale("log")
    axes.set_ylim(max(smallest / 30.0, SMALLEST_P / 10.0), 1.5)
    axes.set_xlabel("signal region (bars) [TeV]")
    axes.set_ylabel(r"local p-value $p_0$")
    _draw_sigmas(axes)
    legend_above(axes, 2, title=safe(search), alignment="left", title_fontsize="medium")


def _draw_sigmas(axes: Axes) -> None:
    """Draw a line at every whole significance in sight, and an axis for them on the right."""
    sigmas = [sigma for sigma in range(MOST_SIGMAS + 1) if p_of(sigma) > axes.get_ylim()[0]]
    room = math.log(axes.get_ylim()[1] / axes.get_ylim()[0]) * LABEL_HEIGHT
    kept: list[int] = []
    for sigma in reversed(sigmas):  # labels near the top, where the lines are close, give way
        if not kept or math.log(p_of(sigma) / p_of(kept[-1])) > room:
            kept.append(sigma)
    levels = [p_of(sigma) for sigma in kept]
    axes.hlines(
        [p_of(sigma) for sigma in sigmas[1:]],
        0.0,
        1.0,
        transform=axes.get_yaxis_transform(),
        color="0.8",
        linewidth=0.6,
        zorder=0,
    )
    axes.tick_params(axis="y", which="both", right=False)
    right = axes.secondary_yaxis("right")
    right.set_yticks(levels, [rf"${sigma}\sigma$" for sigma in kept])
    right.set_yticks([], minor=True)


PLOT = Plot(
    "scan",
    "Local p-values of a scan against mass, with significances on the right; with one seed, the global one of the"
    " largest excess.",
    {"scan": ("points", "tests")},
    draw,
    searches_with_tests,
    stamp,
    lack,
    shape=(1.25, 1.35),
)
