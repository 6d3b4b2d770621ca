"""Injections into signal-free windows of the data: what a search could find, before anybody looks at its region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.copies import ANALYSED, refuse_copies
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.search.split import Split, split_events
from anomaly_cli.search.windows import find_windows
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.loading import Source, load_source, reading_digest, signal_only
from anomaly_cli.stages.split import stored_split
from anomaly_cli.studies.background_sets import set_config
from anomaly_cli.studies.experiment_jobs import Drawn, Job, draw_signal, refuse_too_much_signal
from anomaly_cli.studies.smooth_model import require_truth

OPTION = "--signal"
VERSION = "2"
"""Raised when a job draws something else; older records are then made again."""


@dataclass(frozen=True)
class WindowSource:
    """Signal-free windows of the data, into which signal of the signal region is moved.

    Masses are shifted by the distance of the window; the other features are kept, as if the signal were heavier or
    lighter by so much and its jets the same. Job after job takes the next window, and S/sqrt(B) is that of the job's
    signal in the signal region, where another number of background events is expected.

    Attributes:
        windows: the windows, the nearest first.
        signal: signal events of the signal region, all masses.
        centre: middle of the signal region [GeV].
        n_expected: background events that the side-bands predict there.
    """

    windows: tuple[Split, ...]
    signal: Events
    centre: float
    n_expected: float

    def scale(self, index: int) -> float:
        """Return signal events in the window of a job for one in the signal region."""
        return math.sqrt(len(self._window(index).sr) / self.n_expected)

    def _window(self, index: int) -> Split:
        return self.windows[index % len(self.windows)]

    def draw(self, job: Job, compute: Compute) -> Drawn:
        """Return the events of a window and its side-bands with signal in it; none lies in the signal region."""
        window, n = self._window(job.index), round(job.n_injected * self.scale(job.index))
        if not n:
            return Drawn(window, self.scale(job.index))
        drawn = draw_signal(self.signal, n, compute.streams)
        moved = replace(drawn, mjj=drawn.mjj + (window.regions.sr.low + window.regions.sr.high) / 2.0 - self.centre)
        inside = window.regions.sr.contains(moved.mjj)
        for stretch in window.stretches:
            inside |= stretch.contains(moved.mjj)
        events = concatenate([window.sb1, window.sr, window.sb2, window.rest, moved.take(inside)])
        return Drawn(split_events(events, window.regions, window.stretches), n / job.n_injected)


def open_windows(analysis: Analysis, signal: Path | None, jobs: Sequence[Job]) -> tuple[WindowSource, list[str]]:
    """Return the windows of a run with a signal, and what identifies both.

    Args:
        analysis: the run; its signal region is not read.
        signal: a file of simulated signal; None for the labelled signal that the data leave out.
        jobs: what is to be injected.

    Raises:
        ConfigError: where there is no signal, too little of it, it has other features, or the data hold it already.
        PhysicsError: where the data leave fewer than three windows.
    """
    config, artifact = analysis.config, analysis.run.read(schema.SPLIT)
    split, significance = stored_split(artifact), config.significance
    if signal is None and not analysis.run.has(schema.TRUTH):
        raise ConfigError(
            "inject-scan --in-windows: the data have no labels, so they hold no signal to inject; name simulated signal"
            f" of the signal region with {OPTION} FILE, as 'anomaly simulate signal' makes it"
        )
    events = require_truth(analysis.run).unused_signal if signal is None else _load_signal(signal, analysis)
    if events.names != split.sr.names:
        raise ConfigError(
            f"{OPTION} {signal}: has the features {', '.join(events.names)}, the data {', '.join(split.sr.names)}; use"
            " a file with those"
        )
    if signal is not None:  # what the data hold already is there twice, and may be blinded
        inside = events.take(split.regions.sb1.contains(events.mjj) | split.regions.sb2.contains(events.mjj))
        refuse_copies(inside, split.side_bands, f"{OPTION} {signal}", ANALYSED)
    found, _ = find_windows(split, significance.window_width, significance.least_fit_p)
    region = split.regions.sr
    source = WindowSource(
        tuple(found[: significance.windows]), events, (region.low + region.high) / 2.0, split.fit_masses().n_expected
    )
    largest = max(source.scale(index) for index in range(len(source.windows)))
    refuse_too_much_signal(max(job.n_injected for job in jobs), len(events), largest)
    digest = "labels" if signal is None else reading_digest(signal, OPTION)
    windows = " ".join(one.regions.sr.text for one in source.windows)
    return source, ["windows", VERSION, windows, artifact.digest, digest]


def _load_signal(path: Path, analysis: Analysis) -> Events:
    """Return the signal events of a file; one without labels is taken to hold nothing else."""
    config = set_config(analysis.config, path)
    streams = analysis.compute.streams.child("signal")
    events = signal_only(load_source(Source("inject_from", path, "all"), 0, config, Cutflow(), streams)).events
    if not len(events):
        raise ConfigError(f"{OPTION} {path}: holds no event that is labelled as signal; name a file of signal")
    return events
