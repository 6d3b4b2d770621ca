"""Raw events to features: chunks of a raw file are clustered in several processes, in their order."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import ConfigError, DataError, first_line
from anomaly_cli.core.progress import Progress, Step
from anomaly_cli.core.workers import in_order
from anomaly_cli.datasets.columns import RawPlace
from anomaly_cli.datasets.containers import read_table
from anomaly_cli.datasets.frames import write_frame, written_in_one_step
from anomaly_cli.datasets.jets import Constituents, find_dijets, jet_columns, passes_trigger, require_fastjet
from anomaly_cli.datasets.own import is_own_manifest, load_own_manifest, read_own_table
from anomaly_cli.datasets.readers import read_master_key
from anomaly_cli.datasets.rootfiles import is_root, require_uproot, write_event_tree

CHUNK_EVENTS = 500
"""Events clustered at a time; fixed, so that results do not depend on the number of processes."""
N_SLOTS = 700
"""Constituents of an event in the raw layout."""
MOST_CONSTITUENTS = 150
"""Constituents kept of each jet on request, the leading ones in pT."""
LARGEST_ETA, LARGEST_PHI = 15.0, 6.3
"""Of constituents: beams are at |eta| of 12 at most, and phi goes from -pi to pi or from 0 to 2 pi."""
LOWEST_TYPICAL_PT = 100.0
"""Events whose summed pT is typically smaller were not written in GeV."""


@dataclass(frozen=True)
class RawFeatures:
    """What was made from a raw file.

    Attributes:
        path: the file written.
        n_read: raw events.
        n_written: events with two jets.
        n_passing: of these, events whose leading jet passes the 1.2 TeV trigger.
        names: columns written.
    """

    path: Path
    n_read: int
    n_written: int
    n_passing: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class RawOptions:
    """What to make, and of what.

    Attributes:
        is_extended: whether tau1 to tau9 at three exponents are made.
        keeps_constituents: whether the constituents of both jets are kept.
        labels: a master key with the truth, or None.
        key: which table of the raw file holds the events; empty where it has one.
    """

    is_extended: bool = False
    keeps_constituents: bool = False
    labels: Path | None = None
    key: str = ""


def locate_raw(path: Path, key: str = "") -> RawPlace:
    """Return where the raw events of a file lie; `key` says which table where there are several.

    Raises:
        DataError: where the file holds none.
    """
    is_own = is_own_manifest(path)
    place = read_own_table(path, load_own_manifest(path), key) if is_own else read_table(path, key)
    if not isinstance(place, RawPlace):
        raise DataError(
            f"{path}: holds features ({len(place.columns)} columns), not raw events; analyse it with"
            f" 'anomaly run --data {shlex.quote(path.name)}'"
        )
    if place.n_events == 0:
        raise DataError(f"{path}: holds no events; check how it was written")
    return place


def make_features(source: Path, target: Path, options: RawOptions, processes: int, progress: Progress) -> RawFeatures:
    """Write the features of a raw file in the official layout.

    Events with fewer than two jets above 20 GeV have no features; they are left out and counted.

    Args:
        source: raw file, 700 x (pT, eta, phi) and perhaps a label.
        target: file to write; must not exist.
        options: what to make.
        processes: never changes the result.
        progress: where to report.

    Raises:
        DataError: where the source cannot be used or the target cannot be written.
    """
    require_fastjet()
    if is_root(target):
        require_uproot(target)
        if options.keeps_constituents:
            raise ConfigError(f"{target}: constituents are kept in HDF5 only; name a file that ends in .h5")
    place = locate_raw(source, options.key)
    if target.exists():
        raise DataError(f"{target}: exists already; choose another name or delete it")
    key = None if options.labels is None else read_master_key(options.labels, place.n_events)
    if key is not None and place.is_labelled:
        raise ConfigError(f"{source}: has labels of its own; leave out --labels")
    names = (*jet_columns(options.is_extended), *(["label"] if place.is_labelled or key is not None else []))
    rows = np.zeros((place.n_events, len(names)), dtype=np.float32)
    written = np.zeros(place.n_events, dtype=np.bool_)
    passing = 0
    pieces = [(place, first, options) for first in range(0, place.n_events, CHUNK_EVENTS)]
    progress(Step(f"features of {source.name}", 0, place.n_events))
    with written_in_one_step(target) as scratch, _constituent_file(options, scratch) as kept:
        with contextlib.closing(in_order(cluster_chunk, pieces, processes)) as chunks:
            for (_, first, _), chunk in zip(pieces, chunks, strict=True):
                part = slice(first, first + len(chunk.has_two))
                rows[part, : chunk.rows.shape[1]], written[part] = chunk.rows, chunk.has_two
                passing += int(passes_trigger(chunk.rows[chunk.has_two]).sum())
                if kept is not None:
                    _append(kept, chunk.constituents[chunk.has_two])
                progress(Step(f"features of {source.name}", part.stop, place.n_events))
        if key is not None:
            rows[:, -1] = key
        if kept is not None:
            kept.file.close()
        if is_root(target):
            write_event_tree(scratch, names, rows[written])
        else:
            write_frame(scratch, names, rows[written], mode="w" if kept is None else "a")
    return RawFeatures(target, place.n_events, int(written.sum()), passing, names)


@dataclass(frozen=True)
class Chunk:
    """Features of consecutive events; label last where the file has one."""

    rows: npt.NDArray[np.float64]
    has_two: npt.NDArray[np.bool_]
    constituents: npt.NDArray[np.float32]


def cluster_chunk(place: RawPlace, first: int, options: RawOptions) -> Chunk:
    """Return the features of up to `CHUNK_EVENTS` events from row `first` on."""
    values = read_rows(place, first, CHUNK_EVENTS)
    events = to_constituents(place, first, values)
    jets = find_dijets(events, options.is_extended, MOST_CONSTITUENTS if options.keeps_constituents else 0)
    rows = np.column_stack([jets.rows, values[:, -1]]) if place.is_labelled else jets.rows
    return Chunk(rows, jets.has_two, jets.constituents)


def read_rows(place: RawPlace, first: int, n: int) -> npt.NDArray[np.float64]:
    """Return up to `n` rows of a raw file as they are, from row `first` on; the label last where there is one.

    Raises:
        DataError: where the file is damaged.
    """
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401
    try:
        with h5py.File(place.path, "r", locking=False) as file:
            rows = slice(first, first + n)
            values = np.asarray(file[place.node][rows], dtype=np.float64)
            return np.column_stack([values, file[place.label_node][rows]]) if place.label_node else values
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DataError(
            f"{place.path}: cannot be read from row {first} on ({first_line(error)}); the file is damaged or"
            " cut short: compare its size and checksum with the source and fetch it again"
        ) from error


def to_constituents(place: RawPlace, first: int, values: npt.NDArray[np.float64]) -> Constituents:
    """Return the constituents of raw rows; slots with pT = 0 are padding.

    Raises:
        DataError: for NaN, negative pT, labels other than 0 and 1, or values that are not in GeV.
    """
    slots = values[:, : 3 * N_SLOTS].reshape(len(values), N_SLOTS, 3)
    pt = slots[:, :, 0]
    if not np.isfinite(values).all() or (pt < 0).any():
        row = first + int(np.flatnonzero(~np.isfinite(values).all(axis=1) | (pt < 0).any(axis=1))[0])
        raise DataError(f"{place.path}: row {row} holds NaN or a negative pT; remove such rows and note how many")
    if place.is_labelled and not np.isin(values[:, -1], (0.0, 1.0)).all():
        row = int(np.flatnonzero(~np.isin(values[:, -1], (0.0, 1.0)))[0])
        raise DataError(
            f"{place.path}: the label of row {first + row}, in the last column, is {values[row, -1]:g}, where 0 is"
            " background and 1 signal; write the particles first and the label last, or leave the label out"
        )
    _refuse_odd_constituents(place, first, slots)
    if np.median(pt.sum(axis=1)) < LOWEST_TYPICAL_PT:
        raise DataError(
            f"{place.path}: the pT of an event sums to {np.median(pt.sum(axis=1)):.3g} typically, so it is not in GeV;"
            " multiply by 1000 where it is in TeV"
        )
    used = pt > 0
    return Constituents(used.sum(axis=1), pt[used], slots[:, :, 1][used], slots[:, :, 2][used])


def _refuse_odd_constituents(place: RawPlace, first: int, slots: npt.NDArray[np.float64]) -> None:
    """Refuse constituents that no collision has, such as marks of missing values; slots with pT = 0 are padding.

    Raises:
        DataError: naming the first row and its value.
    """
    used = slots[:, :, 0] > 0.0
    limits = (("pT", place.collision_energy, " GeV"), ("eta", LARGEST_ETA, ""), ("phi", LARGEST_PHI, ""))
    for index, (name, largest, unit) in enumerate(limits):
        is_odd = used & (np.abs(slots[:, :, index]) > largest)
        if is_odd.any():
            row, slot = np.argwhere(is_odd)[0]
            text = f"{slots[row, slot, index]:.6g}{unit}"
            raise DataError(
                f"{place.path}: {name} of constituent {slot} in row {first + row} is {text},"
                f" which none has (at most {largest:g}{unit}); remove such rows and note how many, or state another"
                ' collision energy in a manifest (collision_energy = "13.6 TeV")'
            )


@contextlib.contextmanager
def _constituent_file(options: RawOptions, path: Path) -> Iterator[Any]:
    if not options.keeps_constituents:
        yield None
        return
    with h5py.File(path, "w", locking=False) as file:  # locked by ourselves
        shape = (0, 2, MOST_CONSTITUENTS, 3)
        data = file.create_dataset(
            "constituents",
            shape=shape,
            maxshape=(None, *shape[1:]),
            chunks=(64, *shape[1:]),
            dtype="f4",
            compression="gzip",
            shuffle=True,
        )
        data.attrs["meaning"] = (
            "pT [GeV], eta, phi of the leading constituents of both jets, zero-padded; rows as in df"
        )
        yield data


def _append(data: Any, values: npt.NDArray[np.float32]) -> None:
    n = data.shape[0]
    data.resize(n + len(values), axis=0)
    data[n:] = values
