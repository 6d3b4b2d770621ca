"""Features in the signal region: template against observed events, and their ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts import schema
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import BLUE, RED, below, feature_label, guide, legend_above, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
BINS = 30
LEAST_SHOWN, MOST_SHOWN = 0.3, 1.0
"""Differences of a ratio from 1 that are shown: more where some are beyond errors; those still beyond are arrows."""
BEYOND_ERRORS = 3.0
OUTSIDE = (0.001, 0.999)
"""Quantiles of the observed events that the axis ends at; events beyond are in the outermost bins."""


def draw(axes: Axes, sources: Sources, feature: str) -> None:
    """Draw one feature: template events, as many as are observed, against observed events and side-bands.

    Args:
        axes: where to draw.
        sources: split and template.
        feature: its name.
    """
    split, template = (sources.artifacts[kind.name] for kind in (schema.SPLIT, schema.TEMPLATE))
    place = split.features.index(feature)
    observed = split.groups["sr"]["features"][:, place]
    made, weight = template.groups["events"]["features"][:, place], template.groups["events"]["weight"]
    beside = np.concatenate([split.groups[name]["features"][:, place] for name in ("sb1", "sb2")])
    edges = _edges(observed)
    number, _ = _histogram(observed, edges)
    shape, spread = _histogram(made, edges, weight)
    scale = len(observed) / weight.sum()
    shape, spread = scale * shape, scale * spread
    side, _ = _histogram(beside, edges)
    axes.stairs(
        len(observed) / len(beside) * side, edges, color=RED, linestyle="--", label="side-bands, scaled", zorder=2.5
    )
    axes.stairs(shape, edges, color=BLUE, fill=True, alpha=0.25)
    axes.stairs(shape, edges, color=BLUE, label="template, scaled")
    middle = (edges[1:] + edges[:-1]) / 2
    axes.errorbar(middle, number, np.sqrt(number), label="observed", **points(), zorder=3)
    axes.set_ylabel("events / bin")
    axes.set_ylim(0.0)
    lower = below(axes, "obs. /\ntemplate")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, share = number / shape, np.nan_to_num(spread / shape)
        lower.errorbar(middle, ratio, np.sqrt(number) / shape, **points())
    lower.stairs(1 + share, edges, baseline=1 - share, fill=True, color=BLUE, alpha=0.25)
    guide(lower, 1.0)
    shown = _shown(ratio, np.hypot(np.sqrt(number) / np.maximum(shape, 1.0), share))
    lower.set_ylim(*shown)
    for end, marker, beyond in zip(shown, ("v", "^"), (ratio < shown[0], ratio > shown[1]), strict=True):
        (arrows,) = lower.plot(middle[beyond], np.full(beyond.sum(), end), marker, color="black", markersize=4)
        arrows.set(clip_on=False, in_layout=False)
    lower.set_xlabel(feature_label(feature))
    legend_above(axes, 1, order=("observed", "template, scaled"))


def _shown(ratio: Array, error: Array) -> tuple[float, float]:
    """Return the ends of the axis of a ratio: what differs from 1 by more than chance lies inside."""
    off = np.abs(np.nan_to_num(ratio, nan=1.0, posinf=1.0) - 1.0)
    far = float(np.max(off, where=off > BEYOND_ERRORS * error, initial=0.0))
    half = min(max(LEAST_SHOWN, 1.15 * far), MOST_SHOWN)
    return 1.0 - half, 1.0 + half


def _edges(observed: Array) -> Array:
    low, high = np.quantile(observed, OUTSIDE)
    return np.linspace(low, high if high > low else low + 1.0, BINS + 1)


def _histogram(values: Array, edges: Array, weight: Array | None = None) -> tuple[Array, Array]:
    """Return sums of weights and their statistical errors; what lies outside is in the outermost bins."""
    weight = np.ones(len(values)) if weight is None else weight
    held = np.clip(values, edges[0], edges[-1])
    sums, _ = np.histogram(held, edges, weights=weight)
    squares, _ = np.histogram(held, edges, weights=weight**2)
    return sums, np.sqrt(squares)


def _panels(sources: Sources) -> Sequence[str]:
    return sources.artifacts[schema.SPLIT.name].features


PLOT = Plot(
    "features",
    "Features in the signal region: template against observed events and side-bands, with their ratio.",
    {"split": ("sr", "sb1", "sb2"), "template": ("events",)},
    draw,
    _panels,
    shape=(1.0, 1.2),
)
