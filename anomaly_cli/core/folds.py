"""Folds by source event: every copy of an event shares its fold.

A template moves, noises or repeats a few events many times. If copies of one event lie in both the
training and the scored part, a classifier recognises them and pure background looks like a signal of
9 to 14 sigma. So a fold is a hash of the *source* id and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import ConfigError

MOST_FOLDS = 100
"""Each fold trains models of its own."""


@dataclass(frozen=True)
class KFold:
    """How events are divided.

    Attributes:
        folds: number of folds; an event is scored by models trained on the other folds. Sensible: 5 to 10.
        validation_fraction: part of the training events, by source, that decides when a training stops.
    """

    folds: int = 6
    validation_fraction: float = 0.1

    def __post_init__(self) -> None:
        if not 2 <= self.folds <= MOST_FOLDS:
            raise ConfigError(
                f"classifier: folds must be 2 to {MOST_FOLDS}, not {self.folds}; each trains models of its own"
            )
        if not 0.0 < self.validation_fraction < 1.0:
            raise ConfigError(
                f"classifier: validation_fraction must be between 0 and 1, not {self.validation_fraction:g}"
            )


def hash_uniform(ids: IntArray, salt: int) -> FloatArray:
    """Return a number in [0, 1) for every id, `(n,)`; equal ids give equal numbers.

    References:
        G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", 2014
        (the SplitMix64 finaliser).
    """
    z = ids.astype(np.uint64) + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def hash_rows(columns: Iterable[FloatArray]) -> npt.NDArray[np.uint64]:
    """Return a hash of every row `(n,)` of columns `(n,)`; equal rows have equal hashes."""
    mixed = np.zeros((), dtype=np.uint64)
    for column in columns:
        values = np.ascontiguousarray(column, dtype=np.float64) + 0.0  # -0 equals 0 in other bits
        mixed = (mixed ^ values.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def assign_folds(source_id: IntArray, n_folds: int, salt: int) -> IntArray:
    """Return the fold, in [0, n_folds), of every event, `(n,)`, from its source id."""
    folds: IntArray = (hash_uniform(source_id, salt) * n_folds).astype(np.int64)
    return folds
