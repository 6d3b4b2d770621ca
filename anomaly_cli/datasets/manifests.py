"""Manifests: what is known of a data set, one TOML each.

The same folder serves a checkout (top level) and an installed wheel (mapped into the package).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import build_record, nearest

SHIPPED = "shipped"
"""What `--data` says for the data set that comes with the package."""
SHIPPED_MANIFEST = "lhco_like_sim"


@dataclass(frozen=True)
class Manifest:
    """What is known of one data set.

    Attributes:
        name: short name, equal to the file's stem.
        title: one line.
        file: file name.
        sha256: checksum of the file.
        bytes: its size.
        layout: layout of the file.
        n_background: background events in it.
        n_signal: signal events in it.
        source: where it comes from.
        recipe: how it was made.
        licence: licence of the data.
        default_inject: signal events injected unless asked otherwise.
        default_reserve: fraction of the background held back unless asked otherwise.
        columns: unit and meaning by column.
    """

    name: str
    title: str
    file: str
    sha256: str
    bytes: int
    layout: str
    n_background: int
    n_signal: int
    source: str
    recipe: str
    licence: str
    default_inject: int
    default_reserve: float
    columns: Mapping[str, str] = field(default_factory=dict)


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


def load_manifest(name: str) -> Manifest:
    """Return the manifest called `name`.

    Raises:
        ConfigError: where there is none of that name, or it is not valid.
    """
    folder = package_folder("data_manifests")
    path = folder / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(
            f"data set '{name}' has no manifest; {nearest(name, [p.stem for p in folder.glob('*.toml')])}"
        )
    return build_record(Manifest, tomllib.loads(path.read_text(encoding="utf-8")), str(path.name))


def shipped_file() -> Path:
    """Return the path of the data file that the package ships."""
    return Path(str(resources.files("anomaly_cli"))) / "data" / load_manifest(SHIPPED_MANIFEST).file
