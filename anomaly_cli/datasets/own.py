"""A user's own file, described by a manifest: which column is what, in which unit."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.documents import parse_toml, read_text
from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.records import build_record, nearest, refuse_unknown
from anomaly_cli.core.windows import COLLISION_ENERGY, LARGEST_ENERGY, parse_mass
from anomaly_cli.datasets.columns import DIRECT, UNITS, WEIGHT, FileColumns, RawPlace, Spelling
from anomaly_cli.datasets.containers import read_table


@dataclass(frozen=True)
class OwnColumn:
    """One column: its name in the file, and its unit (`GeV`, `TeV` or `1`)."""

    column: str
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(f"column '{self.column}': unit '{self.unit}' is not known; write GeV, TeV or 1")


LEAST_ENERGY = 100.0
"""No collisions that make jets for this analysis have less [GeV]."""


@dataclass(frozen=True)
class OwnManifest:
    """How to read a file.

    Attributes:
        file: the event file, relative to the manifest.
        mjj: the dijet mass; None where the file is in a layout that is known by its columns.
        features: the features by the name that they get; none where the layout is known.
        label: column with 0 for background and 1 for signal, empty where there is none.
        weight: column with event weights, empty where there is none.
        event_id: column with a whole number that names each event, for scores in a file of their own; empty where
            their rows do.
        key: which table of an HDF5 file that has several, empty where it has one.
        collision_energy: centre-of-mass energy of the collisions, with its unit.
        title: one line, for people.
    """

    file: str
    mjj: OwnColumn | None = None
    features: Mapping[str, OwnColumn] = field(default_factory=dict)
    label: str = ""
    weight: str = ""
    event_id: str = ""
    key: str = ""
    collision_energy: str = f"{COLLISION_ENERGY:g} GeV"
    title: str = ""

    @property
    def energy(self) -> float:
        """Centre-of-mass energy [GeV]."""
        return parse_mass(self.collision_energy)

    @property
    def spellings(self) -> dict[str, Spelling]:
        """How the file writes mass, features and weight."""
        columns = {**({DIRECT: self.mjj} if self.mjj else {}), **self.features}
        spelt = {name: Spelling(_subject(own.column, name), own.unit) for name, own in columns.items()}
        return {**spelt, WEIGHT: Spelling(_subject(self.weight, WEIGHT), "1")}


def _subject(column: str, name: str) -> str:
    return f"column '{column}'" + ("" if column == name else f" ({name})")


@dataclass(frozen=True)
class OwnEvents:
    """What a manifest takes from its file: `mjj` and features [GeV], label, weight and ids as they are."""

    columns: Mapping[str, FloatArray]
    label: FloatArray | None
    weight: FloatArray | None
    event_id: FloatArray | None


def is_own_manifest(path: Path) -> bool:
    """Return whether `path` is meant to be a manifest and not an event file."""
    return path.suffix.lower() == ".toml"


def own_features(path: Path) -> tuple[str, ...] | None:
    """Return the features that a manifest names; None for an event file, and for a manifest of a known layout."""
    manifest = load_own_manifest(path) if is_own_manifest(path) else None
    return tuple(manifest.features) if manifest and manifest.mjj else None


def collision_energy(path: Path) -> float:
    """Return the centre-of-mass energy [GeV] that the manifest of a file states, else that of the LHC Olympics."""
    return load_own_manifest(path).energy if is_own_manifest(path) else COLLISION_ENERGY


def event_file(path: Path) -> Path:
    """Return the file that holds the events: `path` itself, or the one that the manifest names."""
    return Path(load_own_manifest(path).file) if is_own_manifest(path) else path


def load_own_manifest(path: Path) -> OwnManifest:
    """Return a manifest, its file made absolute.

    Raises:
        DataError: where it cannot be read.
        ConfigError: where it says something else than a manifest does.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: is no regular file; name the manifest itself")
    try:
        tree = parse_toml(read_text(path, "utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its path") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not valid TOML ({error}); 'anomaly data manifest FILE' writes one") from error
    _check_names(path, tree)
    features = tree.pop("features", {})
    if not isinstance(tree["file"], str):
        raise ConfigError(f"{path}: 'file' must be text, the path of the event file, and not {tree['file']}")
    own = {"mjj": tree["mjj"], **features} if features else {}
    for name, value in own.items():
        if not isinstance(value, dict) or not {"column", "unit"} <= set(value):
            raise ConfigError(
                f"{path}: '{name}' must name a column and its unit, as"
                f' {name} = {{ column = "name in the file", unit = "GeV" }}'
            )
    columns = {name: build_record(OwnColumn, value, f"{path}: {name}") for name, value in own.items()}
    _refuse_mass(path, columns)
    tree |= {"mjj": columns.pop("mjj", None), "features": columns, "file": str(path.parent / tree["file"])}
    manifest = build_record(OwnManifest, tree, str(path))
    _check_energy(path, manifest)
    return manifest


def _check_names(path: Path, tree: Mapping[str, Any]) -> None:
    """Refuse settings and features of names that they cannot have.

    Raises:
        ConfigError: where one is unknown, missing or out of place.
    """
    refuse_unknown(tree, {field.name for field in dataclasses.fields(OwnManifest)}, str(path))
    features = tree.get("features", {})
    if "file" not in tree or ("mjj" in tree) != bool(features) or not isinstance(features, dict):
        raise ConfigError(
            f"{path}: a manifest needs 'file', 'mjj' and a table 'features', or, for a file in a layout that is known"
            " by its columns, 'file' alone; 'anomaly data manifest FILE' writes one"
        )
    for name in ("label", "weight", "event_id"):
        if name in tree and not features:
            raise ConfigError(f"{path}: '{name}' is for files whose columns are named by 'mjj' and 'features' as well")
    for name in features:
        if not re.fullmatch(r"[A-Za-z]\w*", name) or name in ("mjj", "label", "weight"):
            raise ConfigError(f"{path}: feature '{name}' needs another name: letters, digits and _, not mjj or label")


def _refuse_mass(path: Path, columns: Mapping[str, OwnColumn]) -> None:
    """Refuse mjj as a feature.

    Raises:
        ConfigError: where it is one.
    """
    again = [name for name, own in columns.items() if name != "mjj" and own.column == columns["mjj"].column]
    if again:
        raise ConfigError(
            f"{path}: feature '{again[0]}' is the column of mjj, '{columns['mjj'].column}', by which a classifier would"
            " tell everything apart; leave it out of the features"
        )


def _check_energy(path: Path, manifest: OwnManifest) -> None:
    """Refuse a collision energy that no collisions have.

    Raises:
        ConfigError: where it is that, or no energy with a unit.
    """
    text, is_energy = manifest.collision_energy, False
    with contextlib.suppress(ConfigError):
        is_energy = LEAST_ENERGY <= manifest.energy <= LARGEST_ENERGY and not text.strip()[-1:].isdigit()
    if not is_energy:
        raise ConfigError(
            f'{path}: collision_energy = "{text}" is no centre-of-mass energy; write it with its unit, as'
            ' collision_energy = "13.6 TeV"'
        )


def read_own_table(path: Path, manifest: OwnManifest, key: str = "") -> FileColumns | RawPlace:
    """Return the table that a manifest describes; `key` says which where the manifest does not.

    Raises:
        DataError: where the file cannot be read.
        ConfigError: where the manifest names another table than `key`.
    """
    if key and manifest.key and key.strip("/") != manifest.key.strip("/"):
        raise ConfigError(f"--key {key}: {path} names the table '{manifest.key}'; leave out --key")
    found = read_table(Path(manifest.file), manifest.key or key)
    return replace(found, collision_energy=manifest.energy) if isinstance(found, RawPlace) else found


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
    if manifest.mjj is None:
        raise ConfigError(f"{path}: names no columns, since the layout of its file is known by its own")
    wanted = {DIRECT: manifest.mjj, **manifest.features}
    extra = {name: getattr(manifest, name) for name in ("label", "weight", "event_id") if getattr(manifest, name)}
    names = (*(own.column for own in wanted.values()), *extra.values())
    for name in names:
        if name not in table.names:
            raise DataError(f"{file}: has no column '{name}', which {path} names; {nearest(name, table.names)}")
    try:
        unused = [own.column for name, own in manifest.features.items() if features and name not in features]
        in_use = {DIRECT: manifest.mjj, **{n: own for n, own in wanted.items() if own.column not in unused}}
        taken = table.take((*(own.column for own in in_use.values()), *extra.values()))
        taken |= table.fitting(unused, len(taken[manifest.mjj.column]))
    except DataError as error:
        raise DataError(f"{file}: {error}; mend the file, or what {path} names") from error
    columns = {name: taken[own.column] * UNITS[own.unit] for name, own in wanted.items() if own.column in taken}
    return OwnEvents(columns, *(taken[extra[key]] if key in extra else None for key in ("label", "weight", "event_id")))
