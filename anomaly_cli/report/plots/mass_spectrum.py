"""The dijet mass spectrum with its regions, the fit to the side-bands, and pulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anomaly_cli.analysis.spectrum import BinnedSpectrum, bin_masses, dijet_basis, orthogonal_basis, predict
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.report.plots.picture import BLINDED, Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import BLACK, BLUE, LIGHT, RED, below, legend_above, plain_log, points, pull_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BIN_WIDTH = 40.0
"""Width of a bin, about [GeV]."""
LARGEST_PULL = 4.5


def draw(axes: Axes, sources: Sources, _: str) -> None:
    """Draw the spectrum, and pulls below it.

    Args:
        axes: where to draw.
        sources: the split; the fit where there is one.
    """
    regions = read_regions(sources.artifacts[schema.SPLIT.name])
    side_bands = [regions.sb1, regions.sb2]
    masses = [sources.group(schema.SPLIT, name)["mjj"] for name in ("sb1", "sb2")]
    beside = _bin(masses, side_bands)
    fit = _fit(sources)
    lower = below(axes, "pull") if fit else None
    for panel in filter(None, (axes, lower)):
        panel.axvspan(regions.sr.low / 1e3, regions.sr.high / 1e3, color=LIGHT, zorder=0, linewidth=0.0)
    _points(axes, beside, "side-bands", BLACK, "o")
    inside = None
    if sources.has(schema.SPLIT, "sr"):
        inside = _bin([sources.group(schema.SPLIT, "sr")["mjj"]], [regions.sr])
        _points(axes, inside, "signal region", RED, "s")
    if fit and lower is not None:
        _draw_fit(axes, lower, fit, (masses, regions), beside, inside)
    else:
        axes.set_xlabel("dijet mass [TeV]")
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_ylabel(f"events / {BIN_WIDTH:.0f} GeV")
    axes.set_xlim(regions.sb1.low / 1e3, regions.sb2.high / 1e3)
    legend_above(axes, order=("side-bands",))


def _fit(sources: Sources) -> Arrays:
    return sources.group(schema.SIGNIFICANCE, "mass_fit") or sources.group(schema.TEMPLATE, "mass_fit")


def _bin(masses: Sequence[np.ndarray], windows: Sequence[Window]) -> BinnedSpectrum:
    edges = [np.linspace(w.low, w.high, max(2, round(w.width / BIN_WIDTH)) + 1) for w in windows]
    counts = [np.histogram(mjj, bins)[0] for mjj, bins in zip(masses, edges, strict=True)]
    low, high = (np.concatenate([bins[cut] for bins in edges]) for cut in (slice(None, -1), slice(1, None)))
    return BinnedSpectrum(low, high, np.concatenate(counts).astype(float))


def _points(axes: Axes, bins: BinnedSpectrum, label: str, colour: str, marker: str) -> None:
    scale = BIN_WIDTH / (bins.high - bins.low)
    style = points(colour, marker) | {"zorder": 3}
    axes.errorbar(bins.centers / 1e3, scale * bins.counts, scale * np.sqrt(bins.counts), label=label, **style)


def _draw_fit(
    axes: Axes,
    lower: Axes,
    fit: Arrays,
    fitted: tuple[Sequence[np.ndarray], Regions],
    beside: BinnedSpectrum,
    inside: BinnedSpectrum | None,
) -> None:
    """Draw the fit with its uncertainty in the signal region, and the pulls of every bin that is drawn."""
    masses, regions = fitted
    energy, parameters = regions.collision_energy, fit["parameters"]
    _, rotation = orthogonal_basis(bin_masses(masses, [regions.sb1, regions.sb2], energy), len(parameters))
    x = np.linspace(regions.sb1.low, regions.sb2.high, 400)
    rate = BIN_WIDTH * np.exp(dijet_basis(x, len(parameters), energy) @ rotation @ parameters)
    goodness = rf"fit, $\chi^2$/ndf = {float(fit['chi2']):.0f}/{int(fit['ndf'])}, p = {float(fit['p_value']):#.2g}"
    axes.plot(x / 1e3, rate, color=BLUE, label=goodness)
    share = float(fit["uncertainty"] / fit["n_expected"])
    here = regions.sr.contains(x)
    axes.fill_between(
        x[here] / 1e3, rate[here] * (1 - share), rate[here] * (1 + share), color=BLUE, alpha=0.35, linewidth=0.0
    )
    for bins, colour, marker, spread in ((beside, BLACK, "o", 0.0), (inside, RED, "s", share)):
        if bins is None:
            continue
        basis = dijet_basis(bins.nodes, len(parameters), energy) @ rotation
        expected, _ = predict(basis, bins.weights, parameters)
        pulls = (bins.counts - expected) / np.sqrt(expected + (spread * expected) ** 2)
        size = points()["markersize"]
        lower.plot(
            bins.centers / 1e3, np.clip(pulls, -LARGEST_PULL, LARGEST_PULL), marker, color=colour, markersize=size
        )
    pull_axis(lower, LARGEST_PULL)
    lower.set_xlabel("dijet mass [TeV]")


def _stamp(sources: Sources) -> str:
    return "" if sources.has(schema.SPLIT, "sr") else BLINDED


PLOT = Plot(
    "mjj",
    "Dijet mass with its regions, the fit to the side-bands, and pulls.",
    {"split": ("windows", "sb1", "sb2")},
    draw,
    stamp=_stamp,
    shape=(1.0, 1.25),
)
