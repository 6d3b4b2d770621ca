"""One picture: what it needs, how it is drawn, and the file that it becomes; never by pyplot, which keeps state."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.report.plots.sources import Sources, lacking
from anomaly_cli.report.plots.style import DEFAULT_SIZE, LOWER, SIZES, Size, safe, settings, share_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png", "svg")
_TIMELESS: Mapping[str, Mapping[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
"""Metadata without the date, so that the same artifacts give the same file."""
POINTS_PER_INCH = 72.0
WIDTH_OF_A_LETTER = 0.55
"""Of the text above a picture, on average, in the size of its font."""
BLINDED = "BLINDED: the signal region is not shown"
Draw: TypeAlias = "Callable[[Axes, Sources, str], None]"


def _one_panel(_: Sources) -> Sequence[str]:
    return ("",)


def _nothing(_: Sources) -> str:
    return ""


@dataclass(frozen=True)
class Plot:
    """A picture that can be drawn of artifacts.

    Attributes:
        name: on the command line and in Python.
        summary: what it shows, in one sentence.
        needs: groups of artifacts that it cannot do without, by the name of their kind.
        draw: draws one panel on given axes.
        panels: names of its panels; one without a name by default.
        stamp: what has to be said beside the data, such as that an uncertainty is missing; may be empty.
        lack: why it cannot be drawn of artifacts that have the groups; empty where it can.
        shape: width and height of a panel, in those of the size; may follow from what is drawn.
    """

    name: str
    summary: str
    needs: Mapping[str, Sequence[str]]
    draw: Draw
    panels: Callable[[Sources], Sequence[str]] = _one_panel
    stamp: Callable[[Sources], str] = _nothing
    lack: Callable[[Sources], str] = _nothing
    shape: tuple[float, float] | Callable[[Sources], tuple[float, float]] = (1.0, 1.0)

    def lacks(self, sources: Sources) -> str:
        """Return why it cannot be drawn, in a sentence; empty where it can."""
        return lacking(self.needs, sources) or self.lack(sources)

    def header(self, sources: Sources, most_letters: int = 1000) -> str:
        """Return what stands above it: the tag, what it is of, and what is missing or blinded.

        Args:
            sources: what it is drawn of.
            most_letters: of a line, which is broken where it is longer.
        """
        name = r"$\mathbf{anomaly}$"
        lines = [" ".join(filter(None, [name, safe(sources.tag)]))]
        for said in (sources.about, self.stamp(sources)):
            lines += [safe(line) for line in textwrap.wrap(said, max(20, most_letters), break_on_hyphens=False)]
        return "\n".join(lines)

    def figure(self, sources: Sources, size: Size = SIZES[DEFAULT_SIZE]) -> Figure:
        """Return the whole picture with all of its panels.

        Raises:
            ConfigError: where something that it needs is not there, or hidden.
        """
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        reason = self.lacks(sources)
        if reason:
            raise ConfigError(f"plot {self.name}: {reason}")
        names = self.panels(sources)
        shape = self.shape if isinstance(self.shape, tuple) else self.shape(sources)
        columns, rows, width, height = size.layout(len(names), shape)
        places = [divmod(number, columns) for number in range(len(names))]
        with mpl.rc_context(settings(size)):
            figure = Figure((width, height), layout="constrained")
            FigureCanvasAgg(figure)
            grid = figure.add_gridspec(2 * rows, columns, height_ratios=(1.0, LOWER) * rows)
            panels = [figure.add_subplot(grid[2 * row : 2 * row + 2, column]) for row, column in places]
            for axes, name in zip(panels, names, strict=True):
                self.draw(axes, sources, name)
            share_legend(panels)
            header = self.header(sources, int(width * POINTS_PER_INCH / (WIDTH_OF_A_LETTER * size.font)))
            figure.suptitle(header, x=0.01, ha="left", fontsize=0.95 * size.font, linespacing=1.25)
        return figure

    def panel(self, axes: Axes, sources: Sources, name: str | None = None) -> None:
        """Draw one panel on axes of the caller's own figure, whose style is kept.

        Args:
            axes: where to draw.
            sources: what to draw.
            name: of the panel; None for the first.

        Raises:
            ConfigError: where something that it needs is not there, or there is no such panel.
        """
        reason = self.lacks(sources)
        if reason:
            raise ConfigError(f"plot {self.name}: {reason}")
        known = self.panels(sources)
        if name is not None and name not in known:
            raise ConfigError(f"plot {self.name}: has no panel '{name}'; {nearest(name, known)}")
        self.draw(axes, sources, known[0] if name is None else name)
        stamp = self.stamp(sources)
        if stamp:
            axes.annotate(safe(stamp), (0.0, 0.0), (2, 2), "axes fraction", "offset points", fontsize="xx-small")


def render(figure: Figure, kind: str, size: Size = SIZES[DEFAULT_SIZE]) -> bytes:
    """Return a picture as the bytes of a file.

    Args:
        figure: the picture.
        kind: pdf, png or svg.
        size: that it was drawn in.
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context(settings(size)):
        figure.savefig(buffer, format=kind, metadata={"Software": None} if kind == "png" else dict(_TIMELESS[kind]))
    return buffer.getvalue()


def save(figure: Figure, path: Path, size: Size = SIZES[DEFAULT_SIZE]) -> None:
    """Write a picture in one step.

    Raises:
        ConfigError: where its name ends in no format that can be drawn.
        ArtifactError: where it cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ConfigError(f"{path}: cannot be drawn in this format; let its name end in .{', .'.join(FORMATS)}")
    write_files({path: render(figure, kind, size)})
