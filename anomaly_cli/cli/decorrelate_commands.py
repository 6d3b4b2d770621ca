"""`anomaly decorrelate`: a score made free of the mass, or of anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.failures import telling
from anomaly_cli.core.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("decorrelate")(telling(decorrelate))


def decorrelate(
    input_file: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="HDF5, CSV or npz file with named columns.")
    ] = None,
    score: Annotated[str | None, typer.Option("--score", metavar="NAME", help="The column of the score.")] = None,
    protect: Annotated[
        str | None, typer.Option("--protect", metavar="NAME,...", help="Columns that the score must not depend on.")
    ] = None,
    label: Annotated[
        str, typer.Option("--label", metavar="NAME", help="Column that is 1 for signal, which then trains nothing.")
    ] = "",
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Instead: side-bands and template of this run.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            *options.OUTPUT,
            metavar="FILE",
            help="Where to write. [default: decorrelation.h5 beside the input]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random stream.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make a score free of the mass or other columns, and measure what cuts on it do to their spectra.

    The decorrelated score is the part of background at the same protected values that has a smaller one, by a spline
    fitted to other events. Written with all events, for plots, to decorrelation.h5. In a search the setting
    score.decorrelate does the same inside the folds.

    Example: anomaly decorrelate --input jets.csv --score tagger --protect mass --label is_top
    """
    from anomaly_cli.artifacts.layout import RunDirectory
    from anomaly_cli.cli.execution import show, show_written
    from anomaly_cli.cli.progress import show_progress
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages import decorrelate as stage

    if (run is None) == (input_file is None):
        raise ConfigError("decorrelate: give either a table with --input FILE, or a run with --run DIR")
    if run is not None:
        scored, folder = stage.scored_run(RunDirectory(run)), run
    else:
        if input_file is None or not score or not protect:
            raise ConfigError("decorrelate: name the columns of --input with --score NAME and --protect NAME")
        names = [name.strip() for name in protect.split(",")]
        scored, folder = stage.scored_table(input_file, score, names, label), input_file.absolute().parent
    with show_progress(Manner(quiet, verbose)) as progress:
        made = stage.decorrelate(scored, output or folder / "decorrelation.h5", seed, overwrite, progress)
    show_written(made.path)
    show(report_on(made), {made.kind.name: made.digest})
