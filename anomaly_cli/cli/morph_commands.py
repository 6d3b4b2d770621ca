"""`anomaly morph`: one data set into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.failures import guarded
from anomaly_cli.cli.groups import CommandGroup
from anomaly_cli.core.errors import ConfigError

Directory = Annotated[Path, typer.Option("--output", "--run", metavar="DIR", help="Directory for the artifacts.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        cls=CommandGroup,
        invoke_without_command=True,
        no_args_is_help=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    group.callback()(guarded(morph))
    group.command("plot")(guarded(plot))
    group.command("config")(guarded(config))
    app.add_typer(group, name="morph")


def morph(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Option("--source", metavar="FILE", help="HDF5, CSV or npz file, or a toy, as toy:ring.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="FILE", help="Likewise; toys with a condition: toy:ring:rotation.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="NAME,...", help="Features to move. [default: all columns]")
    ] = None,
    condition: Annotated[
        str | None, typer.Option("--condition", metavar="NAME,...", help="Columns that the features depend on.")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option("--variant", help="base_transfer, unidirectional or flows_for_flows. [default: flows_for_flows]"),
    ] = None,
    from_model: Annotated[
        Path | None, typer.Option("--from-model", metavar="FILE", help="Use these trained flows; nothing is trained.")
    ] = None,
    directory: Directory = Path("morph"),
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="TOML file with settings; wins over the directory's morph.toml."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. --set flows.penalty=l1; may be repeated."),
    ] = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Move one data set into another with flows for flows, and measure how well it went.

    Writes morph_model.h5 (trained flows) and morph.h5 (every event before and after). The toys are
    checkerboard, ring, concentric_rings, star, four_circles, moons and spirals; 'anomaly morph config' lists the
    settings.

    Example: anomaly morph --source toy:ring --target toy:checkerboard --output my-morph
    """
    if context.invoked_subcommand is not None:
        return
    from anomaly_cli.cli.settings import resolve_morph_config
    from anomaly_cli.morphing.settings import refuse_idle

    named = {setting.partition("=")[0].strip() for setting in settings or []}
    if from_model and (variant or any(name.startswith("flows.") for name in named)):
        raise ConfigError("--from-model: flows are used as they were trained; leave out --variant and --set flows...")
    given = {
        "data.source": source,
        "data.target": target,
        "data.columns": columns,
        "data.conditions": condition,
        "flows.variant": variant,
        "seed": seed,
    }
    resolved = resolve_morph_config(directory, config_file, settings, given)
    refuse_idle(resolved, named)
    from anomaly_cli.cli.execution import How, run_morph

    run_morph(directory, resolved, from_model, How(overwrite, quiet))


def plot(
    directory: Directory = Path("morph"),
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="FILE", help="png, pdf or svg. [default: morph.png in the directory]"),
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="X,Y", help="Two features to draw. [default: the first two]")
    ] = None,
) -> None:
    """Draw source, moved events, target and movement from morph.h5.

    Example: anomaly morph plot --output my-morph
    """
    from anomaly_cli.cli.execution import show_written
    from anomaly_cli.report.morph import draw_morph

    show_written(draw_morph(directory / "morph.h5", figure or directory / "morph.png", columns or ""))


def config() -> None:
    """Print every setting of a morph as TOML, for --config."""
    from anomaly_cli.morphing.settings import MorphConfig

    typer.echo(MorphConfig().to_toml(), nl=False)
