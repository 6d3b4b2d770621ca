"""A user's own file, described by a manifest: which column is what, in which unit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anomaly_cli.core.documents import parse_toml
from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.records import build_record, nearest
from anomaly_cli.datasets.columns import RawPlace, Table
from anomaly_cli.datasets.containers import read_table

UNITS = {"GeV": 1.0, "TeV": 1000.0, "1": 1.0}


@dataclass(frozen=True)
class OwnColumn:
    """One column: its name in the file, and its unit (`GeV`, `TeV` or `1`)."""

    column: str
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(f"column '{self.column}': unit '{self.unit}' is not known; write GeV, TeV or 1")


@dataclass(frozen=True)
class OwnManifest:
    """How to read a file.

    Attributes:
        file: the event file, relative to the manifest.
        mjj: the dijet mass.
        features: the features by the name that they get.
        label: column with 0 for background and 1 for signal, empty where there is none.
        weight: column with event weights, empty where there is none.
        key: which table of an HDF5 file that has several, empty where it has one.
        title: one line, for people.
    """

    file: str
    mjj: OwnColumn
    features: Mapping[str, OwnColumn] = field(default_factory=dict)
    label: str = ""
    weight: str = ""
    key: str = ""
    title: str = ""


@dataclass(frozen=True)
class OwnEvents:
    """What a manifest takes from its file: `mjj` and features [GeV], label and weight as they are."""

    columns: Mapping[str, FloatArray]
    label: FloatArray | None
    weight: FloatArray | None


def is_own_manifest(path: Path) -> bool:
    """Return whether `path` is meant to be a manifest and not an event file."""
    return path.suffix.lower() == ".toml"


def event_file(path: Path) -> Path:
    """Return the file that holds the events: `path` itself, or the one that the manifest names."""
    return Path(load_own_manifest(path).file) if is_own_manifest(path) else path


def load_own_manifest(path: Path) -> OwnManifest:
    """Return a manifest, its file made absolute.

    Raises:
        ConfigError: where it cannot be read or says something else than a manifest does.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: is no regular file; name the manifest itself")
    try:
        tree = parse_toml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check its path") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not valid TOML ({error}); docs/data.md has an example") from error
    features = tree.pop("features", {})
    if "file" not in tree or "mjj" not in tree or not isinstance(features, dict) or not features:
        raise ConfigError(f"{path}: a manifest needs 'file', 'mjj' and a table 'features'; docs/data.md has an example")
    for name in features:
        if not re.fullmatch(r"[A-Za-z]\w*", name) or name in ("mjj", "label", "weight"):
            raise ConfigError(f"{path}: feature '{name}' needs another name: letters, digits and _, not mjj or label")
    if not isinstance(tree["file"], str):
        raise ConfigError(f"{path}: 'file' must be text, the path of the event file, and not {tree['file']}")
    for name, value in {"mjj": tree["mjj"], **features}.items():
        if not isinstance(value, dict) or not {"column", "unit"} <= set(value):
            raise ConfigError(
                f"{path}: '{name}' must name a column and its unit, as"
                f' {name} = {{ column = "name in the file", unit = "GeV" }}'
            )
    columns = {name: build_record(OwnColumn, value, f"{path}: {name}") for name, value in features.items()}
    return build_record(OwnManifest, {**tree, "features": columns, "file": str(path.parent / tree["file"])}, str(path))


def read_own_table(path: Path, manifest: OwnManifest, key: str = "") -> Table | RawPlace:
    """Return the table that a manifest describes; `key` says which where the manifest does not.

    Raises:
        DataError: where the file cannot be read.
        ConfigError: where the manifest names another table than `key`.
    """
    if key and manifest.key and key.strip("/") != manifest.key.strip("/"):
        raise ConfigError(f"--key {key}: {path} names the table '{manifest.key}'; leave out --key")
    return read_table(Path(manifest.file), manifest.key or key)


def read_own(path: Path, manifest: OwnManifest, features: Sequence[str] | None = None, key: str = "") -> OwnEvents:
    """Return the events of the file that a manifest describes.

    Features other than `features` are left out where they are no numbers; None stands for all.

    Raises:
        DataError: where the file cannot be read or lacks a column.
    """
    file = Path(manifest.file)
    table = read_own_table(path, manifest, key)
    if isinstance(table, RawPlace):
        raise DataError(f"{file}: holds raw events; make features first with 'anomaly data features'")
    wanted = {"mjj": manifest.mjj, **manifest.features}
    extra = {key: name for key, name in (("label", manifest.label), ("weight", manifest.weight)) if name}
    names = (*(own.column for own in wanted.values()), *extra.values())
    for name in names:
        if name not in table.names:
            raise DataError(f"{file}: has no column '{name}', which {path} names; {nearest(name, table.names)}")
    try:
        unused = [own.column for name, own in manifest.features.items() if features and name not in features]
        in_use = {"mjj": manifest.mjj, **{n: own for n, own in wanted.items() if own.column not in unused}}
        taken = table.take((*(own.column for own in in_use.values()), *extra.values()))
        taken |= table.fitting(unused, len(taken[manifest.mjj.column]))
    except DataError as error:
        raise DataError(f"{file}: {error}; mend the file, or what {path} names") from error
    columns = {name: taken[own.column] * UNITS[own.unit] for name, own in wanted.items() if own.column in taken}
    label, weight = (taken[extra[key]] if key in extra else None for key in ("label", "weight"))
    return OwnEvents(columns, label, weight)
