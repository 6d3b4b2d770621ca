"""Sets of event ids as bitmaps: a bit per id in their range, where ids in full would take eight bytes each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays


def pack_ids(ids: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Return the columns of a set of ids `(n,)`, each at most once, in any order."""
    first = int(ids.min()) if len(ids) else 0
    is_member = np.zeros(int(ids.max()) - first + 1 if len(ids) else 0, dtype=np.bool_)
    is_member[ids - first] = True
    return {"first": first, "bits": np.packbits(is_member)}


def unpack_ids(columns: Arrays) -> npt.NDArray[np.int64]:
    """Return the ids `(n,)` of a set, in increasing order."""
    return np.flatnonzero(np.unpackbits(columns["bits"])).astype(np.int64) + int(columns["first"])
