"""One command per stage."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Asked, Option, takes
from anomaly_cli.cli.failures import telling

WITHOUT = Option(
    "without",
    list[str],
    "--without",
    "Leave the events of this window out of it; may be repeated.",
    "template.base_without",
    metavar="WINDOW",
)
BASE_OUTPUT = Option(
    "output",
    str,
    "--base",
    "Where to write it. [default: in the run directory]",
    "template.base",
    metavar="FILE",
    read=options.absolute,
)
CLOSURE_WINDOWS = Option(
    "windows",
    bool,
    "--windows/--no-windows",
    "Also in signal-free windows, trained anew in each: minutes.",
    "closure.windows",
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (split, base, template, classify, closure, evaluate):
        app.command(command.__name__)(telling(command))


@takes(options.RUN, *options.WINDOWS, *options.DATA, options.SCORE_COLUMN, common=options.COMMON)
def split(asked: Asked) -> None:
    """Divide an event file into side-bands, signal region and rest.

    Writes split.h5 and, for labelled files, truth.h5, which nothing that makes, ranks or counts events reads.

    Example: anomaly split --run my-run --signal-region 3.3-3.7 --inject 420
    """
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import run_and_say, show, show_next_stage
    from anomaly_cli.report.summary import cutflow_table, region_table
    from anomaly_cli.stages.split import SPLIT

    run = run_and_say(asked, [SPLIT])
    artifact = run.read(schema.SPLIT)
    is_blinded = not artifact.groups["origin"]["has_truth"]
    show([cutflow_table(artifact, is_blinded), region_table(run, is_blinded)], run.digests)
    show_next_stage(run, schema.TEMPLATE, "makes background for the signal region")


@takes(options.RUN, WITHOUT, BASE_OUTPUT, common=options.TRAINING)
def base(asked: Asked) -> None:
    """Train one density of the whole spectrum, to be shared by many signal regions.

    For --method curtains_f4f_efficient: every signal region then costs a short transport flow only. The
    base flow sees every event of the run's data, signal included, but those of windows left out.

    Example: anomaly base --run my-run --without 3.3-3.7 --base shared-base.h5
    """
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import run_and_say, show_next
    from anomaly_cli.cli.output import say
    from anomaly_cli.stages.shared import SHARED, shared_file

    run = run_and_say(asked, [SHARED])
    made = run.read_file(shared_file(run, asked.config), schema.SHARED_MODEL)
    counts, method = made.groups["counts"], made.provenance.settings["method"]["name"]
    say(f"Events of all masses: {counts['n_seen']} seen, {counts['n_left_out']} left out.")
    command = f"anomaly run --signal-region WINDOW --method {method} --base {shlex.quote(str(made.path))}"
    show_next([(command, "every signal region, with the --data and --seed of this run")])


@takes(options.RUN, *options.TEMPLATE, common=options.MANY)
def template(
    asked: Asked,
    from_model: Annotated[
        Path | None, typer.Option("--from-model", metavar="FILE", help="Sample this trained model; nothing is trained.")
    ] = None,
) -> None:
    """Make background-like events in the signal region from the side-bands.

    Trains the method (model.h5) and samples it (template.h5).

    Example: anomaly template --run my-run --method curtains_f4f --oversampling 4
    """
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import run_and_say, show, show_next_stage
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.template import MODEL, TEMPLATE, template_stage

    if from_model is None:
        run = run_and_say(asked, [MODEL, TEMPLATE])
        show(report_on(run.read(schema.TEMPLATE_MODEL)), run.digests)
    else:
        run = run_and_say(asked, [template_stage(from_model)])
    show_next_stage(run, schema.SCORES, "trains what ranks events")


@takes(options.RUN, *options.RANKING, common=options.MANY)
def classify(asked: Asked) -> None:
    """Train observed against template in folds and score every event.

    Example: anomaly classify --run my-run --set classifiers.trees.ensemble=20
    """
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import run_and_say, show, show_next_stage
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.blinding import hides_region
    from anomaly_cli.stages.classify import CLASSIFY

    run = run_and_say(asked, [CLASSIFY])
    scores = run.read(schema.SCORES)
    if not hides_region(run, scores):
        show(report_on(scores), run.digests)
        show_next_stage(run, schema.SIGNIFICANCE, "counts what passes the cuts")
    else:
        show_next_stage(run, schema.CLOSURE, "looks at the template; the signal region stays blinded")


@takes(options.RUN, CLOSURE_WINDOWS, common=options.MANY)
def closure(asked: Asked) -> None:
    """Measure how well the template describes background.

    Against held-out side-band events and, where truth is known, true background. With --windows also with
    the signal region moved into signal-free windows, which looks at no event of the signal region.

    Example: anomaly closure --run my-run --windows --overwrite
    """
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import run_and_say, show
    from anomaly_cli.report.results.closure import distance_tables
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.blinding import hides_region
    from anomaly_cli.stages.closure import CLOSURE

    run = run_and_say(asked, [CLOSURE])
    artifact = run.read(schema.CLOSURE)
    show([*report_on(artifact), *distance_tables(artifact, hides_region(run, artifact))], run.digests)


@takes(options.RUN, common=options.MANY)
def evaluate(
    asked: Asked,
    sharpness: Annotated[
        bool, typer.Option("--sharpness", help="Also how sharp the minima of the networks are (--classifier mlp).")
    ] = False,
) -> None:
    """Measure the significance improvement on reference background and unused signal (uses truth).

    With --sharpness also how fast the loss of networks rises around their minimum, and its curvatures.

    Example: anomaly evaluate --run my-run
    """
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import run_and_say, show
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.evaluate import EVALUATE
    from anomaly_cli.stages.sharpness import SHARPNESS

    run = run_and_say(asked, [SHARPNESS, EVALUATE] if sharpness else [EVALUATE])
    kinds = [schema.EVALUATION, schema.SHARPNESS] if sharpness else [schema.EVALUATION]
    show([table for kind in kinds for table in report_on(run.read(kind))], run.digests)
