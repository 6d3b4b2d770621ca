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
WATCH, WATCH_SECONDS = "watch of the parent", 1.0


def in_order(work: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], processes: int) -> Generator[Result]:
    """Yield `work(*arguments)` of each piece, in their order, whatever the number of processes.

    Pieces are taken from `arguments` as workers become free. Closing the iterator stops the workers.
    """
    if processes == 1:
        yield from (work(*piece) for piece in arguments)
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=processes, return_as="generator", pre_dispatch=f"2*{processes}", batch_size=1)
    finished = False
    try:
        for result, seconds in parallel(joblib.delayed(_shielded)(work, piece, os.getpid()) for piece in arguments):
            add_workers(seconds)
            yield result
        finished = True
    finally:
        if not finished:
            get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _shielded(work: Callable[..., Result], piece: tuple[Any, ...], parent: int) -> tuple[Result, float]:
    """Do a piece in a worker process, which leaves Ctrl-C to its parent and ends with it; return its CPU time [s]."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if WATCH not in (thread.name for thread in threading.enumerate()):
        threading.Thread(target=_end_with, args=(parent,), name=WATCH, daemon=True).start()
    return work(*piece), not_told_yet()


def _end_with(parent: int) -> None:
    """End this process as soon as it has another parent: its own was killed, and nobody waits for what it does."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
