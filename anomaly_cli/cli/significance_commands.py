"""`anomaly significance` and its sub-commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Asked, Option, takes
from anomaly_cli.cli.failures import guarded, telling
from anomaly_cli.cli.groups import command_group
from anomaly_cli.core.errors import ConfigError

PERMUTATIONS = Option(
    "permutations",
    int,
    "--permutations",
    "How many. [default: 20]",
    "significance.permutations",
)
EXPERIMENTS = Option(
    "experiments",
    int,
    "--experiments",
    "How many pseudo-experiments. [default: 20]",
    "significance.experiments",
)
Index = Annotated[
    int | None,
    typer.Option("--index", metavar="I", help="Run only this job of the list and keep its record; for batch systems."),
]


def register(app: typer.Typer) -> None:
    """Add the command and its sub-commands."""
    group = command_group("significance")
    group.callback(invoke_without_command=True)(telling(significance))
    for command in (windows, overdispersion, permute, bump, limits, calibrate, export):
        group.command(command.__name__)((guarded if command is export else telling)(command))
    group.command("expected")(telling(expected))
    group.command("declare")(telling(declare))
    group.command("global")(telling(global_significance))
    group.command("inject-scan")(telling(inject_scan))
    any_options = {"allow_extra_args": True, "ignore_unknown_options": True}
    group.command("closure", hidden=True, context_settings=any_options)(guarded(moved))
    app.add_typer(group, name="significance")


@takes(options.ANY_RUN, options.EFFICIENCIES, options.MEASUREMENTS, common=options.COMMON)
def significance(asked: Asked, context: typer.Context, unblind: options.Unblind = False) -> None:
    """Count after each cut on the score: expectation, excess, and how unlikely it is.

    Without a sub-command it counts. Closure and k-fold over-dispersion are included where 'windows' and
    'overdispersion' have measured them for these settings.

    Example: anomaly significance --run my-run --background-efficiencies 0.01,0.001
    """
    if context.invoked_subcommand is not None:
        return
    from anomaly_cli.cli.significance_execution import count

    count(asked, unblind)


@takes(options.RUN, common=options.MANY)
def windows(asked: Asked) -> None:
    """Measure the closure uncertainty: the whole search in signal-free windows, then count again.

    Neither the windows nor their side-bands hold signal-region events, so observed data stay blinded. Takes
    about half a run for each window (at most 8; fewer with --set significance.windows=4).

    Example: anomaly significance windows --run my-run
    """
    from anomaly_cli.cli.significance_execution import measure_closure

    measure_closure(asked)


def moved() -> None:
    """Say where the command of this name went."""
    raise ConfigError(
        "'anomaly significance closure' is called 'anomaly significance windows' now, with the same options;"
        " 'anomaly closure', which tests whether trees can tell the template, is another command"
    )


@takes(options.RUN, EXPERIMENTS, common=options.MANY)
def overdispersion(asked: Asked) -> None:
    """Measure the k-fold over-dispersion in pseudo-experiments drawn from the template, then count again.

    The score is trained anew in each; observed events of the signal region are not looked at.

    Example: anomaly significance overdispersion --run my-run --experiments 40
    """
    from anomaly_cli.cli.significance_execution import measure_overdispersion

    measure_overdispersion(asked)


@takes(options.RUN, PERMUTATIONS, common=options.MANY)
def permute(asked: Asked, unblind: options.Unblind = False) -> None:
    """Test whether template and data are alike to the classifier, by permuting labels and training again.

    It is no significance: where the template is off, it finds that.

    Example: anomaly significance permute --run my-run --permutations 40
    """
    from anomaly_cli.cli.significance_execution import permute_labels

    permute_labels(asked, unblind)


@takes(options.RUN, common=options.COMMON)
def expected(asked: Asked) -> None:
    """Say what the search can find before anybody looks: expected limits, signals for 3 and 5 sigma, what costs Z.

    Example: anomaly significance expected --run my-run
    """
    from anomaly_cli.cli.significance_execution import show_sensitivity

    show_sensitivity(asked)


@takes(
    options.RUN,
    options.MEASUREMENTS,
    common=(options.CONFIG, options.SETTINGS, options.SEED, options.QUIET, options.VERBOSE),
)
def declare(
    asked: Asked,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, in your words; kept with the record.")] = "",
) -> None:
    """Write down, with a hash, what is going to be looked at, before anybody looks.

    From then on only that may be unblinded: the same search, settings of the count and measurements. Whoever changes
    one of them declares again, and how often that was done stands in the record of the unblinding.

    Example: anomaly significance declare --run my-run --note "as approved on 3 March"
    """
    from anomaly_cli.cli.significance_execution import write_declaration

    write_declaration(asked, note)


@takes(
    options.RUN,
    common=(
        options.CONFIG,
        options.SETTINGS,
        options.SEED,
        options.PROCESSES,
        options.OVERWRITE,
        options.QUIET,
        options.VERBOSE,
    ),
)
def bump(asked: Asked, unblind: options.Unblind = False) -> None:
    """Hunt for a bump in the dijet mass after each cut, and check that the cut does not sculpt one.

    Example: anomaly significance bump --run my-run
    """
    from anomaly_cli.cli.significance_execution import hunt

    hunt(asked, unblind)


@takes(options.RUN, common=options.COMMON)
def limits(
    asked: Asked,
    signal_efficiencies: Annotated[
        str | None,
        typer.Option(
            "--signal-efficiencies",
            metavar="E,...",
            help="Fraction of all signal events that passes each cut; only for a score that is not trained on the"
            " signal region, as external ones.",
        ),
    ] = None,
) -> None:
    """Set CLs upper limits on the signal events after each cut, with expected bands.

    Also limits the signal strength, if 'inject-scan' has been run with these settings. A constant efficiency is
    refused where the score is trained on the signal it is to find.

    Example: anomaly significance limits --run my-run
    """
    from anomaly_cli.cli.significance_execution import set_limits

    set_limits(asked, signal_efficiencies)


@takes(common=(options.SEED, options.OVERWRITE, options.QUIET, options.VERBOSE))
def global_significance(
    asked: Asked,
    run_directories: Annotated[
        list[Path], typer.Option("--run", metavar="DIR", help="Run directory; repeat it for every signal region.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(*options.OUTPUT, metavar="FILE", help="Artifact to write. [default: DIR/global.h5]"),
    ] = None,
) -> None:
    """Correct the largest excess for the number of places looked at, by the overlap of the selections.

    Example: anomaly significance global --run scan-3.3-3.7 --run scan-3.4-3.8
    """
    from anomaly_cli.cli.significance_execution import globalise

    globalise(asked, run_directories, output)


@takes(options.RUN, common=options.MANY)
def calibrate(
    asked: Asked,
    background: Annotated[
        list[Path] | None,
        typer.Option(
            "--background",
            metavar="FILE",
            help="Simulated background as large as the data; repeat it: only different files are independent."
            " [default: the background of the data, where they are labelled]",
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region", metavar="WINDOW", help="Signal region to search in every set; repeat it. [default: the run's]"
        ),
    ] = None,
    index: Index = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Few folds, short trainings of method and classifier, for trying it out; no calibration.",
        ),
    ] = False,
) -> None:
    """Check Z where there is no signal: the run's search in sets of background, all of it measured anew in each.

    Every search trains template and classifier and measures its over-dispersion and its closure, so it takes as long as
    'anomaly run --measure'. 'anomaly simulate qcd' makes sets; a file that holds several times as many events as the
    data becomes as many. Searches that are done are kept: interrupt and go on at will, add files later (with
    --overwrite), or run single searches with --index and the same command without it at the end.

    Examples:
      anomaly significance calibrate --run my-run --background qcd-2001.h5 --background qcd-2002.h5
      anomaly significance calibrate --run my-run --background qcd-2001.h5 --region 3.3-3.7 --region 3.7-4.1
    """
    from anomaly_cli.cli.significance_execution import run_calibration

    run_calibration(asked, background or [], region or [], index, fast)


@takes(options.RUN, common=options.MANY)
def inject_scan(
    asked: Asked,
    injected: Annotated[
        str, typer.Option("--injected", metavar="N,...", help="Signal events over the whole spectrum, as 0,100,300.")
    ] = "0,100,200,300,400",
    experiments: Annotated[int, typer.Option("--experiments", help="Pseudo-experiments per number.")] = 5,
    in_windows: Annotated[
        bool,
        typer.Option(
            "--in-windows",
            help="Put it into signal-free windows of the data, at the same S/sqrt(B); the region stays blinded.",
        ),
    ] = False,
    signal: Annotated[
        Path | None,
        typer.Option(
            "--signal",
            metavar="FILE",
            help="Simulated signal of the region, for --in-windows; its masses are shifted to each window."
            " [default: the labelled signal that the data leave out]",
        ),
    ] = None,
    index: Index = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Few folds, short trainings of method and classifier, for trying it out.")
    ] = False,
) -> None:
    """Find significance, limit and signal efficiency as functions of the injected signal.

    In pseudo-data of a smooth model of labelled background, or, before unblinding, in signal-free windows of the data.

    Examples:
      anomaly significance inject-scan --run my-run --injected 0,200,400 --experiments 5
      anomaly significance inject-scan --run my-run --in-windows --signal signal.h5 --injected 0,200,400
    """
    from anomaly_cli.cli.significance_execution import run_injection_study

    run_injection_study(asked, injected, experiments, index, fast, in_windows, signal)


@takes(options.RUN, common=(options.OVERWRITE,))
def export(
    asked: Asked,
    output: Annotated[
        Path | None,
        typer.Option(*options.OUTPUT, metavar="DIR", help="Directory to write. [default: RUN/exports]"),
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="Also events, template, scores and cuts as trees: events.root.")
    ] = False,
) -> None:
    """Write tables and likelihoods for others: CSV, LaTeX, HEPData, HistFactory, HS3 (experimental).

    Example: anomaly significance export --run my-run
    """
    from anomaly_cli.cli.significance_execution import export_results

    export_results(asked, output, events)
