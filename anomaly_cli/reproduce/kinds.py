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


KINDS: Mapping[str, Kind] = {
    "search": Kind(kind_search.VERSION, kind_search.SETTINGS, kind_search.describe, kind_search.run, kind_search.ranks),
    "distances": Kind(
        kind_distances.VERSION, kind_distances.SETTINGS, kind_distances.describe, kind_distances.run, lambda _: ""
    ),
    "morph_toys": Kind(
        kind_morph_toys.VERSION, kind_morph_toys.SETTINGS, kind_morph_toys.describe, kind_morph_toys.run, lambda _: ""
    ),
    "morph_files": Kind(
        *(kind_morph_files.VERSION, kind_morph_files.SETTINGS, kind_morph_files.describe, kind_morph_files.run),
        lambda _: "",
    ),
}


def kind_of(target: Target) -> Kind:
    """Return the kind of a target.

    Raises:
        ConfigError: where there is no such kind.
    """
    if target.kind not in KINDS:
        raise ConfigError(f"target {target.name}: kind '{target.kind}' is not known; {nearest(target.kind, KINDS)}")
    return KINDS[target.kind]
