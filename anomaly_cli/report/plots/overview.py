"""Which pictures can be drawn, and what the others lack."""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_cli.artifacts.morph_schema import MORPH
from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.artifacts.schema import SPLIT
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.table import Column, Priority, Table, build, made

READY = "ready"


def concerning(plots: Mapping[str, Plot], sources: Sources) -> list[Plot]:
    """Return the pictures of what there is: those of a scan, of a morph, or of a run that may not be finished."""
    apart = {kind.name: [plot for plot in plots.values() if kind.name in plot.needs] for kind in (SCAN, MORPH)}
    is_run = SPLIT.name in {*sources.artifacts, *sources.reasons}
    for kind, own in apart.items():
        if kind in sources.artifacts and not is_run:
            return own
    return [plot for plot in plots.values() if not any(plot in own for own in apart.values())]


def overview(plots: Mapping[str, Plot], sources: Sources, where: str) -> Table:
    """Return one row per picture: what it shows, and whether it can be drawn.

    Args:
        plots: by name.
        sources: what they would be drawn from.
        where: that is, for the title.
    """
    rows = [(plot, plot.lacks(sources).removeprefix(f"{where}/")) for plot in concerning(plots, sources)]
    rows.sort(key=lambda row: bool(row[1]))
    fields = [
        made(Column("name", "plot", priority=Priority.KEY, holds=str), lambda row: row[0].name),
        made(Column("state", "state", priority=Priority.KEY, holds=str), lambda row: row[1] or READY),
        made(Column("summary", "shows", priority=Priority.NORMAL, holds=str), lambda row: row[0].summary),
    ]
    return build("plots", f"Plots of {where}", fields, rows)


def catalogue(plots: Mapping[str, Plot]) -> Table:
    """Return one row per picture: what it shows, and what it is drawn from."""
    fields = [
        made(Column("name", "plot", priority=Priority.KEY, holds=str), lambda plot: plot.name),
        made(Column("summary", "shows", priority=Priority.HIGH, holds=str), lambda plot: plot.summary),
        made(Column("needs", "needs", priority=Priority.LOW, holds=str), lambda plot: ", ".join(plot.needs)),
    ]
    return build("plots", "Plots", fields, plots.values())
