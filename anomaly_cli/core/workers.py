"""Independent pieces of work in several processes, results in order; what they cost is counted."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import get_reusable_executor

from anomaly_cli.core.cputime import add_workers, not_told_yet

Result = TypeVar("Result")
WATCH_SECONDS = 1.0


def in_order(work: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], processes: int) -> Generator[Result]:
    """Yield `work(*arguments)` of each piece, in their order, whatever the number of processes.

    Pieces are taken from `arguments` as workers become free. Closing the iterator stops the workers.
    """
    if processes == 1:
        yield from (work(*piece) for piece in arguments)
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(
            n_jobs=processes,
            return_as="generator",
            pre_dispatch=f"2*{processes}",
            batch_size=1,
            initializer=_prepare,
            initargs=(os.getpid(),),
        )
    finished = False
    try:
        for result, seconds in parallel(joblib.delayed(_timed)(work, piece) for piece in arguments):
            add_workers(seconds)
            yield result
        finished = True
    finally:
        if not finished:
            get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _prepare(parent: int) -> None:
    """Let a worker process leave Ctrl-C to its parent, and end with it, also while it has no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), name="watch of the parent", daemon=True).start()


def _timed(work: Callable[..., Result], piece: tuple[Any, ...]) -> tuple[Result, float]:
    """Do a piece; return also its CPU time [s]."""
    return work(*piece), not_told_yet()


def _end_with(parent: int) -> None:
    """End this process as soon as it has another parent: its own was killed, and nobody waits for what it does."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
