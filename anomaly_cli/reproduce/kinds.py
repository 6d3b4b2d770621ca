"""Kinds of experiments: how a job is described, and what it measures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.reproduce import kind_distances, kind_morph_files, kind_morph_toys, kind_search
from anomaly_cli.reproduce.eventfiles import EventFiles
from anomaly_cli.reproduce.targets import Target

Settings = dict[str, Any]
Found = Mapping[str, float]


@dataclass(frozen=True)
class Kind:
    """A kind of experiment.

    Attributes:
        version: raised when its results mean something else.
        settings: names of what a target may set.
        describe: returns the settings of a job, complete: what `run` is given, from merged settings of a target.
        run: does a job, and returns what was found by name; what has a statistical error has it as `NAME.error`.
        ranks: returns what ranks events in a job, in words; empty where nothing is ranked.
    """

    version: Any
    settings: Collection[str]
    describe: Callable[[Settings, Target, EventFiles], Settings]
    run: Callable[[Settings, Compute], Found]
    ranks: Callable[[Settings], str]


def _kind(module: Any) -> Kind:
    """Return the kind that a module describes by these names; `ranks` may be missing."""
    return Kind(module.VERSION, module.SETTINGS, module.describe, module.run, getattr(module, "ranks", _nothing))


def _nothing(_: Settings) -> str:
    return ""


KINDS: Mapping[str, Kind] = {
    "search": _kind(kind_search),
    "distances": _kind(kind_distances),
    "morph_toys": _kind(kind_morph_toys),
    "morph_files": _kind(kind_morph_files),
}


def kind_of(target: Target) -> Kind:
    """Return the kind of a target.

    Raises:
        ConfigError: where there is no such kind.
    """
    if target.kind not in KINDS:
        raise ConfigError(f"target {target.name}: kind '{target.kind}' is not known; {nearest(target.kind, KINDS)}")
    return KINDS[target.kind]
