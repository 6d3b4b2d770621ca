"""Which pictures can be drawn, and what the others lack."""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.table import Column, Priority, Table, build, made

READY = "ready"


def overview(plots: Mapping[str, Plot], sources: Sources, where: str) -> Table:
    """Return one row per picture: what it shows, and whether it can be drawn.

    Args:
        plots: by name.
        sources: what they would be drawn from.
        where: that is, for the title.
    """
    rows = [(plot, plot.lacks(sources)) for plot in plots.values()]
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
