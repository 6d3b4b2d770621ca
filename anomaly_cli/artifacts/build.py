"""Which build this is: release, commit, and whether files were changed since. No digest knows it.

A checkout is asked for its commit; a wheel holds the one that it was built from (`hatch_build.py`); what pip installed
from a repository has it in its metadata (PEP 610).
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anomaly_cli

PACKAGE = Path(anomaly_cli.__file__).parent
RECORD = "build.json"
"""What the build of a wheel leaves in the package."""
SHORT = 12
"""Characters of a commit that are enough to find it."""
PATIENCE = 5.0
"""How long git may take [s]."""


@dataclass(frozen=True)
class Build:
    """A build of this package.

    Attributes:
        release: version of the package.
        commit: that it was made from; empty where nothing tells.
        is_changed: whether files of the package differ from that commit.
    """

    release: str
    commit: str = ""
    is_changed: bool = False

    def __str__(self) -> str:
        if not self.commit:
            return f"{self.release} (commit not known)"
        return f"{self.release} (commit {self.commit[:SHORT]}{', with changes' if self.is_changed else ''})"


@cache
def this_build() -> Build:
    """Return the build that is running."""
    commit, is_changed = _of_checkout(PACKAGE.parent) or _of_wheel() or _of_metadata() or ("", False)
    return Build(anomaly_cli.__version__, commit, is_changed)


def _of_checkout(root: Path) -> tuple[str, bool] | None:
    """Return commit and whether the package differs from it, where `root` is a checkout that git can read."""
    if not (root / ".git").exists():
        return None
    commit = _ask_git(root, "rev-parse", "HEAD")
    changes = _ask_git(root, "status", "--porcelain", "--", PACKAGE.name)
    return None if commit is None else (commit, bool(changes))


def _ask_git(root: Path, *words: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(root), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _of_wheel() -> tuple[str, bool] | None:
    try:
        record = json.loads((PACKAGE / RECORD).read_text(encoding="utf-8"))
        return str(record["commit"]), bool(record["is_changed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_metadata() -> tuple[str, bool] | None:
    try:
        text = importlib.metadata.distribution("anomaly-cli").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    try:
        commit = json.loads(text or "{}").get("vcs_info", {}).get("commit_id", "")
    except (ValueError, AttributeError):
        return None
    return (str(commit), False) if commit else None
