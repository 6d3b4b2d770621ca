"""Provenance: what determines the content of an artifact, and nothing that varies from run to run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import anomaly_cli
from anomaly_cli.core.documents import parse_json

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "zuko", "pyhf", "iminuit", "h5py")
MOST_TOLD = 4
"""Settings that a list of differences names, at most; those that both sides have come first."""
NOT_THERE = "none"
"""Stands for the digest of an input that was not there."""


@cache
def library_versions() -> Mapping[str, str]:
    """Return our release and the installed versions of the libraries that shape results; no commit changes them."""
    installed = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"anomaly-cli": anomaly_cli.__version__, **installed}


@dataclass(frozen=True)
class Provenance:
    """How an artifact was made.

    Attributes:
        stage: stage that wrote it.
        stage_version: raised when the same settings would give another result.
        settings: every setting of the stage, defaults included.
        seed: seed of the run.
        inputs: digest of every input, by kind or by role for data files.
        versions: library versions.
    """

    stage: str
    stage_version: int
    settings: Mapping[str, Any]
    seed: int
    inputs: Mapping[str, str]
    versions: Mapping[str, str] = field(default_factory=library_versions)

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces."""
        return canonical_json(
            {
                "stage": self.stage,
                "stage_version": self.stage_version,
                "settings": self.settings,
                "seed": self.seed,
                "inputs": self.inputs,
                "versions": self.versions,
            }
        )

    @staticmethod
    def from_json(text: str) -> Provenance:
        """Read what `to_json` wrote."""
        return Provenance(**parse_json(text))

    def differences(self, other: Provenance) -> list[str]:
        """Say in words what of `other` differs from this, library versions aside."""
        found = []
        if (self.stage, self.stage_version) != (other.stage, other.stage_version):
            found.append(f"made by {other.stage} version {other.stage_version}, not {self.stage} {self.stage_version}")
        if self.seed != other.seed:
            found.append(f"seed was {other.seed}, now {self.seed}")
        mine, theirs = _flatten(self.settings), _flatten(other.settings)
        keys = sorted(mine.keys() | theirs.keys(), key=lambda key: (key not in mine or key not in theirs, key))
        for name in [key for key in keys if key.endswith(".name") and mine.get(key) != theirs.get(key)]:
            ours = f"{name.removesuffix('name')}settings."  # of another method, they are others as well
            keys = [key for key in keys if not key.startswith(ours)]
        changed = [key for key in keys if mine.get(key) != theirs.get(key)]
        told = changed if len(changed) <= MOST_TOLD else changed[: MOST_TOLD - 1]
        for key in told:
            found.append(f"{key} was {theirs.get(key, 'not set')}, now {mine.get(key, 'not set')}")
        if len(told) < len(changed):
            found.append(f"{len(changed) - len(told)} further settings")
        for key in sorted(set(self.inputs) | set(other.inputs)):
            if self.inputs.get(key) != other.inputs.get(key):
                found.append(f"its input '{key}' has changed")
        return found


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_json(value: Any) -> str:
    """Return a SHA-256 of anything that JSON can say: equal values have equal hashes."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
