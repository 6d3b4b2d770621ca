"""Expected failures end in one sentence and an exit code; a bug keeps its traceback."""

from __future__ import annotations

import errno
import functools
import inspect
import logging
import os
import signal
import sys
import typing
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, ParamSpec

import typer

from anomaly_cli.core.errors import AnomalyError, AnomalyWarning, ArtifactError, ConfigError
from anomaly_cli.report.notation import visible

LOG = logging.getLogger(__name__)
Parameters = ParamSpec("Parameters")
INTERRUPTED = 130
PROGRAMS = ("anomaly", "__main__")
"""What this program is called by, so that its arguments are those of the command."""
TERMINATED = "terminated (time limit or cancelled)"
REFUSED = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENAMETOOLONG),
        *(errno.ESTALE, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR),
    }
)
"""What a file system refuses for reasons that are not ours, or because an output cannot lie where it is to be."""
OUT_OF_MEMORY = "out of memory; use fewer events, a lower --oversampling or --processes 1"
MEMORY_SIGNS = ("can't allocate memory", "CUDA out of memory", "memory allocation failed", "TerminatedWorkerError")
"""What torch, HDF5 and joblib (whose workers the system kills) say, as a RuntimeError, where memory ends."""
_interrupts: list[str] = []
"""Why this process is to stop."""


def guarded(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Return `command` with its expected failures turned into a sentence and an exit code."""

    @functools.wraps(command)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        warnings.showwarning = _show_warning
        try:
            command(*args, **kwargs)
        except AnomalyError as error:
            _say(str(error))
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if error.errno in REFUSED and error.filename is None:
                _say(f"cannot write the output ({error.strerror}); free some space where it goes")
                raise typer.Exit(ArtifactError.exit_code) from None
            if error.errno not in REFUSED:
                raise
            _say(f"{error.filename}: {error.strerror}; choose another path, or make room or get permission there")
            raise typer.Exit(ArtifactError.exit_code) from None
        except UnicodeEncodeError as error:
            if "surrogates" not in error.reason:
                raise
            _say(f"{error.object[:200]!r}: holds a path that is not UTF-8; rename that file or directory")
            raise typer.Exit(ConfigError.exit_code) from None
        except MemoryError:
            _say(OUT_OF_MEMORY)
            raise typer.Exit(1) from None
        except RuntimeError as error:
            if not any(sign in f"{type(error).__name__}: {error}" for sign in MEMORY_SIGNS):
                raise
            _say(OUT_OF_MEMORY)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            _say("interrupted; what was finished is kept: run the same command again to continue")
            raise typer.Exit(INTERRUPTED) from None

    return wrapper


def telling(command: Callable[..., None]) -> Callable[..., None]:
    """Return a guarded `command` with an option `--json`: it prints what it tells as one JSON document instead."""

    @functools.wraps(command)
    def wrapper(*args: object, as_json: bool = False, **kwargs: object) -> None:
        if not as_json:
            command(*args, **kwargs)
            return
        from anomaly_cli.cli.output import collecting

        with collecting(" ".join(sys.argv[1:]) if Path(sys.argv[0]).stem in PROGRAMS else command.__name__):
            command(*args, **kwargs)

    option = Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, in full precision; see report.schema.json.")
    ]
    hints = typing.get_type_hints(command, include_extras=True)
    given = inspect.signature(command).parameters
    parameters = [parameter.replace(annotation=hints[name]) for name, parameter in given.items()]
    parameters.append(inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=option))
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {**hints, "as_json": option}
    return guarded(wrapper)


def interrupt(number: int, _: FrameType | None) -> None:
    """Stop at once on Ctrl-C or a termination signal."""
    _interrupts.append(TERMINATED if number == signal.SIGTERM else "interrupted")
    raise KeyboardInterrupt(_interrupts[0])


def stop_if_interrupted() -> None:
    """Stop where an earlier interrupt was lost.

    An exception that a signal raises inside a callback from C code (a search for loaded libraries, a finaliser) is
    printed and dropped there; without this check, Ctrl-C would now and then do nothing.
    """
    if _interrupts:
        raise KeyboardInterrupt(_interrupts[0])


def hide_lost_interrupt(lost: sys.UnraisableHookArgs) -> None:
    """Print an exception that was dropped, as Python does, unless it is an interrupt: that is not lost."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Print our own warnings as a sentence; those of libraries tell a user nothing."""
    LOG.log(logging.WARNING if issubclass(category, AnomalyWarning) else logging.DEBUG, "%s", message)
    if issubclass(category, AnomalyWarning):
        typer.secho(f"warning: {visible(str(message))}", err=True, fg=_unless_unwanted(typer.colors.YELLOW))


def _say(sentence: str) -> None:
    typer.secho(f"error: {visible(sentence)}", err=True, fg=_unless_unwanted(typer.colors.RED))


def _unless_unwanted(colour: str) -> str | None:
    """Return a colour, or none where the environment asks for that (https://no-color.org)."""
    return None if os.environ.get("NO_COLOR") else colour
