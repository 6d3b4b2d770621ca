"""`anomaly scan ...`: many signal regions, here or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.failures import guarded, telling
from anomaly_cli.cli.groups import command_group

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of a planned scan.")]
Profile = Annotated[
    str,
    typer.Option("--profile", metavar="NAME", help="local, slurm, htcondor, lxplus, or a directory of your own."),
]
Cores = Annotated[
    int | None,
    typer.Option("--cores", min=1, help="Cores here, or jobs at a time on a cluster. [default: the profile's]"),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    scan = command_group(
        "scan",
        help="Many signal regions, methods and seeds as one batch, here or on a cluster.\n\nExamples:\n"
        "anomaly scan plan workflows/scans/nine_windows.toml --output scan\nanomaly scan run scan",
        no_args_is_help=True,
    )
    for shown in (plan, status, collect):
        scan.command(shown.__name__)(telling(shown))
    for command in (job, export):
        scan.command(command.__name__)(guarded(command))
    for driving in (run, resume):
        scan.command(driving.__name__, context_settings={"allow_extra_args": True})(guarded(driving))
    app.add_typer(scan)


def plan(
    config: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file with the grid.")],
    output: Annotated[Path, typer.Option(*options.OUTPUT, metavar="DIR", help="Directory of the scan.")],
    windows: Annotated[
        str | None,
        typer.Option("--windows", metavar="WINDOW,...", help="Signal regions instead of the file's, or 'auto'."),
    ] = None,
) -> None:
    """List all jobs of a grid in DIR/scan.json; nothing is run.

    A grid that has grown or changed is planned into the same directory: results that mean the same are kept.

    Example: anomaly scan plan workflows/scans/nine_windows.toml --output scan
    """
    from anomaly_cli.cli.scan_execution import plan_into

    plan_into(config, output, windows)


def run(
    context: typer.Context,
    directory: Directory,
    profile: Profile = "local",
    cores: Cores = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be run, and do nothing.")] = False,
) -> None:
    """Run all jobs whose result is missing, with Snakemake; ends with the table of results.

    What follows `--` is passed on to Snakemake.

    Example: anomaly scan run scan --profile slurm --cores 100
    """
    from anomaly_cli.cli.scan_execution import drive

    drive(directory, profile, cores, ["--dry-run"] * dry_run + context.args)


def resume(
    context: typer.Context,
    directory: Directory,
    profile: Profile = "",
    cores: Cores = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take over from a driver on another host, which is known to be dead.")
    ] = False,
) -> None:
    """Go on with a scan whose driver was killed: cancel its orphans, release its lock, run.

    Example: anomaly scan resume scan
    """
    from anomaly_cli.cli.scan_execution import resume_scan

    resume_scan(directory, profile, cores, force, context.args)


def status(directory: Directory) -> None:
    """Say what is done, running, failed and missing, with reasons and logs; needs no Snakemake.

    Example: anomaly scan status scan
    """
    from anomaly_cli.cli.scan_execution import print_status

    print_status(directory)


def job(
    directory: Directory,
    index: Annotated[int | None, typer.Option("--index", help="Position of the job, counted from 0.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Content key of the job.")] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="point, or what points share: base, measurement.")
    ] = "point",
    plan_key: Annotated[
        str, typer.Option("--plan", metavar="KEY", help="Refuse to run if the scan was planned anew since.")
    ] = "",
    processes: options.Processes = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Run one job; what a raw array of a batch system calls. A job whose result is there does nothing.

    Example: anomaly scan job scan --index 3
    """
    from anomaly_cli.cli.scan_execution import run_one

    run_one(directory, (index, key), kind, plan_key, processes, Manner(quiet, verbose))


def collect(directory: Directory) -> None:
    """Put all results that are there into scan_result.h5, with global significances, a table and a picture.

    Example: anomaly scan collect scan
    """
    from anomaly_cli.cli.scan_execution import collect_and_show

    collect_and_show(directory)


def export(
    directory: Directory,
    to: Annotated[str, typer.Option("--to", help="slurm, condor or reana.")],
    image: Annotated[
        str, typer.Option("--image", metavar="NAME", help="Container image that holds this package, for REANA.")
    ] = "",
) -> None:
    """Write submit files for a site without Snakemake.

    Example: anomaly scan export scan --to slurm
    """
    from anomaly_cli.cli.scan_execution import export_submission

    export_submission(directory, to, image)
