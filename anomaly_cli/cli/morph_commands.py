"""`anomaly morph`: one data set into another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Asked, Option, takes
from anomaly_cli.cli.failures import guarded, telling
from anomaly_cli.cli.groups import command_group
from anomaly_cli.core.errors import ConfigError


def _file_or_toy(text: str) -> str:
    return text if text.startswith("toy:") or not text else options.absolute(text)


def _some_names(text: str) -> list[str]:
    return [name for name in options.names(text) if name]


DIRECTORY = Option(
    "named", Path, "--output --out -o --run", "Directory for the artifacts.", metavar="DIR", default=Path("morph")
)
DATA = (
    Option(
        "source",
        str,
        "--source",
        "HDF5, CSV or npz file, or a toy, as toy:ring.",
        "data.source",
        metavar="FILE",
        read=_file_or_toy,
    ),
    Option(
        "target",
        str,
        "--target",
        "Likewise; toys with a condition: toy:ring:rotation.",
        "data.target",
        metavar="FILE",
        read=_file_or_toy,
    ),
    Option(
        "columns",
        str,
        "--columns",
        "Features to move. [default: all columns]",
        "data.columns",
        metavar="NAME,...",
        read=_some_names,
    ),
    Option(
        "condition",
        str,
        "--condition",
        "Columns that the features depend on.",
        "data.conditions",
        metavar="NAME,...",
        read=_some_names,
    ),
)
VARIANT = Option(
    "variant",
    str,
    "--variant",
    "base_transfer, unidirectional or flows_for_flows. [default: flows_for_flows]",
    "flows.variant",
)
COMMON = (
    replace(options.CONFIG, help="TOML file with settings; wins over the directory's morph.toml."),
    replace(options.SETTINGS, help="Any setting, e.g. --set flows.penalty=l1; may be repeated."),
    options.SEED,
    options.DEVICE,
    options.OVERWRITE,
    options.QUIET,
    options.VERBOSE,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = command_group("morph", invoke_without_command=True, no_args_is_help=False)
    group.callback()(telling(morph))
    group.command("plot")(guarded(plot))
    group.command("config")(guarded(config))
    app.add_typer(group, name="morph")


@takes(*DATA, VARIANT, DIRECTORY, common=COMMON)
def morph(
    asked: Asked,
    context: typer.Context,
    from_model: Annotated[
        Path | None, typer.Option("--from-model", metavar="FILE", help="Use these trained flows; nothing is trained.")
    ] = None,
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

    named = {setting.partition("=")[0].strip() for setting in asked.overrides}
    is_changed = VARIANT.setting in asked.settings or any(name.startswith("flows.") for name in named)
    if from_model and is_changed:
        raise ConfigError("--from-model: flows are used as they were trained; leave out --variant and --set flows...")
    config = resolve_morph_config(asked)
    refuse_idle(config, named)
    from anomaly_cli.cli.execution import run_morph

    run_morph(asked, config, from_model)


@takes(DIRECTORY, common=())
def plot(
    asked: Asked,
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

    directory = asked.directory
    show_written(draw_morph(directory / "morph.h5", figure or directory / "morph.png", columns or ""))


def config() -> None:
    """Print every setting of a morph as TOML for --config, with what it means.

    Example: anomaly morph config > my-morph.toml
    """
    from anomaly_cli.morphing.settings import MorphConfig
    from anomaly_cli.report.settings_text import commented_toml

    typer.echo(commented_toml(MorphConfig(), {}), nl=False)
