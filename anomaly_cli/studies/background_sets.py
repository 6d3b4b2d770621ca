"""Simulated background in disjoint sets, each searched as the data are; nothing of a template makes their events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import has_truth
from anomaly_cli.config import Config
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.copies import ANALYSED, refuse_copies
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.progress import Step
from anomaly_cli.core.windows import SHORTEST_SIDE_BAND, Regions, Window
from anomaly_cli.search.split import split_events
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.loading import Source, data_file, load_source, reading_digest
from anomaly_cli.stages.split import stored_split
from anomaly_cli.studies.experiment_jobs import Drawn, Job

SMALLEST_SHARE = 0.8
"""A set with a smaller share of the side-band events of the data calibrates another search."""
PARTS_SALT = 11
"""Salt of the hash that divides a file into sets."""
DIGITS = 8
"""Of a file's digest in the name of a record."""
OPTION = "--background"


@dataclass(frozen=True)
class BackgroundSet:
    """Some events of a file of background: those whose hash lies in a stretch of (0, 1).

    Attributes:
        path: the file, or the manifest that describes it.
        digest: of the file.
        part: number of the set among those of the file.
        low: lower end of the stretch.
        high: upper end.
    """

    path: Path
    digest: str
    part: int
    low: float
    high: float

    def load(self, config: Config, compute: Compute) -> Events:
        """Return its background events; what is labelled as signal is left out.

        Raises:
            AnomalyError: where the file cannot be used.
        """
        events = _load(self.path, config, compute)
        inside = hash_uniform(events.event_id, PARTS_SALT)
        kept = events.take((inside >= self.low) & (inside < self.high))
        ids = np.arange(len(kept))
        return replace(kept, event_id=ids, source_id=ids)


@dataclass(frozen=True)
class SetSource:
    """Sets, and the windows that each is searched in, region by region.

    Attributes:
        sets: the sets.
        regions: the windows of every signal region.
        config: how the data are read.
    """

    sets: tuple[BackgroundSet, ...]
    regions: tuple[Regions, ...]
    config: Config

    def jobs(self) -> list[Job]:
        """Return a job for every region of every set; its name does not change when others are added."""
        n = len(self.regions)
        return [Job(index, 0, self._label(index)) for index in range(len(self.sets) * n)]

    def _label(self, index: int) -> str:
        number, region = divmod(index, len(self.regions))
        one = self.sets[number]
        stretch = f"{one.low:.3f}-{one.high:.3f}"
        return f"{one.digest[:DIGITS]}-{stretch}-{self.regions[region].sr.text}"

    def set_of(self, index: int) -> int:
        """Return the number of the set of a job."""
        return index // len(self.regions)

    def draw(self, job: Job, compute: Compute) -> Drawn:
        """Return all events of the job's set, divided by its windows; their read-out follows the run's seed."""
        one = self.sets[self.set_of(job.index)]
        events = one.load(set_config(self.config, one.path), compute)
        windows = self.regions[job.index % len(self.regions)]
        return Drawn(split_events(events, _within(windows, events)))


def _load(path: Path, config: Config, compute: Compute) -> Events:
    """Return the background events of a file, numbered by their rows."""
    loaded = load_source(Source("data", path, 0), 0, config, Cutflow(), compute.streams.child("split"))
    events = replace(loaded.events, event_id=loaded.row, source_id=loaded.row)
    return events.take(~loaded.is_signal) if loaded.is_labelled else events


