"""The skeleton of a manifest: what a file of other columns needs said about it, guessed where it can be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import DataError
from anomaly_cli.datasets.columns import UNITS, RawPlace
from anomaly_cli.datasets.containers import read_table
from anomaly_cli.datasets.own import is_own_manifest

MASS = re.compile(r"^(m_?j_?j|m_?j1_?j2|mass_?jj|(di|jj)_?j?e?t?_?mass|m_?dijet|mjj\w*|mass|m)$", re.IGNORECASE)
UNIT = re.compile(r"[\s_]*[(\[]\s*(GeV|TeV)\s*[)\]]$|_(GeV|TeV)$", re.IGNORECASE)
"""A unit at the end of a column's name."""
LABEL = re.compile(r"^(label|is_?signal|truth|y|target)$", re.IGNORECASE)
WEIGHT = re.compile(r"^(w|weights?|event_?weight)$", re.IGNORECASE)
LEAST_GEV = 20.0
"""Masses and momenta in GeV have a median above this; those in TeV, and numbers without unit, below."""
LEAST_NUMBERED = 20
"""Rows from which whole numbers that rise are no accident."""
MOST_LISTED = 40
"""Columns that become features; further ones are named in a comment."""


def manifest_skeleton(path: Path, key: str = "") -> str:
    """Return a manifest for an event file as TOML, with ranges as comments and a mark at all that was guessed.

    Args:
        path: the event file; the manifest is to lie in the same folder.
        key: which table, where the file has several.

    Raises:
        DataError: where the file cannot be read, holds raw events, or is a manifest itself.
    """
    if is_own_manifest(path):
        raise DataError(f"{path}: is a manifest already; name the event file")
    table = read_table(path, key)
    if isinstance(table, RawPlace):
        raise DataError(f"{path}: holds raw events, which need no manifest; 'anomaly data features' makes features")
    usable = {
        name: column for name, column in table.columns.items() if column.ndim == 1 and column.dtype.kind in "fiub"
    }
    columns = {name: column.astype(np.float64) for name, column in usable.items()}
    mass = next((name for name in columns if MASS.match(UNIT.sub("", name.strip()))), "")
    numbering = next((name for name, column in columns.items() if name != mass and _is_numbering(column)), "")
    label = next((name for name, column in columns.items() if LABEL.match(name) and _is_binary(column)), "")
    weight = next((name for name in columns if WEIGHT.match(name)), "")
    features = {name: column for name, column in columns.items() if name not in (mass, label, weight, numbering)}
    head = [
        "# What anomaly has to know of this file. CHECK marks what was guessed: units are GeV, TeV or 1.",
        f"file = {_quoted(path.name)}  # beside this manifest",
        *([f"key = {_quoted(key)}"] if key else []),
        _line("label", label, "0 background, 1 signal; leave out for data"),
        _line("weight", weight, "one per event; leave out where all are equal"),
        *([_line("event_id", numbering, "the number of the event, by which others find it")] if numbering else []),
        '# collision_energy = "13 TeV"  # of the collisions; 13 TeV where nothing is said',
        _column("mjj", mass or "NAME OF THE DIJET MASS", columns.get(mass), "TeV"),
        "",
        "[features]  # what the template describes and the classifier sees; leave out what is strongly tied to mjj",
    ]
    listed = dict(list(features.items())[:MOST_LISTED])
    lines = [
        f"# {line}, the same in every event" if _is_constant(listed[column]) else line
        for name, column in _named(listed)
        for line in [_column(name, column, listed[column], "1")]
    ]
    rest = list(features)[MOST_LISTED:]
    return "\n".join([*head, *lines, *([f"# not listed: {', '.join(rest)}"] if rest else []), ""])


def _is_binary(column: FloatArray) -> bool:
    return bool(np.isin(column, (0.0, 1.0)).all())


def _is_numbering(column: FloatArray) -> bool:
    """Return whether a column counts events: whole numbers that rise from row to row."""
    return len(column) >= LEAST_NUMBERED and bool((np.diff(column) > 0.0).all() and (column % 1.0 == 0.0).all())


def _is_constant(column: FloatArray) -> bool:
    finite = column[np.isfinite(column)]
    return len(finite) > 0 and bool((finite == finite[0]).all())


def _named(columns: Mapping[str, FloatArray]) -> list[tuple[str, str]]:
    """Return a name that a feature may have, each once, and the column that it stands for."""
    named: dict[str, str] = {}
    for column in columns:
        plain = re.sub(r"\W+", "_", column).strip("_") or "feature"
        name = plain if re.match(r"[A-Za-z]", plain) and plain not in ("mjj", "label", "weight") else f"x_{plain}"
        while name in named:
            name += "_"
        named[name] = column
    return list(named.items())


def _line(what: str, column: str, meaning: str) -> str:
    if column:
        return f"{what} = {_quoted(column)}  # CHECK: {meaning}"
    return f'# {what} = "NAME"  # {meaning}'


def _column(name: str, column: str, values: FloatArray | None, small: str) -> str:
    """Return the line of a column: the unit in its name, or GeV where its values are large, else the unit `small`."""
    finite = values[np.isfinite(values)] if values is not None else np.zeros(0)
    if not len(finite):
        return f'{name} = {{ column = {_quoted(column)}, unit = "GeV" }}  # CHECK'
    low, median, high = np.quantile(finite, (0.0, 0.5, 1.0))
    named = UNIT.search(column.strip())
    unit = "GeV" if abs(median) > LEAST_GEV else small
    if named:
        unit = next(known for known in UNITS if known.casefold() == (named[1] or named[2]).casefold())
    return f'{name} = {{ column = {_quoted(column)}, unit = "{unit}" }}  # CHECK: {low:.4g} to {high:.4g}'


def _quoted(text: str) -> str:
    """Return text as TOML writes it, in which JSON does as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
