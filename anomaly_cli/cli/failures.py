"""Expected failures end in one sentence and an exit code; a bug keeps its traceback."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

import typer

from anomaly_cli.core.errors import AnomalyError

Parameters = ParamSpec("Parameters")
INTERRUPTED = 130


def guarded(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Return `command` with its expected failures turned into a sentence and an exit code."""

    @functools.wraps(command)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except AnomalyError as error:
            _say(str(error))
            raise typer.Exit(error.exit_code) from None
        except MemoryError:
            _say("out of memory; use fewer events, a lower --oversampling or --processes 1")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            _say("interrupted; finished stages are kept: run the same command again to continue")
            raise typer.Exit(INTERRUPTED) from None

    return wrapper


def interrupt(_: int, __: FrameType | None) -> None:
    """Treat a termination signal like Ctrl-C."""
    raise KeyboardInterrupt


def _say(sentence: str) -> None:
    typer.secho(f"error: {sentence}", err=True, fg=typer.colors.RED)
