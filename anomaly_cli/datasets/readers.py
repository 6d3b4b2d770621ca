"""Readers of event files: the layout is detected from the file itself, and what cannot be used is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.events import FEATURES
from anomaly_cli.core.folds import FloatArray, IntArray, hash_rows
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.columns import RawPlace, Table
from anomaly_cli.datasets.containers import CATHODE_COLUMNS, read_table, require_file
from anomaly_cli.datasets.features import (
    EXTENDED_COLUMNS,
    OFFICIAL_COLUMNS,
    SUBJETTINESSES,
    EventFeatures,
    columns_of,
    compute_features,
)
from anomaly_cli.datasets.own import is_own_manifest, load_own_manifest, read_own
from anomaly_cli.datasets.screening import WEIGHT, find_faults, refuse_faults

BoolArray = npt.NDArray[np.bool_]
OFFICIAL, CURTAINS, CATHODE, OWN = "official features", "CURTAINs", "CATHODE", "own file"
CURTAINS_COLUMNS = ("m_jj", "m_j1", "m_j2", "tau21_j1", "tau21_j2", "del_R")
DIRECT = "mjj"
"""The column that a table with ready-made features has, and one of jet momenta has not."""
LARGEST_TYPICAL_GEV = 5e4
"""Dijet masses and momenta whose typical value is larger were not written in GeV."""
LEAST_MJJ_GEV, LEAST_MASS_GEV = 50.0, 2.0
"""Dijet and jet masses whose typical value is smaller were not written in GeV."""


@dataclass(frozen=True)
class EventTable:
    """The events of a file, as far as the analysis uses them.

    Attributes:
        layout: name of the layout.
        columns: the official columns, or `mjj` and features, `(n,)` each, [GeV].
        is_signal: truth label `(n,)`, empty where the file has none.
        is_labelled: whether the file has truth labels.
        weight: event weight `(n,)`, positive; 1 where the file has none.
        row: row of each event in the file `(n,)`.
        n_read: rows in the file; those with values that cannot be may have been dropped.
        n_duplicates: events equal to an earlier one in every column.
        faults: why events were dropped: column, what is wrong, in how many.
    """

    layout: str
    columns: Mapping[str, FloatArray]
    is_signal: BoolArray
    is_labelled: bool
    weight: FloatArray
    row: IntArray
    n_read: int
    n_duplicates: int
    faults: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features that can be had from this file."""
        if DIRECT in self.columns:
            return tuple(name for name in self.columns if name != DIRECT)
        return tuple(n for n in (*FEATURES, *SUBJETTINESSES) if set(columns_of((n,))) <= set(self.columns))

    def compute(self, names: Sequence[str]) -> EventFeatures:
        """Return mass and features.

        Raises:
            ConfigError: for a feature that this file does not have.
        """
        for name in names:
            if name not in self.feature_names:
                advice = nearest(name, self.feature_names)
                if name in SUBJETTINESSES:
                    advice = "make it from raw events with 'anomaly data features RAW OUT --extended'"
                raise ConfigError(f"--features: this file ({self.layout}) has no feature '{name}'; {advice}")
        if DIRECT not in self.columns:
            return compute_features(self.columns, names)
        values = np.stack([self.columns[name] for name in names], axis=1)
        return EventFeatures(self.columns[DIRECT], values, tuple(names), np.ones(len(self), dtype=np.bool_))


def read_events(
    path: Path,
    labels: Path | None = None,
    drop_nan: bool = False,
    features: Sequence[str] | None = None,
    key: str = "",
) -> EventTable:
    """Read an event file, or the file that a manifest (`.toml`) describes.

    Args:
        path: the file; see docs/data.md for the layouts.
        labels: a master key: one 0, 1 or 2 a line, what is not 0 is signal.
        drop_nan: whether events with NaN or other values that cannot be are dropped (and counted) instead of refused.
        features: those in use; other columns may hold anything. All that can be had where None.
        key: which table of an HDF5 file that has several; the manifest of a file may say it, too.

    Raises:
        DataError: where the file is missing, damaged, in another layout, or holds values that cannot be used.
    """
    if is_own_manifest(path):
        require_file(path)
        table = _read_own(path, features, key)
    else:
        content = read_table(path, key)
        if isinstance(content, RawPlace):
            raise DataError(
                f"{path}: holds raw constituents, not features; make them with"
                f" 'anomaly data features {path.name} features.h5', or fetch the .features.h5 file of the same record"
            )
        table = detect_layout(path, content, features)
    if labels is not None:
        table = _with_labels(path, table, labels)
    _refuse_mev(path, table)
    table = _screened(path, table, features, drop_nan)
    if table.layout != OWN:  # a manifest states its units, and its masses may be small
        check_units(path, table)
    _check_labels_and_weights(path, table)
    return replace(table, n_duplicates=count_duplicates(table))


