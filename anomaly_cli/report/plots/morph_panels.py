"""A morph: where events were and went, and each feature before and after, against the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anomaly_cli.artifacts.morph_schema import MORPH
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import (
    BLUE,
    RED,
    below,
    feature_label,
    guide,
    legend_above,
    named_aucs,
    points,
    safe,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 40
MOST_ARROWS = 300
MOST_POINTS = 20_000
MAPS = ("source", "moved", "target", "movement")
"""Panels of the first two features; those of marginals are called as the feature."""


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw one panel.

    Args:
        axes: where to draw.
        sources: a morph.
        panel: a map of the first two features, or the name of a feature after `marginal of `.
    """
    if panel in MAPS:
        _draw_map(axes, sources, panel)
    else:
        _draw_marginal(axes, sources, sources.artifacts[MORPH.name].features.index(panel.removeprefix(_PREFIX)))


_PREFIX = "marginal of "


def _draw_map(axes: Axes, sources: Sources, panel: str) -> None:
    from anomaly_cli.report.morph import draw_movement, draw_points, start_of

    morph = sources.artifacts[MORPH.name]
    moved, pair = morph.groups["moved"], [0, 1]
    before, after, aim = (
        values[:, pair] for values in (moved["before"], moved["after"], morph.groups["target"]["values"])
    )
    if panel == "movement":
        step = -(-len(before) // MOST_ARROWS)
        draw_movement(axes, before[::step], after[::step])
    else:
        events, colour = {
            "source": (before, start_of(before)),
            "moved": (after, start_of(before)),
            "target": (aim, None),
        }[panel]
        step = -(-len(events) // MOST_POINTS)
        draw_points(axes, events[::step], None if colour is None else colour[::step])
    low, high = (edge(np.concatenate([before, after, aim]), axis=0) for edge in (np.min, np.max))
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_xlabel(feature_label(morph.features[0]))
    axes.set_ylabel(feature_label(morph.features[1]))
    coloured = f"source, coloured by {safe(morph.features[0])}"
    axes.set_title({"source": coloured, "moved": "moved, same colours"}.get(panel, panel))


def _draw_marginal(axes: Axes, sources: Sources, place: int) -> None:
    """Draw one feature of source, moved and target test events, and the ratio of moved to target."""
    morph = sources.artifacts[MORPH.name]
    moved, target = morph.groups["moved"], morph.groups["target"]
    test, aimed = moved["is_test"], target["is_test"]
    aim = target["values"][aimed, place]
    everything = np.concatenate([aim, moved["before"][test, place], moved["after"][test, place]])
    low, high = np.quantile(everything, (0.001, 0.999))
    edges = np.linspace(low, high, BINS + 1)
    sums = {}
    for name, values in (("source", moved["before"][test, place]), ("moved", moved["after"][test, place])):
        sums[name] = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] * (len(aim) / max(1, test.sum()))
    number = np.histogram(np.clip(aim, edges[0], edges[-1]), edges)[0].astype(float)
    middle = (edges[1:] + edges[:-1]) / 2
    axes.stairs(sums["source"], edges, color=RED, linestyle="--", label="source, scaled")
    axes.stairs(sums["moved"], edges, color=BLUE, label="moved, scaled")
    axes.errorbar(middle, number, np.sqrt(number), label="target", **points())
    axes.set_ylabel("test events / bin")
    axes.set_ylim(0.0)
    lower = below(axes, "target /\nmoved")
    with np.errstate(divide="ignore", invalid="ignore"):
        lower.errorbar(middle, number / sums["moved"], np.sqrt(number) / sums["moved"], **points())
    guide(lower, 1.0)
    lower.set_ylim(0.4, 1.6)
    lower.set_xlabel(feature_label(morph.features[place]))
    legend_above(axes, 1, order=("target",))


def _panels(sources: Sources) -> Sequence[str]:
    features = sources.artifacts[MORPH.name].features
    return [*(MAPS if len(features) > 1 else ()), *(f"{_PREFIX}{name}" for name in features)]


def _stamp(sources: Sources) -> str:
    rows = sources.group(MORPH, "quality")
    return f"AUC against the target: {named_aucs(rows['compared'], rows)}"


PLOT = Plot(
    "morph",
    "A morph: two features before, after and as aimed at, and each feature with its ratio.",
    {"morph": ("moved", "target", "quality")},
    draw,
    _panels,
    stamp=_stamp,
    shape=(1.0, 1.1),
)
