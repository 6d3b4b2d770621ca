"""Commands and groups of commands: help by task, in whole sentences, and a hint where a command is misspelt."""

from __future__ import annotations

import difflib
import inspect
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from anomaly_cli.report.notation import visible

PROGRAM = "anomaly"
OPTIONS = "Options"
COMMANDS = "Commands"
FURTHER = "Further commands"
TASKS: Mapping[str, Mapping[str, Sequence[str]]] = {
    PROGRAM: {
        "Analyse one signal region": ("run", "summary", "plot", "report", "explain", "compare", "cite"),
        "Stage by stage": ("split", "base", "template", "classify", "score", "significance", "closure", "evaluate"),
        "Analyse many, and reproduce papers": ("scan", "reproduce"),
        "Events": ("data", "simulate", "morph", "decorrelate"),
        "Find out": ("methods", "classifiers", "scores", "config", "inspect", "doctor"),
    },
    "significance": {
        "Measure uncertainties": ("windows", "overdispersion"),
        "Further results": ("expected", "declare", "bump", "limits", "global", "export"),
        "Test the analysis": ("permute", "calibrate", "inject-scan"),
    },
}
"""Commands by what they are for, of every group that is long. Those that are in no list are shown as further ones."""
WORDS: Mapping[str, str] = {
    "analyse": "run",
    "analyze": "run",
    "start": "run",
    "result": "summary",
    "results": "summary",
    "show": "summary",
    "draw": "plot",
    "figure": "plot",
    "picture": "plot",
    "train": "template",
    "fit": "template",
    "generate": "template",
    "sample": "template",
    "count": "significance",
    "calibration": "significance calibrate",
    "injection": "significance inject-scan",
    "permutation": "significance permute",
    "validation": "significance windows",
    "upper-limits": "significance limits",
    "download": "data fetch",
    "get": "data fetch",
    "cluster": "data features",
    "manifest": "data manifest",
    "submit": "scan run",
    "info": "inspect",
    "settings": "config",
    "check": "doctor",
    "version": "--version",
    "citation": "cite",
    "bibtex": "cite",
}
"""What people may call a command, and its name."""
LIKE_HERE, LIKE_ELSEWHERE = 0.7, 0.8
"""How alike a word and a command have to be, of the same group and of another one."""


EXAMPLES = re.compile(r"\n\s*\n\s*Examples?:\s+")
"""What stands before the examples in the docstring of a command; they are the end of it."""

NARROW = 60
"""A terminal with fewer columns."""


