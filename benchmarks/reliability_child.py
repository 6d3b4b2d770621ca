"""Work in a forked child, which may hang, run out of memory or end the process, and cannot harm what started it."""

from __future__ import annotations

import json
import os
import select
import signal
import traceback
from collections.abc import Callable
from typing import Any


def in_child(work: Callable[[], Any], seconds: float) -> tuple[str, Any]:
    """Return `done` and what `work` returns, or `traceback`, `crash` or `hang` and what is known of it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer: tuple[str, Any] = ("done", work())
        except BaseException:
            answer = ("traceback", traceback.format_exc(limit=-4))
        with os.fdopen(writer, "wb") as file:
            file.write(json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], seconds)
        if not ready:
            os.kill(child, signal.SIGKILL)
            return "hang", f"no answer in {seconds:g} s"
        with os.fdopen(os.dup(reader), "rb") as file:
            content = file.read()
        return tuple(json.loads(content)) if content else ("crash", "the process ended")
    finally:
        os.close(reader)
        os.waitpid(child, 0)
