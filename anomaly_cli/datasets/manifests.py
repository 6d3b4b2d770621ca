"""Manifests: what is known of a data set, one TOML each.

The same folder serves a checkout (top level) and an installed wheel (mapped into the package).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from anomaly_cli.core.documents import parse_toml
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import build_record, nearest

LOCK_NAME = "checksums.json"
"""Checksums of files that no manifest states, written into the store when they were first fetched."""
SHIPPED = "shipped"
"""What `--data` says for the data set that comes with the package."""
SHIPPED_MANIFEST = "lhco_like_sim"


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        name: file name, in the record and on disk.
        bytes: its size, 0 where not known.
        sha256: checksum, empty where not known.
        md5: checksum, empty where not known.
        holds: `events`, or `labels` (a master key).
    """

    name: str
    bytes: int = 0
    sha256: str = ""
    md5: str = ""
    holds: str = "events"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.+-]*", self.name):
            raise ConfigError(f"file '{self.name}' needs a plain name of letters, digits and . _ + -, without a folder")
        if self.name.casefold() == LOCK_NAME:  # also where a file system does not tell large from small letters
            raise ConfigError(f"file '{self.name}' cannot be called like the list of checksums beside it; rename it")


@dataclass(frozen=True)
class Manifest:
    """What is known of one data set.

    Attributes:
        name: short name, equal to the file's stem.
        title: one line.
        source: where it comes from, in words.
        licence: licence of the data.
        citation: what to cite.
        layout: layout of the event file.
        files: its files.
        url: address of the folder that holds the files, empty for the set that the package ships.
        n_background: background events, 0 where not known.
        n_signal: signal events, 0 where not known or none.
        recipe: how it was made.
        default_inject: signal events injected unless asked otherwise.
        default_reserve: fraction of the background held back unless asked otherwise.
        columns: unit and meaning by column.
    """

    name: str
    title: str
    source: str
    licence: str
    citation: str
    layout: str
    files: tuple[File, ...]
    url: str = ""
    n_background: int = 0
    n_signal: int = 0
    recipe: str = ""
    default_inject: int = 0
    default_reserve: float = 0.0
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_shipped(self) -> bool:
        """Whether the package itself carries the files."""
        return not self.url

    @property
    def bytes(self) -> int:
        """Size of all files, as far as known."""
        return sum(file.bytes for file in self.files)


def package_folder(name: str) -> Path:
    """Return a top-level folder (`data_manifests`, `workflows`) in a wheel or in a checkout.

    Raises:
        ConfigError: where neither has it.
    """
    package = Path(str(resources.files("anomaly_cli")))
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigError(f"{name}: the folder is missing from this installation; install the package again")


def manifest_names() -> list[str]:
    """Return the names of all manifests."""
    return sorted(path.stem for path in package_folder("data_manifests").glob("*.toml"))


def load_manifest(name: str) -> Manifest:
    """Return the manifest called `name`.

    Raises:
        ConfigError: where there is none of that name, or it is not valid.
    """
    path = package_folder("data_manifests") / f"{SHIPPED_MANIFEST if name == SHIPPED else name}.toml"
    if path.stem not in manifest_names() or path.parent != package_folder("data_manifests"):
        raise ConfigError(f"data set '{name}' has no manifest; {nearest(name, manifest_names())}")
    return build_record(Manifest, parse_toml(path.read_text(encoding="utf-8")), str(path.name))


def shipped_file() -> Path:
    """Return the path of the data file that the package ships."""
    return Path(str(resources.files("anomaly_cli"))) / "data" / load_manifest(SHIPPED_MANIFEST).files[0].name


def names_of_digests(digests: Iterable[str]) -> list[str]:
    """Return the names of the data sets that any of these files belongs to.

    Args:
        digests: sha256 of files.
    """
    wanted = set(digests)
    return [
        name
        for name in manifest_names()
        if any(file.sha256 in wanted for file in load_manifest(name).files if file.sha256)
    ]
