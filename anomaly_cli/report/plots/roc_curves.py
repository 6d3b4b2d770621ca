"""ROC and significance improvement of the score, on true background and true signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import GREY, legend_above, look, named_aucs, safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROC, SIC = "ROC", "significance improvement"
LABELS = {ROC: r"signal efficiency $\epsilon_S$", SIC: r"SIC = $\epsilon_S/\sqrt{\epsilon_B}$"}
FEWEST = 10.0
"""Independent background events above the tightest cut of a curve."""


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw the curve of every template with its statistical band.

    Args:
        axes: where to draw.
        sources: an evaluation.
        panel: ROC or significance improvement.
    """
    rows, n_signal = (
        sources.group(schema.EVALUATION, "curves"),
        int(sources.group(schema.EVALUATION, "counts")["n_signal"]),
    )
    smallest = 1.0
    for number, method in enumerate(dict.fromkeys(map(str, rows["method"]))):
        here, how = (rows["method"] == method) & (rows["n_background"] >= FEWEST), look(number)
        background, kept = rows["background_efficiency"][here], rows["signal_efficiency"][here]
        if panel == ROC:
            value, error = kept, np.sqrt(np.clip(kept * (1.0 - kept), 0.0, None) / max(1, n_signal))
        else:
            value, error = rows["sic"][here], np.nan_to_num(rows["sic_error"][here])
        axes.plot(background, value, color=how.colour, linestyle=how.line, label=safe(method))
        axes.fill_between(background, value - error, value + error, color=how.colour, alpha=0.2, linewidth=0.0)
        smallest = min([smallest, *background[background > 0.0]])
    grid = np.logspace(np.log10(smallest), 0.0, 100)
    axes.plot(grid, grid if panel == ROC else np.sqrt(grid), color=GREY, linestyle=(0, (1, 3)), label="by chance")
    axes.set_xscale("log")
    axes.set_xlim(smallest, 1.0)
    axes.set_ylim(0.0, 1.0 if panel == ROC else None)
    axes.set_xlabel(r"background efficiency $\epsilon_B$")
    axes.set_ylabel(r"signal efficiency $\epsilon_S$" if panel == ROC else r"SIC = $\epsilon_S/\sqrt{\epsilon_B}$")
    legend_above(axes, 2)


def _panels(_: Sources) -> Sequence[str]:
    return (ROC, SIC)


def _stamp(sources: Sources) -> str:
    rows = sources.group(schema.EVALUATION, "summary")
    learnt = ", ".join(f"{m} {n:,.0f}" for m, n in zip(rows["method"], rows["n_independent"], strict=True))
    return (
        f"uses truth; AUC {named_aucs(rows['method'], rows)}; independent background events behind each: {safe(learnt)}"
    )


PLOT = Plot(
    "sic",
    "ROC and significance improvement of the score on truth, with statistical bands.",
    {"evaluation": ("curves", "summary", "counts")},
    draw,
    _panels,
    stamp=_stamp,
)
