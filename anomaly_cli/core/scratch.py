"""Scratch files beside their targets: of one name, so that the next writer takes over what a killed one left.

The file is locked while it is written. A name that is taken by a living writer, or leads to something else than a plain
file of its own, is left alone, and a random one is used instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scratch:
    """An empty file that becomes `target` in one step.

    Attributes:
        path: where it lies; may be written by name, without HDF5's own locks.
        target: what it will be called.
        handle: descriptor that holds it, open for writing.
    """

    path: Path
    target: Path
    handle: int

    def write(self, content: bytes) -> None:
        """Write all of its content."""
        with os.fdopen(os.dup(self.handle), "wb") as file:
            file.write(content)

    def publish(self) -> None:
        """Give it its name, once what it holds is on the disk."""
        os.fsync(self.handle)
        self.path.replace(self.target)


@contextlib.contextmanager
def scratch_beside(target: Path) -> Iterator[Scratch]:
    """Yield a scratch file in the directory of `target`; it is gone at the end, published or not.

    Raises:
        OSError: where none can be made.
    """
    path = target.with_name(f".{target.name}.partial")
    handle = _take(path)
    if handle is None:
        path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        yield Scratch(path, target, handle)
    finally:
        with contextlib.suppress(OSError):
            if _is_at(handle, path):
                path.unlink()
        os.close(handle)


def _take(path: Path) -> int | None:
    """Return a descriptor of the emptied and locked file at `path`, or None where that is somebody else's."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError:  # a link, a directory, another user's; a full disk will be met again
        return None
    try:
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, path):  # not what its writer has published meanwhile
                os.ftruncate(handle, 0)
                return handle
    except OSError:  # locked, or a file system without locks
        pass
    os.close(handle)
    return None


def _is_at(handle: int, path: Path) -> bool:
    return os.path.samestat(os.fstat(handle), path.lstat())
