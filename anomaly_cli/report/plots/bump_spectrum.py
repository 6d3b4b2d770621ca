"""The bump hunt: the dijet mass after each cut, with the background fitted to it and pulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.report.contents import contents_of
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import (
    BLUE,
    GREY,
    LIGHT,
    below,
    cut_label,
    legend_above,
    plain_log,
    points,
    pull_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 5.0
"""Expected events of a bin that is drawn; neighbours with fewer are drawn as one."""
LARGEST_PULL = 5.0


def draw(axes: Axes, sources: Sources, cut: str) -> None:
    """Draw the spectrum after one cut.

    Args:
        axes: where to draw.
        sources: a bump hunt.
        cut: its background efficiency, as text.
    """
    groups = sources.artifacts[schema.BUMP.name].groups
    tests, bins = groups["tests"], groups["bins"]
    index = [cut_label(value) for value in tests["background_efficiency"]].index(cut)
    expected = bins["background"][:, index]
    first = _starts(expected)
    n, expected = (np.add.reduceat(values, first) for values in (bins["n_observed"][:, index], expected))
    low, high = bins["low"][first] / 1e3, np.append(bins["low"][first][1:], bins["high"][-1]) / 1e3
    middle, width = (low + high) / 2, (high - low) * 1e3 / float(np.median(bins["high"] - bins["low"]))
    edges = np.append(low, high[-1])
    axes.stairs(expected / width, edges, color=BLUE, label="fit without signal")
    axes.errorbar(middle, n / width, np.sqrt(n) / width, label="observed", **points())
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_ylabel(f"events / {float(np.median(bins['high'] - bins['low'])):.0f} GeV")
    lower = below(axes, "pull")
    pulls = np.clip((n - expected) / np.sqrt(expected), -LARGEST_PULL, LARGEST_PULL)
    lower.bar(middle, pulls, high - low, color=GREY)
    pull_axis(lower, LARGEST_PULL)
    lower.set_xlabel("dijet mass [TeV]")
    mass, core = (float(groups["resonance"][name]) / 1e3 for name in ("mass", "width"))
    for panel in (axes, lower):
        panel.axvspan(mass - 2 * core, mass + 2 * core, color=LIGHT, zorder=0, linewidth=0.0)
    z, signal, error = (float(tests[name][index]) for name in ("z_asymptotic", "signal_yield", "signal_error"))
    result = f"cut {cut}\nZ = {z:.1f} (asymptotic)\nsignal {signal:.0f}" + rf" $\pm$ {error:.0f}"
    axes.annotate(result, (0.97, 0.95), xycoords="axes fraction", ha="right", va="top")
    axes.set_xlim(edges[0], edges[-1])
    legend_above(axes)


def _starts(expected: np.ndarray) -> np.ndarray:
    """Return where the bins begin that are drawn, so that each expects enough events."""
    starts, held = [0], 0.0
    for index, value in enumerate(expected):
        if held >= FEWEST:
            starts.append(index)
            held = 0.0
        held += float(value)
    return np.array(starts)


def _panels(sources: Sources) -> Sequence[str]:
    return [cut_label(value) for value in sources.group(schema.BUMP, "tests")["background_efficiency"]]


PLOT = Plot(
    "bump",
    "Bump hunt: the dijet mass after each cut, the background fitted to it, and pulls.",
    {"bump": ("tests", "bins", "resonance")},
    draw,
    _panels,
    stamp=lambda sources: f"local, {contents_of(sources.artifacts[schema.BUMP.name])}",
    lack=lambda sources: "" if _panels(sources) else "no cut could be fitted",
    shape=(1.0, 1.25),
)
