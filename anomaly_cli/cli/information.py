"""Commands that only tell: inspect, methods, config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Asked, takes
from anomaly_cli.cli.failures import guarded, telling

if TYPE_CHECKING:
    from anomaly_cli.report.table import Table


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("inspect")(telling(inspect))
    for family in (methods, classifiers, scores):
        app.command(family.__name__)(telling(family))
    app.command("config")(guarded(config))
    app.command("doctor")(telling(doctor))
    app.command("cite")(guarded(cite))


def inspect(file: Annotated[Path, typer.Argument(metavar="FILE", help="Any artifact (HDF5).")]) -> None:
    """Explain an artifact: what it is, how it was made, what it holds.

    Example: anomaly inspect anomaly-3.3-3.7/significance.h5
    """
    from anomaly_cli.artifacts.layout import RunDirectory
    from anomaly_cli.artifacts.store import read_any
    from anomaly_cli.cli.output import show
    from anomaly_cli.core.errors import ArtifactError
    from anomaly_cli.report.inspection import explain_artifact
    from anomaly_cli.stages.blinding import hides_region

    if not file.exists():
        raise ArtifactError(f"{file}: no such file; check the path")
    artifact = read_any(file)
    explained = explain_artifact(artifact, hides_region(RunDirectory(file.parent), artifact))
    show(explained, {artifact.kind.name: artifact.digest})


def doctor() -> None:
    """Say what this installation has and lacks: versions, threads, device, disk, data, extras, schedulers.

    Ends with exit code 1 where something has to be mended. Put its output into reports of bugs.

    Example: anomaly doctor
    """
    from anomaly_cli.cli.doctor import examine_and_print

    examine_and_print()


def cite(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Methods, scores, classifiers or data sets, by their names."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Directory of a run or a scan: all that it used.")
    ] = None,
) -> None:
    """Print what to cite as BibTeX: this program, and the papers and data sets that a run used or that are named.

    Examples:
      anomaly cite --run anomaly-3.3-3.7 > anomaly.bib
      anomaly cite drapes lhco_rnd_features
    """
    from anomaly_cli.cli.citing import print_citations

    print_citations(names or (), run)


def methods() -> None:
    """List the template methods, and what each needs beside the side-bands.

    Example: anomaly methods
    """
    from anomaly_cli.cli.output import show
    from anomaly_cli.config import TemplateSettings
    from anomaly_cli.methods.base import METHODS

    note = (
        "Every method is given the side-bands. Events of the signal region are seen by those only that need its"
        f" features, truth or a shared model. Without --method it is {TemplateSettings().method}."
    )
    show(_family("method", "template", METHODS.find(), note))


def classifiers() -> None:
    """List the families of classifiers.

    Example: anomaly classifiers
    """
    from anomaly_cli.classifiers.base import CLASSIFIERS
    from anomaly_cli.cli.output import show
    from anomaly_cli.config import ClassifierSettings

    note = f"Without --classifier it is {ClassifierSettings().name}."
    show(_family("classifier", "what it is", CLASSIFIERS.find(), note))


def scores() -> None:
    """List what can rank events, and what each needs beside the side-bands.

    Example: anomaly scores --json
    """
    from anomaly_cli.cli.output import show
    from anomaly_cli.scores.base import SCORES

    note = (
        "The template sets the thresholds, whatever ranks. Without --score it is that of the method: cwola, but for"
        " combined and supervised."
    )
    show(_family("score", "what ranks events", SCORES.find(), note))


NO_REFERENCE = "none"
"""Stands for the reference of what nobody has published."""


def _family(what: str, does: str, found: Mapping[str, Any], note: str) -> Table:
    """Return the members of a family of plug-ins."""
    from anomaly_cli.core.seen import Need
    from anomaly_cli.report.table import Column, Priority, Table

    rows = []
    for name, member in found.items():
        needed: frozenset[Need] = getattr(member, "needs", frozenset()) - {Need.SIDE_BANDS}
        if what == "score":
            needed = needed - {Need.SR_FEATURES}
        needs = ", ".join(sorted(need.value for need in needed))
        presets = ", ".join(sorted(member.presets))
        words = f"{member.summary}{f'; needs {needs}' if needs else ''}"
        words += f" ({member.reference})" if member.reference != NO_REFERENCE else ""
        words += f"; preset {presets}" if presets else ""
        rows.append((name, words, member.summary, needs, member.reference, presets))
    headers = {what: Priority.KEY, does: Priority.KEY}
    headers |= dict.fromkeys(("summary", "needs", "reference", "presets"), Priority.DATA)
    columns = tuple(
        Column(header, header, priority=priority, holds=str, is_for_people=header == does)
        for header, priority in headers.items()
    )
    return Table(f"{what}s", "", columns, tuple(rows), (note,))


@takes(
    replace(options.ANY_RUN, help="Print the configuration of this run instead of the defaults."),
    common=(options.CONFIG, options.SETTINGS),
)
def config(
    asked: Asked,
    schema: Annotated[bool, typer.Option("--schema", help="Print a JSON schema of all settings instead.")] = False,
) -> None:
    """Print every setting as TOML for --config: what it means, its unit, and what is sensible.

    Examples:
      anomaly config > my-analysis.toml
      anomaly config --run my-run
      anomaly config --schema > anomaly.schema.json
    """
    from anomaly_cli.cli.configuration import print_configuration, print_schema

    if schema:
        print_schema()
    else:
        print_configuration(asked)
