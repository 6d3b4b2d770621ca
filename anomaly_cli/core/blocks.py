"""Blocks: what is known of events beside their identity, one named block per kind of knowledge.

`Features`, one row of numbers per event, is the block that methods and classifiers use. Other blocks (sets of
particles, latent variables, bins) travel with the events through every step that takes or joins events; only what uses
them has to know them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import DataError

FEATURES_BLOCK = "features"
"""Name of the block of features."""


class Block(ABC):
    """Knowledge of n events that can be taken, joined and stored.

    A new kind of block is a frozen dataclass with a `kind`, which an artifact keeps so that it can be read again.
    """

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[Block]]] = {}
    """Every kind of block that has been defined, by its name."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Block.kinds[cls.kind] = cls

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of events."""

    @abstractmethod
    def take(self, index: npt.NDArray[np.int64]) -> Self:
        """Return the block of the events at indices `(k,)`."""

    @classmethod
    @abstractmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the block of all events of `parts`, in order.

        Raises:
            DataError: where they do not fit together.
        """

    @abstractmethod
    def to_arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Return numeric arrays that `from_arrays` reads."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Rebuild what `to_arrays` returned."""


@dataclass(frozen=True)
class Features(Block):
    """One row of numbers per event.

    Attributes:
        values: `(n, d)`.
        names: the d names.

    Raises:
        DataError: where the shape does not fit the names, or a value is not finite.
    """

    kind: ClassVar[str] = FEATURES_BLOCK

    values: npt.NDArray[np.float64]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise DataError(f"events: features have shape {self.values.shape}, expected (n, {len(self.names)})")
        bad = [x for x, column in zip(self.names, self.values.T, strict=True) if not np.isfinite(column).all()]
        if bad:
            raise DataError(f"events: feature {bad[0]} is not finite in some events; remove them and count them first")

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: npt.NDArray[np.int64]) -> Features:
        """Return the rows at indices `(k,)`."""
        return Features(self.values[index], self.names)

    @classmethod
    def join(cls, parts: Sequence[Features]) -> Features:
        """Return all rows, in order.

        Raises:
            DataError: where the names differ.
        """
        names = parts[0].names
        if any(part.names != names for part in parts):
            raise DataError("events: sets with different features cannot be joined; use the same --features for all")
        return Features(np.concatenate([part.values for part in parts]), names)

    def to_arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Return the values; names are stored apart."""
        return {"values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Features:
        """Rebuild with names that count from 0; artifacts, which keep the names, do not use it."""
        values = np.asarray(arrays["values"], dtype=np.float64)
        return Features(values, tuple(f"feature{index}" for index in range(values.shape[1])))
