"""The grid of a scan, read from one TOML file."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.scan_kinds import EVERYTHING, ONLY_VARIANT
from anomaly_cli.config import Config, merge, read_toml
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import build_record, nearest
from anomaly_cli.datasets.manifests import SHIPPED

AUTO = "auto"
"""What `windows` says for overlapping windows that cover the falling spectrum."""
GRID_KEYS = {
    "seed": "grid.seeds and grid.first_seed",
    "regions.signal_region": "grid.windows, or grid.centres and grid.widths",
    "template.method": "grid.methods",
    "template.base": "nothing: a scan trains the base flows that it needs",
    "data.inject": "grid.inject",
    "processes": "jobs.processes",
    "significance.measurements": "nothing: they belong to one signal region",
}
"""Settings of an analysis that a scan sets for every point, and where they are given instead."""
PATHS = (
    *(("data", name) for name in ("file", "labels", "reference", "score_file", "inject_from")),
    ("template", "simulation"),
)
"""Settings of an analysis that name files."""
LARGEST_SEED = 2**63 - 1
"""Artifacts keep seeds as 64-bit integers."""
VARIED = ("classifier", "classifiers", "score", "scores", "significance", "methods", "template")
"""Tables of an analysis that a variant may change; the events are the same in all variants."""
MEASUREMENTS = ("windows", "experiments")
"""What can be measured: closure uncertainty in signal-free windows, k-fold over-dispersion."""


@dataclass(frozen=True)
class GridSettings:
    """What is combined with what.

    Attributes:
        centres: centres of signal regions [TeV].
        widths: their widths [TeV]; every centre is taken with every width.
        windows: signal regions as `3.3-3.7`, instead of centres; or `auto` alone.
        methods: template methods.
        inject: signal events put into labelled data, as `data.inject` of an analysis.
        seeds: number of seeds; one seed is one set of pseudo-data, the same in all regions.
        first_seed: the first of them.
        closure: whether to measure the closure at every point, which takes a third of the time.
        measure: uncertainties to measure, of `windows` and `experiments`, once for each signal region, method and
            variant, for all seeds and injections; their numbers are settings of the significance.
        unblind: whether to look at the signal regions of data without truth labels.
    """

    centres: tuple[float, ...] = (3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.7, 3.8, 3.9)
    widths: tuple[float, ...] = (0.4,)
    windows: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("curtains_f4f_efficient",)
    inject: tuple[int | str, ...] = ("default",)
    seeds: int = 1
    first_seed: int = 1
    closure: bool = True
    measure: tuple[str, ...] = ()
    unblind: bool = False

    def __post_init__(self) -> None:
        needed = () if self.windows and self.windows != (AUTO,) else ("widths",)
        for name in ("methods", "inject", *needed, *(() if self.windows else ("centres",))):
            if not getattr(self, name):
                raise ConfigError(f"grid: {name} is empty; name at least one")
        for name in ("centres", "widths", "windows", "methods", "inject", "measure"):
            values = getattr(self, name)
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ConfigError(f"grid: {name} has {twice[0]} twice; name each once")
        if self.seeds < 1 or not 0 <= self.first_seed <= LARGEST_SEED - self.seeds:
            raise ConfigError(f"grid: needs seeds >= 1 and first_seed >= 0, and no seed above {LARGEST_SEED}")
        if not all(0.0 < value < math.inf for value in (*self.centres, *self.widths)):
            raise ConfigError("grid: centres and widths must be above 0; give them in TeV")
        for name in self.measure:
            if name not in MEASUREMENTS:
                raise ConfigError(f"grid: cannot measure '{name}'; {nearest(name, MEASUREMENTS)}")
        if AUTO in self.windows and len(self.windows) > 1:
            raise ConfigError("grid: windows = ['auto'] stands alone; leave the other windows out")


@dataclass(frozen=True)
class JobSettings:
    """What one job may use; none of it changes a result.

    Attributes:
        processes: processes, and cores asked of a cluster.
        memory_mb: memory asked of a cluster at the first try; a retry asks for more [MB].
        minutes: time asked of a cluster at the first try; a retry asks for more.
        retries: how often a job that dies is tried again.
        seeds_per_job: seeds that one job takes one after the other at most, to start the program less often.
        scratch: where jobs work, `$VARIABLES` allowed; empty for the scan directory.
        keep_runs: whether to keep the run directory of every point under `runs/`.
    """

    processes: int = 1
    memory_mb: int = 3000
    minutes: int = 60
    retries: int = 2
    seeds_per_job: int = 4
    scratch: str = ""
    keep_runs: bool = False

    def __post_init__(self) -> None:
        if min(self.processes, self.memory_mb, self.minutes, self.seeds_per_job) < 1 or self.retries < 0:
            raise ConfigError("jobs: needs processes, memory_mb, minutes and seeds_per_job >= 1, and retries >= 0")


@dataclass(frozen=True)
class ScanConfig:
    """A whole scan.

    Attributes:
        grid: what is combined with what.
        jobs: what one job may use.
        analysis: settings of every point, as `anomaly config` prints them.
        variants: by name, settings that are changed; every variant is run at every point of the grid.
    """

    grid: GridSettings = field(default_factory=GridSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    analysis: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _refuse_grid_settings(self.analysis, "analysis")
        if EVERYTHING in self.variants:
            raise ConfigError(
                f"variants: '{EVERYTHING}' means all of them together in the results; choose another name"
            )
        for name, changes in self.variants.items():
            if not name.replace("_", "").isalnum():
                raise ConfigError(f"variant '{name}': use letters, digits and _ only")
            if not isinstance(changes, Mapping):
                raise ConfigError(f"variants: '{name}' must be a table of settings, not {changes!r}")
            for key in changes:
                if key not in VARIED:
                    raise ConfigError(f"variant '{name}': cannot change '{key}', only {', '.join(VARIED)}")
            _refuse_grid_settings(changes, f"variant '{name}'")

    def settings(self, variant: str) -> dict[str, Any]:
        """Return the settings of a variant: those of every point and what it changes."""
        tree = copy.deepcopy(dict(self.analysis))
        merge(tree, self.variants.get(variant, {}))
        return tree


def load_scan(file: Path, windows: Sequence[str] = ()) -> ScanConfig:
    """Return the scan that a file describes; relative paths in it are relative to its directory.

    Args:
        file: TOML file.
        windows: signal regions that replace those of the file.

    Raises:
        ConfigError: where the file cannot be read, or a name or value is wrong.
    """
    config = build_record(ScanConfig, read_toml(file), "scan")
    for variant in config.variants or (ONLY_VARIANT,):
        build_record(Config, config.settings(variant), "analysis")
    grid = replace(config.grid, windows=tuple(windows)) if windows else config.grid
    variants = {name: _with_absolute_paths(file, changes) for name, changes in config.variants.items()}
    return ScanConfig(grid, config.jobs, _with_absolute_paths(file, config.analysis), variants)


def _with_absolute_paths(file: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    tree = copy.deepcopy(dict(settings))
    for table, key in PATHS:
        given = tree.get(table, {}).get(key)
        if isinstance(given, str) and given not in ("", SHIPPED):
            tree[table][key] = _absolute(file, given)
        elif isinstance(given, list | tuple):
            tree[table][key] = [_absolute(file, str(item)) for item in given]
    return tree


def _refuse_grid_settings(tree: Mapping[str, Any], where: str) -> None:
    for dotted, instead in GRID_KEYS.items():
        node: Any = tree
        for part in dotted.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        if node not in (None, ""):
            raise ConfigError(f"{where}: {dotted} cannot be set in a scan; use {instead}")


def _absolute(file: Path, text: str) -> str:
    return str((file.parent / Path(text).expanduser()).absolute())
