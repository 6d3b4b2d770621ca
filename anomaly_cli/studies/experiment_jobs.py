"""Pseudo-experiments as a plain list of jobs, and where the events of each come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.streams import Streams
from anomaly_cli.search.split import Split

FIRST_SIGNAL_ID = 1_000_000_000
"""Ids of injected events start here."""
FEWEST_EXPERIMENTS = 2
"""A spread needs two."""
Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One pseudo-experiment.

    Attributes:
        index: its number among those of the same signal.
        n_injected: signal events put in, over the whole spectrum.
        label: names its record; by default the numbers do.
    """

    index: int
    n_injected: int
    label: str = ""

    @property
    def name(self) -> str:
        """The job in a file name."""
        return self.label or f"{self.n_injected:06d}-{self.index:05d}"


@dataclass(frozen=True)
class Drawn:
    """The events of one pseudo-experiment.

    Attributes:
        split: what is searched.
        signal_scale: signal events that were put in, over those of the job; where the background is another than
            the signal region's, so many that S/sqrt(B) is the same.
    """

    split: Split
    signal_scale: float = 1.0


class Source(Protocol):
    """Where the events of pseudo-experiments come from; it goes to other processes."""

    def draw(self, job: Job, compute: Compute) -> Drawn:
        """Return the events of a job."""


def injection_jobs(injected: Sequence[int], n_experiments: int) -> list[Job]:
    """Return the jobs of an injection study: every yield `n_experiments` times.

    Raises:
        ConfigError: for no yields, negative or repeated ones, or fewer than two experiments of each.
    """
    if not injected or min(injected) < 0 or len(set(injected)) < len(injected):
        raise ConfigError("--injected: name each number of signal events once, 0 or more")
    if n_experiments < FEWEST_EXPERIMENTS:
        raise ConfigError(f"--experiments {n_experiments}: a spread needs at least {FEWEST_EXPERIMENTS} of each yield")
    return [Job(index, n) for n in injected for index in range(n_experiments)]


def draw_signal(signal: Events, n: int, streams: Streams) -> Events:
    """Return `n` signal events, drawn without replacement over the whole spectrum, with ids of injected events.

    Raises:
        ConfigError: where there are fewer.
    """
    refuse_too_much_signal(n, len(signal))
    drawn = signal.take(streams.generator("injection").permutation(len(signal))[:n])
    ids = FIRST_SIGNAL_ID + np.arange(n)
    return replace(drawn, event_id=ids, source_id=ids)


def refuse_too_much_signal(n_injected: int, n_signal: int, scale: float = 1.0) -> None:
    """Refuse to inject more signal than there is.

    Args:
        n_injected: what is asked for.
        n_signal: what there is.
        scale: how many are put in for each one that is asked for, at most.

    Raises:
        ConfigError: where there is less.
    """
    if math.ceil(scale * n_injected) > n_signal:
        most = math.floor(n_signal / scale)
        why = f", {scale:.2g} of which stand for one in a larger window" if scale > 1.0 else ""
        raise ConfigError(
            f"--injected {n_injected}: the file has only {n_signal} signal events{why}; ask for {most} or fewer"
        )
