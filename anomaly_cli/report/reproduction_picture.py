"""Published values and ours in one picture: lines over a numeric x, else one row for each value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anomaly_cli.artifacts.reproduction import Compared, Reproduction
from anomaly_cli.core.errors import ArtifactError

FEWEST_FOR_BAND = 3
"""With fewer seeds a band says nothing: then points have their errors."""
BAND = (16.0, 84.0)
COLOURS = ("#0072b2", "#d55e00", "#000000", "#e69f00", "#009e73", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
WIDEST_RATIO = 30.0
"""Values further apart than this stand on a logarithmic axis."""
CLOSEST_TICKS = 0.08
"""Part of a logarithmic axis that a label needs."""
WIDEST_X = 9.0
"""As `WIDEST_RATIO`, for x that are all above 0: cuts are decades."""


def draw_reproduction(found: Reproduction, figure: Path) -> Path | None:
    """Draw one panel for each quantity that has values into a file; nothing where none has.

    Args:
        found: what was run.
        figure: the picture.

    Raises:
        ArtifactError: where it cannot be written.
    """
    shown = [value for value in found.values if value.ours or value.published is not None]
    quantities = list(dict.fromkeys(value.quantity for value in shown if value.ours))
    if not quantities:
        return None
    panels = [[value for value in shown if value.quantity == quantity] for quantity in quantities]
    heights = [max(3.0, 0.0 if _is_numeric(panel) else 0.32 * len(panel) + 1.0) for panel in panels]
    picture = Figure(figsize=(7.0, sum(heights) + 0.4), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, values in zip(axes, panels, strict=True):
        draw = draw_lines if _is_numeric(values) else draw_rows
        draw(panel, values)
        (panel.set_ylabel if draw is draw_lines else panel.set_xlabel)(values[0].quantity)
        if draw is draw_lines:
            panel.set_xlabel(found.x)
    picture.suptitle(f"{found.title} ({found.scale})\n{_shown_as(panels)}", fontsize=10)
    try:
        picture.savefig(figure, dpi=120, metadata={"Software": None} if figure.suffix == ".png" else None)
    except OSError as error:
        raise ArtifactError(f"{figure}: cannot be written ({error.strerror}); free some space") from error
    return figure


def _shown_as(panels: Sequence[Sequence[Compared]]) -> str:
    """Return what lines and points of ours are: not everywhere the mean, which tables show."""
    has_band = [_is_numeric(panel) and has_bands([value for value in panel if value.ours]) for panel in panels]
    band, points = "ours: median and 68 % of the seeds", "ours: mean and its error"
    return band if all(has_band) else points if not any(has_band) else f"{band}, where there is no band {points[6:]}"


def has_bands(run: Sequence[Compared]) -> bool:
    """Return whether values have seeds enough for a band."""
    return bool(run) and min(len(value.ours) for value in run) >= FEWEST_FOR_BAND


def _is_numeric(values: Sequence[Compared]) -> bool:
    return len({value.x for value in values}) > 1 and all(_number(value.x) is not None for value in values)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def draw_lines(axes: Axes, values: Sequence[Compared]) -> None:
    """Draw values against x: our median with a 68 % band over seeds, published ones as points.

    Args:
        axes: where to draw.
        values: those of one quantity, with numeric x.
    """
    for number, series in enumerate(dict.fromkeys(value.series for value in values)):
        own = sorted((value for value in values if value.series == series), key=lambda value: float(value.x))
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        run = [value for value in own if value.ours]
        x = [float(value.x) for value in run]
        if has_bands(run):
            low, middle, high = np.array([np.percentile(v.ours, [BAND[0], 50.0, BAND[1]]) for v in run]).T
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(x, middle, "-", color=colour, label=f"{series}, ours")
        elif run:
            errors = [value.error or 0.0 for value in run]
            axes.errorbar(
                x, [float(np.mean(v.ours)) for v in run], errors, fmt="-", color=colour, label=f"{series}, ours"
            )
        told = [value for value in own if value.published is not None]
        if told:
            axes.errorbar(
                [float(value.x) for value in told],
                [float(value.published or 0.0) for value in told],
                [value.published_error or 0.0 for value in told],
                fmt=marker,
                color=colour,
                markersize=4,
                fillstyle="none",
                label=f"{series}, published",
            )
    every = [float(value.x) for value in values]
    if min(every) > 0.0 and max(every) > WIDEST_X * min(every):
        axes.set_xscale("log")
        places = sorted({float(value.x) for value in values})
        axes.set_xticks(_apart(places), [f"{place:g}" for place in _apart(places)])
        axes.set_xticks([], minor=True)
    _put_legend(axes)


def _apart(places: Sequence[float]) -> list[float]:
    """Return those places whose labels do not overlap on a logarithmic axis; the last one is always among them."""
    found: list[float] = []
    least = (places[-1] / places[0]) ** CLOSEST_TICKS
    for place in reversed(places):
        if not found or found[-1] / place > least:
            found.append(place)
    return found[::-1]


def draw_rows(axes: Axes, values: Sequence[Compared]) -> None:
    """Draw one row for each value: ours filled, published open, exact as a line.

    Args:
        axes: where to draw.
        values: those of one quantity.
    """
    names = [", ".join(filter(None, (value.series, value.x))) for value in values]
    if len({value.series for value in values}) == 1 and values[0].x:
        names = [value.x for value in values]
    for row, value in enumerate(values):
        if value.mean is not None:
            axes.errorbar(value.mean, row - 0.12, xerr=value.error or 0.0, fmt="o", color=COLOURS[0], markersize=4)
        if value.published is not None:
            error = value.published_error or 0.0
            axes.errorbar(
                value.published, row + 0.12, xerr=error, fmt="s", color=COLOURS[1], markersize=4, fillstyle="none"
            )
        if value.exact is not None:
            axes.plot([value.exact] * 2, [row - 0.4, row + 0.4], "-", color=COLOURS[2], linewidth=1)
    for fmt, number, text in (("o", 0, "ours"), ("s", 1, "published"), ("-", 2, "exact")):
        if text == "ours" or any(getattr(value, text) is not None for value in values):
            style = "full" if number == 0 else "none"
            axes.plot([], [], fmt, color=COLOURS[number], fillstyle=style, markersize=4, label=text)
    axes.set_yticks(range(len(values)), names, fontsize=8)
    axes.set_ylim(len(values) - 0.5, -0.5)
    _stretch(axes, [v for value in values for v in (value.mean, value.published, value.exact) if v is not None])
    _put_legend(axes)


def _put_legend(axes: Axes) -> None:
    """Put the legend beside the axes, where it hides nothing."""
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)


def _stretch(axes: Axes, shown: Sequence[float]) -> None:
    """Give values of very different size a logarithmic axis that is straight about 0."""
    sizes = [abs(value) for value in shown if value]
    if not sizes or max(sizes) < WIDEST_RATIO * float(np.median(sizes)):
        return
    straight = 10.0 ** math.floor(math.log10(np.median(sizes)) - 1.0)
    low, high = axes.get_xlim()
    axes.set_xscale("symlog", linthresh=straight)
    lowest = min(0.0, *shown)
    axes.set_xlim(2.0 * lowest - straight, 2.0 * max(shown) if high > 0.0 else high)
    decades = [10.0**power for power in range(math.ceil(math.log10(straight)), math.ceil(math.log10(max(sizes))) + 1)]
    axes.set_xticks([tick for tick in (-straight, 0.0, *decades) if low <= tick])
