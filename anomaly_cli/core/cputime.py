"""CPU time of this process and of its workers, who tell it with their results: the system counts them when they end."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass
class _Told:
    """CPU time that was told [s]: by workers to this process, and by this process, where it is one, to its parent."""

    by_workers: float = 0.0
    to_parent: float = 0.0


_told = _Told()


def used_cpu() -> float:
    """Return the CPU time that this process and the finished pieces of its workers have used [s]."""
    times = os.times()
    return times.user + times.system + _told.by_workers


def add_workers(seconds: float) -> None:
    """Count what a worker has told [s]."""
    _told.by_workers += seconds


def not_told_yet() -> float:
    """Return what this process has used since it told last, at first since it started, imports included [s]."""
    used = used_cpu()
    before, _told.to_parent = _told.to_parent, used
    return used - before
