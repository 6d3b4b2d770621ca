"""Readers of event files: the layout is detected from the file itself, and what cannot be used is refused."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import AnomalyWarning, ConfigError, DataError
from anomaly_cli.core.folds import hash_rows
from anomaly_cli.datasets.columns import DIRECT, WEIGHT, RawPlace, Spelling
from anomaly_cli.datasets.containers import read_table, require_file
from anomaly_cli.datasets.features import columns_of
from anomaly_cli.datasets.layouts import OWN, EventTable, detect_layout, make_table
from anomaly_cli.datasets.noise import without_noise
from anomaly_cli.datasets.own import (
    OwnManifest,
    collision_energy,
    event_file,
    is_own_manifest,
    load_own_manifest,
    read_own,
    read_own_table,
)
from anomaly_cli.datasets.screening import find_faults, refuse_faults

BoolArray = npt.NDArray[np.bool_]
LARGEST_TYPICAL_GEV = 5e4
"""Dijet masses and momenta whose typical value is larger were not written in GeV."""
LEAST_MJJ_GEV, LEAST_MASS_GEV = 50.0, 2.0
"""Dijet and jet masses whose typical value is smaller were not written in GeV."""
HEAVY_GEV = 1000.0
"""Dijets of at least this mass have no jet masses of the order of a GeV."""


def read_events(
    path: Path,
    labels: Path | None = None,
    drop_nan: bool = False,
    features: Sequence[str] | None = None,
    key: str = "",
) -> EventTable:
    """Read an event file, or the file that a manifest (`.toml`) describes.

    Args:
        path: the file; the page 'Data' of the documentation lists the layouts.
        labels: a master key: one 0, 1 or 2 a line, what is not 0 is signal.
        drop_nan: whether events with NaN or other values that cannot be are dropped (and counted) instead of refused.
        features: those in use; other columns may hold anything. All that can be had where None.
        key: which table of an HDF5 file that has several; the manifest of a file may say it, too.

    Raises:
        DataError: where the file is missing, damaged, in another layout, or holds values that cannot be used.
    """
    if is_own_manifest(path):
        require_file(path)
    features = None if features is None else without_noise(features)
    manifest = load_own_manifest(path) if is_own_manifest(path) else None
    file = event_file(path)
    if manifest and manifest.mjj:
        table = _read_own(path, manifest, features, key)
    else:
        content = read_own_table(path, manifest, key) if manifest else read_table(path, key)
        if isinstance(content, RawPlace):
            raise DataError(
                f"{file}: holds raw constituents, not features; make them with"
                f" 'anomaly data features {shlex.quote(file.name)} features.h5', or fetch the .features.h5 file of the"
                " same record"
            )
        table = detect_layout(file, content, features)
    table = replace(table, collision_energy=collision_energy(path))
    if labels is not None:
        table = _with_labels(file, table, labels)
    _refuse_mev(file, table)
    table = _screened(file, table, features, drop_nan)
    if table.layout == OWN:  # a manifest states its units, and its masses may be small
        _ask_units(file, table)
    else:
        check_units(file, table)
    _check_labels_and_weights(file, table)
    return replace(table, n_duplicates=count_duplicates(table))


def _read_own(path: Path, manifest: OwnManifest, features: Sequence[str] | None, key: str) -> EventTable:
    found = read_own(path, manifest, features, key)
    spellings = {**manifest.spellings, "label": Spelling(f"column '{manifest.label}'", "1")}
    try:
        table = make_table(OWN, found.columns, found.label, found.weight, spellings)
    except DataError as error:
        raise DataError(f"{manifest.file}: {error}") from error
    return replace(table, row_id=found.event_id)


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
    wanted = (DIRECT, *names) if DIRECT in table.columns else columns_of(names)
    used = {name: table.columns[name] for name in wanted if name in table.columns} | {WEIGHT: table.weight}
    faults = find_faults(used, table.spelling, table.collision_energy)
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
    if len(finite) and np.median(finite) > max(LARGEST_TYPICAL_GEV, table.collision_energy):
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
        if _is_as_in_tev(table.columns[name]):
            raise DataError(
                f"{path}: {table.spelling(name).subject} is around {typical:.3g} beside momenta or masses in GeV, so it"
                f" is in TeV; {advice}"
            )


def _is_as_in_tev(masses: npt.NDArray[np.float64]) -> bool:
    """Return whether jet masses [GeV] `(n,)` are as small as if they had been written in TeV."""
    return bool(0.0 < np.median(masses) < LEAST_MASS_GEV and np.max(masses) < LEAST_MJJ_GEV)


def _ask_units(path: Path, table: EventTable) -> None:
    """Warn of features that a manifest states in GeV and that are as small beside mjj as if they were in TeV."""
    if np.median(table.columns[DIRECT]) < HEAVY_GEV:
        return
    for name in table.feature_names:
        spelling, values = table.spelling(name), table.columns[name]
        if spelling.unit == "GeV" and _is_as_in_tev(values):
            text = f"{path}: {spelling.subject} is around {np.median(values):.3g} GeV beside masses of TeV"
            warnings.warn(f"{text}; is it in TeV, and the unit in the manifest wrong?", AnomalyWarning, stacklevel=2)


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
