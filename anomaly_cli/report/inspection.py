"""What `anomaly inspect` prints: an artifact explained."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anomaly_cli.artifacts.store import Artifact

MOST_ARRAYS = 12
"""Groups of more arrays than this that no column describes, as the weights of networks, are summed up."""


def explain_artifact(artifact: Artifact, is_blinded: bool = False) -> RenderableType:
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
    return Group(*(Text(line, overflow="fold") for line in lines), *_group_tables(artifact, is_blinded))


def _group_tables(artifact: Artifact, is_blinded: bool) -> list[RenderableType]:
    tables: list[RenderableType] = []
    for name, columns in artifact.groups.items():
        group = artifact.kind.groups[name]
        if is_blinded and group.tells_region:
            tables.append(Text(f"/{name}: {group.meaning}: not shown, the signal region is blinded\n"))
            continue
        if not group.columns and len(columns) > MOST_ARRAYS:
            tables.append(_network_table(f"/{name}: {group.meaning}", columns))
            continue
        table = Table(title=f"/{name}: {group.meaning}", box=box.SIMPLE_HEAD, title_justify="left")
        for header in ("data set", "shape", "unit", "meaning", "values"):
            table.add_column(header, overflow="fold", no_wrap=header == "data set")
        for key, array in columns.items():
            column = group.columns.get(key)
            unit, meaning = (column.unit, column.meaning) if column else ("", "")
            table.add_row(key, "x".join(map(str, array.shape)) or "1", unit, meaning, _values(array))
        tables.append(table)
    return tables


def _network_table(title: str, columns: Mapping[str, np.ndarray]) -> Table:
    """Return one row per network, of the arrays whose names begin alike."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for header in ("names begin with", "arrays", "numbers"):
        table.add_column(header, justify="left" if header.startswith("names") else "right")
    sizes: dict[str, list[int]] = {}
    for key, array in columns.items():
        sizes.setdefault(key.partition(".")[0], []).append(array.size)
    for beginning, found in sizes.items():
        table.add_row(beginning, str(len(found)), str(sum(found)))
    return table


def _values(array: np.ndarray) -> str:
    if array.dtype.kind == "U":
        different = list(dict.fromkeys(np.ravel(array).tolist()))
        texts = [text if len(text) <= 40 else f"{text[:37]}..." for text in different[:12]]
        return ", ".join(texts) + (" ..." if len(different) > 12 else "")
    if array.size == 0:
        return "empty"
    if array.size <= 6:
        return ", ".join(f"{value:.6g}" for value in np.ravel(array).tolist())
    if array.dtype.kind == "b":
        return f"{int(array.sum())} of {array.size} true"
    return f"{np.nanmin(array):.6g} to {np.nanmax(array):.6g}" if not np.isnan(array).all() else "all NaN"
