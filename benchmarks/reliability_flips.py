"""One bit flipped in a file of an analysis: refused with a sentence, or without any consequence."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from reliability_child import in_child
from reliability_kills import FAST, write_data

from anomaly_cli.artifacts.store import read_any
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.scans.manifest import ScanDirectory

FAULTS = ("changed", "traceback", "crash", "hang")
"""What must not come of a flipped bit: other content without a word, or no sentence."""
SECONDS = 60.0
FLIPPED = ".flipped"
"""The folder, beside each file, of its copies with a flipped bit."""
COMMANDS = (
    ("run", "--run", "{run}", "--signal-region", "3.3-3.7", "--data", "{data}", "--reserve", "0.3", "--measure", *FAST),
    ("significance", "permute", "--run", "{run}", "--quiet"),
    ("significance", "bump", "--run", "{run}", "--quiet"),
    ("significance", "limits", "--run", "{run}", "--quiet"),
    ("evaluate", "--run", "{run}", "--quiet"),
    ("scan", "plan", "{grid}", "--output", "{scan}"),
    ("scan", "job", "{scan}", "--index", "0"),
    ("scan", "collect", "{scan}"),
)


def make_artifacts(work: Path) -> list[Path]:
    """Return files of every kind, made once for each working directory."""
    folder = work / "flips"
    if not (folder / "made").exists():
        write_data(work)
        places = {"run": folder / "run", "scan": folder / "scan"}
        places |= {"data": work / "events.h5", "grid": work / "grid.toml"}
        for command in COMMANDS:
            words = [word.format(**places) for word in command]
            subprocess.run([sys.executable, "-m", "anomaly_cli", *words], check=True, stdout=subprocess.DEVNULL)
        (folder / "made").touch()
    found = [*(folder / "run").glob("*.h5"), *(folder / "scan").rglob("*.h5"), folder / "scan" / "scan.json"]
    return sorted(path for path in found if FLIPPED not in path.parts)


def flip_once(path: Path, number: int) -> str:
    """Flip one bit of a copy of a file and return what came of it: `refused`, `harmless`, or one of `FAULTS`."""
    outcome, found = in_child(lambda: read_flipped(path, number), SECONDS)
    return str(found) if outcome == "done" else outcome


def read_flipped(path: Path, number: int) -> str:
    """Return the same, read in this process."""
    content = bytearray(path.read_bytes())
    bit = random.Random(number).randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    folder = path.parent / FLIPPED
    folder.mkdir(exist_ok=True)
    flipped = folder / path.name
    flipped.write_bytes(content)
    return _read(path, flipped)


def _read(original: Path, flipped: Path) -> str:
    try:
        found = _content(flipped)
    except AnomalyError:
        return "refused"
    return "harmless" if _same(found, _content(original)) else "changed"


def _content(path: Path) -> Any:
    if path.suffix == ".json":
        return ScanDirectory(path.parent).read()
    found = read_any(path)
    return found.kind.name, found.digest, found.features, found.provenance, found.groups


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())
    return bool(one == other)
