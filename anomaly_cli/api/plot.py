"""Pictures from Python: `an.plot.mjj("my-run")`, or on axes of a figure of your own.

Every picture of `anomaly plot` is a function of this module, called as there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anomaly_cli.api.drawn import Drawn, sources_of
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.registry import find_plots
from anomaly_cli.report.plots.style import DEFAULT_SIZE, SIZES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ARGUMENTS = """

Args:
    of: directory of a run, a scan or a morph, an opened run, an artifact, or a result of a verb.
    axes: where to draw one panel, in the style of their own figure; without them the whole picture is returned.
    panel: which panel; the first by default. Only with axes.
    size: paper or slides. Only without axes.
    tag: what stands beside the name of the program; what the data are by default.

Raises:
    AnomalyError: where something that it needs is missing or blinded.
"""


def __getattr__(name: str) -> Callable[..., Any]:
    plots = {} if name.startswith("__") else find_plots()
    if name not in plots:
        hint = f"; {nearest(name, plots)}" if plots else ""
        raise AttributeError(f"no plot is called '{name}'{hint}")
    return _function(plots[name])


def __dir__() -> list[str]:
    return list(find_plots())


def _function(plot: Plot) -> Callable[..., Any]:
    def draw(
        of: Drawn,
        axes: Axes | None = None,
        *,
        panel: str | None = None,
        size: str = DEFAULT_SIZE,
        tag: str | None = None,
    ) -> Figure | Axes:
        if size not in SIZES:
            raise ConfigError(f"no size is called '{size}'; {nearest(size, SIZES)}")
        sources = sources_of(of, tag)
        if axes is None:
            return plot.figure(sources, SIZES[size])
        plot.panel(axes, sources, panel)
        return axes

    draw.__name__ = draw.__qualname__ = plot.name
    draw.__doc__ = plot.summary + ARGUMENTS
    return draw
