"""`anomaly run` and `anomaly summary`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Asked, takes
from anomaly_cli.cli.failures import telling
from anomaly_cli.core.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("run")(telling(run))
    app.command("summary")(telling(summary))


@takes(
    *options.WINDOWS,
    *options.DATA,
    *options.TEMPLATE,
    *options.RANKING,
    options.EFFICIENCIES,
    replace(options.ANY_RUN, help="Run directory. [default: anomaly-WINDOW]"),
    common=options.MANY,
)
def run(
    asked: Asked,
    unblind: options.Unblind = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Measure closure uncertainty and over-dispersion as well, and count with them."),
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Write report.html at the end, with all pictures.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
) -> None:
    """Run the whole analysis of one signal region and print its result.

    Chains split, template, classify, significance and closure. A stage whose inputs and settings are
    unchanged is not run again, so an interrupted run continues where it stopped. With --measure, which takes
    some minutes more, the significance contains closure uncertainty and k-fold over-dispersion as well.

    Examples:
      anomaly run --signal-region 3.3-3.7
      anomaly run --signal-region 3.3-3.7 --measure
      anomaly run --signal-region 3.3-3.7 --data events_anomalydetection_v2.features.h5
      anomaly run --signal-region 3.3-3.7 --data events.h5 --score-file scores.csv
      anomaly run --signal-region 3300-3700GeV --inject 0 --seed 7 --run null-seed7
    """
    if asked.named is None:
        from anomaly_cli.cli.settings import default_run_directory

        asked = replace(asked, named=default_run_directory(asked.config))  # whose configuration is the base now
    from anomaly_cli.cli.execution import print_plan, run_and_summarise

    if dry_run:
        print_plan(asked, measure, unblind)
    else:
        run_and_summarise(asked, unblind, measure)
        if report:
            from anomaly_cli.cli.picture_execution import write_report

            write_report(asked.directory, None, None)


@takes(replace(options.ANY_RUN, help="The same, as other commands name it."), common=())
def summary(
    asked: Asked,
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Directory of a run.", show_default=False)
    ] = None,
) -> None:
    """Print the result of a finished run again.

    Example: anomaly summary anomaly-3.3-3.7
    """
    from anomaly_cli.artifacts.layout import RunDirectory
    from anomaly_cli.cli.execution import print_summary

    if (directory is None) == (asked.named is None):
        raise ConfigError("summary: name one run, as 'anomaly summary DIR' or 'anomaly summary --run DIR'")
    print_summary(RunDirectory(directory or asked.named or Path()))
