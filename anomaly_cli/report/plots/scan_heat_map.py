"""Significance of every search of a scan in every signal region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.scan_searches import lack, medians, search_names, stamp
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import cut_label, safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST_Z = 6.0
"""Colours end here; the numbers do not."""
MOST_UPRIGHT = 9
"""Regions whose names have room beside each other."""
MOST_NAME = 26
"""Characters of a line of the name of a search."""


def draw(axes: Axes, sources: Sources, cut: str) -> None:
    """Draw the median Z at one cut: searches by signal regions; where there is none, why.

    Args:
        axes: where to draw.
        sources: a scan.
        cut: background efficiency, as text.
    """
    points, names = sources.group(SCAN, "points"), search_names(sources)
    searches = list(dict.fromkeys(map(str, names)))
    regions = np.unique(np.column_stack([points["low"], points["high"]]) / 1e3, axis=0)
    grid = np.full((len(searches), len(regions)), np.nan)
    efficiency = next(
        value for value in sources.group(SCAN, "tests")["background_efficiency"] if cut_label(value) == cut
    )
    for row, search in enumerate(searches):
        for region in medians(sources, search, float(efficiency), "z"):
            grid[row, np.flatnonzero((regions == (region.low, region.high)).all(axis=1))[0]] = region.value
    image = axes.imshow(grid, cmap="cividis", vmin=-1.0, vmax=LARGEST_Z, aspect="auto")
    for (row, column), value in np.ndenumerate(grid):
        here = (names == searches[row]) & (points["low"] == regions[column, 0] * 1e3)
        here &= points["high"] == regions[column, 1] * 1e3
        state = str(points["state"][here][0]) if here.any() else "-"
        text = f"{value:.1f}" if np.isfinite(value) else state.replace("done", "-")
        colour = "black" if value > 0.55 * LARGEST_Z or np.isnan(value) else "white"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize="small")
    axes.set_xticks(range(len(regions)), [f"{low:g}-{high:g}" for low, high in regions])
    axes.tick_params(axis="x", labelrotation=90 if len(regions) > MOST_UPRIGHT else 0)
    axes.set_yticks(range(len(searches)), [_short(safe(name)) for name in searches])
    axes.tick_params(which="both", length=0.0)
    axes.minorticks_off()
    axes.set_xlabel("signal region [TeV]")
    bar = axes.get_figure().colorbar(image, ax=axes, pad=0.02)  # type: ignore[union-attr]
    bar.set_label("local Z")
    bar.set_ticks([0, 2, 4, 6])
    axes.set_title(f"cut {cut}", loc="left")


def _shape(sources: Sources) -> tuple[float, float]:
    """Return the shape of a panel: wide, and as high as its searches need."""
    n_searches = len(set(search_names(sources).tolist()))
    return 1.9, 0.5 + 0.13 * n_searches


def _short(name: str) -> str:
    """Return the name of a search in lines of its own for method and injection, cut where it is long."""
    return "\n".join(part if len(part) <= MOST_NAME else f"{part[: MOST_NAME - 3]}..." for part in name.split(", "))


def _panels(sources: Sources) -> Sequence[str]:
    return [cut_label(cut) for cut in np.unique(sources.group(SCAN, "tests")["background_efficiency"])[::-1]]


PLOT = Plot(
    "heat_map",
    "Significance of every search of a scan in every signal region, by cut.",
    {"scan": ("points", "tests")},
    draw,
    _panels,
    stamp,
    lack,
    shape=_shape,
)
