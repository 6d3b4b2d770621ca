"""The seal at the end of an artifact's file: a checksum of its bytes, looked at before the HDF5 library sees them.

The digest of an artifact covers its content, which the library has to read first, and a damaged file can end the
process inside of it. HDF5 ignores what stands behind its end, so that everything that reads HDF5 reads
sealed files, and files without a seal, of earlier releases, are read as before.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from anomaly_cli.core.errors import ArtifactError

MARK = b"\nanomaly artifact, crc32 of all before this line: "
LENGTH = len(MARK) + 8
"""Bytes of a seal: the mark and eight hexadecimal digits."""
PIECE = 2**20
"""Bytes that are read at once."""


def sealed(content: bytes) -> bytes:
    """Return the bytes of a file with a seal."""
    return content + MARK + f"{zlib.crc32(content):08x}".encode()


def check_seal(path: Path) -> None:
    """Check the seal of a file, where it has one.

    A CRC finds every change of one bit, and misses one in four thousand millions of others. What is changed on purpose
    is the business of the digest.

    Raises:
        ArtifactError: where the bytes are not those that were sealed.
        OSError: where the file cannot be read.
    """
    size = path.stat().st_size - LENGTH
    if size < 0:
        return
    with path.open("rb") as file:
        file.seek(size)
        end = file.read(LENGTH)
        if not end.startswith(MARK):
            return
        file.seek(0)
        found, left = 0, size
        while left > 0 and (piece := file.read(min(PIECE, left))):
            found, left = zlib.crc32(piece, found), left - len(piece)
    if end[len(MARK) :] != f"{found:08x}".encode():
        raise ArtifactError(f"{path}: its bytes are not those that were written; move it away and run the stage again")
