"""`anomaly run` and `anomaly summary`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.failures import guarded


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("run", help=help_text(run))(guarded(run))
    app.command("summary")(guarded(summary))


def help_text(command: Callable[..., None]) -> str:
    """Return the docstring with the lines of its examples kept apart."""
    return inspect.cleandoc(command.__doc__ or "").replace("Examples:", "\b\nExamples:")


def run(
    signal_region: options.SignalRegion = None,
    side_bands: options.SideBands = None,
    data: options.Data = None,
    inject: options.Inject = None,
    reserve: options.Reserve = None,
    reference: options.Reference = None,
    inject_from: options.InjectFrom = None,
    labels: options.Labels = None,
    key: options.Key = None,
    drop_nan: options.DropNan = None,
    strict: options.Strict = None,
    features: options.Features = None,
    method: options.Method = None,
    simulation: options.Simulation = None,
    base: options.Base = None,
    oversampling: options.Oversampling = None,
    classifier: options.Classifier = None,
    score: options.Score = None,
    background_efficiencies: options.Efficiencies = None,
    run_directory: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Run directory. [default: anomaly-WINDOW]")
    ] = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    device: options.Device = None,
    overwrite: options.Overwrite = False,
    unblind: options.Unblind = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Measure closure uncertainty and over-dispersion as well, and count with them."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Run the whole analysis of one signal region and print its result.

    Chains split, template, classify, significance and closure. A stage whose inputs and settings are
    unchanged is not run again, so an interrupted run continues where it stopped. With --measure, which takes
    some minutes more, the significance contains every uncertainty that it should.

    Examples:
      anomaly run --signal-region 3.3-3.7
      anomaly run --signal-region 3.3-3.7 --measure
      anomaly run --signal-region 3.3-3.7 --data events_anomalydetection_v2.features.h5
      anomaly run --signal-region 3300-3700GeV --inject 0 --seed 7 --run null-seed7
    """
    given = {
        "regions.signal_region": signal_region,
        "regions.side_bands": side_bands,
        "data.file": data,
        "data.inject": inject,
        "data.reserve": reserve,
        "data.reference": reference,
        "data.inject_from": inject_from or None,
        "data.labels": labels,
        "data.key": key,
        "data.drop_nan": drop_nan,
        "data.strict": strict,
        "data.features": features,
        "template.method": method,
        "template.simulation": simulation,
        "template.base": base,
        "template.oversampling": oversampling,
        "classifier.name": classifier,
        "score.name": score,
        "significance.background_efficiencies": background_efficiencies,
        "device": device,
        "seed": seed,
        "processes": processes,
    }
    from anomaly_cli.cli.settings import default_run_directory, resolve_config

    resolved = resolve_config(run_directory, config, settings, given)
    directory = run_directory or default_run_directory(resolved)
    if run_directory is None:  # the default directory is known only now; its configuration is the base
        resolved = resolve_config(directory, config, settings, given)
    from anomaly_cli.cli.execution import print_plan, run_and_summarise

    if dry_run:
        print_plan(directory, resolved)
    else:
        run_and_summarise(directory, resolved, overwrite, quiet, unblind, measure)


def summary(run_directory: options.Run) -> None:
    """Print the result of a finished run again."""
    from anomaly_cli.artifacts.layout import RunDirectory
    from anomaly_cli.cli.execution import print_summary

    print_summary(RunDirectory(run_directory))
