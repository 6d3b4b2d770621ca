"""Observed and expected events after each cut, significances, and what each uncertainty costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.profile import Experiments, signed_root
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Arrays
from anomaly_cli.report.contents import describe_tests
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import BLACK, BLUE, GREY, below, cut_label, legend_above, look, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
COUNTS, Z, COST = "counts", "significance", "cost"
ENDLESS = 1e6
"""As much more template as takes its statistics away."""


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw counts with their ratio, significances, or what each uncertainty costs.

    Args:
        axes: where to draw.
        sources: a count.
        panel: which of the three.
    """
    tests = sources.group(schema.SIGNIFICANCE, "tests")
    places = np.arange(len(tests["n_observed"]), dtype=float)
    {COUNTS: _draw_counts, Z: _draw_significances, COST: _draw_costs}[panel](axes, tests, places)


def _name_cuts(axes: Axes, tests: Arrays, places: Array) -> None:
    axes.set_xticks(places, [cut_label(cut) for cut in tests["background_efficiency"]])
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel("cut (background efficiency)")


def _draw_counts(axes: Axes, tests: Arrays, places: Array) -> None:
    n, expected, spread = (tests[name].astype(float) for name in ("n_observed", "n_expected", "uncertainty"))
    boxes: dict[str, Any] = {"width": 0.6, "color": BLUE, "alpha": 0.3, "linewidth": 0.0}
    points: dict[str, Any] = {"fmt": "o", "color": BLACK}
    axes.hlines(expected, places - 0.3, places + 0.3, color=BLUE, label="expected")
    axes.bar(places, 2 * spread, bottom=expected - spread, **boxes)
    axes.errorbar(places, n, np.sqrt(n), label="observed", **points)
    axes.set_yscale("log")
    axes.set_ylim(
        0.6 * max(0.5, float(np.minimum(n, expected - spread).min())), 2.0 * float(np.maximum(n, expected).max())
    )
    axes.set_ylabel("events")
    lower = below(axes, "obs. / exp.")
    lower.bar(places, 2 * spread / expected, bottom=1 - spread / expected, **boxes)
    lower.errorbar(places, n / expected, np.sqrt(n) / expected, **points)
    lower.axhline(1.0, color=GREY, linewidth=0.8)
    lower.set_yscale("log")
    lower.set_ylim(0.8 * min(1.0, float((n / expected).min())), 1.4 * max(1.2, float((n / expected).max())))
    plain_log(lower.yaxis)
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    _name_cuts(lower, tests, places)
    legend_above(axes)


def _draw_significances(axes: Axes, tests: Arrays, places: Array) -> None:
    """Draw significances; where no claim may be made there is none to draw."""
    may_claim = np.array([not str(reason) for reason in tests["no_claim"]])
    claimable = np.where(tests["n_windows"] > 0, tests["z_claimable"], np.nan)
    for number, (label, z) in enumerate(
        {"statistics only": tests["z_statistical"], "Z": tests["z"], "claimable Z": claimable}.items()
    ):
        how, kept = look(number), np.where(may_claim & np.isfinite(z), z, np.nan)
        if np.isfinite(kept).any():
            style: dict[str, Any] = {"fillstyle": "none" if label == "statistics only" else "full", "color": how.colour}
            axes.plot(places + 0.16 * (number - 1), kept, how.marker, label=label, **style)
    for place in places[~may_claim]:
        words: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "center", "color": GREY, "fontsize": "small"}
        axes.annotate("no claim", (place, 0.5), xycoords=("data", "axes fraction"), **words)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_ylim(min(axes.get_ylim()[0], 0.0), max(axes.get_ylim()[1], 1.0))
    axes.set_ylabel("local significance Z")
    _name_cuts(axes, tests, places)
    legend_above(axes, 3, fontsize="x-small")


def _draw_costs(axes: Axes, tests: Arrays, places: Array) -> None:
    found = {name: cost for name, cost in costs(tests).items() if np.isfinite(cost).any()}
    bars = 0.8 / max(1, len(found))
    hatches = ("", "///", "...", "xxx", "\\\\\\")
    for number, (name, cost) in enumerate(found.items()):
        left = places - 0.4 + bars * (number + 0.5)
        style: dict[str, Any] = {
            "color": look(number).colour,
            "alpha": 0.75,
            "hatch": hatches[number],
            "edgecolor": "white",
        }
        axes.bar(left, np.nan_to_num(cost), bars, label=name, **style)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_ylabel("Z lost by the uncertainty")
    _name_cuts(axes, tests, places)
    legend_above(axes, 3, fontsize="x-small")


def costs(tests: Arrays) -> dict[str, Array]:
    """Return by how much Z would be larger without each uncertainty, all others kept `(t,)`; NaN where not measured.

    Asymptotic, in closed form, as the model of the count has them: statistics of the template are a control sample of
    their own where the side-band fit normalises, else a term as all others.
    """
    variance = tests["width"].astype(float) ** 2
    by_fail = tests["test"] == "pass/fail"
    squares = {
        "template": np.where(by_fail, tests["template_uncertainty"] ** 2, 0.0),
        "model": tests["model_uncertainty"] ** 2,
        "side-bands": tests["norm_uncertainty"] ** 2,
        "closure": tests["closure_uncertainty"] ** 2,
    }
    known = sum(np.nan_to_num(square) for square in squares.values())
    squares["k-fold"] = np.where(np.isnan(tests["overdispersion"]), np.nan, np.maximum(variance - known, 0.0))
    z = _z(tests, variance)
    found = {name: _z(tests, variance - np.nan_to_num(square)) - z for name, square in squares.items()}
    found["template"] = np.where(by_fail, found["template"], _z(tests, variance, ENDLESS) - z)
    refused = np.array([bool(str(reason)) for reason in tests["no_claim"]])
    return {name: np.where(refused | np.isnan(squares[name]), np.nan, cost) for name, cost in found.items()}


def _z(tests: Arrays, variance: Array, more: float = 1.0) -> Array:
    """Return Z with another variance of the logarithm of the transfer factor, and so much more control sample."""
    n, control, transfer = (tests[name].astype(float) for name in ("n_observed", "n_control", "transfer"))
    width = np.sqrt(np.maximum(variance, 0.0))
    return signed_root(Experiments(n, more * control, more * transfer, np.zeros(len(n)), width))


def _panels(_: Sources) -> Sequence[str]:
    return (COUNTS, Z, COST)


def _lack(sources: Sources) -> str:
    z = sources.group(schema.SIGNIFICANCE, "tests")["z"]
    return "" if any(math.isfinite(value) for value in z) else "nothing was counted"


PLOT = Plot(
    "counts",
    "Observed and expected events after each cut, their significance, and what each uncertainty costs of it.",
    {"significance": ("tests",)},
    draw,
    _panels,
    stamp=lambda sources: describe_tests(sources.group(schema.SIGNIFICANCE, "tests")),
    lack=_lack,
)
