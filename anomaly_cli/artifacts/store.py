"""Reading and writing artifacts: atomic, checked, byte-identical for identical content.

A file is built in memory and then written beside its target, synced and renamed: a crash, a full disk
or Ctrl-C leaves the earlier file or none. The digest covers every array and the provenance, and the
provenance covers the digests of the inputs; so the last file identifies the whole chain.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts.columns import Column, Group, Kind
from anomaly_cli.artifacts.provenance import Provenance, canonical_json
from anomaly_cli.artifacts.schema import KINDS
from anomaly_cli.artifacts.seal import check_seal, sealed
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.blocks import FEATURES_BLOCK, Block, Features
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ArtifactError, DataError, first_line
from anomaly_cli.core.events import Events
from anomaly_cli.core.scratch import scratch_beside

FORMAT = "anomaly artifact"
AGAIN = "move it away and run the stage again"
"""What to do about a file that cannot be used: its stage makes it anew, and what it was is still there."""
IDENTITY = ("mjj", "event_id", "source_id", "weight")
SEPARATOR = ":"
"""Between the name, kind and array of a block in the name of its column."""


@dataclass(frozen=True, repr=False)
class Artifact:
    """What was read from an artifact.

    Attributes:
        path: where it was read.
        kind: its kind.
        groups: arrays by group and column.
        features: feature names of its events, empty where it has none.
        provenance: how it was made.
        digest: its content hash.
    """

    path: Path
    kind: Kind
    groups: Mapping[str, Arrays]
    features: tuple[str, ...]
    provenance: Provenance
    digest: str

    def __repr__(self) -> str:
        return f"Artifact({self.kind.name}, {self.path}, {', '.join(self.groups)})"

    def events(self, group: str) -> Events:
        """Return the events of a group.

        Raises:
            DataError: where the stored events are not finite or shapes disagree.
        """
        columns = self.groups[group]
        return Events(
            **{name: columns[name] for name in IDENTITY},
            blocks={FEATURES_BLOCK: Features(columns[FEATURES_BLOCK], self.features), **_read_blocks(columns)},
        )


def event_columns(events: Events) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of `events` as the schema names them; blocks besides the features as `NAME:KIND:ARRAY`."""
    columns = {name: getattr(events, name) for name in IDENTITY}
    columns[FEATURES_BLOCK] = events.features if FEATURES_BLOCK in events.blocks else np.zeros((len(events), 0))
    for name, block in events.blocks.items():
        if name != FEATURES_BLOCK:
            arrays = block.to_arrays()
            columns |= {SEPARATOR.join((name, block.kind, key)): np.asarray(array) for key, array in arrays.items()}
    return columns


def _read_blocks(columns: Arrays) -> dict[str, Block]:
    found: dict[tuple[str, str], dict[str, npt.NDArray[Any]]] = {}
    for column, array in columns.items():
        if SEPARATOR in column:
            name, kind, key = column.split(SEPARATOR, 2)
            found.setdefault((name, kind), {})[key] = array
    unknown = [kind for _, kind in found if kind not in Block.kinds]
    if unknown:
        raise DataError(f"events: hold a block of the kind '{unknown[0]}', which no installed package defines")
    return {name: Block.kinds[kind].from_arrays(arrays) for (name, kind), arrays in found.items()}


def write_artifact(
    path: Path, kind: Kind, groups: Mapping[str, Arrays], provenance: Provenance, features: Iterable[str] = ()
) -> str:
    """Write an artifact in one step and return its digest.

    Args:
        path: target; its directory must exist.
        kind: the kind, which the arrays are checked against.
        groups: arrays by group and column.
        provenance: how the content came to be.
        features: feature names, where the kind holds events.

    Raises:
        ArtifactError: where the arrays do not fit the kind, or the file cannot be written.
    """
    content, digest = encode_artifact(kind, groups, provenance, features)
    write_files({path: content})
    return digest


def encode_artifact(
    kind: Kind, groups: Mapping[str, Arrays], provenance: Provenance, features: Iterable[str] = ()
) -> tuple[bytes, str]:
    """Return the bytes of an artifact's file, and its digest.

    Raises:
        ArtifactError: where the arrays do not fit the kind.
    """
    checked = _fit_to_schema(kind, groups)
    names = tuple(features)
    digest = _digest(kind.name, kind.version, checked, provenance, names)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=False) as file:
        file.attrs["format"] = FORMAT
        file.attrs["kind"] = kind.name
        file.attrs["kind_version"] = kind.version
        file.attrs["meaning"] = kind.meaning
        file.attrs["provenance"] = provenance.to_json()
        file.attrs["features"] = canonical_json(names)
        file.attrs["digest"] = digest
        for group_name in sorted(checked):
            schema = kind.groups[group_name]
            group = file.create_group(group_name)
            group.attrs["meaning"] = schema.meaning
            for name in sorted(checked[group_name]):
                _write_column(group, name, checked[group_name][name], schema.columns.get(name))
    return sealed(buffer.getvalue()), digest


