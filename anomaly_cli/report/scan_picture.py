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

from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.errors import ArtifactError
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
    searches = sorted({_search(points, index) for index in np.unique(scan.groups["tests"]["point"])})[:MOST_PANELS]
    picture = Figure(figsize=(7.0, 3.6 * len(searches)), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots(len(searches), 1, squeeze=False, sharex=True)[:, 0]
    for panel, search in zip(axes, searches, strict=True):
        draw_p_values(panel, scan, search)
    axes[-1].set_xlabel("centre of the signal region [TeV]")
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
    centre, width = (low + high) / 2.0, np.round(high - low, 6)
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
    lowest, highest = axes.get_ylim()[0], float(centre[mine].max())
    for sigma in SIGMAS:
        level = 0.5 * math.erfc(sigma / math.sqrt(2.0))
        axes.axhline(level, color="0.7", linewidth=0.8, linestyle=":")
        axes.annotate(f"{sigma} s.d.", (highest, level), fontsize=7, color="0.4", va="bottom", ha="right")
    axes.set_yscale("log")
    axes.set_ylim(min(lowest, 1e-3) if lowest > 0 else None, 1.0)
    axes.set_ylabel("local p-value")
    n_seeds = len(np.unique(points["seed"][tests["point"][mine]]))
    seeds = f", median of {n_seeds} seeds" if n_seeds > 1 else ""
    axes.set_title(f"{search[0]} ({search[1]}), injected: {search[2]}{seeds}", fontsize=9)
    axes.legend(fontsize=7, loc="lower left")


def _search(points: Mapping[str, Any], index: int) -> tuple[str, str, str]:
    return str(points["method"][index]), str(points["variant"][index]), str(points["inject"][index])
