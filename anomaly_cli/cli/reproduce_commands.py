"""`anomaly reproduce ...`: the papers' tables and figures, one command each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.failures import telling
from anomaly_cli.cli.groups import command_group

Target = Annotated[str, typer.Argument(metavar="NAME", help="A target; 'anomaly reproduce list' shows all.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = command_group(
        "reproduce",
        help="The papers' tables and figures, published values beside yours.\n\nExample:\nanomaly reproduce list",
        no_args_is_help=True,
    )
    group.command("list")(telling(list_targets))
    group.command("show")(telling(show))
    group.command("run")(telling(run))
    app.add_typer(group)


def list_targets() -> None:
    """List what can be reproduced, what data it needs, and what it waits for.

    Example: anomaly reproduce list
    """
    from anomaly_cli.cli.reproduce_execution import print_targets

    print_targets()


def show(name: Target) -> None:
    """Show a target: its published values and how they were read, what is run at each scale, and what it costs.

    Example: anomaly reproduce show sic-trees
    """
    from anomaly_cli.cli.reproduce_execution import print_target

    print_target(name)


def run(
    name: Target,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="Labelled events. [default: the shipped ones]")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", metavar="FILE", help="Labelled events to measure on. [default: 40 % of the data]"),
    ] = None,
    simulation: Annotated[
        Path | None, typer.Option("--simulation", metavar="FILE", help="Simulated background of another generator.")
    ] = None,
    scale: Annotated[str, typer.Option("--scale", help="quick, standard, or paper, on the paper's file.")] = "quick",
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Number of seeds. [default: the scale's]")] = None,
    output: Annotated[Path, typer.Option(*options.OUTPUT, metavar="DIR", help="Directory, shared by targets.")] = Path(
        "reproduction"
    ),
    part: Annotated[
        str, typer.Option("--part", metavar="K/N", help="Only the K-th of N parts of the jobs, for batch systems.")
    ] = "",
    processes: options.Processes = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Run a target and compare it with the published values; what is there already is not run again.

    Writes NAME-SCALE.json, .csv, .md, .tex and .png into the directory.

    Example: anomaly reproduce run fpd-kpd-toys
    """
    from anomaly_cli.cli.reproduce_execution import Wanted, run_and_show

    files = tuple("" if path is None else str(path) for path in (data, reference, simulation))
    run_and_show(Wanted(name, scale, files, seeds, output, part), processes, Manner(quiet, verbose))
