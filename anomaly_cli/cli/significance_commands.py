"""`anomaly significance` and its sub-commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.failures import guarded
from anomaly_cli.cli.groups import CommandGroup
from anomaly_cli.cli.run_commands import help_text

Index = Annotated[
    int | None,
    typer.Option("--index", metavar="I", help="Run only this job of the list and keep its record; for batch systems."),
]


def register(app: typer.Typer) -> None:
    """Add the command and its sub-commands."""
    group = typer.Typer(cls=CommandGroup, rich_markup_mode=None)
    group.callback(invoke_without_command=True)(guarded(significance))
    for command in (closure, permute, bump, limits, calibrate, export):
        group.command(command.__name__, help=help_text(command))(guarded(command))
    group.command("global")(guarded(global_significance))
    group.command("inject-scan")(guarded(inject_scan))
    app.add_typer(group, name="significance")


def significance(
    context: typer.Context,
    run_directory: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Run directory that holds the artifacts.")
    ] = None,
    background_efficiencies: options.Efficiencies = None,
    measurements: options.Measurements = None,
    unblind: options.Unblind = False,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Count after each cut on the score: expectation, excess, and how unlikely it is.

    Without a sub-command it counts. Closure and k-fold over-dispersion are included where 'closure' and
    'permute' have measured them for these settings.

    Example: anomaly significance --run my-run --background-efficiencies 0.01,0.001
    """
    if context.invoked_subcommand is not None:
        return
    if run_directory is None:
        raise typer.BadParameter("missing; name a run directory, for instance --run my-run", param_hint="--run")
    given = {
        "significance.background_efficiencies": background_efficiencies,
        "significance.measurements": measurements,
        "seed": seed,
    }
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, given)
    from anomaly_cli.cli.execution import How
    from anomaly_cli.cli.significance_execution import count

    count(run_directory, resolved, How(overwrite, quiet), unblind)


def closure(
    run_directory: options.Run,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure the closure uncertainty: the whole search in signal-free windows, then count again.

    Neither the windows nor their side-bands hold signal-region events, so observed data stay blinded. Takes
    about half a run for each window (8 by default, --set significance.windows=4).

    Example: anomaly significance closure --run my-run
    """
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, {"seed": seed, "processes": processes})
    from anomaly_cli.cli.execution import How
    from anomaly_cli.cli.significance_execution import measure_closure

    measure_closure(run_directory, resolved, How(overwrite, quiet))


def permute(
    run_directory: options.Run,
    permutations: Annotated[
        int | None, typer.Option("--permutations", help="How many; 1000 for a claim. [default: 20]")
    ] = None,
    unblind: options.Unblind = False,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure the k-fold over-dispersion by permuting labels and training again, then count again.

    Example: anomaly significance permute --run my-run --permutations 40
    """
    from anomaly_cli.cli.settings import resolve_config

    given = {"significance.permutations": permutations, "seed": seed, "processes": processes}
    resolved = resolve_config(run_directory, config, settings, given)
    from anomaly_cli.cli.execution import How
    from anomaly_cli.cli.significance_execution import measure_overdispersion

    measure_overdispersion(run_directory, resolved, How(overwrite, quiet), unblind)


def bump(
    run_directory: options.Run,
    unblind: options.Unblind = False,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Hunt for a bump in the dijet mass after each cut, and check that the cut does not sculpt one.

    Example: anomaly significance bump --run my-run
    """
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, {"seed": seed, "processes": processes})
    from anomaly_cli.cli.execution import How
    from anomaly_cli.cli.significance_execution import hunt

    hunt(run_directory, resolved, How(overwrite, quiet), unblind)


def limits(
    run_directory: options.Run,
    signal_efficiencies: Annotated[
        str | None,
        typer.Option(
            "--signal-efficiencies",
            metavar="E,...",
            help="Fraction of all signal events that passes each cut; only for a classifier that is not trained on the"
            " data.",
        ),
    ] = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Set CLs upper limits on the signal events after each cut, with expected bands.

    On the signal strength too, where 'inject-scan' has measured for these settings what a signal of each
    strength yields. A constant efficiency is refused: the classifier is trained on the signal it is to find.

    Example: anomaly significance limits --run my-run
    """
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, {"seed": seed})
    from anomaly_cli.cli.execution import How
    from anomaly_cli.cli.significance_execution import set_limits

    set_limits(run_directory, resolved, signal_efficiencies, How(overwrite, quiet))


def global_significance(
    run_directories: Annotated[
        list[Path], typer.Option("--run", metavar="DIR", help="Run directory; repeat it for every signal region.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Artifact to write. [default: DIR/global.h5]")
    ] = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Correct the largest excess for the number of places looked at, by the overlap of the selections.

    Example: anomaly significance global --run scan-3.3-3.7 --run scan-3.4-3.8
    """
    from anomaly_cli.cli.execution import How
    from anomaly_cli.cli.significance_execution import globalise

    globalise(run_directories, output, seed, How(overwrite, quiet))


def calibrate(
    run_directory: options.Run,
    experiments: Annotated[int, typer.Option("--experiments", help="Background-only pseudo-experiments.")] = 40,
    index: Index = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Short trainings, for trying it out; not a calibration of the analysis.")
    ] = False,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Check Z where there is no signal: fresh events, template and classifier trained anew, many times.

    Each experiment takes about as long as a run. Those that are done are kept: interrupt and go on at will,
    or run single ones with --index and the same command without it at the end.

    Examples:
      anomaly significance calibrate --run my-run --experiments 40
      anomaly significance calibrate --run my-run --experiments 40 --index 7
    """
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, {"seed": seed, "processes": processes})
    from anomaly_cli.cli.execution import How
    from anomaly_cli.cli.significance_execution import run_calibration

    run_calibration(run_directory, resolved, experiments, index, fast, How(overwrite, quiet))


def inject_scan(
    run_directory: options.Run,
    injected: Annotated[
        str, typer.Option("--injected", metavar="N,...", help="Signal events over the whole spectrum, as 0,100,300.")
    ] = "0,100,200,300,400",
    experiments: Annotated[int, typer.Option("--experiments", help="Pseudo-experiments per number.")] = 5,
    index: Index = None,
    fast: Annotated[bool, typer.Option("--fast", help="Short trainings, for trying it out.")] = False,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Find significance, limit and signal efficiency as functions of the injected signal.

    Example: anomaly significance inject-scan --run my-run --injected 0,200,400 --experiments 5
    """
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, {"seed": seed, "processes": processes})
    from anomaly_cli.cli.execution import How
    from anomaly_cli.cli.significance_execution import run_injection_study

    run_injection_study(run_directory, resolved, (injected, experiments), index, fast, How(overwrite, quiet))


def export(
    run_directory: options.Run,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Directory to write. [default: RUN/exports]")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write tables and likelihoods for others: CSV, LaTeX, HEPData, HistFactory, HS3 (experimental).

    Example: anomaly significance export --run my-run
    """
    from anomaly_cli.cli.significance_execution import export_results

    export_results(run_directory, output, overwrite)