def _write_column(group: h5py.Group, name: str, array: npt.NDArray[Any], column: Column | None) -> None:
    is_text = array.dtype.kind == "U"
    data = group.create_dataset(
        name, data=array.astype(object) if is_text else array, dtype=h5py.string_dtype() if is_text else array.dtype
    )
    if column is not None:
        data.attrs["unit"] = column.unit
        data.attrs["meaning"] = column.meaning


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files in one step each: scratch files beside all targets, sync, then rename all.

    Raises:
        ArtifactError: where a directory is missing, read-only or full; earlier files are untouched.
    """
    current = next(iter(contents))
    try:
        with contextlib.ExitStack() as stack:
            scratches = []
            for current, content in contents.items():
                current.parent.mkdir(parents=True, exist_ok=True)
                scratches.append(stack.enter_context(scratch_beside(current)))
                scratches[-1].write(content)
                os.fsync(scratches[-1].handle)
            for scratch in scratches:
                current = scratch.target
                scratch.path.replace(current)
    except OSError as error:
        raise ArtifactError(
            f"{current}: cannot be written ({error.strerror or error}); earlier files are untouched:"
            " free some space or choose another directory, then run the command again"
        ) from error


def read_artifact(path: Path, kind: Kind, groups: Iterable[str] | None = None) -> Artifact:
    """Read an artifact and check its kind, version, columns and digest.

    Args:
        path: the file.
        kind: the kind that the caller needs.
        groups: the groups to return; all by default.

    Raises:
        ArtifactError: where the file is missing, damaged, or of another kind or version.
    """
    artifact = read_any(path)
    if artifact.kind.name != kind.name:
        raise ArtifactError(
            f"{path}: holds a {artifact.kind.name} artifact where a {kind.name} artifact is needed;"
            f" make one with '{kind.made_by}'"
        )
    if groups is None:
        return artifact
    wanted = {name: artifact.groups[name] for name in groups}
    return Artifact(artifact.path, artifact.kind, wanted, artifact.features, artifact.provenance, artifact.digest)


class OtherVersionError(ArtifactError):
    """A whole artifact that another release wrote."""


def read_any(path: Path) -> Artifact:
    """Read an artifact of whatever kind.

    Raises:
        ArtifactError: where the file is missing, damaged, no artifact, or of a version not known here.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ArtifactError(f"{path}: is no regular file but a device, pipe or socket; name the artifact itself")
    try:
        check_seal(path)
        with h5py.File(path, "r", locking=False) as file:
            return _read_open(path, file)
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file; run the earlier stages first, or 'anomaly run'") from None
    except IsADirectoryError:
        names = ", ".join(sorted(p.name for p in path.glob("*.h5"))) or "none"
        raise ArtifactError(f"{path}: is a directory; name one of its artifacts ({names})") from None
    except OSError as error:
        if path.suffix != ".h5":
            raise ArtifactError(f"{path}: is no artifact; artifacts end in .h5") from None
        raise ArtifactError(_why_not_opened(path, error)) from error
    except MemoryError as error:
        raise ArtifactError(f"{path}: asks for more memory than there is, as damaged ones do; {AGAIN}") from error
    except (KeyError, ValueError, RuntimeError, TypeError, AttributeError, DataError) as error:
        raise ArtifactError(f"{path}: damaged ({first_line(error)}); {AGAIN}") from error


