"""Scores of observed events against those of the template, with the cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts import schema
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import BLUE, GREY, RED, below, cut_label, guide, legend_above, plain_log, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
PER_DECADE = 5
"""Bins of a factor of ten of the template."""
FEWEST = 10
"""Expected events of the bin of the largest scores, about."""


def draw(axes: Axes, sources: Sources, _: str) -> None:
    """Draw observed events against the part of the template that scores higher in the same fold.

    Scores of different folds cannot be compared, this part can: the template is flat in it, whatever the scores mean.
    """
    scores = sources.artifacts[schema.SCORES.name].groups
    observed, template = scores["observed"], scores["template"]
    rank = template_rank(observed, template)
    n = len(rank)
    decades = max(1.0, np.log10(n / FEWEST))
    edges = np.logspace(-decades, 0.0, max(3, round(PER_DECADE * decades)) + 1)
    number = np.histogram(np.maximum(rank, edges[0]), edges)[0]
    expected = n * np.diff(np.concatenate([[0.0], edges[1:]]))
    middle = np.sqrt(edges[1:] * edges[:-1])
    axes.stairs(expected, edges, color=BLUE, fill=True, alpha=0.25)
    axes.stairs(expected, edges, color=BLUE, label="template, scaled")
    axes.errorbar(middle, number, np.sqrt(number), label="observed", **points(), zorder=3)
    signal = _signal(sources, observed)
    if signal is not None:
        true = np.histogram(np.maximum(rank[signal], edges[0]), edges)[0]
        axes.stairs(true, edges, color=RED, linestyle="--", label="signal among them (truth)")
    lower = below(axes, "obs. /\ntemplate")
    lower.errorbar(middle, number / expected, np.sqrt(number) / expected, **points())
    guide(lower, 1.0)
    for panel in (axes, lower):
        for cut in sources.group(schema.SIGNIFICANCE, "tests").get("background_efficiency", ()):
            panel.axvline(cut, color=GREY, linestyle=":", linewidth=points()["elinewidth"])
    for cut in sources.group(schema.SIGNIFICANCE, "tests").get("background_efficiency", ()):
        words: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "top", "fontsize": "x-small", "color": GREY}
        axes.annotate(f"cut {cut_label(cut)} ", (cut, 0.98), xycoords=("data", "axes fraction"), **words)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(max(0.5, 0.3 * float(expected.min())), 40.0 * float(expected.max()))
    axes.set_xlim(edges[-1], edges[0])
    axes.set_ylabel("events / bin")
    lower.set_yscale("log")
    lower.set_ylim(0.4, max(2.2, 1.6 * float((number / expected).max())))
    plain_log(lower.yaxis)
    lower.set_xlabel("fraction of the template that scores higher")
    legend_above(axes, order=("observed", "signal among them (truth)"))


def template_rank(events: Arrays, template: Arrays) -> Array:
    """Return for scored events which part of the template of their fold scores at least as high `(n,)`."""
    rank = np.ones(len(events["score"]))
    for fold in np.unique(events["fold"]):
        mine, theirs = events["fold"] == fold, template["fold"] == fold
        order = np.argsort(-template["score"][theirs])
        height, weight = -template["score"][theirs][order], np.cumsum(template["weight"][theirs][order])
        if len(weight):
            found = np.searchsorted(height, -events["score"][mine], side="right")
            rank[mine] = np.concatenate([[0.0], weight])[found] / weight[-1]
    return rank


def _signal(sources: Sources, observed: Arrays) -> npt.NDArray[np.bool_] | None:
    """Return which observed events are signal, where that is known."""
    truth = sources.group(schema.TRUTH, "observed")
    if not truth:
        return None
    ids = truth["event_id"][truth["is_signal"]]
    return np.isin(observed["event_id"], ids)


PLOT = Plot(
    "scores",
    "Scores of observed events, as the fraction of the template that scores higher, with the cuts.",
    {"scores": ("observed", "template")},
    draw,
    shape=(1.0, 1.25),
)
