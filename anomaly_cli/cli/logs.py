"""The log of a command: a file beside the artifacts, and standard error with `--verbose`."""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from anomaly_cli.artifacts.build import this_build
from anomaly_cli.core.errors import AnomalyError

LOG_NAME = "anomaly.log"
LOG = logging.getLogger("anomaly_cli")
FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
FORMAT.converter = time.gmtime


class FileBeside(logging.Handler):
    """Appends to a file of a directory from the moment that the directory is there; what came before is kept till then.

    A command that is refused makes no directory, and so leaves no log. A directory that may not be written to has none.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(logging.DEBUG)
        self.path = directory / LOG_NAME
        self.waiting: list[str] = []
        self.file: TextIO | None = None
        self.setFormatter(FORMAT)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or keep it."""
        self.waiting.append(self.format(record))
        with contextlib.suppress(OSError):
            if self.file is None and self.path.parent.is_dir():
                self.file = self.path.open("a", encoding="utf-8", errors="backslashreplace")
            if self.file is not None:
                self.file.write("".join(f"{_one_line(text)}\n" for text in self.waiting))
                self.file.flush()
                self.waiting.clear()

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            with contextlib.suppress(OSError):
                self.file.close()
            self.file = None
        super().close()


def _one_line(text: str) -> str:
    """Spell out what a terminal would obey; the lines of a traceback stay lines."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


@contextlib.contextmanager
def logging_to(directory: Path | None, is_verbose: bool) -> Iterator[None]:
    """Log what is done in the block, and how it ended.

    Args:
        directory: where the log lies; none where nothing is named.
        is_verbose: whether it is told on standard error as well.
    """
    handlers: list[logging.Handler] = [FileBeside(directory)] if directory is not None else []
    if is_verbose:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(FORMAT)
        handlers.append(shown)
    for handler in handlers:
        LOG.addHandler(handler)
    before, LOG.propagate = (LOG.level, LOG.propagate), False
    LOG.setLevel(logging.DEBUG if handlers else logging.CRITICAL)
    try:
        LOG.info("anomaly %s: %s", this_build(), shlex.join(sys.argv[1:]))
        yield
        LOG.info("done")
    except BaseException as error:
        _log_failure(error)
        raise
    finally:
        LOG.setLevel(before[0])
        LOG.propagate = before[1]
        for handler in handlers:
            LOG.removeHandler(handler)
            handler.close()


def _log_failure(error: BaseException) -> None:
    if isinstance(error, AnomalyError):
        LOG.error("%s", error)
    elif isinstance(error, KeyboardInterrupt):
        LOG.error("%s", error or "interrupted")
    else:
        LOG.error("failed", exc_info=error)
