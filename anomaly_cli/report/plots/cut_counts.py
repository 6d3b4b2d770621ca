"""Observed and expected events after each cut, significances, and what each uncertainty costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.counting import CountingModel, Shift
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.artifacts import schema
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.report.contents import describe_tests
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import BLACK, BLUE, GREY, below, cut_label, guide, legend_above, look, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
COUNTS, Z, COST = "counts", "significance", "cost"
TERMS = {"template": "template", "model": "model", "norm": "side-bands", "closure": "closure", "kfold": "k-fold"}
"""Terms of the counting model, and what they are called here."""
SYSTEMATICS = "systematics"


def draw(axes: Axes, sources: Sources, panel: str) -> None:
    """Draw counts with their ratio, significances, or what each uncertainty costs.

    Args:
        axes: where to draw.
        sources: a count.
        panel: which of the three.
    """
    tests = sources.group(schema.SIGNIFICANCE, "tests")
    places = np.arange(len(tests["n_observed"]), dtype=float)
    if panel == COST:
        _draw_costs(axes, tests, places, sources.group(schema.SIGNIFICANCE, "systematics"))
    else:
        (_draw_counts if panel == COUNTS else _draw_significances)(axes, tests, places)


def name_cuts(axes: Axes, efficiencies: Array, places: Array) -> None:
    """Write background efficiencies `(t,)` below the places `(t,)` of their cuts."""
    axes.set_xticks(places, [cut_label(cut) for cut in efficiencies])
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel("background efficiency of the cut")


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
    lower = below(axes, "obs. /\nexp.")
    lower.bar(places, 2 * spread / expected, bottom=1 - spread / expected, **boxes)
    lower.errorbar(places, n / expected, np.sqrt(n) / expected, **points)
    guide(lower, 1.0)
    lower.set_yscale("log")
    lower.set_ylim(0.8 * min(1.0, float((n / expected).min())), 1.4 * max(1.2, float((n / expected).max())))
    plain_log(lower.yaxis)
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    name_cuts(lower, tests["background_efficiency"], places)
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
    guide(axes, 0.0)
    axes.set_ylim(min(axes.get_ylim()[0], 0.0), max(axes.get_ylim()[1], 1.0))
    axes.set_ylabel("local significance Z")
    name_cuts(axes, tests["background_efficiency"], places)
    legend_above(axes)


def _draw_costs(axes: Axes, tests: Arrays, places: Array, systematics: Arrays) -> None:
    found = {name: cost for name, cost in costs(tests, systematics).items() if np.isfinite(cost).any()}
    draw_bars(axes, places, found)
    axes.set_ylabel("cost in Z")
    name_cuts(axes, tests["background_efficiency"], places)
    legend_above(axes)


def draw_bars(axes: Axes, places: Array, found: Mapping[str, Array]) -> None:
    """Draw a bar of each term `(t,)` at each cut, in colours and hatches of their own; NaN is none.

    Args:
        axes: where to draw.
        places: of the cuts `(t,)`.
        found: by the name of the term.
    """
    width = 0.8 / max(1, len(found))
    hatches = ("", "///", "...", "xxx", "\\\\\\", "ooo")
    for number, (name, cost) in enumerate(found.items()):
        left = places - 0.4 + width * (number + 0.5)
        style: dict[str, Any] = {"color": look(number).colour, "alpha": 0.75, "edgecolor": "white"}
        axes.bar(left, np.nan_to_num(cost), width, label=name, hatch=hatches[number % len(hatches)], **style)
    guide(axes, 0.0)


def costs(tests: Arrays, systematics: Arrays) -> dict[str, Array]:
    """Return by how much Z would be larger without each uncertainty, all others kept `(t,)`; NaN where there is none.

    Asymptotic, from the counting models themselves. Statistics of the template are a control sample of their own where
    the side-band fit normalises, else a term as all others.

    Args:
        tests: of a count.
        systematics: of it, the user's own; may be empty.
    """
    models = [rebuilt(tests, systematics, index) for index in range(len(tests["n_observed"]))]
    found = {name: np.full(len(models), np.nan) for name in (*TERMS.values(), SYSTEMATICS)}
    for index, model in enumerate(models):
        if str(tests["no_claim"][index]):
            continue
        z = _z(model)
        for term in model.relative:
            found[TERMS[term]][index] = _z(model.without(term)) - z
        if not model.is_pass_fail:
            found["template"][index] = _z(model.with_endless_control()) - z
        if model.systematics:
            found[SYSTEMATICS][index] = _z(model.without_systematics()) - z
    return found


def rebuilt(tests: Arrays, systematics: Arrays, index: int) -> CountingModel:
    """Return the counting model of one test of an artifact."""
    row = {name: column[index] for name, column in tests.items()}
    is_pass_fail, expected = str(row["test"]) == "pass/fail", max(float(row["n_expected"]), 1.0)
    model = {} if np.isnan(row["model_uncertainty"]) else {"model": float(row["model_uncertainty"])}
    own = {"template": float(row["template_uncertainty"])} if is_pass_fail else {"norm": float(row["norm_uncertainty"])}
    relative = {**own, **model}
    if not np.isnan(row["closure_uncertainty"]):
        relative["closure"] = float(row["closure_uncertainty"])
    if not np.isnan(row["overdispersion"]):
        transfer = float(row["transfer"])
        variance = (
            transfer / (1.0 + transfer) / expected if is_pass_fail else 1.0 / expected + 1.0 / float(row["n_sources"])
        )
        variance += sum(size**2 for name, size in relative.items() if name in ("template", "model"))
        relative["kfold"] = math.sqrt(max(float(row["overdispersion"]) ** 2 - 1.0, 0.0) * variance)
    shifts = (
        tuple(_shift(systematics, int(i)) for i in np.flatnonzero(systematics["test"] == index)) if systematics else ()
    )
    numbers = (int(row["n_observed"]), float(row["n_control"]), float(row["transfer"]))
    return CountingModel(str(row["test"]), *numbers, relative, is_pass_fail, shifts)


def _shift(systematics: Arrays, index: int) -> Shift:
    name, parameter, on = (str(systematics[column][index]) for column in ("name", "parameter", "on"))
    return Shift(name, parameter, on, float(systematics["up"][index]), float(systematics["down"][index]))


def _z(model: CountingModel) -> float:
    return float(signed_root(model.experiment()))


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
    shape=(1.0, 1.15),
)
