"""Progress on the terminal: a bar where somebody looks, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from anomaly_cli.cli.failures import stop_if_interrupted
from anomaly_cli.core.progress import Progress as Report
from anomaly_cli.core.progress import Step
from anomaly_cli.report.notation import visible


@contextlib.contextmanager
def show_progress(quiet: bool) -> Iterator[Report]:
    """Yield a callback that shows progress on standard error."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _PlainLines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress)


class _Bars:
    """One bar per task; a finished one stays as a line."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, step: Step) -> None:
        stop_if_interrupted()
        if step.task not in self.tasks:
            self.tasks[step.task] = self.progress.add_task(visible(step.task), total=step.total, note="")
        self.progress.update(self.tasks[step.task], completed=step.done, total=step.total, note=visible(step.note))


class _PlainLines:
    """One line when a task is finished."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started: dict[str, float] = {}

    def __call__(self, step: Step) -> None:
        stop_if_interrupted()
        start = self.started.setdefault(step.task, time.monotonic())
        if start < 0.0 and step.done < step.total:  # begun anew: the next seed of a job
            start = self.started[step.task] = time.monotonic()
        if step.done == step.total and start >= 0.0:
            note = f" ({step.note})" if step.note else ""
            seconds = time.monotonic() - start
            text = visible(f"{step.task}: done in {seconds:.1f} s{note}")
            self.console.print(text, highlight=False, soft_wrap=True, markup=False, emoji=False)
            self.started[step.task] = -1.0
