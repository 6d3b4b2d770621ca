"""One picture: what it needs, how it is drawn, and the file that it becomes; never by pyplot, which keeps state."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.report.plots.sources import Sources, lacking
from anomaly_cli.report.plots.style import DEFAULT_SIZE, SIZES, Size, safe, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png", "svg")
_TIMELESS: Mapping[str, Mapping[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
"""Metadata without the date, so that the same artifacts give the same file."""
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
        shape: width and height of a panel, in those of the size.
    """

    name: str
    summary: str
    needs: Mapping[str, Sequence[str]]
    draw: Draw
    panels: Callable[[Sources], Sequence[str]] = _one_panel
    stamp: Callable[[Sources], str] = _nothing
    lack: Callable[[Sources], str] = _nothing
    shape: tuple[float, float] = (1.0, 1.0)

    def lacks(self, sources: Sources) -> str:
        """Return why it cannot be drawn, in a sentence; empty where it can."""
        return lacking(self.needs, sources) or self.lack(sources)

    def header(self, sources: Sources) -> str:
        """Return what stands above it: the tag, what it is of, and what is missing or blinded."""
        name = r"$\mathbf{anomaly}$"
        lines = [" ".join(filter(None, [name, safe(sources.tag)])), safe(sources.about), safe(self.stamp(sources))]
        return "\n".join(filter(None, lines))

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
        columns = min(len(names), size.most_columns)
        rows = -(-len(names) // columns)
        width, height = self.shape
        with mpl.rc_context(settings(size)):
            figure = Figure((width * columns * size.width, height * rows * size.height), layout="constrained")
            FigureCanvasAgg(figure)
            panels = figure.subplots(rows, columns, squeeze=False).ravel()
            for axes, name in zip(panels, names, strict=False):
                self.draw(axes, sources, name)
            for axes in panels[len(names) :]:
                axes.remove()
            header = self.header(sources)
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
