"""What was asked for on the command line: options are declared once and reach a command as one record.

Imports nothing heavy, so that `--help` is fast; the configuration is resolved when a command wants it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from anomaly_cli.core.errors import ConfigError

if TYPE_CHECKING:
    from anomaly_cli.config import Config

Own = ParamSpec("Own")
Completion = Callable[[str], list[str]]


@dataclass(frozen=True)
class Manner:
    """How progress is shown.

    Attributes:
        quiet: a line per finished step, and nothing in between.
        verbose: lines, and the log as well.

    Raises:
        ConfigError: where both is asked for.
    """

    quiet: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.quiet and self.verbose:
            raise ConfigError("--quiet and --verbose contradict each other; leave one of them out")


@dataclass(frozen=True)
class Asked:
    """What was asked for by options.

    Attributes:
        named: run directory, where one was named.
        file: configuration file, where one was given.
        overrides: settings as `key=value` texts.
        preset: named settings of the template method, below those that are given.
        settings: values of the settings that have options of their own, by dotted key; those that were given.
        overwrite: whether artifacts of other settings or inputs may be replaced.
        quiet: whether progress is one line per finished step.
        verbose: whether the log is shown as well.
    """

    named: Path | None = None
    file: Path | None = None
    overrides: Sequence[str] = ()
    preset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def directory(self) -> Path:
        """The run directory.

        Raises:
            BadParameter: where none was named.
        """
        if self.named is None:
            raise typer.BadParameter("missing; name a run directory, for instance --run my-run", param_hint="--run")
        return self.named

    @property
    def manner(self) -> Manner:
        """How progress is shown."""
        return Manner(self.quiet, self.verbose)

    @cached_property
    def config(self) -> Config:
        """The configuration: options win over the file, and that over the run's own configuration."""
        from anomaly_cli.cli.settings import resolve_config

        return resolve_config(self)


def as_written(value: Any) -> Any:
    """Return what was written as it is."""
    return value


@dataclass(frozen=True)
class Option:
    """One option of the command line.

    Attributes:
        name: name of the parameter; for options that set no setting, their name in `Asked`.
        kind: type of its value.
        flags: as they are written.
        help: one line.
        setting: dotted key of the setting that it sets, or empty.
        metavar: what stands for the value in the help; by default its type.
        default: where it is not given.
        is_required: whether it has to be given.
        read: turns what was written into a setting.
        complete: completes what was begun to be written.
        listed: heading under which the help lists it; empty for that of options of all sorts.
    """

    name: str
    kind: Any
    flags: str
    help: str
    setting: str = ""
    metavar: str | None = None
    default: Any = None
    is_required: bool = False
    read: Callable[[Any], Any] = as_written
    complete: Completion | None = None
    listed: str = ""

    @property
    def declared(self) -> Any:
        """The declaration for typer."""
        return typer.Option(
            *self.flags.split(),
            help=self.help,
            metavar=self.metavar,
            autocompletion=self.complete,
            rich_help_panel=self.listed or None,
        )

    @property
    def parameter(self) -> inspect.Parameter:
        """The parameter of a command."""
        kind = self.kind if self.is_required or self.default is not None else self.kind | None
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if self.is_required else self.default,
            annotation=Annotated[kind, self.declared],
        )


def under(heading: str, *options: Option) -> tuple[Option, ...]:
    """Return options that the help lists under a heading of their own."""
    return tuple(replace(option, listed=heading) for option in options)


def takes(
    *options: Option, common: Sequence[Option]
) -> Callable[[Callable[Concatenate[Asked, Own], None]], Callable[..., None]]:
    """Return a decorator that gives a command options, and hands it what was asked for with them.

    Args:
        options: listed before the command's own parameters.
        common: listed after them.
    """

    def decorate(command: Callable[Concatenate[Asked, Own], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(*args: Own.args, **given: Own.kwargs) -> None:
            values = {option: given.pop(option.name) for option in (*options, *common)}
            command(_asked(values), *args, **given)

        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        before, after = ([option.parameter for option in group] for group in (options, common))
        parameters = [*before, *(item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own), *after]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {item.name: item.annotation for item in parameters}
        return wrapper

    return decorate


def _asked(values: Mapping[Option, Any]) -> Asked:
    given = {option: value for option, value in values.items() if value is not None}
    settings = {option.setting: option.read(value) for option, value in given.items() if option.setting}
    return Asked(settings=settings, **{option.name: value for option, value in given.items() if not option.setting})
