"""ROC and significance improvement of the score, on true background and true signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Arrays
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import BLUE, GREY, legend_above, look, safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
ROC, SIC = "ROC", "significance improvement"
FEWEST = 10
"""Background events that the tightest cut of a curve keeps."""


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw one curve with its statistical band, and the measured points of the run's and of the idealised template.

    Args:
        axes: where to draw.
        sources: an evaluation.
        panel: ROC or significance improvement.
    """
    groups = sources.artifacts[schema.EVALUATION.name].groups
    background, signal = efficiencies(groups["background"], groups["signal"])
    n_background, n_signal = len(groups["background"]["score"]), len(groups["signal"]["score"])
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = signal / np.sqrt(background)
        share = np.sqrt((1 - signal) / (signal * n_signal) + (1 - background) / (4.0 * background * n_background))
        error = signal * np.sqrt((1 - signal) / (signal * n_signal))
    rows = groups["sic"]
    name = str(rows["method"][0])
    value, spread = (signal, error) if panel == ROC else (gain, gain * share)
    axes.plot(background, value, color=BLUE, label=safe(name))
    axes.fill_between(background, value - spread, value + spread, color=BLUE, alpha=0.25, linewidth=0.0)
    for number, method in enumerate(dict.fromkeys(map(str, rows["method"]))):
        here, how = rows["method"] == method, look(number)
        given = rows["signal_efficiency" if panel == ROC else "sic"][here]
        bars = None if panel == ROC else rows["sic_error"][here]
        label = None if method == name else safe(method)
        axes.errorbar(rows["background_efficiency"][here], given, bars, fmt=how.marker, color=how.colour, label=label)
    grid = np.logspace(np.log10(background[0]), 0.0, 100)
    axes.plot(grid, grid if panel == ROC else np.sqrt(grid), color=GREY, linestyle=":", label="by chance")
    axes.set_xscale("log")
    axes.set_xlim(background[0], 1.0)
    axes.set_ylim(0.0, 1.0 if panel == ROC else None)
    axes.set_xlabel(r"background efficiency $\epsilon_B$")
    axes.set_ylabel(r"signal efficiency $\epsilon_S$" if panel == ROC else r"$\epsilon_S/\sqrt{\epsilon_B}$")
    legend_above(axes, 3)


def efficiencies(background: Arrays, signal: Arrays) -> tuple[Array, Array]:
    """Return background and signal efficiencies of cuts that keep the same part of the background of every fold."""
    n = len(background["score"])
    levels = np.logspace(np.log10(min(1.0, FEWEST / n)), 0.0, 200)
    kept = np.zeros(len(levels))
    for fold in np.unique(signal["fold"]):
        own, theirs = signal["score"][signal["fold"] == fold], np.sort(background["score"][background["fold"] == fold])
        if len(theirs):
            cuts = np.quantile(theirs, 1.0 - levels)
            kept += len(own) - np.searchsorted(np.sort(own), cuts, side="left")
    return levels, kept / len(signal["score"])


def _panels(_: Sources) -> Sequence[str]:
    return (ROC, SIC)


PLOT = Plot(
    "sic",
    "ROC and significance improvement of the score on truth, with statistical bands.",
    {"evaluation": ("background", "signal", "sic")},
    draw,
    _panels,
    stamp=lambda _: "uses truth labels",
)
