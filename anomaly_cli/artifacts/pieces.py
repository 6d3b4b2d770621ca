"""What an interrupted stage has finished: one small JSON file a piece, kept until the stage is made."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance, hash_json
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.documents import parse_json

FOLDER = ".pieces"
KEY_LENGTH = 16


@dataclass(frozen=True)
class Pieces:
    """The finished pieces of one stage of one run.

    Attributes:
        folder: where they lie; its name holds a hash of all that the result depends on, so that pieces of other
            settings, inputs or versions are never used.
    """

    folder: Path

    @staticmethod
    def of(run: RunDirectory, planned: Provenance) -> Pieces:
        """Return those of the stage with this provenance."""
        key = hash_json(parse_json(planned.to_json()))[:KEY_LENGTH]
        return Pieces(run.path / FOLDER / f"{planned.stage}-{key}")

    def find(self, n: int) -> dict[int, Any]:
        """Return those of `n` pieces that are there, by number; a damaged one is made again."""
        found = {}
        for index in range(n):
            with contextlib.suppress(OSError, ValueError):
                found[index] = parse_json(self._path(index).read_text(encoding="utf-8"))
        return found

    def keep(self, index: int, piece: Any) -> Any:
        """Write a piece and return it as it will be read: numbers of numpy become those of Python, to the last digit.

        Raises:
            ArtifactError: where it cannot be written.
        """
        text = json.dumps(piece, default=lambda number: number.item())
        write_files({self._path(index): text.encode()})
        return parse_json(text)

    def clear(self) -> None:
        """Remove the pieces of this stage, those of other settings too."""
        stage = self.folder.name.rpartition("-")[0]
        for folder in self.folder.parent.glob(f"{stage}-*"):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # that of another stage may be there
            self.folder.parent.rmdir()

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:05d}.json"