def _read_own(path: Path, features: Sequence[str] | None, key: str) -> EventTable:
    found = read_own(path, load_own_manifest(path), features, key)
    try:
        return _make(OWN, found.columns, found.label, found.weight)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _make(
    layout: str, columns: Mapping[str, FloatArray], label: FloatArray | None, weight: FloatArray | None
) -> EventTable:
    n = len(next(iter(columns.values())))
    return EventTable(
        layout=layout,
        columns={name: np.asarray(column, dtype=np.float64) for name, column in columns.items()},
        is_signal=np.zeros(0, dtype=np.bool_) if label is None else _as_truth(label),
        is_labelled=label is not None,
        weight=np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64),
        row=np.arange(n),
        n_read=n,
        n_duplicates=0,
    )


def _as_truth(label: FloatArray) -> BoolArray:
    odd = np.unique(label[~np.isin(label, (0.0, 1.0))])
    if len(odd):
        raise DataError(f"column 'label' must be 0 (background) or 1 (signal); found {odd[:4]}")
    truth: BoolArray = label == 1.0
    return truth


def detect_layout(path: Path, table: Table, features: Sequence[str] | None = None) -> EventTable:
    """Return the events of a table in one of the known layouts; columns that no feature uses need not be numbers.

    Raises:
        DataError: where its columns fit none.
    """
    names = set(table.names)
    try:
        if set(CATHODE_COLUMNS[:-1]) <= names:
            return _cathode(table)
        if set(CURTAINS_COLUMNS) <= names:
            return _curtains(table)
        missing = [name for name in OFFICIAL_COLUMNS if name not in names]
        if not missing:
            wanted = columns_of(FEATURES + SUBJETTINESSES if features is None else features)
            present = [name for name in (*OFFICIAL_COLUMNS, *EXTENDED_COLUMNS) if name in names]
            taken = table.take(name for name in present if name in wanted)
            taken |= table.fitting((name for name in present if name not in wanted), len(taken["pxj1"]))
            return _make(OFFICIAL, taken, _label(table, "label"), None)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    raise DataError(
        f"{path}: column '{missing[0]}' is missing; the official feature layout has {', '.join(OFFICIAL_COLUMNS)}"
        " and, optionally, label: describe a file with other columns by a manifest (see docs/data.md)"
    )


def _label(table: Table, name: str) -> FloatArray | None:
    if name in table.other:
        raise DataError(f"column '{name}' {table.other[name]}; write 0 for background and 1 for signal")
    return table.take((name,))[name] if name in table.names else None


def _cathode(table: Table) -> EventTable:
    mjj, lighter, difference, tau_lighter, tau_heavier = table.take(CATHODE_COLUMNS[:-1]).values()
    columns = {
        DIRECT: 1000.0 * mjj,
        "mj1": 1000.0 * lighter,
        "delta_mj": 1000.0 * difference,
        "tau21_j1": tau_lighter,
        "tau21_j2": tau_heavier,
    }
    return _make(CATHODE, columns, _label(table, "label"), None)


def _curtains(table: Table) -> EventTable:
    mjj, first, second, *tau, delta_r = table.take(CURTAINS_COLUMNS).values()
    swap = first > second
    columns = {
        DIRECT: mjj,
        "mj1": np.minimum(first, second),
        "delta_mj": np.abs(first - second),
        "tau21_j1": np.where(swap, tau[1], tau[0]),
        "tau21_j2": np.where(swap, tau[0], tau[1]),
        "delta_r_jj": delta_r,
    }
    return _make(CURTAINS, columns, _label(table, "is_signal"), None)


def _with_labels(path: Path, table: EventTable, labels: Path) -> EventTable:
    if table.is_labelled:
        raise ConfigError(f"{path}: has labels of its own; leave out --labels")
    return replace(table, is_signal=read_master_key(labels, table.n_read), is_labelled=True)


