"""Whether the cuts sculpt the dijet mass: the pass rate of side-bands and template against mass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.tails import chi2_tail
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.score_cuts import template_rank
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import LIGHT, cut_label, guide, legend_above, look, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
DEFAULT_CUTS = (0.2, 0.05, 0.01)
FEWEST = 20.0
"""Events of a bin after a cut, on average; cuts that leave fewer of all bins are not drawn."""
BIN_WIDTH = 100.0
"""Width of a bin, about [GeV]."""


def draw(axes: Axes, sources: Sources, _: str) -> None:
    """Draw for each cut which part of the side-band events passes, over the same of all masses, with its chi2.

    Args:
        axes: where to draw.
        sources: split and scores; the cuts of a count where there is one.
    """
    regions = read_regions(sources.artifacts[schema.SPLIT.name])
    scores = sources.artifacts[schema.SCORES.name].groups
    mjj, rank = scores["side_bands"]["mjj"], template_rank(scores["side_bands"], scores["template"])
    bands = [np.linspace(w.low, w.high, max(2, round(w.width / BIN_WIDTH)) + 1) for w in (regions.sb1, regions.sb2)]
    axes.axvspan(regions.sr.low / 1e3, regions.sr.high / 1e3, color=LIGHT, zorder=0, linewidth=0.0)
    guide(axes, 1.0)
    for number, cut in enumerate(_cuts(sources, rank, bands)):
        middle, rate, error = pass_rate(mjj, rank < cut, bands)
        chi2 = float((((rate - 1.0) / error) ** 2).sum())
        ndf, how = len(rate) - 1, look(number)
        label = rf"{cut_label(cut)}: $\chi^2$/ndf = {chi2:.0f}/{ndf}, p = {float(chi2_tail(chi2, ndf)):.2g}"
        moved = middle + 12.0 * (number - 1)
        axes.errorbar(moved / 1e3, rate, error, label=label, **points(how.colour, how.marker))
    axes.set_xlim(regions.sb1.low / 1e3, regions.sb2.high / 1e3)
    axes.set_xlabel("dijet mass [TeV]")
    axes.set_ylabel("pass rate / mean")
    legend_above(axes, 1)


def pass_rate(mjj: Array, passes: npt.NDArray[np.bool_], bands: list[Array]) -> tuple[Array, Array, Array]:
    """Return the middle of each bin [GeV], its pass rate over that of all bins, and the binomial error of that.

    Args:
        mjj: masses `(n,)` [GeV].
        passes: whether each event passes the cut `(n,)`.
        bands: edges of the bins of each band [GeV].
    """
    everything = np.concatenate([np.histogram(mjj, edges)[0] for edges in bands]).astype(float)
    kept = np.concatenate([np.histogram(mjj[passes], edges)[0] for edges in bands]).astype(float)
    middle = np.concatenate([(edges[1:] + edges[:-1]) / 2 for edges in bands])
    mean = kept.sum() / everything.sum()
    filled = everything > 0
    rate = kept[filled] / everything[filled] / mean
    error = np.sqrt(mean * (1.0 - mean) / everything[filled]) / mean
    return middle[filled], rate, error


def _cuts(sources: Sources, rank: Array, bands: list[Array]) -> list[float]:
    tests: Arrays = sources.group(schema.SIGNIFICANCE, "tests")
    cuts = tests["background_efficiency"] if tests else np.array(DEFAULT_CUTS)
    n_bins = sum(len(edges) - 1 for edges in bands)
    return [float(cut) for cut in cuts if (rank < cut).sum() >= FEWEST * n_bins]


def _lack(sources: Sources) -> str:
    scores = sources.artifacts[schema.SCORES.name].groups["side_bands"]
    return "" if len(scores["score"]) else "no side-band events were scored"


PLOT = Plot(
    "sculpting",
    "Whether cuts sculpt the dijet mass: pass rate of side-band events against mass, with its chi2.",
    {"split": ("windows",), "scores": ("side_bands", "template")},
    draw,
    stamp=lambda _: "side-band events; scored by models that never saw them",
    lack=_lack,
)
