"""One command per stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.failures import guarded


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (split, base, template, classify, closure, evaluate):
        app.command(command.__name__)(guarded(command))


def split(
    run_directory: options.Run,
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
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Divide an event file into side-bands, signal region and rest.

    Writes split.h5 and, for labelled files, truth.h5, which no stage of the analysis reads.

    Example: anomaly split --run my-run --signal-region 3.3-3.7 --inject 420
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
        "seed": seed,
    }
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, given)
    from anomaly_cli.artifacts.contents import read_split
    from anomaly_cli.cli.execution import run_stages, show
    from anomaly_cli.report.summary import cutflow_table, region_table
    from anomaly_cli.stages.split import make_split

    run = run_stages(run_directory, resolved, [make_split], overwrite, quiet)
    artifact = read_split(run)
    is_blinded = not artifact.groups["origin"]["has_truth"]
    show(cutflow_table(artifact, is_blinded))
    show(region_table(run, artifact, is_blinded))


def base(
    run_directory: options.Run,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="WINDOW", help="Leave the events of this window out of it; may be repeated."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--base", metavar="FILE", help="Where to write it. [default: in the run directory]")
    ] = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Train one density of the whole spectrum, to be shared by many signal regions.

    For --method curtains_f4f_efficient: every signal region then costs a short transport flow only. The
    base flow sees every event of the run's data, signal included, but those of windows left out.

    Example: anomaly base --run my-run --without 3.3-3.7 --base shared-base.h5
    """
    given = {"template.base": output, "template.base_without": without or None, "seed": seed}
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, given)
    from rich.text import Text

    from anomaly_cli.artifacts import schema
    from anomaly_cli.artifacts.store import read_artifact
    from anomaly_cli.cli.execution import run_stages, show, show_next
    from anomaly_cli.stages.base import make_base
    from anomaly_cli.stages.inputs import base_file

    run = run_stages(run_directory, resolved, [make_base], overwrite, quiet)
    made = base_file(run, resolved)
    counts = read_artifact(made, schema.BASE_FLOW).groups["counts"]
    show(Text(f"Events of all masses: {counts['n_seen']} seen, {counts['n_left_out']} left out."))
    command = f"anomaly run --signal-region WINDOW --method curtains_f4f_efficient --base {made}"
    show_next([(command, "every signal region, with the --data and --seed of this run")])


def template(
    run_directory: options.Run,
    method: options.Method = None,
    simulation: options.Simulation = None,
    base: options.Base = None,
    oversampling: options.Oversampling = None,
    from_model: Annotated[
        Path | None, typer.Option("--from-model", metavar="FILE", help="Sample this trained model; nothing is trained.")
    ] = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Make background-like events in the signal region from the side-bands.

    Trains the method (model.h5) and samples it (template.h5).

    Example: anomaly template --run my-run --method curtains_f4f --oversampling 4
    """
    given = {
        "template.method": method,
        "template.simulation": simulation,
        "template.base": base,
        "template.oversampling": oversampling,
        "seed": seed,
    }
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, given)
    from functools import partial

    from anomaly_cli.artifacts import schema
    from anomaly_cli.artifacts.store import read_artifact
    from anomaly_cli.cli.execution import run_stages, show
    from anomaly_cli.report.summary import training_table
    from anomaly_cli.stages.template import make_model, make_template

    if from_model is None:
        run = run_stages(run_directory, resolved, [make_model, make_template], overwrite, quiet)
        show(training_table(read_artifact(run.artifact(schema.TEMPLATE_MODEL), schema.TEMPLATE_MODEL)))
    else:
        run_stages(run_directory, resolved, [partial(make_template, from_model=from_model)], overwrite, quiet)


def classify(
    run_directory: options.Run,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Train observed against template in folds and score every event.

    Example: anomaly classify --run my-run --set classifier.ensemble=20
    """
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, {"seed": seed, "processes": processes})
    from anomaly_cli.cli.execution import run_stages
    from anomaly_cli.stages.classify import make_scores

    run_stages(run_directory, resolved, [make_scores], overwrite, quiet)


def closure(
    run_directory: options.Run,
    windows: Annotated[
        bool | None,
        typer.Option("--windows/--no-windows", help="Also in signal-free windows, trained anew in each: minutes."),
    ] = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure how well the template describes background.

    Against held-out side-band events and, where truth is known, true background. With --windows also with
    the signal region moved into signal-free windows, which looks at no event of the signal region.

    Example: anomaly closure --run my-run --windows --overwrite
    """
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, {"seed": seed, "closure.windows": windows})
    from anomaly_cli.artifacts import schema
    from anomaly_cli.artifacts.store import read_artifact
    from anomaly_cli.cli.execution import run_stages, show
    from anomaly_cli.report.summary import closure_table, distance_tables
    from anomaly_cli.stages.blinding import hides_region
    from anomaly_cli.stages.closure import make_closure

    run = run_stages(run_directory, resolved, [make_closure], overwrite, quiet)
    artifact = read_artifact(run.artifact(schema.CLOSURE), schema.CLOSURE)
    show(closure_table(artifact))
    show(distance_tables(artifact, hides_region(run, artifact)))


def evaluate(
    run_directory: options.Run,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure the significance improvement on reference background and unused signal (uses truth).

    Example: anomaly evaluate --run my-run
    """
    from anomaly_cli.cli.settings import resolve_config

    resolved = resolve_config(run_directory, config, settings, {"seed": seed, "processes": processes})
    from anomaly_cli.artifacts import schema
    from anomaly_cli.artifacts.store import read_artifact
    from anomaly_cli.cli.execution import run_stages, show
    from anomaly_cli.report.summary import evaluation_table
    from anomaly_cli.stages.evaluate import make_evaluation

    run = run_stages(run_directory, resolved, [make_evaluation], overwrite, quiet)
    show(evaluation_table(read_artifact(run.artifact(schema.EVALUATION), schema.EVALUATION)))