def read_master_key(path: Path, n_events: int) -> BoolArray:
    """Return the truth in a master key, `(n,)`: one 0, 1 or 2 a line; 1 and 2 are signal.

    Raises:
        DataError: where it cannot be read or does not fit the number of events.
    """
    require_file(path)
    try:
        key = np.loadtxt(path, dtype=np.float64, ndmin=1)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: is no master key ({error}); it has one 0, 1 or 2 a line") from error
    if key.shape != (n_events,) or not np.isin(key, (0, 1, 2)).all():
        raise DataError(
            f"{path}: has {len(key)} lines for {n_events} events, or other numbers than 0, 1 and 2; use the master key"
            " of this very file"
        )
    truth: BoolArray = key > 0
    return truth


def _screened(path: Path, table: EventTable, features: Sequence[str] | None, drop: bool) -> EventTable:
    """Return the events without a value that cannot be, in any column in use.

    Raises:
        DataError: where there are such values and they are not to be dropped.
    """
    names = table.feature_names if features is None else features
    has_momenta = DIRECT not in table.columns
    wanted = columns_of(names) if has_momenta else (DIRECT, *names)
    in_use = [name for name in wanted if name in table.columns]
    faults = find_faults({**table.columns, WEIGHT: table.weight}, [*in_use, WEIGHT], has_momenta)
    refuse_faults(path, faults, drop)
    if not faults:
        return table
    kept = ~np.any([fault.is_bad for fault in faults], axis=0)
    return replace(
        table,
        columns={name: column[kept] for name, column in table.columns.items()},
        is_signal=table.is_signal[kept] if table.is_labelled else table.is_signal,
        weight=table.weight[kept],
        row=table.row[kept],
        faults=tuple(fault.text for fault in faults),
    )


def _refuse_mev(path: Path, table: EventTable) -> None:
    scale = np.concatenate([np.abs(table.columns[n]) for n in (DIRECT, "pxj1", "pyj1") if n in table.columns])
    finite = scale[np.isfinite(scale)]
    if len(finite) and np.median(finite) > LARGEST_TYPICAL_GEV:
        raise DataError(
            f"{path}: dijet masses or momenta are around {np.median(finite):.3g}, which no collider reaches in GeV; are"
            " they in MeV? divide masses, momenta and tau by 1000 then"
        )


def check_units(path: Path, table: EventTable) -> None:
    """Refuse masses and momenta that are not in GeV, wholly or in part.

    Raises:
        DataError: where typical values, or some of the rows, are a thousand times too small.
    """
    advice = "multiply by 1000, or describe the file by a manifest that states the unit of each column"
    if DIRECT in table.columns:
        scale, masses = table.columns[DIRECT], [n for n in ("mj1", "delta_mj") if n in table.columns]
    else:
        scale = np.hypot(table.columns["pxj1"], table.columns["pyj1"]) + np.hypot(
            table.columns["pxj2"], table.columns["pyj2"]
        )
        masses = ["mj1", "mj2"]
    small = scale < LEAST_MJJ_GEV
    if small.all():
        raise DataError(
            f"{path}: the dijet masses or momenta are around {np.median(scale):.3g}, so they are in TeV and not in GeV;"
            f" {advice}"
        )
    if small.any() and scale[~small].min() > 10.0 * scale[small].max():
        raise DataError(
            f"{path}: {int(small.sum())} events are a thousand times lighter than the other {int((~small).sum())},"
            " so TeV and GeV are mixed; write all of them in GeV"
        )
    for name in masses:
        typical = float(np.median(table.columns[name]))
        if 0.0 < typical < LEAST_MASS_GEV and float(np.max(table.columns[name])) < LEAST_MJJ_GEV:
            raise DataError(
                f"{path}: column '{name}' is around {typical:.3g} beside momenta or masses in GeV, so it is in TeV;"
                f" {advice}"
            )


def _check_labels_and_weights(path: Path, table: EventTable) -> None:
    n_negative = int((table.weight < 0).sum())
    if n_negative:
        raise DataError(
            f"{path}: {n_negative} of {len(table)} events have negative weights, which cannot be drawn as events nor"
            " trained on; use a sample without them, for instance from a leading-order generator"
        )
    if not (table.weight > 0).any():
        raise DataError(f"{path}: all weights are 0; check the column named as weight")


def count_duplicates(table: EventTable) -> int:
    """Return how many events equal an earlier one in every column (label and weight aside)."""
    hashes = np.sort(hash_rows(table.columns.values()))
    return int((hashes[1:] == hashes[:-1]).sum())