def _why_not_opened(path: Path, error: OSError) -> str:
    """Return why a file cannot be opened; what could not even be read need not be damaged."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as failure:
        return (
            f"{path}: cannot be read ({failure.strerror}), which says nothing of what it holds; get the permission or"
            " the disk back, then run the command again"
        )
    if "already open for write" in str(error):
        return f"{path}: is being written by another program, or was when that ended; wait for it, or {AGAIN}"
    return f"{path}: cannot be read as HDF5 ({first_line(error)}); {AGAIN}"


def _read_open(path: Path, file: h5py.File) -> Artifact:
    if file.attrs.get("format") != FORMAT:
        raise ArtifactError(f"{path}: is HDF5 but no anomaly artifact; give event files to 'anomaly split --data'")
    name, version = str(file.attrs["kind"]), int(file.attrs["kind_version"])
    kind = KINDS.get(name)
    if kind is None or kind.version != version:
        known = f"version {kind.version}" if kind else "no such kind"
        raise OtherVersionError(
            f"{path}: holds kind '{name}' version {version}, this release knows {known};"
            " make it anew with --overwrite or read it with the release that wrote it"
        )
    groups = {group: {key: _read_column(data) for key, data in file[group].items()} for group in file}
    checked = _fit_to_schema(kind, groups)
    features = tuple(_json_list(file.attrs["features"]))
    provenance = Provenance.from_json(str(file.attrs["provenance"]))
    digest = _digest(name, version, checked, provenance, features)
    if digest != file.attrs["digest"]:
        raise ArtifactError(f"{path}: its content does not match its digest; {AGAIN}")
    return Artifact(path, kind, checked, features, provenance, digest)


def _json_list(text: Any) -> list[str]:
    return [str(item) for item in parse_json(str(text))]


def _read_column(data: h5py.Dataset) -> npt.NDArray[Any]:
    if h5py.check_string_dtype(data.dtype):
        return np.asarray(data.asstr()[()], dtype=np.str_)
    array = np.asarray(data[()])
    array.flags.writeable = False  # what was read may be shared between its readers
    return array


def _fit_to_schema(kind: Kind, groups: Mapping[str, Arrays]) -> dict[str, dict[str, npt.NDArray[Any]]]:
    unknown = sorted(set(groups) - set(kind.groups))
    if unknown:
        raise ArtifactError(f"{kind.name}: unknown group '{unknown[0]}'; the schema has {', '.join(kind.groups)}")
    checked = {}
    for name, schema in kind.groups.items():
        if name not in groups:
            if schema.optional:
                continue
            raise ArtifactError(f"{kind.name}: group '{name}' is missing; make the file anew with '{kind.made_by}'")
        checked[name] = _fit_group(f"{kind.name}/{name}", schema, groups[name])
    return checked


def _fit_group(where: str, schema: Group, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    if schema.is_open:
        for name in arrays:
            if "/" in name:
                raise ArtifactError(f"{where}: '{name}' is no name of an array, since '/' divides groups")
        return {name: np.asarray(array, order="C") for name, array in arrays.items()}
    blocks = {name for name in arrays if schema.holds_events and SEPARATOR in name}
    if set(arrays) - blocks != set(schema.columns):
        odd = sorted(set(arrays) - blocks ^ set(schema.columns))
        raise ArtifactError(f"{where}: column '{odd[0]}' is missing or unknown; make the file anew")
    sizes: dict[str, int] = {}
    fitted = {name: np.asarray(arrays[name], order="C") for name in sorted(blocks)}
    for name, column in schema.columns.items():
        array = np.asarray(arrays[name])
        symbols = [symbol for symbol in column.shape.split(",") if symbol]
        if len(symbols) != array.ndim:
            raise ArtifactError(f"{where}/{name}: has {array.ndim} dimensions, expected {len(symbols)}")
        for symbol, size in zip(symbols, array.shape, strict=True):
            if sizes.setdefault(symbol, size) != size:
                raise ArtifactError(f"{where}/{name}: has length {size}, other columns have {sizes[symbol]}")
        fitted[name] = (
            array.astype(np.str_) if column.dtype == "str" else np.asarray(array, dtype=column.dtype, order="C")
        )
    return fitted


def _digest(
    kind: str, version: int, groups: Mapping[str, Arrays], provenance: Provenance, features: tuple[str, ...]
) -> str:
    hasher = hashlib.sha256(canonical_json([FORMAT, kind, version, list(features)]).encode())
    hasher.update(provenance.to_json().encode())
    for group in sorted(groups):
        for name in sorted(groups[group]):
            array = groups[group][name]
            is_text = array.dtype.kind == "U"
            label = "text" if is_text else array.dtype.str
            hasher.update(canonical_json([group, name, label, list(array.shape)]).encode())
            hasher.update(canonical_json(array.tolist()).encode() if is_text else array.tobytes())
    return hasher.hexdigest()


def file_digest(path: Path, option: str = "--data") -> str:
    """Return the sha256 of a file's bytes, read in chunks; `option` is where a user gave its path.

    A file is read again in this process only where it may have changed since.

    Raises:
        DataError: where the file cannot be read, or is a device, pipe or socket, which may have no end.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(f"{path}: is no regular file; write its content to a file and give that to {option}")
    try:
        with path.open("rb") as file:
            before, now = _file_state(file.fileno()), time.time_ns()
            if before in _hashed:
                return _hashed[before]
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _file_state(file.fileno()) == before and now - max(before[-2:]) > SETTLED_NS:
                _hashed[before] = digest
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path given to {option}") from error
    return digest


SETTLED_NS = 2_000_000_000
"""A file that was changed less than this long ago is hashed again: file systems tell times in steps of up to 2 s, so
that another change might not show. Its time of change counts as well as that of its content, which can be set back."""
_hashed: dict[tuple[int, ...], str] = {}
"""Digests of files by what changes whenever they do."""


def _file_state(descriptor: int) -> tuple[int, ...]:
    """Return device, inode, size [bytes], and the times [ns] of the last change of the content and of anything."""
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
