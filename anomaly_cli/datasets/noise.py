"""Features of pure noise: a stress test of whatever learns, on any data.

They are a hash of the event's mass and known everywhere by their names: an event has the same noise in every file that
keeps its mass to the last digit, and data, simulation, reference and events that are scored later need nothing besides.
The mass is not rounded before: events that share their noise would not be independent, and in 3.3-3.7 TeV of the
shipped data three of four have another one within the same hundredth of a GeV.

References:
    T. Finke et al., "Back to the roots: tree-based algorithms for weakly supervised anomaly detection",
    2023, arXiv:2309.13111 (ten Gaussian features that say nothing).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.folds import hash_uniform

NOISE = tuple(f"noise_{index}" for index in range(1, 11))
"""Ten features of Gaussian noise, of mean 0 and width 1."""
SALT = 41_000
"""Salt of the hash of the first."""


def noise_features(mjj: FloatArray, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the features of noise of these names for events of these masses `(n, d)`."""
    from scipy.special import ndtri  # not needed by most runs

    ids = np.ascontiguousarray(mjj, dtype=np.float64).view(np.int64)
    columns = [ndtri(np.maximum(hash_uniform(ids, SALT + NOISE.index(name)), 2.0**-54)) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(mjj), 0))


def without_noise(names: Sequence[str]) -> tuple[str, ...]:
    """Return the features that are read from files."""
    return tuple(name for name in names if name not in NOISE)
