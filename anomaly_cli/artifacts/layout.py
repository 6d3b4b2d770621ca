"""Where the files of one analysis lie, and how they are read: once, and checked to belong together."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.core.documents import parse_json, parse_toml
from anomaly_cli.core.errors import ArtifactError

FILES = {schema.TEMPLATE_MODEL.name: "model.h5"}
"""Files that are not called as their kind."""


@dataclass(frozen=True)
class RunDirectory:
    """The files of one analysis.

    Attributes:
        path: the directory.
    """

    path: Path
    _cache: dict[Path, tuple[tuple[int, ...], Artifact]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def quoted(self) -> str:
        """The path as a shell takes it, for commands that are told."""
        return shlex.quote(str(self.path))

    def artifact(self, kind: Kind) -> Path:
        """Return where an artifact of this kind lies."""
        return self.path / FILES.get(kind.name, f"{kind.name}.h5")

    def has(self, kind: Kind) -> bool:
        """Return whether there is an artifact of this kind."""
        return self.artifact(kind).exists()

    def read(self, kind: Kind) -> Artifact:
        """Return an artifact, checked to belong to the others of this run.

        Raises:
            ArtifactError: where it is missing, damaged, or was made from others than those that lie beside it.
        """
        artifact = self.read_file(self.artifact(kind), kind)
        for name in kind.parents:
            parent = self.read(schema.KINDS[name])
            if artifact.provenance.inputs.get(name) != parent.digest:
                raise ArtifactError(
                    f"{artifact.path}: was made from {_another(name)} than {parent.path.name}; run"
                    f" '{kind.made_by} --run {self.quoted} --overwrite' first"
                )
        if kind.twin:
            twin = self.read(schema.KINDS[kind.twin])
            if artifact.provenance != twin.provenance:
                raise ArtifactError(
                    f"{artifact.path}: belongs to {_another(kind.twin)} than {twin.path.name}; run"
                    f" '{kind.made_by} --run {self.quoted} --overwrite' first"
                )
        return artifact

    def read_file(self, path: Path, kind: Kind) -> Artifact:
        """Return the artifact of a file, which is read again only where it has changed.

        Raises:
            ArtifactError: where it is missing, damaged or of another kind.
        """
        before = _state(path)
        if path in self._cache and self._cache[path][0] == before:
            artifact = self._cache[path][1]
            if artifact.kind is kind:
                return artifact
        artifact = read_artifact(path, kind)
        self._cache[path] = (before, artifact)
        return artifact

    @property
    def digests(self) -> dict[str, str]:
        """Digest of every artifact that has been read, by kind."""
        return {artifact.kind.name: artifact.digest for _, artifact in self._cache.values()}

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.toml"

    @property
    def log(self) -> Path:
        """Times and host: all that varies."""
        return self.path / "run_log.json"

    def read_log(self) -> list[dict[str, Any]]:
        """Return the entries of the log, one for every output that was made; none where there is no log.

        Raises:
            ValueError: where it is damaged.
        """
        try:
            entries = parse_json(self.log.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ValueError(str(error)) from error
        if not isinstance(entries, list) or not all(isinstance(one, dict) and "output" in one for one in entries):
            raise ValueError("is no list of outputs")
        return entries

    @property
    def unblinding(self) -> Path:
        """Who looked at the signal region, and when."""
        return self.path / "unblinding.json"

    @property
    def declarations(self) -> Path:
        """What was declared to be looked at, before anybody looked."""
        return self.path / "declaration.json"

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
            named = parse_toml(self.config.read_text(encoding="utf-8"))["significance"]["measurements"]
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


def _state(path: Path) -> tuple[int, ...]:
    """Return what changes whenever a file is written; nothing where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _another(kind: str) -> str:
    """Return one that is not this, in words: `another split`, `other scores`."""
    return f"{'other' if kind.endswith('s') else 'another'} {_words(kind)}"
