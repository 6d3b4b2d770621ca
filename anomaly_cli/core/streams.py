"""Named random streams: randomness is an argument with a name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Streams:
    """Random streams that depend on the run seed and their own name only.

    Adding a stream, or drawing more from one, changes no other; so results do not depend on the
    order of the stages or the number of processes.

    Attributes:
        seed: seed of the run, >= 0.
        prefix: what is put before every name (see `child`).
    """

    seed: int
    prefix: str = ""

    def _digest(self, name: str) -> bytes:
        whole = f"{self.prefix}{name}" if name else self.prefix.removesuffix("/")
        return hashlib.sha256(f"{self.seed}:{whole}".encode()).digest()

    def generator(self, name: str = "") -> np.random.Generator:
        """Return a fresh numpy generator for `name`; the same name gives the same numbers again.

        Without a name it is the stream that these ones are the children of.
        """
        return np.random.default_rng(int.from_bytes(self._digest(name)[:16], "little"))

    def integer(self, name: str = "") -> int:
        """Return a seed in [0, 2**31) for libraries that take an integer; see `generator`."""
        return int.from_bytes(self._digest(name)[16:20], "little") >> 1

    def child(self, name: str) -> Streams:
        """Return streams whose names all start with `name/`."""
        return Streams(self.seed, f"{self.prefix}{name}/")
