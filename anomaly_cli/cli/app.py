"""The command line: every command parses, calls one stage and prints."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from anomaly_cli.cli import (
    data_commands,
    decorrelate_commands,
    information,
    kept_commands,
    morph_commands,
    picture_commands,
    reproduce_commands,
    run_commands,
    scan_commands,
    significance_commands,
    stage_commands,
)
from anomaly_cli.cli.failures import hide_lost_interrupt, interrupt
from anomaly_cli.cli.groups import PROGRAM, command_group

app = command_group(
    PROGRAM,
    help="Look for resonances that nobody predicted: cut out a mass window, learn the background from the"
    " side-bands, train without labels, cut, and count.\n\nExample: anomaly run --signal-region 3.3-3.7",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},  # of every command below as well
)
run_commands.register(app)
stage_commands.register(app)
kept_commands.register(app)
morph_commands.register(app)
decorrelate_commands.register(app)
scan_commands.register(app)
reproduce_commands.register(app)
data_commands.register(app)
significance_commands.register(app)
picture_commands.register(app)
information.register(app)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from anomaly_cli.artifacts.build import this_build

        typer.echo(f"anomaly {this_build()}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of all commands."""


def main() -> None:
    """Run the command line."""
    sys.unraisablehook = hide_lost_interrupt
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is in the background of a shell
        signal.signal(signal.SIGINT, interrupt)
    app()
