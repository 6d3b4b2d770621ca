"""`anomaly plot`, `anomaly report` and `anomaly compare`: what people look at, made from artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.completion import plot_names
from anomaly_cli.cli.failures import telling
from anomaly_cli.core.errors import ConfigError

Tag = Annotated[
    str | None,
    typer.Option("--tag", metavar="TEXT", help="Stands beside 'anomaly', as LHCO. [default: what the data are]"),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (plot, report, compare):
        app.command(command.__name__)(telling(command))


def plot(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Which plot, or 'all'; 'list' lists them.", autocompletion=plot_names),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Directory of a run, a scan or a morph.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="FILE", help="pdf, png or svg. [default: plots/NAME.pdf in the directory]"),
    ] = None,
    size: Annotated[str, typer.Option("--size", metavar="SIZE", help="paper or slides.")] = "paper",
    tag: Tag = None,
) -> None:
    """Draw a plot of a run, a scan or a morph from its artifacts; nothing is trained or counted.

    Without a name it lists the plots; with --run as well, which can be drawn and what the others lack. What is
    blinded is in no plot.

    Examples:
      anomaly plot --run anomaly-3.3-3.7
      anomaly plot mjj --run anomaly-3.3-3.7
      anomaly plot counts --run anomaly-3.3-3.7 --figure counts.png --size slides
      anomaly plot all --run anomaly-3.3-3.7 --tag LHCO
      anomaly plot scan --run my-scan
    """
    from anomaly_cli.cli.picture_execution import draw_plots, list_plots

    if name in (None, "list"):
        list_plots(run)
    else:
        draw_plots(str(name), run, figure, size, tag)


def report(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Directory of a run or a scan.", show_default=False)
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="The same, as other commands name it.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(*options.OUTPUT, metavar="FILE", help="html or pdf. [default: report.html in the directory]"),
    ] = None,
    tag: Tag = None,
) -> None:
    """Write a report of a run or a scan: one HTML file with everything inside, or the same as PDF pages.

    Works for runs that are half finished, failed, blinded or without labels, and says so at its head.

    Examples:
      anomaly report anomaly-3.3-3.7
      anomaly report anomaly-3.3-3.7 --output my-report.pdf
    """
    from anomaly_cli.cli.picture_execution import write_report

    if (directory is None) == (run is None):
        raise ConfigError("report: name one run or scan, as 'anomaly report DIR' or 'anomaly report --run DIR'")
    write_report(directory or run or Path(), output, tag)


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories of two runs or more.")],
) -> None:
    """Say in what runs differ: settings, counts, significances, closure and time.

    Example: anomaly compare anomaly-3.3-3.7 null-seed7
    """
    from anomaly_cli.cli.picture_execution import compare_runs

    compare_runs(runs)
