"""Commands that use the kept models of a run: score the events of a file, explain what drives the score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Asked, takes
from anomaly_cli.cli.failures import telling


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("score")(telling(score))
    app.command("explain")(telling(explain))


@takes(options.RUN, options.EFFICIENCIES, options.KEY, common=())
def score(
    asked: Asked,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Event file, or a manifest of your own.")],
    out: Annotated[
        Path | None,
        typer.Option(
            *options.OUTPUT,
            metavar="FILE",
            help="CSV; .h5: HDF5; .root: trees (extra 'root'). [default: FILE-scores.csv]",
        ),
    ] = None,
) -> None:
    """Score the events of a file with the models that a run has kept.

    Each event gets its row, mjj, region, score, and whether it passes each cut. Events of the run itself get the
    score of models that have not seen them; all others the mean over the models of all folds.

    Example: anomaly score new-events.h5 --run my-run --out scores.csv
    """
    from anomaly_cli.cli.kept_output import score_and_print

    score_and_print(asked, file, out)


@takes(options.RUN, common=options.COMMON)
def explain(asked: Asked) -> None:
    """Say which features drive the score, without labels, and list the most signal-like events.

    The kept models score the events again with one feature at a time drawn from the template: what is left
    of the excess after each cut says how much the feature matters.

    Example: anomaly explain --run my-run
    """
    from anomaly_cli.artifacts import schema
    from anomaly_cli.cli.execution import run_and_say, show
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.explain import EXPLAIN

    run = run_and_say(asked, [EXPLAIN])
    show(report_on(run.read(schema.EXPLANATION)), run.digests)
