"""Artifacts of any kind, whose numbers follow from the names of their columns."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact

LENGTHS = {"d": 2, "b": 5, "y": 6, "p": 4, "q": 5}
"""By letter; other letters stand for three rows."""
SETTINGS = {
    "closure": True,
    "overdispersion": True,
    "signal_efficiencies": [],
    "method": "cathode",
    "score": {"name": "r_anode"},
}


def make_artifact(kind: Kind, changes: dict[str, dict[str, object]] | None = None, **settings: object) -> Artifact:
    """Return an artifact of a kind.

    Args:
        kind: its kind.
        changes: by group and column, values instead of those that are made up.
        settings: of its provenance.
    """
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, group in kind.groups.items():
        groups[name] = {}
        for key, column in group.columns.items():
            number = 10 + zlib.crc32(f"{name}/{key}".encode()) % 90  # whatever other columns there are
            shape = tuple(LENGTHS.get(letter, 3) for letter in column.shape.split(",") if letter)
            groups[name][key] = _values(column.dtype, shape, number)
        groups[name] |= {key: np.array(values) for key, values in (changes or {}).get(name, {}).items()}
    provenance = Provenance(kind.name, 1, {**SETTINGS, **settings}, 7, {"split": "a" * 64}, {"numpy": "2"})
    return Artifact(Path("my-run") / f"{kind.name}.h5", kind, groups, ("first", "second"), provenance, "d" * 64)


def _values(dtype: str, shape: tuple[int, ...], number: int) -> np.ndarray:
    """Return values that begin with a number: 10.0, 10.25, 10.5, ... or 1000, 1001, 1002, ..."""
    count = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    if dtype == "str":
        return np.array([f"text {number}.{index}" for index in count.ravel()]).reshape(shape)
    if dtype == "b1":
        return count % 2 == 1
    return 100 * number + count if dtype.startswith("i") else number + 0.25 * count
