"""Commands that only tell: inspect, methods, config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.failures import guarded


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("inspect")(guarded(inspect))
    app.command("methods")(guarded(methods))
    app.command("config")(guarded(config))


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
    show(explain_artifact(artifact, hides_region(RunDirectory(file.parent), artifact)))


def methods() -> None:
    """List the template methods, and what each needs beside the side-bands."""
    from anomaly_cli.cli.output import show
    from anomaly_cli.config import TemplateSettings
    from anomaly_cli.methods.base import Need
    from anomaly_cli.methods.registry import find_methods
    from anomaly_cli.report.table import Column, Priority, Table

    rows = []
    for name, method in find_methods().items():
        needs = ", ".join(sorted(need.value for need in method.needs - {Need.SIDE_BANDS}))
        words = f"{method.summary}{f'; needs {needs}' if needs else ''} ({method.reference})"
        rows.append((name, words, method.summary, needs, method.reference))
    headers = {"method": Priority.KEY, "template": Priority.KEY}
    headers |= dict.fromkeys(("summary", "needs", "reference"), Priority.DATA)
    columns = tuple(Column(header, header, priority=priority, holds=str) for header, priority in headers.items())
    note = (
        "Every method is given the side-bands. Events of the signal region are seen by those only that need its"
        f" features, truth or a shared base flow. Without --method it is {TemplateSettings().method}."
    )
    show(Table("methods", "", columns, tuple(rows), (note,)))


def config(
    run_directory: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="Print the configuration of this run instead of the defaults."),
    ] = None,
    file: options.ConfigFile = None,
    settings: options.Settings = None,
) -> None:
    """Print a complete configuration as TOML, for --config.

    Example: anomaly config > my-analysis.toml
    """
    import dataclasses

    from anomaly_cli.cli.settings import resolve_config
    from anomaly_cli.config import RUN_CONFIG_NAME
    from anomaly_cli.core.errors import ConfigError
    from anomaly_cli.methods.registry import find_methods, make_method

    if run_directory is not None and not (run_directory / RUN_CONFIG_NAME).is_file():
        raise ConfigError(f"{run_directory}: has no {RUN_CONFIG_NAME}; leave out --run to print the defaults")
    resolved = resolve_config(run_directory, file, settings, {})
    complete = {name: dataclasses.asdict(make_method(name, resolved.methods.get(name, {}))) for name in find_methods()}
    typer.echo(dataclasses.replace(resolved, methods=complete).to_toml(), nl=False)
