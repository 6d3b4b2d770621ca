"""Tables: events of whatever origin, as features and conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import DataError


@dataclass(frozen=True)
class Table:
    """A data set, checked where it is born.

    Attributes:
        values: features `(n, d)`.
        condition: what they depend on `(n, c)`; c may be 0.
        names: the d feature names.
        condition_names: the c names of conditions.

    Raises:
        DataError: where shapes disagree or a value is not finite.
    """

    values: FloatArray
    condition: FloatArray
    names: tuple[str, ...]
    condition_names: tuple[str, ...]

    def __post_init__(self) -> None:
        for array, names in ((self.values, self.names), (self.condition, self.condition_names)):
            if array.shape != (len(self.values), len(names)):
                raise DataError(f"table: has shape {array.shape}, expected {(len(self.values), len(names))}")
            for name, column in zip(names, array.T, strict=True):
                n_bad = int((~np.isfinite(column)).sum())
                if n_bad:
                    raise DataError(
                        f"column '{name}' is NaN or infinite in {n_bad} of {len(column)} events; remove those rows and"
                        " note how many, then run again"
                    )

    def __len__(self) -> int:
        return len(self.values)
