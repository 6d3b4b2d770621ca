"""How pictures look: sizes, colours and marks that survive grey print and colour blindness, and words on axes.

References:
    M. Okabe, K. Ito, "Color Universal Design", 2008 (colours that everybody can tell apart).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anomaly_cli.report.notation import PERCENT, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

BLACK, GREY, LIGHT = "#000000", "#6e6e6e", "#d9d9d9"
BLUE, ORANGE, SKY, RED, GREEN = "#0072b2", "#e69f00", "#56b4e9", "#d55e00", "#009e73"


@dataclass(frozen=True)
class Look:
    """How one of several things of a picture is drawn; each differs from the others in colour, line and marker."""

    colour: str
    line: Any
    marker: str


LOOKS = (
    Look(BLUE, "-", "o"),
    Look(RED, "--", "s"),
    Look(BLACK, ":", "^"),
    Look(ORANGE, "-.", "D"),
    Look(GREEN, (0, (5, 1, 1, 1, 1, 1)), "v"),
    Look(SKY, (0, (1, 1)), "P"),
)


def look(number: int) -> Look:
    """Return how the n-th of several things is drawn; they begin again after six."""
    return LOOKS[number % len(LOOKS)]


@dataclass(frozen=True)
class Size:
    """Size of a picture.

    Attributes:
        width: of one panel [inch].
        height: of one panel [inch].
        font: size of its text [pt], whatever the number of panels.
        most_width: of all panels beside each other [inch]; they become narrower to fit.
        most_height: of all rows [inch].
    """

    width: float
    height: float
    font: float
    most_width: float
    most_height: float

    def layout(self, n_panels: int, shape: tuple[float, float]) -> tuple[int, int, float, float]:
        """Return columns, rows, and width and height of the panels together [inch].

        Args:
            n_panels: how many there are.
            shape: width and height of a panel, in those of the size.
        """
        wanted, height = shape[0] * self.width, shape[1] * self.height
        columns = max(1, min(n_panels, int(self.most_width / (NARROWEST * wanted))))
        rows = -(-n_panels // columns)
        columns = -(-n_panels // rows)
        width = min(wanted, self.most_width / columns)
        return columns, rows, columns * width, min(rows * height * (width / wanted) ** 0.5, self.most_height)


NARROWEST = 0.6
"""How narrow a panel may become, as a part of its width, so that another one finds room beside it."""
SIZES: Mapping[str, Size] = {"paper": Size(3.5, 2.9, 8.0, 7.0, 9.5), "slides": Size(7.0, 5.0, 14.0, 13.3, 7.5)}
"""Of one column of a paper, whose page has two, and of a slide of 13.3 by 7.5 inches."""
DEFAULT_SIZE = "paper"


def settings(size: Size) -> Any:
    """Return matplotlib settings for a size of pictures."""
    thin, small = size.font / 12.0, 0.85 * size.font
    ticks = {
        f"{axis}tick.{name}": value
        for axis in "xy"
        for name, value in {
            **{"direction": "in", "minor.visible": True, "labelsize": small},
            **{"major.width": thin, "minor.width": 0.7 * thin},
            **{"major.size": 0.45 * size.font, "minor.size": 0.25 * size.font},
        }.items()
    }
    return {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that every machine has it
        "font.size": size.font,
        "axes.labelsize": size.font,
        "axes.titlesize": size.font,
        "axes.linewidth": thin,
        "xtick.top": True,
        "ytick.right": True,
        **ticks,
        "legend.fontsize": small,
        "legend.frameon": False,
        "legend.handlelength": 1.8,
        "legend.columnspacing": 1.2,
        "legend.handletextpad": 0.5,
        "legend.labelspacing": 0.3,
        "legend.borderaxespad": 0.2,
        "lines.linewidth": 0.16 * size.font,
        "lines.markersize": 0.4 * size.font,
        "hatch.linewidth": 0.6 * thin,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "savefig.dpi": 220,
        "pdf.fonttype": 42,  # text that journals and viewers can search
        "svg.fonttype": "path",
        "svg.hashsalt": "anomaly",  # names inside an SVG are drawn by chance otherwise
        "axes.formatter.use_mathtext": True,
        "axes.formatter.limits": (-3, 4),
    }


def safe(text: str) -> str:
    """Return text that is drawn as it is: nothing invisible, and no dollar sign that would begin a formula."""
    return visible(text).replace("$", r"\$")


FEATURES: Mapping[str, str] = {
    "mj1": r"lighter jet $m_{J_1}$ [GeV]",
    "delta_mj": r"$\Delta m_J$ [GeV]",
    "tau21_j1": r"$\tau_{21}$ of the lighter jet",
    "tau21_j2": r"$\tau_{21}$ of the heavier jet",
    "delta_r_jj": r"$\Delta R_{JJ}$",
}
"""Axis labels of the features that every file of the LHC Olympics has."""


def feature_label(name: str) -> str:
    """Return the axis label of a feature; of one that is not known here its name, which knows no unit."""
    return FEATURES.get(name, safe(name))


def cut_label(efficiency: float) -> str:
    """Return a background efficiency as it stands in tables."""
    return PERCENT.number(float(efficiency))


LOWER = 0.38
"""Height of axes below others, as a part of those."""


def below(axes: Axes, label: str, height: float = LOWER) -> Axes:
    """Return axes below others that share their mass or feature, for a ratio or pulls.

    Args:
        axes: the main ones; they lose their labels below, and their lower part where a grid placed them: the second
            row where they span two.
        label: of the new vertical axis.
        height: of the new ones, as a part of the main ones, where the grid has no row for them.
    """
    place = axes.get_subplotspec()
    axes.tick_params(labelbottom=False)
    if place is None:
        lower: Axes = axes.inset_axes((0.0, -height - 0.05, 1.0, height), sharex=axes)
    elif len(place.rowspan) > 1:
        grid, rows = place.get_gridspec(), place.rowspan
        axes.set_subplotspec(grid[rows.start, place.colspan.start])
        lower = axes.get_figure().add_subplot(grid[rows.stop - 1, place.colspan.start], sharex=axes)  # type: ignore[union-attr]
    else:
        grid = place.subgridspec(2, 1, height_ratios=(1.0, height), hspace=0.0)
        axes.set_subplotspec(grid[0, 0])
        lower = axes.get_figure().add_subplot(grid[1, 0], sharex=axes)  # type: ignore[union-attr]
    lower.set_ylabel(label)
    return lower


def named_aucs(names: Iterable[str], rows: Mapping[str, Any]) -> str:
    """Return the AUC of several things in one line.

    Args:
        names: of each.
        rows: columns `auc` and `auc_error`.
    """
    named = zip(names, rows["auc"], rows["auc_error"], strict=True)
    return ", ".join(f"{name} {auc:.3f} ± {error:.3f}" for name, auc, error in named)


def points(colour: str = BLACK, marker: str = "o") -> dict[str, Any]:
    """Return how measured points with error bars are drawn: smaller than markers of lines, since there are many."""
    import matplotlib as mpl

    size, width = mpl.rcParams["lines.markersize"], mpl.rcParams["lines.linewidth"]
    return {"fmt": marker, "color": colour, "markersize": 0.8 * size, "elinewidth": 0.62 * width}


def guide(axes: Axes, height: float) -> None:
    """Draw a thin horizontal line behind what is drawn."""
    import matplotlib as mpl

    axes.axhline(height, color=GREY, linewidth=0.62 * mpl.rcParams["lines.linewidth"], zorder=0.5)


def pull_axis(lower: Axes, largest: float) -> None:
    """Set the vertical axis of pulls, with numbers away from its ends.

    Args:
        lower: its axes.
        largest: pull that is drawn.
    """
    guide(lower, 0.0)
    lower.set_ylim(-largest - 0.5, largest + 0.5)
    lower.set_yticks([-3, 0, 3])


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers at 1, 2 and 5 times the powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def legend_above(axes: Axes, columns: int = 2, order: Sequence[str] = (), **more: Any) -> None:
    """Put the legend above the axes, where no data are.

    Args:
        axes: of it.
        columns: of its entries.
        order: labels that come first, column after column; others as they were drawn.
        more: what else `Axes.legend` takes.
    """
    handles, labels = axes.get_legend_handles_labels()
    places = sorted(range(len(labels)), key=lambda i: order.index(labels[i]) if labels[i] in order else len(order))
    chosen = [handles[i] for i in places], [labels[i] for i in places]
    axes.legend(*chosen, loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=columns, **more)


def share_legend(panels: Sequence[Axes]) -> None:
    """Keep the legend of the first panel alone, where those of the others say the same."""
    legends = [axes.get_legend() for axes in panels]
    texts = [None if one is None else [text.get_text() for text in one.get_texts()] for one in legends]
    for legend, text in zip(legends[1:], texts[1:], strict=True):
        if legend is not None and text == texts[0]:
            legend.remove()
