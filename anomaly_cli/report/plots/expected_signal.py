"""What a search can find before anybody looks: expected limits, signals that would be significant, and costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts import schema
from anomaly_cli.report.contents import describe_tests
from anomaly_cli.report.plots.cut_counts import draw_bars, name_cuts
from anomaly_cli.report.plots.limit_bands import draw_bands
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import legend_above, look, plain_log
from anomaly_cli.report.results.sensitivity import TERMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
LIMIT, SIGNAL, COST = "limit", "signal", "cost"
YIELDS = {"evidence": "Z of 3", "discovery": "Z of 5", "claimable": "claimable Z of 5"}


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw expected limits, the signal after the cut that would be significant, or what each uncertainty costs.

    Args:
        axes: where to draw.
        sources: what a search can find.
        panel: which of the three.
    """
    tests = sources.group(schema.SENSITIVITY, "tests")
    places = np.arange(len(tests["n_expected"]), dtype=float)
    if panel == LIMIT:
        draw_bands(axes, places, tests["limits"])
        axes.set_yscale("log")
        plain_log(axes.yaxis)
        axes.set_ylabel("limit after the cut [events]")
    elif panel == SIGNAL:
        _draw_yields(axes, sources, places)
    else:
        costs = sources.group(schema.SENSITIVITY, "costs")
        draw_bars(axes, places, _by_term(costs["test"], costs["term"], costs["z_gained"], len(places)))
        axes.set_ylabel("cost in Z")
    name_cuts(axes, tests["background_efficiency"], places)
    legend_above(axes, 2 if panel == COST else 1)


def _draw_yields(axes: Axes, sources: Sources, places: Array) -> None:
    """Draw yields; where no claim will be possible, or nothing would be enough, there is none."""
    tests = sources.group(schema.SENSITIVITY, "tests")
    may_claim = np.array([not str(reason) for reason in tests["no_claim"]])
    for number, (name, label) in enumerate(YIELDS.items()):
        is_known = may_claim & np.isfinite(tests[name]) & ((name != "claimable") | (tests["n_windows"] > 0))
        if is_known.any():
            how, values = look(number), np.where(is_known, tests[name], np.nan)
            moved = places + 0.14 * (number - 1)
            axes.plot(moved, values, how.marker, color=how.colour, label=f"for an expected {label}")
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_ylabel("signal after the cut [events]")


def _by_term(
    tests: npt.NDArray[np.int64], terms: npt.NDArray[np.str_], values: Array, n_tests: int
) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for test, term, value in zip(tests, terms, values, strict=True):
        found.setdefault(TERMS.get(str(term), str(term)), np.full(n_tests, np.nan))[test] = value
    return found


def _panels(sources: Sources) -> Sequence[str]:
    return (LIMIT, SIGNAL, COST) if len(sources.group(schema.SENSITIVITY, "costs")["test"]) else (LIMIT, SIGNAL)


PLOT = Plot(
    "expected",
    "What the search can find before anybody looks: expected limits, signals of 3 and 5 sigma, and costs.",
    {"sensitivity": ("tests", "costs")},
    draw,
    _panels,
    shape=(1.0, 1.15),
    stamp=lambda sources: "expected data, 95 % CLs; " + describe_tests(sources.group(schema.SENSITIVITY, "tests")),
)
