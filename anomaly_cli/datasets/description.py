"""What a file is: layout, columns, ranges, NaN, region counts, and which command comes next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.core.events import FEATURES
from anomaly_cli.core.windows import Window
from anomaly_cli.datasets.columns import FileColumns, RawPlace
from anomaly_cli.datasets.containers import CATHODE_COLUMNS, read_table
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.layouts import CATHODE, CURTAINS_COLUMNS, EventTable
from anomaly_cli.datasets.own import is_own_manifest, load_own_manifest, own_features, read_own_table
from anomaly_cli.datasets.rawfeatures import CHUNK_EVENTS, N_SLOTS, read_rows, to_constituents
from anomaly_cli.datasets.readers import read_events

REGIONS = (Window(3000.0, 3300.0), Window(3300.0, 3700.0), Window(3700.0, 4600.0))
"""The windows that are counted: the usual side-bands and signal region of LHCO."""
MOST_COLUMNS = 40
"""Columns of a file that are described; of more nobody reads a table."""


@dataclass(frozen=True)
class ColumnRange:
    """One column: smallest, median and largest finite value, and how many are NaN or infinite."""

    name: str
    low: float
    median: float
    high: float
    n_bad: int


@dataclass(frozen=True)
class Description:
    """What a file is.

    Attributes:
        path: the file.
        layout: what it is, in words.
        n_events: rows.
        n_signal: rows labelled signal, -1 where there are no labels.
        n_duplicates: rows equal to an earlier one, -1 where not looked for.
        columns: the columns, at most `MOST_COLUMNS` of the file unless its layout uses more, and mass and
            features as they are analysed.
        n_left_out: columns of the file that are not among them.
        regions: window with events of background and of signal in it; empty where there are no labels, since
            counts of observed data stay blinded.
        problem: why it cannot be analysed as it is, empty where it can.
        next_command: what to run next.
    """

    path: Path
    layout: str
    n_events: int
    n_signal: int
    n_duplicates: int
    columns: tuple[ColumnRange, ...]
    regions: tuple[tuple[str, int, int], ...]
    problem: str
    next_command: str
    n_left_out: int = 0


def describe(path: Path, key: str = "") -> Description:
    """Return what a file is, also where it cannot be analysed; `key` says which table where there are several.

    Raises:
        DataError: where the file cannot be read at all.
    """
    is_own = is_own_manifest(path)
    content = read_own_table(path, load_own_manifest(path), key) if is_own else read_table(path, key)
    if isinstance(content, RawPlace):
        return _describe_raw(path, content)
    try:
        table = read_events(path, drop_nan=True, features=own_features(path) or FEATURES, key=key)
    except AnomalyError as error:
        return _describe_unusable(path, content, str(error))
    return _describe_events(path, content, table, key)


def _is_same(computed: FloatArray, read: FloatArray | None) -> bool:
    """Return whether a column is analysed as it was read, of which nothing more has to be shown."""
    return read is not None and computed.shape == read.shape and bool((computed == read).all())


def _describe_events(path: Path, content: FileColumns, table: EventTable, key: str) -> Description:
    features = table.compute(table.feature_names)
    n_bad = table.n_read - len(table)
    shown = _shown(path, content)
    ranges = _ranges(shown)
    computed = {"mjj": features.mjj, **dict(zip(features.names, features.values.T, strict=True))}
    changed = {name: column for name, column in computed.items() if not _is_same(column, shown.get(name))}
    ranges += _ranges({f"{name} (as analysed)": column for name, column in changed.items()})
    regions = []
    for window in REGIONS if table.is_labelled else ():
        inside = window.contains(features.mjj)
        regions.append((window.text, int((inside & ~table.is_signal).sum()), int((inside & table.is_signal).sum())))
    quoted = shlex.quote(str(path))
    region = "3.3-3.7" if all(window.contains(features.mjj).any() for window in REGIONS) else "LOW-HIGH"
    command = f"anomaly run --data {quoted} --signal-region {region}" + (f" --key {shlex.quote(key)}" if key else "")
    if table.layout == CATHODE:
        command += " --features mj1,delta_mj,tau21_j1,tau21_j2"
    n_signal = int(table.is_signal.sum()) if table.is_labelled else -1
    if n_signal == len(table):
        command = f"anomaly run --inject-from {quoted} --signal-region {region}  # all of it is signal"
    return Description(
        path=path,
        layout=f"{table.layout}, {content.container}",
        n_events=table.n_read,
        n_signal=n_signal,
        n_duplicates=table.n_duplicates,
        columns=tuple(ranges),
        regions=tuple(regions),
        problem=f"{', '.join(table.faults)}; these events are refused unless --drop-nan is passed" if n_bad else "",
        next_command=command + (" --drop-nan" if n_bad else ""),
        n_left_out=len(content.columns) - len(shown),
    )


def _describe_unusable(path: Path, content: FileColumns, problem: str) -> Description:
    shown = _shown(path, content)
    return Description(
        path=path,
        layout=f"a table in no layout that can be analysed as it is, {content.container}",
        n_events=len(content),
        n_signal=-1,
        n_duplicates=-1,
        columns=tuple(_ranges(shown)),
        regions=(),
        problem=problem,
        next_command=(
            "mend the file, and describe it again"
            if set(OFFICIAL_COLUMNS) <= set(content.names) or is_own_manifest(path)
            else f"anomaly data manifest {shlex.quote(str(path))}"
        ),
        n_left_out=len(content.columns) - len(shown),
    )


def _shown(path: Path, content: FileColumns) -> dict[str, FloatArray]:
    """Return the columns that are described: those that the layout or a manifest uses, then the first of the others."""
    manifest = load_own_manifest(path) if is_own_manifest(path) else None
    used = [*OFFICIAL_COLUMNS, *CURTAINS_COLUMNS, *CATHODE_COLUMNS, "label", "is_signal"]
    if manifest and manifest.mjj:
        own = (manifest.mjj, *manifest.features.values())
        used = [*(column.column for column in own), manifest.label, manifest.weight]
    first = [name for name in dict.fromkeys(used) if name in content.columns]
    order = dict.fromkeys((*first, *content.columns))
    chosen = set(list(order)[: max(MOST_COLUMNS, len(first))])
    return {name: column for name, column in content.columns.items() if name in chosen}


def _describe_raw(path: Path, place: RawPlace) -> Description:
    """Describe raw events by their first chunk; labels are read from all."""
    values = read_rows(place, 0, CHUNK_EVENTS)
    events = to_constituents(place, 0, values)
    columns = {"pT": events.pt, "eta": events.eta, "phi": events.phi}
    columns["constituents of an event"] = events.count.astype(np.float64)
    n_signal = -1
    if place.is_labelled:
        chunks = range(0, place.n_events, CHUNK_EVENTS)
        n_signal = sum(int((read_rows(place, first, CHUNK_EVENTS)[:, -1] == 1).sum()) for first in chunks)
    return Description(
        path=path,
        layout=f"raw events: {N_SLOTS} x (pT, eta, phi){' and label' if place.is_labelled else ''}, HDF5",
        n_events=place.n_events,
        n_signal=n_signal,
        n_duplicates=-1,
        columns=tuple(_ranges(columns)),
        regions=(),
        problem="raw events have to be clustered first; ranges are those of the first events",
        next_command=shlex.join(
            ("anomaly", "data", "features", str(path), f"{place.path.with_suffix('').name}.features.h5")
        ),
    )


def _ranges(columns: Mapping[str, FloatArray]) -> list[ColumnRange]:
    found = []
    for name, column in columns.items():
        values = np.asarray(column, dtype=np.float64)
        finite = values[np.isfinite(values)]
        low, median, high = np.quantile(finite, (0.0, 0.5, 1.0)) if len(finite) else (np.nan,) * 3
        found.append(ColumnRange(name, float(low), float(median), float(high), len(values) - len(finite)))
    return found
