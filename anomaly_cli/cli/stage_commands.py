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
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import How, run_and_say, show
    from anomaly_cli.report.summary import cutflow_table, region_table
    from anomaly_cli.stages.split import SPLIT

    run = run_and_say(run_directory, resolved, [SPLIT], How(overwrite, quiet))
    artifact = run.read(schema.SPLIT)
    is_blinded = not artifact.groups["origin"]["has_truth"]
    show(cutflow_table(artifact, is_blinded))
    show(region_table(run, is_blinded))


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
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import How, run_and_say, show_next
    from anomaly_cli.cli.output import say
    from anomaly_cli.stages.shared import SHARED, shared_file

    run = run_and_say(run_directory, resolved, [SHARED], How(overwrite, quiet))
    made = run.read_file(shared_file(run, resolved), schema.SHARED_MODEL)
    counts, method = made.groups["counts"], made.provenance.settings["method"]["name"]
    say(f"Events of all masses: {counts['n_seen']} seen, {counts['n_left_out']} left out.")
    command = f"anomaly run --signal-region WINDOW --method {method} --base {made.path}"
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
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import How, run_and_say, show
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.template import MODEL, TEMPLATE, template_stage

    if from_model is None:
        run = run_and_say(run_directory, resolved, [MODEL, TEMPLATE], How(overwrite, quiet))
        show(report_on(run.read(schema.TEMPLATE_MODEL)))
    else:
        run_and_say(run_directory, resolved, [template_stage(from_model)], How(overwrite, quiet))


def classify(
    run_directory: options.Run,
    classifier: options.Classifier = None,
    score: options.Score = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Train observed against template in folds and score every event.

    Example: anomaly classify --run my-run --set classifiers.trees.ensemble=20
    """
    from anomaly_cli.cli.settings import resolve_config

    given = {"classifier.name": classifier, "score.name": score, "seed": seed, "processes": processes}
    resolved = resolve_config(run_directory, config, settings, given)
    from anomaly_cli.cli.execution import How, run_and_say
    from anomaly_cli.stages.classify import CLASSIFY

    run_and_say(run_directory, resolved, [CLASSIFY], How(overwrite, quiet))


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
    from anomaly_cli.cli.execution import How, run_and_say, show
    from anomaly_cli.report.results.closure import distance_tables
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.blinding import hides_region
    from anomaly_cli.stages.closure import CLOSURE

    run = run_and_say(run_directory, resolved, [CLOSURE], How(overwrite, quiet))
    artifact = run.read(schema.CLOSURE)
    show([*report_on(artifact), *distance_tables(artifact, hides_region(run, artifact))])


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
    from anomaly_cli.cli.execution import How, run_and_say, show
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.evaluate import EVALUATE

    show(report_on(run_and_say(run_directory, resolved, [EVALUATE], How(overwrite, quiet)).read(schema.EVALUATION)))
