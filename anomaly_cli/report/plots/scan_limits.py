"""Limits of a scan against mass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.scan_searches import cuts_of, lack, medians, placed, searches_with_tests, stamp
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import cut_label, legend_above, look, plain_log, points, safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(axes: Axes, sources: Sources, search: str) -> None:
    """Draw the observed limit of every signal region, and the median expected without signal as an open marker.

    Args:
        axes: where to draw.
        sources: a scan, which keeps the median of expected limits and no bands.
        search: method, variant and injection, in words.
    """
    for number, cut in enumerate(cuts_of(sources, search)):
        how = look(number)
        for column, fill in (("limit", "full"), ("limit_expected", "none")):
            found = list(medians(sources, search, float(cut), column))
            values, (place, bars) = [region.value for region in found], placed(found, number)
            label = f"cut {cut_label(cut)}" if fill == "full" else None
            style = points(how.colour, how.marker) | {"fillstyle": fill}
            axes.errorbar(place, values, xerr=bars if fill == "full" else None, label=label, **style)
    axes.plot([], [], "o", color="0.4", fillstyle="none", label="median without signal")
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_xlabel("signal region (bars) [TeV]")
    axes.set_ylabel("limit after the cut [events]")
    legend_above(axes, title=safe(search), alignment="left", title_fontsize="medium")


PLOT = Plot(
    "scan_limits",
    "Limits (95 % CLs) of a scan against mass, beside the median expected without signal.",
    {"scan": ("points", "tests")},
    draw,
    searches_with_tests,
    lambda sources: "; ".join(filter(None, ("95 % CLs", stamp(sources)))),
    lack,
    shape=(1.25, 1.35),
)