class Command(TyperCommand):
    """A command whose options are listed by what they are for, and whose examples are never broken."""

    def get_help(self, ctx: Any) -> str:
        """Return the help, as wide as the terminal."""
        return str(super().get_help(_fitting(ctx)))

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  as click calls it
        """Write what the command does, and examples."""
        _write_help(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of arguments and options."""
        _write_parameters(self, ctx, formatter)


class CommandGroup(TyperGroup):
    """Commands by task, each with a whole sentence, which is folded where the terminal is narrow.

    Typer's own list cuts a sentence that does not fit its line.
    """

    def get_help(self, ctx: Any) -> str:
        """Return the help, as wide as the terminal."""
        return str(super().get_help(_fitting(ctx)))

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  as click calls it
        """Write what the group is for, and examples."""
        _write_help(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of options and commands."""
        _write_parameters(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what its parser says of arguments is shown without what a terminal would obey in them."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if hasattr(error, "show") and hasattr(error, "message"):
                error.message = visible(error.message)
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of commands."""
        for title, names in self._by_task(ctx).items():
            with formatter.section(title):
                rows = [(name, self.commands[name].get_short_help_str(sys.maxsize)) for name in names]
                _write_list(rows, formatter)

    def _by_task(self, ctx: Any) -> dict[str, list[str]]:
        names = [name for name in self.list_commands(ctx) if not self.commands[name].hidden]
        tasks = TASKS.get(self.name or "", {})
        listed = {title: [name for name in task if name in names] for title, task in tasks.items()}
        rest = [name for name in names if not any(name in task for task in tasks.values())]
        return {title: task for title, task in {**listed, FURTHER if tasks else COMMANDS: rest}.items() if task}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the named command; an unknown one is refused with suggestions."""
        word = args[0]
        if self.get_command(ctx, word) is None and not ctx.resilient_parsing and not word.startswith("-"):
            path = [context.info_name for context in _chain(ctx)][1:]
            ctx.fail(_refusal(word, ctx.find_root().command, path))
        return super().resolve_command(ctx, args)


def _fitting(ctx: Any) -> Any:
    """Let the help be as narrow as the terminal: click's own is never narrower than fifty columns."""
    columns = shutil.get_terminal_size().columns
    if ctx.terminal_width is None and columns < NARROW:
        ctx.terminal_width = columns
    return ctx


def _write_list(rows: Sequence[tuple[str, str]], formatter: Any) -> None:
    """Write words and what they mean; where it is narrow, most meanings begin on a line of their own."""
    widest = 30 if formatter.width >= NARROW else 8
    formatter.write_dl(rows, col_max=widest)


def _chain(ctx: Any) -> list[Any]:
    return [*(_chain(ctx.parent) if ctx.parent else ()), ctx]


def _refusal(word: str, root: Any, path: Sequence[str]) -> str:
    """Return what is said of a command that there is not in the group `path`."""
    group = " ".join([PROGRAM, *path])
    meant = [f"'{PROGRAM} {name}'" for name in _meant(word.lower(), list(every_command(root)), " ".join(path))]
    hint = f"Did you mean {' or '.join(meant)}?" if meant else f"'{group} --help' lists the commands."
    return f"No such command '{word}'. {hint}"


def _meant(word: str, known: Sequence[str], group: str) -> list[str]:
    """Return the commands that a word may stand for: of the group where it was written first, then of the others."""
    own = [name for name in known if name.rpartition(" ")[0] == group]
    swapped = [name for name in own if sorted(name.rpartition(" ")[2]) == sorted(word)]
    if swapped:
        return swapped
    for candidates, least in ((own, LIKE_HERE), (known, LIKE_ELSEWHERE)):
        last = [name.rpartition(" ")[2] for name in candidates]
        close = difflib.get_close_matches(word, set(last), n=2, cutoff=least)
        if close:
            return [name for near in close for name, end in zip(candidates, last, strict=True) if end == near]
    named = WORDS.get(word, "")
    return [named] if named in known or named.startswith("-") else []


def every_command(group: Any, path: str = "") -> Iterator[str]:
    """Yield every command of a group that is shown, as the words after `anomaly`, groups included."""
    for name, command in group.commands.items():
        if not command.hidden:
            yield f"{path}{name}"
            if hasattr(command, "commands"):
                yield from every_command(command, f"{path}{name} ")


def _write_help(command: Any, formatter: Any) -> None:
    """Write what a command does, folded, and its examples as a shell takes them."""
    text, *examples = EXAMPLES.split(inspect.cleandoc(command.help or ""))
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(text)
    lines = [line.strip() for example in examples for line in example.splitlines() if line.strip()]
    if lines:
        with formatter.section("Examples" if len(lines) > 1 else "Example"):
            for line in lines:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    """Write arguments, then options by what they are for, those for everything last."""
    found: dict[str, list[Any]] = {"Arguments": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            is_argument = parameter.param_type_name == "argument"
            title = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or OPTIONS
            found.setdefault(title, []).append(record)
    for title in sorted(found, key=lambda title: title == OPTIONS):
        if found[title]:
            with formatter.section(title):
                _write_list(found[title], formatter)


class Commands(typer.Typer):
    """A group in which every command is a `Command`."""

    def command(self, name: str | None = None, **given: Any) -> Callable[..., Any]:
        """Return a decorator that adds a command."""
        return super().command(name, **{"cls": Command, **given})


def command_group(name: str, **given: Any) -> Commands:
    """Return an empty group of commands; its help is plain, since rich would double the time of `--help`."""
    return Commands(name=name, cls=CommandGroup, rich_markup_mode=None, pretty_exceptions_enable=False, **given)
