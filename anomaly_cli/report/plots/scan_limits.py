"""Limits of a scan against mass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.scan_searches import cuts_of, lack, medians, searches_with_tests, stamp
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import cut_label, legend_above, look, plain_log, safe

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
            middle, values = [region.middle for region in found], [region.value for region in found]
            bars = [region.high - region.middle for region in found] if fill == "full" else None
            label = f"cut {cut_label(cut)}" if fill == "full" else None
            style: dict[str, Any] = {"color": how.colour, "elinewidth": 0.8, "fillstyle": fill}
            axes.errorbar(middle, values, xerr=bars, fmt=how.marker, label=label, **style)
    axes.plot([], [], "o", color="0.4", fillstyle="none", label="median without signal")
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_xlabel("signal region [TeV]")
    axes.set_ylabel("95 % CLs limit [events]")
    legend_above(axes, title=safe(f"{search}, after the cut"), alignment="left")


PLOT = Plot(
    "scan_limits",
    "Limits of a scan against mass, beside the median expected without signal.",
    {"scan": ("points", "tests")},
    draw,
    searches_with_tests,
    stamp,
    lack,
    shape=(1.25, 1.1),
)
