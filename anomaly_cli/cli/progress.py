"""Progress on the terminal: bars where somebody looks, plain lines and signs of life elsewhere."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

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

from anomaly_cli.cli.asked import Asked, Manner
from anomaly_cli.cli.failures import stop_if_interrupted
from anomaly_cli.cli.logs import logging_to
from anomaly_cli.cli.outlook import Outlook, words
from anomaly_cli.core.progress import Progress as Report
from anomaly_cli.core.progress import Step
from anomaly_cli.report.notation import visible

HEARTBEAT = 30.0
"""Silence after which a sign of life is given where there is no terminal [s]."""
LOG_EVERY = 10.0
"""Steps of a task that follow each other faster are not logged [s]."""
SPLIT = "split"
"""The stage that reads the events, and refuses those that cannot be analysed."""
NARROW = 60
"""Fewer columns than this have no room for bars and clocks."""
LOG = logging.getLogger(__name__)


def show_progress_of(asked: Asked, outlook: Outlook | None = None) -> contextlib.AbstractContextManager[Report]:
    """Return `show_progress` for a command with a run directory."""
    return show_progress(asked.manner, asked.named, outlook)


@contextlib.contextmanager
def show_progress(manner: Manner, directory: Path | None = None, outlook: Outlook | None = None) -> Iterator[Report]:
    """Yield a callback that shows progress on standard error, and log what is done.

    Args:
        manner: how.
        directory: where the log lies.
        outlook: what the whole command takes.
    """
    console, known = Console(stderr=True), outlook or Outlook({})
    is_plain = manner.quiet or manner.verbose or not console.is_terminal
    shown = _plain(console, known, manner.quiet) if is_plain else _bars(console, known)
    with logging_to(directory, manner.verbose), shown as show:
        yield _Reported(show, known, console)


class _Reported:
    """Hands every step to the display, the outlook and the log.

    What will be trained is said when the events are divided, since most refusals come before.
    """

    def __init__(self, show: Callable[[Step], None], outlook: Outlook, console: Console) -> None:
        self.show, self.outlook, self.console = show, outlook, console
        self.logged: dict[str, float] = {}

    def __call__(self, step: Step) -> None:
        stop_if_interrupted()
        if self.outlook.sentence and step.is_stage and step.done < step.total and step.task != SPLIT:
            _print(self.console, self.outlook.sentence)
            self.outlook.sentence = ""
        self.outlook(step)
        self.show(step)
        now = time.monotonic()
        is_last = step.done == step.total
        if not step.is_stage and (is_last or now - self.logged.get(step.task, -LOG_EVERY) >= LOG_EVERY):
            self.logged[step.task] = now
            LOG.debug("%s: %d of %d%s", step.task, step.done, step.total, f" ({step.note})" if step.note else "")


@contextlib.contextmanager
def _bars(console: Console, outlook: Outlook) -> Iterator[Callable[[Step], None]]:
    bars = (BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    shown = bars if console.width >= NARROW else (MofNCompleteColumn(),)
    task, note = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[note]}", markup=False)
    with Progress(task, *shown, note, console=console) as progress:
        yield _Bars(progress, outlook)


class _Bars:
    """One bar per task, a finished one stays as a line; above them, one of all stages where there are several."""

    def __init__(self, progress: Progress, outlook: Outlook) -> None:
        self.progress, self.outlook = progress, outlook
        self.tasks: dict[str, TaskID] = {}
        self.n_stages = outlook.n_left
        self.whole: TaskID | None = None

    def __call__(self, step: Step) -> None:
        if self.n_stages > 1:
            self._show_whole()
        if not step.is_stage:
            if step.task not in self.tasks:
                self.tasks[step.task] = self.progress.add_task(visible(step.task), total=step.total, note="")
            self.progress.update(self.tasks[step.task], completed=step.done, total=step.total, note=visible(step.note))

    def _show_whole(self) -> None:
        if self.whole is None:
            self.whole = self.progress.add_task("all stages", total=self.n_stages, note="")
        left = words(self.outlook.seconds) if self.outlook.n_left else ""
        done = self.n_stages - self.outlook.n_left
        self.progress.update(self.whole, completed=done, note=f"{left} left" if left else "")


@contextlib.contextmanager
def _plain(console: Console, outlook: Outlook, quiet: bool) -> Iterator[Callable[[Step], None]]:
    lines = _PlainLines(console)
    if quiet:
        yield lines
        return
    pulse = _Pulse(lines, outlook)
    pulse.start()
    try:
        yield lines
    finally:
        pulse.stop()


class _PlainLines:
    """One line when a task is finished."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started: dict[str, float] = {}
        self.last = Step("", 0, 0)
        self.told = time.monotonic()

    def __call__(self, step: Step) -> None:
        if step.is_stage:
            self.last = step
            return
        start = self.started.setdefault(step.task, time.monotonic())
        if start < 0.0 and step.done < step.total:  # begun anew: the next seed of a job
            start = self.started[step.task] = time.monotonic()
        self.last = step
        if step.done == step.total and start >= 0.0:
            note = f" ({step.note})" if step.note else ""
            seconds = time.monotonic() - start
            self.started[step.task] = -1.0
            self.say(f"{step.task}: done in {seconds:.1f} s{note}")

    def say(self, text: str) -> None:
        """Print a line."""
        self.told = time.monotonic()
        _print(self.console, text)


def _print(console: Console, text: str) -> None:
    console.print(visible(text), highlight=False, soft_wrap=True, markup=False, emoji=False)


class _Pulse(threading.Thread):
    """Says what is being done whenever nothing has been said for a while."""

    def __init__(self, lines: _PlainLines, outlook: Outlook) -> None:
        super().__init__(daemon=True)
        self.lines, self.outlook = lines, outlook
        self.stopped = threading.Event()

    def run(self) -> None:
        """Wait and speak until it is stopped."""
        while not self.stopped.wait(max(self.lines.told + HEARTBEAT - time.monotonic(), 0.05)):
            if time.monotonic() - self.lines.told >= HEARTBEAT:
                self.lines.say(_sign_of_life(self.lines.last, self.outlook))

    def stop(self) -> None:
        """Let it end."""
        self.stopped.set()
        self.join(1.0)


def _sign_of_life(step: Step, outlook: Outlook) -> str:
    """Return what is being done, and how long all of it will still take where that is known."""
    where = f"{step.task}: " if step.task and (step.done < step.total or step.total < 2) else ""
    counted = f"{step.done} of {step.total}" if step.done < step.total and step.total > 1 else "working"
    left = words(outlook.seconds) if outlook.n_left else ""
    return f"{where}{counted}{f'; {left} left in all' if left else ''}"
