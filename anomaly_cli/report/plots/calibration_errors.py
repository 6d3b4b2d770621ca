"""Whether Z is calibrated: its distribution without signal, and how often p-values are small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.tails import normal_tail
from anomaly_cli.artifacts import schema
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.report.contents import contents_of
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import GREY, cut_label, legend_above, look, points
from anomaly_cli.report.tables import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
DISTRIBUTION, ERRORS = "distribution", "type-I errors"
LARGEST_Z = 4.0
BESIDE = 1.12
"""Ratio of the places of two cuts at one level."""


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw the distribution of Z beside the standard normal one, or how often p0 was below each level.

    Args:
        axes: where to draw.
        sources: a calibration.
        panel: which of the two.
    """
    tests = sources.group(schema.CALIBRATION, "tests")
    labels = [f"cut {cut_label(cut)}" for cut in tests["background_efficiency"]]
    if panel == DISTRIBUTION:
        _draw_distribution(axes, sources.group(schema.CALIBRATION, "experiments")["z"], labels)
    else:
        _draw_errors(axes, tests, sources.group(schema.CALIBRATION, "levels")["level"], labels)
    legend_above(axes)


def _draw_distribution(axes: Axes, z: Array, labels: Sequence[str]) -> None:
    grid = np.linspace(-LARGEST_Z, LARGEST_Z, 200)
    axes.plot(grid, 1.0 - normal_tail(grid), color=GREY, linestyle=(0, (1, 1)), label="calibrated")
    for number, label in enumerate(labels):
        how, values = look(number), np.sort(z[np.isfinite(z[:, number]), number])
        steps = np.concatenate([[-LARGEST_Z], values, [LARGEST_Z]])
        share = np.concatenate([[0.0], np.arange(1, len(values) + 1) / max(1, len(values)), [1.0]])
        axes.plot(steps, share, drawstyle="steps-post", color=how.colour, linestyle=how.line, label=label)
    axes.set_xlim(-LARGEST_Z, LARGEST_Z)
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel("local Z without signal")
    axes.set_ylabel("fraction with a smaller Z")


def _draw_errors(axes: Axes, tests: Arrays, levels: Array, labels: Sequence[str]) -> None:
    """Draw fractions with their 68 % intervals; of a fraction of zero the interval alone."""
    floor = 0.3 * float(levels.min())
    ends = np.array([floor, 1.0])
    axes.plot(ends, ends, color=GREY, linestyle=(0, (1, 1)), label="calibrated")
    for number, label in enumerate(labels):
        how = look(number)
        value, low, high = (tests[name][number] for name in ("type_one", "type_one_low", "type_one_high"))
        drawn = np.maximum(value, floor)
        errors = np.array([drawn - np.maximum(low, floor), high - drawn])
        place = levels * BESIDE ** (number - (len(labels) - 1) / 2)
        axes.errorbar(
            place, np.where(value > 0.0, value, np.nan), errors, label=label, **points(how.colour, how.marker)
        )
        zero = value <= 0.0
        axes.vlines(place[zero], floor, high[zero], color=how.colour, linewidth=points()["elinewidth"])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(floor, 1.0)
    axes.set_ylim(floor, 1.5)
    axes.set_xlabel(r"level of $p_0$")
    axes.set_ylabel(r"fraction with a smaller $p_0$")


def _panels(_: Sources) -> Sequence[str]:
    return (DISTRIBUTION, ERRORS)


def _stamp(sources: Sources) -> str:
    n, n_sets = (
        len(sources.group(schema.CALIBRATION, name)[of]) for name, of in (("experiments", "z"), ("sets", "file"))
    )
    contents = contents_of(sources.artifacts[schema.CALIBRATION.name])
    return f"{n} searches of {plural(n_sets, 'set')} without signal; {contents}"


PLOT = Plot(
    "calibration",
    "Whether Z is calibrated: its distribution without signal, and how often p-values are small.",
    {"calibration": ("experiments", "sets", "tests", "levels")},
    draw,
    _panels,
    stamp=_stamp,
    lack=lambda sources: (
        "" if len(sources.group(schema.CALIBRATION, "experiments")["index"]) else "no search gave a result"
    ),
)
