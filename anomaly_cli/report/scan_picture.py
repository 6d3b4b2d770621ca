"""The picture of a scan: local p-values against the mass."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anomaly_cli.artifacts.scan_kinds import search_words
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.report.results.scan import WITHOUT, is_measured_in
from anomaly_cli.report.tables import percent

MOST_PANELS = 8
SIGMAS = (1, 3, 5)
LINES, MARKERS = ("-", "--", ":", "-."), ("o", "s", "^", "v")
"""Of the widths of signal regions; colours are those of cuts."""


def draw_scan(scan: Artifact, figure: Path) -> Path:
    """Draw local p-values against the mass into a file: one panel per search, one line per cut.

    Args:
        scan: a scan artifact.
        figure: the picture.

    Raises:
        ArtifactError: where it cannot be written.
    """
    points = scan.groups["points"]
    tests = scan.groups["tests"]
    searches = list(dict.fromkeys(_search(points, index) for index in np.unique(tests["point"])))
    shown = searches[:MOST_PANELS]
    picture = Figure(figsize=(8.0, 3.2 * len(shown) + 0.5), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots(len(shown), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for panel, search in zip(axes, shown, strict=True):
        draw_p_values(panel, scan, search)
    axes[-1].set_xlabel("centre of the signal region [TeV]")
    notes = [] if is_measured_in(scan) else [WITHOUT]
    notes += [f"{len(shown)} of {len(searches)} searches"] if len(searches) > len(shown) else []
    if notes:
        picture.suptitle("; ".join(notes), fontsize=10)
    try:
        picture.savefig(figure, dpi=120, metadata={"Software": None})
    except OSError as error:
        raise ArtifactError(f"{figure}: cannot be written ({error.strerror}); free some space") from error
    return figure


def draw_p_values(axes: Axes, scan: Artifact, search: tuple[str, str, str]) -> None:
    """Draw the local p-value against the mass, one line per cut and width; of several seeds, that of the median Z.

    Args:
        axes: where to draw.
        scan: a scan artifact.
        search: method, variant and injection.
    """
    points, tests = scan.groups["points"], scan.groups["tests"]
    mine = np.array([_search(points, index) == search for index in tests["point"]])
    low, high = (points[name][tests["point"]] / 1000.0 for name in ("low", "high"))
    width = np.round(high - low, 6)
    widths = np.unique(width[mine])
    efficiencies = np.unique(tests["background_efficiency"][mine])[::-1]
    for (number, efficiency), (style, wide) in itertools.product(enumerate(efficiencies), enumerate(widths)):
        here = mine & (tests["background_efficiency"] == efficiency) & (width == wide)
        regions = np.unique(np.column_stack([low, high])[here], axis=0)
        z = [float(np.median(tests["z"][here & (low == lo) & (high == hi)])) for lo, hi in regions]
        p0 = [0.5 * math.erfc(value / math.sqrt(2.0)) for value in z]
        text = f"cut {percent(float(efficiency))}" + (f", {wide:g} TeV wide" if len(widths) > 1 else "")
        line = f"{LINES[style % len(LINES)]}{MARKERS[style % len(MARKERS)]}"
        axes.plot(regions.mean(axis=1), np.maximum(p0, 1e-30), line, color=f"C{number}", markersize=4, label=text)
    axes.set_yscale("log")
    for sigma in SIGMAS:
        level = 0.5 * math.erfc(sigma / math.sqrt(2.0))
        axes.axhline(level, color="0.7", linewidth=0.8, linestyle=":")
        axes.annotate(
            f" {sigma} s.d.", (1.0, level), xycoords=("axes fraction", "data"), fontsize=7, color="0.4", va="center"
        )
    axes.set_ylim(min(float(axes.dataLim.y0) / 3.0, 1e-4), 2.0)
    axes.set_ylabel("local p-value")
    n_seeds = len(np.unique(points["seed"][tests["point"][mine]]))
    seeds = f", median of {n_seeds} seeds" if n_seeds > 1 else ""
    axes.set_title(f"{search_words(*search)}{seeds}", fontsize=9)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.06, 1.0), borderaxespad=0.0)


def _search(points: Mapping[str, Any], index: int) -> tuple[str, str, str]:
    return str(points["method"][index]), str(points["variant"][index]), str(points["inject"][index])
