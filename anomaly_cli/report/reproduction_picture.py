"""Published values and ours in one picture: lines over a numeric x, else one row for each value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from anomaly_cli.artifacts.reproduction import Compared, Reproduction
from anomaly_cli.report.plots.picture import save
from anomaly_cli.report.plots.style import BLACK, BLUE, RED, Size, look, plain_log, settings

SIZE = Size(7.0, 3.0, 9.0, 7.0, 30.0)
"""Of a panel of lines across a page."""
ROW, FRAME = 0.3, 0.9
"""Height of one row, and of what is about all of them [inch]."""
FEWEST_FOR_BAND = 3
"""With fewer seeds a band says nothing: then points have their errors."""
BAND = (16.0, 84.0)
WIDEST_RATIO = 30.0
"""Values further apart than this stand on a logarithmic axis."""
CLOSEST_TICKS = 0.08
"""Part of a logarithmic axis that a label needs."""
WIDEST_X = 9.0
"""As `WIDEST_RATIO`, for x that are all above 0: cuts are decades."""
BESIDE = 3.0
"""How far published values of several series at one x stand from each other [pt]."""


def draw_reproduction(found: Reproduction, figure: Path) -> Path | None:
    """Draw one panel for each quantity that has values into a file; nothing where none has.

    Args:
        found: what was run.
        figure: the picture: pdf, png or svg.

    Raises:
        ConfigError: where its name ends in none of these.
        ArtifactError: where it cannot be written.
    """
    shown = [value for value in found.values if value.ours or value.published is not None]
    quantities = list(dict.fromkeys(value.quantity for value in shown if value.ours))
    if not quantities:
        return None
    panels = [[value for value in shown if value.quantity == quantity] for quantity in quantities]
    heights = [SIZE.height if _is_numeric(panel) else ROW * len(panel) + FRAME for panel in panels]
    with mpl.rc_context(settings(SIZE)):
        picture = Figure(figsize=(SIZE.width, sum(heights) + 0.5), layout="constrained")
        FigureCanvasAgg(picture)
        axes = picture.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for panel, values in zip(axes, panels, strict=True):
            if _is_numeric(values):
                draw_lines(panel, values)
                panel.set(xlabel=found.x, ylabel=values[0].quantity)
            else:
                draw_rows(panel, values)
                places = {value.x for value in values}
                at = f", {found.x} {values[0].x}" if len(places) == 1 and values[0].x else ""
                panel.set_xlabel(values[0].quantity + at)
        picture.suptitle(f"{found.title} ({found.scale})\n{_shown_as(panels)}", fontsize=SIZE.font)
        save(picture, figure, SIZE)
    return figure


def _shown_as(panels: Sequence[Sequence[Compared]]) -> str:
    """Return what lines and marks are: ours are not everywhere the mean, which tables show."""
    has_band = [_is_numeric(panel) and has_bands([value for value in panel if value.ours]) for panel in panels]
    band, points = "ours: median and 68 % of the seeds", "ours: mean and its error"
    ours = band if all(has_band) else points if not any(has_band) else f"{band}, where there is no band {points[6:]}"
    lines = any(_is_numeric(panel) for panel in panels)
    is_published = any(value.published is not None for panel in panels for value in panel)
    return f"{ours}; open marks: published" if lines and is_published else ours


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
    """Draw values against x: our median with a 68 % band over seeds, published ones as open marks.

    Args:
        axes: where to draw.
        values: those of one quantity, with numeric x.
    """
    names = list(dict.fromkeys(value.series for value in values))
    handles = []
    for number, series in enumerate(names):
        own = sorted((value for value in values if value.series == series), key=lambda value: float(value.x))
        run = [value for value in own if value.ours]
        told = [value for value in own if value.published is not None]
        _draw_ours(axes, run, number)
        _draw_published(axes, told, number, BESIDE * (number - (len(names) - 1) / 2))
        style = look(number)
        line, marker = style.line if run else "none", style.marker if told else "none"
        handles.append(Line2D([], [], color=style.colour, ls=line, marker=marker, fillstyle="none", label=series))
    every = sorted({float(value.x) for value in values})
    if every[0] > 0.0 and every[-1] > WIDEST_X * every[0]:
        axes.set_xscale("log")
        axes.set_xticks(_apart(every), [f"{place:g}" for place in _apart(every)])
        axes.set_xticks([], minor=True)
    _put_legend(axes, handles)


def _draw_ours(axes: Axes, run: Sequence[Compared], number: int) -> None:
    style, x = look(number), [float(value.x) for value in run]
    drawn = {"color": style.colour, "ls": style.line, "marker": style.marker, "markersize": 2.5}
    if has_bands(run):
        low, middle, high = np.array([np.percentile(value.ours, [BAND[0], 50.0, BAND[1]]) for value in run]).T
        axes.fill_between(x, low, high, color=style.colour, alpha=0.2, linewidth=0)
        axes.plot(x, middle, **drawn)
    elif run:
        axes.errorbar(x, [value.mean or 0.0 for value in run], [value.error or 0.0 for value in run], **drawn)


def _draw_published(axes: Axes, told: Sequence[Compared], number: int, beside: float) -> None:
    style = look(number)
    x, errors = [float(value.x) for value in told], [value.published_mean_error or 0.0 for value in told]
    y = [value.published or 0.0 for value in told]
    moved = axes.transData + ScaledTranslation(beside / 72.0, 0.0, axes.figure.dpi_scale_trans)
    axes.errorbar(x, y, errors, fmt=style.marker, color=style.colour, fillstyle="none", transform=moved)
    for ends in (np.subtract(y, errors), np.add(y, errors)):
        axes.update_datalim(np.column_stack([x, ends]))  # not done for what is moved
    axes.autoscale_view()


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
    parts = [(value.series, value.x) for value in values]
    several = [len(set(part)) > 1 for part in zip(*parts, strict=True)]
    names = [", ".join(name for name, shown in zip(part, several, strict=True) if name and shown) for part in parts]
    if not any(several):
        names = [value.series for value in values]
    told, exact = ([getattr(value, name) for value in values] for name in ("published", "exact"))
    apart = 0.12 if any(value is not None for value in told) else 0.0
    for row, value in enumerate(values):
        if value.mean is not None:
            axes.errorbar(value.mean, row - apart, xerr=value.error or 0.0, fmt="o", color=BLUE)
        if value.published is not None:
            error = value.published_mean_error or 0.0
            axes.errorbar(value.published, row + apart, xerr=error, fmt="s", color=RED, fillstyle="none")
        if value.exact is not None:
            axes.plot([value.exact] * 2, [row - 0.4, row + 0.4], "-", color=BLACK, linewidth=1)
    kinds = (("o", BLUE, "ours", [0.0]), ("s", RED, "published", told), ("-", BLACK, "exact", exact))
    handles = [
        axes.plot([], [], fmt, color=colour, fillstyle="full" if fmt == "o" else "none", label=text)[0]
        for fmt, colour, text, shown in kinds
        if any(one is not None for one in shown)
    ]
    axes.set_yticks(range(len(values)), names)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
    _stretch(axes, values)
    if len(handles) > 1:
        _put_legend(axes, handles)


def _put_legend(axes: Axes, handles: Sequence[Line2D]) -> None:
    """Put the legend beside the axes, where it hides nothing."""
    axes.legend(handles=list(handles), loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)


def _stretch(axes: Axes, values: Sequence[Compared]) -> None:
    """Give values of very different size a logarithmic axis, one that is straight about 0 where not all are above."""
    shown = [v for value in values for v in (value.mean, value.published, value.exact) if v is not None]
    sizes = [abs(value) for value in shown if value]
    lowest = min(shown + [(v.published or 0.0) - v.published_mean_error for v in values if v.published_mean_error])
    if lowest > 0.0 and max(sizes) > WIDEST_RATIO * min(sizes):
        axes.set_xscale("log")
        if max(sizes) < WIDEST_RATIO**1.5 * min(sizes):
            plain_log(axes.xaxis)
    elif lowest <= 0.0 and sizes and max(sizes) > WIDEST_RATIO * float(np.median(sizes)):
        _stretch_about_zero(axes, shown, sizes)


def _stretch_about_zero(axes: Axes, shown: Sequence[float], sizes: Sequence[float]) -> None:
    straight = 10.0 ** math.floor(math.log10(np.median(sizes)) - 1.0)
    low, high = axes.get_xlim()
    axes.set_xscale("symlog", linthresh=straight)
    axes.set_xlim(2.0 * min(0.0, *shown) - straight, 2.0 * max(shown) if high > 0.0 else high)
    decades = [10.0**power for power in range(math.ceil(math.log10(straight)), math.ceil(math.log10(max(sizes))) + 1)]
    axes.set_xticks([tick for tick in (-straight, 0.0, *decades) if low <= tick])
    axes.set_xticks([], minor=True)
