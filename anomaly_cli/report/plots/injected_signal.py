"""Significance and limit against injected signal, in pseudo-experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.report.contents import contents_of, searches_of
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import cut_label, guide, legend_above, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Z, LIMIT = "z", "limit"
LABELS = {Z: "local significance Z", LIMIT: "limit after the cut [events]"}


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw the median of the pseudo-experiments with its central 68 %, a line for each cut.

    Args:
        axes: where to draw.
        sources: an injection study.
        panel: significance or limit.
    """
    rows = sources.group(schema.INJECTION, "tests")
    for number, cut in enumerate(np.unique(rows["background_efficiency"])[::-1]):
        here = np.flatnonzero(rows["background_efficiency"] == cut)
        here = here[np.argsort(rows["n_injected"][here])]
        injected, quantiles = rows["n_injected"][here], rows[f"{panel}_quantiles"][here]
        how = look(number)
        style: dict[str, Any] = {"linestyle": how.line, "marker": how.marker, "color": how.colour}
        axes.plot(injected, quantiles[:, 2], label=f"cut {cut_label(cut)}", **style)
        axes.fill_between(injected, quantiles[:, 1], quantiles[:, 3], color=how.colour, alpha=0.15, linewidth=0.0)
    if panel == Z:
        guide(axes, 0.0)
    axes.set_xlabel("injected signal events, before any cut")
    axes.set_ylabel(LABELS[panel])
    legend_above(axes)


def _panels(_: Sources) -> Sequence[str]:
    return (Z, LIMIT)


def _stamp(sources: Sources) -> str:
    rows = sources.group(schema.INJECTION, "tests")
    low, high = int(rows["n_experiments"].min()), int(rows["n_experiments"].max())
    number = str(low) if low == high else f"{low} to {high}"
    artifact = sources.artifacts[schema.INJECTION.name]
    return f"median and central 68 % of {number} {searches_of(artifact)}; {contents_of(artifact)}"


PLOT = Plot(
    "injection",
    "Significance and limit against injected signal, in pseudo-experiments through the whole chain.",
    {"injection": ("tests",)},
    draw,
    _panels,
    stamp=_stamp,
)
