"""What `anomaly inspect` prints: an artifact explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anomaly_cli.artifacts.columns import Group
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.notation import COUNT
from anomaly_cli.report.table import Column, Message, Part, Priority, Report, Table, build, made

MOST_ARRAYS = 12
"""Groups of more arrays than this that no column describes, as the weights of networks, are summed up."""
LONGEST_TEXT = 40
MOST_VALUES = 6


def explain_artifact(artifact: Artifact, is_blinded: bool = False) -> Report:
    """Return an explanation of an artifact: what it is, how it was made, what it holds.

    While the signal region is blinded, groups that tell its number of events are named only.
    """
    kind, provenance = artifact.kind, artifact.provenance
    lines = [
        f"{artifact.path}: {kind.name} artifact, version {kind.version}: {kind.meaning}",
        f"made by '{kind.made_by}' (stage {provenance.stage} {provenance.stage_version}), seed {provenance.seed}",
        f"digest {artifact.digest} (checked)",
        *(f"input {name}: {digest}" for name, digest in provenance.inputs.items()),
        "settings: " + json.dumps(provenance.settings, sort_keys=True),
        "versions: " + ", ".join(f"{name} {version}" for name, version in provenance.versions.items()),
    ]
    if artifact.features:
        lines.append("features: " + ", ".join(artifact.features))
    return [*map(Message, lines), *(_explain_group(artifact, name, is_blinded) for name in artifact.groups)]


def _explain_group(artifact: Artifact, name: str, is_blinded: bool) -> Part:
    group, columns = artifact.kind.groups[name], artifact.groups[name]
    title = f"/{name}: {group.meaning}"
    if is_blinded and group.tells_region:
        return Message(f"{title}: not shown, the signal region is blinded")
    if not group.columns and len(columns) > MOST_ARRAYS:
        return _network_table(name, title, columns)
    return _array_table(name, title, group, columns)


@dataclass(frozen=True)
class _Array:
    """One data set of a group."""

    name: str
    values: np.ndarray
    unit: str
    meaning: str

    @property
    def shape(self) -> str:
        """Its lengths, as `4x5`."""
        return "x".join(map(str, self.values.shape)) or "1"


def _array_table(name: str, title: str, group: Group, columns: Mapping[str, np.ndarray]) -> Table:
    arrays = []
    for key, values in columns.items():
        column = group.columns.get(key)
        arrays.append(_Array(key, values, column.unit if column else "", column.meaning if column else ""))
    texts = (
        (Column("data_set", "data set", priority=Priority.KEY, holds=str), lambda array: array.name),
        (
            Column("shape", "shape", priority=Priority.LOW, holds=str),
            lambda array: "x".join(map(str, array.values.shape)) or "1",
        ),
        (Column("unit", "unit", priority=Priority.LOW, holds=str), lambda array: array.unit),
        (Column("meaning", "meaning", holds=str), lambda array: array.meaning),
        (Column("values", "values", priority=Priority.HIGH, holds=str), lambda array: _values(array.values)),
    )
    return build(f"group_{name}", title, [made(column, cell) for column, cell in texts], arrays)


def _network_table(name: str, title: str, columns: Mapping[str, np.ndarray]) -> Table:
    """Return one row per network, of the arrays whose names begin alike."""
    sizes: dict[str, list[int]] = {}
    for key, array in columns.items():
        sizes.setdefault(key.partition(".")[0], []).append(array.size)
    fields = [
        made(Column("beginning", "names begin with", priority=Priority.KEY, holds=str), lambda row: row[0]),
        made(Column("arrays", "arrays", format=COUNT, holds=int), lambda row: len(row[1])),
        made(Column("numbers", "numbers", format=COUNT, holds=int), lambda row: sum(row[1])),
    ]
    return build(f"group_{name}", title, fields, sizes.items())


def _values(array: np.ndarray) -> str:
    if array.dtype.kind == "U":
        different = list(dict.fromkeys(np.ravel(array).tolist()))
        texts = [text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..." for text in different[:12]]
        return ", ".join(texts) + (" ..." if len(different) > 12 else "")
    if array.size == 0:
        return "empty"
    if array.size <= MOST_VALUES:
        return ", ".join(f"{value:.6g}" for value in np.ravel(array).tolist())
    if array.dtype.kind == "b":
        return f"{int(array.sum())} of {array.size} true"
    return f"{np.nanmin(array):.6g} to {np.nanmax(array):.6g}" if not np.isnan(array).all() else "all NaN"
