"""Where the files of one analysis lie."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.core.errors import ArtifactError


@dataclass(frozen=True)
class RunDirectory:
    """The files of one analysis."""

    path: Path

    def artifact(self, kind: Kind) -> Path:
        """Return where an artifact of this kind lies."""
        return self.path / ("model.h5" if kind is schema.TEMPLATE_MODEL else f"{kind.name}.h5")

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.toml"

    @property
    def log(self) -> Path:
        """Times, host and user: all that varies."""
        return self.path / "run_log.json"

    @property
    def unblinding(self) -> Path:
        """Who looked at the signal region, and when."""
        return self.path / "unblinding.json"

    @property
    def exports(self) -> Path:
        """Tables and likelihoods for others."""
        return self.path / "exports"

    @property
    def workspaces(self) -> Path:
        """HistFactory workspaces."""
        return self.path / "workspaces"

    @property
    def measurements(self) -> RunDirectory:
        """The run that the uncertainties of this one come from: itself, or the one that its configuration names."""
        try:
            named = tomllib.loads(self.config.read_text(encoding="utf-8"))["significance"]["measurements"]
        except (OSError, ValueError, KeyError, TypeError):
            named = ""
        return RunDirectory(Path(named)) if named else self

    def create(self) -> None:
        """Make the directory.

        Raises:
            ArtifactError: where it cannot be made or written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(
                f"{self.path}: cannot be created ({error.strerror}); choose another directory"
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise ArtifactError(f"{self.path}: is not writable; choose another directory")
