"""Progress as a callback: nothing below the command line prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One report of progress.

    Attributes:
        task: what is being done, e.g. `template: base flow`.
        done: units of work done.
        total: units of work in all.
        note: a short remark, e.g. the current loss.
        is_stage: whether the task is a whole stage, which reports tasks of its own between its start and its end.
    """

    task: str
    done: int
    total: int
    note: str = ""
    is_stage: bool = False


Progress = Callable[[Step], None]


def silent(_: Step) -> None:
    """Ignore progress."""
