"""Layouts of event files: which columns of a file are which quantity, and in which unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import DataError, LackingFeatureError
from anomaly_cli.core.events import FEATURES
from anomaly_cli.core.records import nearest
from anomaly_cli.core.windows import COLLISION_ENERGY
from anomaly_cli.datasets.columns import DIRECT, FileColumns, Spelling
from anomaly_cli.datasets.containers import CATHODE_COLUMNS
from anomaly_cli.datasets.features import (
    EXTENDED_COLUMNS,
    OFFICIAL_COLUMNS,
    SUBJETTINESSES,
    EventFeatures,
    columns_of,
    compute_features,
)
from anomaly_cli.datasets.noise import noise_features, without_noise

BoolArray = npt.NDArray[np.bool_]
OFFICIAL, CURTAINS, CATHODE, OWN = "official features", "CURTAINs", "CATHODE", "own file"
CURTAINS_COLUMNS = ("m_jj", "m_j1", "m_j2", "tau21_j1", "tau21_j2", "del_R")


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
        row_id: whole number by which scores in a file of their own name the event of each row `(n_read,)`, as the file
            gives it; None for the number of the row.
        n_duplicates: events equal to an earlier one in every column.
        faults: why events were dropped: column, what is wrong, in how many.
        spellings: how the file writes the columns, where it writes them otherwise than as themselves in GeV.
        collision_energy: centre-of-mass energy [GeV].
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
    spellings: Mapping[str, Spelling] = field(default_factory=dict)
    collision_energy: float = COLLISION_ENERGY
    row_id: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.row)

    def spelling(self, name: str) -> Spelling:
        """Return how the file writes a column."""
        return self.spellings.get(name, Spelling(f"column '{name}'"))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features that can be had from this file."""
        if DIRECT in self.columns:
            return tuple(name for name in self.columns if name != DIRECT)
        return tuple(n for n in (*FEATURES, *SUBJETTINESSES) if set(columns_of((n,))) <= set(self.columns))

    def compute(self, names: Sequence[str]) -> EventFeatures:
        """Return mass and features.

        Raises:
            LackingFeatureError: for a feature that this file does not have.
        """
        read = without_noise(names)
        for name in self.missing(names):
            advice = nearest(name, self.feature_names)
            if name in SUBJETTINESSES:
                advice = "make it from raw events with 'anomaly data features RAW OUT --extended'"
            raise LackingFeatureError(f"--features: this file ({self.layout}) has no feature '{name}'; {advice}")
        found = self._read(read)
        if len(read) == len(names):
            return found
        noise = [name for name in names if name not in read]
        joined = np.column_stack([found.values, noise_features(found.mjj, noise)])
        order = [(*read, *noise).index(name) for name in names]
        return replace(found, values=joined[:, order], names=tuple(names))

    def _read(self, names: Sequence[str]) -> EventFeatures:
        if DIRECT not in self.columns:
            return compute_features(self.columns, names)
        values = np.stack([self.columns[name] for name in names], axis=1)
        return EventFeatures(self.columns[DIRECT], values, tuple(names), np.ones(len(self), dtype=np.bool_))

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return those of the features that this file does not have; noise is had by every event."""
        return [name for name in without_noise(names) if name not in self.feature_names]


def make_table(
    layout: str,
    columns: Mapping[str, FloatArray],
    label: FloatArray | None,
    weight: FloatArray | None = None,
    spellings: Mapping[str, Spelling] | None = None,
) -> EventTable:
    """Return the events of a file, none of them looked at yet.

    Args:
        layout: name of the layout.
        columns: the official columns, or `mjj` and features, `(n,)` each, [GeV].
        label: 0 or 1 `(n,)`, None where there are no labels.
        weight: event weights `(n,)`, None for 1.
        spellings: how the file writes the columns and, as `label`, the labels.

    Raises:
        DataError: for other labels.
    """
    spelt = spellings or {}
    n = len(next(iter(columns.values())))
    return EventTable(
        layout=layout,
        columns={name: np.asarray(column, dtype=np.float64) for name, column in columns.items()},
        is_signal=np.zeros(0, dtype=np.bool_) if label is None else _as_truth(label, spelt.get("label")),
        is_labelled=label is not None,
        weight=np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64),
        row=np.arange(n),
        n_read=n,
        n_duplicates=0,
        spellings=spelt,
    )


def _as_truth(label: FloatArray, spelling: Spelling | None) -> BoolArray:
    odd = np.unique(label[~np.isin(label, (0.0, 1.0))])
    if len(odd):
        subject = spelling.subject if spelling else "column 'label'"
        raise DataError(f"{subject} must be 0 (background) or 1 (signal); found {odd[:4]}")
    truth: BoolArray = label == 1.0
    return truth


def detect_layout(path: Path, table: FileColumns, features: Sequence[str] | None = None) -> EventTable:
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
            return make_table(OFFICIAL, taken, _label(table, "label"))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    raise DataError(
        f"{path}: column '{missing[0]}' is missing; the official feature layout has {', '.join(OFFICIAL_COLUMNS)}"
        " and, optionally, label: describe a file with other columns by a manifest ('anomaly data manifest FILE'"
        " writes one to fill in)"
    )


def _label(table: FileColumns, name: str) -> FloatArray | None:
    if name in table.other:
        raise DataError(f"column '{name}' {table.other[name]}; write 0 for background and 1 for signal")
    return table.take((name,))[name] if name in table.names else None


def _cathode(table: FileColumns) -> EventTable:
    mjj, lighter, difference, tau_lighter, tau_heavier = table.take(CATHODE_COLUMNS[:-1]).values()
    columns = {
        DIRECT: 1000.0 * mjj,
        "mj1": 1000.0 * lighter,
        "delta_mj": 1000.0 * difference,
        "tau21_j1": tau_lighter,
        "tau21_j2": tau_heavier,
    }
    units = dict(zip(columns, ("TeV", "TeV", "TeV", "1", "1"), strict=True))
    spelt = zip(columns.items(), CATHODE_COLUMNS, strict=False)
    spellings = {name: Spelling(f"column '{column}'", units[name]) for (name, _), column in spelt}
    return make_table(CATHODE, columns, _label(table, "label"), spellings=spellings)


def _curtains(table: FileColumns) -> EventTable:
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
    masses, tau21 = Spelling("columns 'm_j1' and 'm_j2'"), Spelling("columns 'tau21_j1' and 'tau21_j2'", "1")
    spellings = {
        DIRECT: Spelling("column 'm_jj'"),
        **{"mj1": masses, "delta_mj": masses, "tau21_j1": tau21, "tau21_j2": tau21},
        "delta_r_jj": Spelling("column 'del_R'", "1"),
        "label": Spelling("column 'is_signal'", "1"),
    }
    return make_table(CURTAINS, columns, _label(table, "is_signal"), spellings=spellings)
