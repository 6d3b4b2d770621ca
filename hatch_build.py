"""Writes the commit into what is built, so that `anomaly --version` of an installed wheel can tell it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Adds `anomaly_cli/build.json`; nothing where this is no checkout, as in a source distribution, which has it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the record, but for an editable install, which asks the checkout itself."""
        if version == "editable" or not (Path(self.root) / ".git").exists():
            return
        try:
            commit = self._ask_git("rev-parse", "HEAD")
            record = {"commit": commit, "is_changed": bool(self._ask_git("status", "--porcelain", "--", "anomaly_cli"))}
        except (OSError, subprocess.SubprocessError):
            return
        path = Path(tempfile.mkdtemp()) / "build.json"
        path.write_text(json.dumps(record), encoding="utf-8")
        build_data["force_include"][str(path)] = "anomaly_cli/build.json"

    def _ask_git(self, *words: str) -> str:
        command = ["git", "-C", self.root, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