def plan_sets(analysis: Analysis, files: Sequence[Path], regions: Sequence[Regions]) -> list[BackgroundSet]:
    """Return the disjoint sets of files: as many from each as it holds samples of the size of the data.

    Args:
        analysis: the run; without files, its own labelled background is used.
        files: files of background, each of other events.
        regions: the windows of every signal region, which the events have to reach.

    Raises:
        ConfigError: where a file is named twice, holds events of another one, or those of data without labels, which
            may be signal and blinded; where it has other features, is smaller than the data, or reaches no region.
    """
    config, split = analysis.config, stored_split(analysis.run.read(schema.SPLIT))
    if not files and not analysis.run.has(schema.TRUTH):
        raise ConfigError(
            "calibration: the data have no labels, so they cannot be searched without signal; name simulated background"
            f" of their kind with {OPTION} FILE"
        )
    sets: list[BackgroundSet] = []
    known: list[Events] = []
    needed = len(split.sb1) + len(split.sb2)
    for index, path in enumerate(files or [data_file(config)]):
        digest = reading_digest(path, OPTION)
        if any(one.digest == digest for one in sets):
            raise ConfigError(f"{OPTION} {path}: is named twice; a set counts once")
        analysis.compute.progress(Step("calibration: reading", index, max(1, len(files)), path.name))
        events = _load(path, set_config(config, path), analysis.compute)
        _refuse_other_features(path, events, split.sr.names)
        for windows in regions:
            _within(windows, events)
        inside = events.take(split.regions.sb1.contains(events.mjj) | split.regions.sb2.contains(events.mjj))
        if not has_truth(analysis.run):
            refuse_copies(inside, split.side_bands, f"{OPTION} {path}", ANALYSED)
        if known:
            refuse_copies(inside, concatenate(known), f"{OPTION} {path}", "the events of the sets before it")
        known.append(inside)
        ratio = len(inside) / needed
        if ratio < SMALLEST_SHARE:
            raise ConfigError(
                f"{OPTION} {path}: holds {len(inside)} side-band events where the data hold {needed}; how far templates"
                f" are off depends on that, so use files of {_round_up(len(events) / max(ratio, 1e-3))} events or more"
            )
        n = max(1, int(ratio))
        edges = [min(1.0, part / ratio) for part in range(n + 1)] if ratio > 1.0 else [0.0, 1.0]
        stretches = enumerate(pairwise(edges))
        sets += [BackgroundSet(path.absolute(), digest, part, low, high) for part, (low, high) in stretches]
    return sets


def _refuse_other_features(path: Path, events: Events, names: tuple[str, ...]) -> None:
    """Refuse background without the features of the data, whose search would be another one.

    Raises:
        ConfigError: where it has others.
    """
    if events.names != names:
        raise ConfigError(
            f"{OPTION} {path}: has the features {', '.join(events.names)}, the data {', '.join(names)}; use a file with"
            " those"
        )


def _round_up(number: float) -> int:
    """Return the next thousand."""
    return 1000 * math.ceil(number / 1000)


def set_config(config: Config, path: Path) -> Config:
    """Return how a file is read: as the data, but without the master key and the table name of theirs."""
    is_own = path.absolute() == data_file(config).absolute()
    return config if is_own else replace(config, data=replace(config.data, labels="", key=""))


def open_sets(analysis: Analysis, files: Sequence[Path], regions: Sequence[Window]) -> SetSource:
    """Return sets of background in the windows of a run, and in those of further signal regions.

    Side-bands of further regions lie about them as those of the run lie about its own.

    Raises:
        ConfigError: where a file or a window cannot be used, or a region is named twice.
    """
    own = stored_split(analysis.run.read(schema.SPLIT)).regions
    chosen = list(regions) or [own.sr]
    if len(set(chosen)) < len(chosen):
        raise ConfigError("--region: name each signal region once")
    windows = tuple(_moved(own, sr) for sr in chosen)
    return SetSource(tuple(plan_sets(analysis, files, windows)), windows, analysis.config)


def _moved(own: Regions, sr: Window) -> Regions:
    """Return the windows of a run, moved to another signal region."""
    below, above = sr.low - own.sr.low, sr.high - own.sr.high
    lower = Window(max(own.sb1.low + below, 1.0), max(own.sb1.high + below, 2.0))
    return replace(own, sr=sr, sb1=lower, sb2=Window(own.sb2.low + above, own.sb2.high + above))


def _within(regions: Regions, events: Events) -> Regions:
    """Return windows whose side-bands end where the events do.

    Raises:
        ConfigError: where less than 100 GeV of a side-band are left.
    """
    lowest, highest = float(np.floor(events.mjj.min())), float(np.ceil(events.mjj.max()))
    low, high = max(regions.sb1.low, lowest), min(regions.sb2.high, highest)
    if regions.sb1.high - low < SHORTEST_SIDE_BAND or high - regions.sb2.low < SHORTEST_SIDE_BAND:
        raise ConfigError(
            f"--region {regions.sr.text}: leaves less than 0.1 TeV of a side-band, since the events span"
            f" {lowest / 1000:.3f} to {highest / 1000:.3f} TeV; choose a region further inside"
        )
    return replace(regions, sb1=Window(low, regions.sb1.high), sb2=Window(regions.sb2.low, high))
