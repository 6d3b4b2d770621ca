"""How long a command of several stages will still take, from what each costs and from what has been done so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from anomaly_cli.core.progress import Step

ENOUGH = 5.0
"""Expected time of finished stages that is enough to tell how fast this machine is [s]."""


@dataclass
class Outlook:
    """What is left of a command.

    Attributes:
        expected: wall time of every stage that is to be made [s], in order; NaN where nobody has measured it.
        clock: monotonic time [s].
        with_parts: stages of several tasks, of which one says little about the rest.
        sentence: what will be trained, and how long it takes; empty where that is not worth telling.
    """

    expected: Mapping[str, float]
    clock: Callable[[], float] = time.monotonic
    with_parts: Collection[str] = ()
    sentence: str = ""
    _left: dict[str, float] = field(default_factory=dict)
    _done: list[tuple[float, float]] = field(default_factory=list)
    _stage: str = ""
    _began: float = 0.0
    _part: float = 0.0

    def __post_init__(self) -> None:
        self._left = dict(self.expected)

    def __call__(self, step: Step) -> None:
        """Take note of a step."""
        if not step.is_stage:
            self._part = step.done / step.total if step.total and self._stage not in self.with_parts else 0.0
        elif step.done < step.total:
            self._stage, self._began, self._part = step.task, self.clock(), 0.0
        else:
            expected = self._left.pop(step.task, math.nan)
            if step.task == self._stage and math.isfinite(expected):
                self._done.append((expected, self.clock() - self._began))
            self._stage, self._part = "", 0.0

    @property
    def n_left(self) -> int:
        """Stages that are not finished."""
        return len(self._left)

    @property
    def seconds(self) -> float:
        """What is left [s]; NaN where it cannot be said."""
        expected, taken = (sum(column) for column in zip(*self._done, strict=True)) if self._done else (0.0, 0.0)
        slowness = taken / expected if expected > ENOUGH else 1.0
        return sum(self._of(stage, seconds * slowness) for stage, seconds in self._left.items())

    def _of(self, stage: str, seconds: float) -> float:
        """Return what is left of a stage that takes so many seconds in all."""
        if stage != self._stage:
            return seconds
        elapsed = self.clock() - self._began
        if self._part > 0.1:
            return elapsed * (1.0 - self._part) / self._part
        return max(seconds - elapsed, 0.0)


def words(seconds: float) -> str:
    """Return a time in words that claim no more than is known; empty where nothing is."""
    if not math.isfinite(seconds):
        return ""
    if seconds < 55.0:
        return f"about {max(5.0 * round(seconds / 5.0), 5.0):.0f} s"
    if seconds < 55.0 * 60.0:
        return f"about {max(round(seconds / 60.0), 1)} min"
    return f"about {seconds / 3600.0:.1f} h"
