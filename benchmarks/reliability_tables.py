"""Event files that may be wrong: what is in their columns, and how it is written."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import uproot

from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.frames import write_frame
from anomaly_cli.datasets.manifests import shipped_file

Columns = dict[str, npt.NDArray[Any]]
ROWS = 60
ODD_NAMES = (
    *("a[/b]", "\x1b[31mred", "", " ", "x" * 5000, "\u03c0", "br[/x]", "\x1b]0;title\x07"),
    *("na\nme", "a,b", '"', "#", "0"),
)
USED = ("pxj1", "pyj1", "pzj1", "mj1", "tau1j1", "tau2j1", "pxj2", "pyj2", "pzj2", "mj2", "tau1j2", "tau2j2")
MARKS = (-999.0, -9999.0, -99.0, 999999.0, -2147483648.0)


@dataclass(frozen=True)
class TableCase:
    """An event file.

    Attributes:
        path: where it lies.
        columns: what was written.
        is_fine: whether it has to be read, or has to be refused; None where either may be.
        what: what was done to it, in words.
    """

    path: Path
    columns: Columns
    is_fine: bool | None
    what: str


def make_table_case(folder: Path, family: str, chance: random.Random) -> TableCase:
    """Return an event file of a family, written into `folder`."""
    columns = _shipped(chance.randrange(1000))
    columns, is_fine, content = chance.choice((*[_is_as_it_is] * 5, *CONTENTS))(columns, chance)
    case = CONTAINERS[family](TableCase(folder / "events", columns, is_fine, content), chance)
    if chance.random() < 0.3:
        case = _damage(case, chance)
    return case


def _shipped(first: int) -> Columns:
    with h5py.File(shipped_file()) as file:
        rows = np.asarray(file["df/block0_values"][first : first + ROWS], dtype=np.float64)
    return dict(zip((*OFFICIAL_COLUMNS, "label"), rows.T.copy(), strict=True))


def _is_as_it_is(columns: Columns, _: random.Random) -> tuple[Columns, bool | None, str]:
    return columns, True, "as it is"


def _in_another_order(columns: Columns, chance: random.Random) -> tuple[Columns, bool | None, str]:
    names = list(columns)
    chance.shuffle(names)
    return {name: columns[name] for name in names}, True, "columns in another order"


def _with_one_more(columns: Columns, chance: random.Random) -> tuple[Columns, bool | None, str]:
    name = chance.choice((*ODD_NAMES, "extra", "weightless"))
    text = np.array([chance.choice(ODD_NAMES[:2]) for _ in range(ROWS)], dtype=object)
    values = chance.choice((np.full(ROWS, np.nan), np.arange(ROWS), text, np.full(ROWS, -999.0)))
    return {**columns, name: values}, None if name in ODD_NAMES else True, f"one more column {name[:20]!r}"


def _with_one_less(columns: Columns, chance: random.Random) -> tuple[Columns, bool | None, str]:
    name = chance.choice(USED)
    return {key: values for key, values in columns.items() if key != name}, False, f"without {name}"


def _with_bad_values(columns: Columns, chance: random.Random) -> tuple[Columns, bool | None, str]:
    name = chance.choice(USED)
    values = [np.nan, np.inf, -np.inf, 1e30, -1e30]
    if name[0] != "p":
        values += MARKS
    bad = chance.choice(values)
    changed = columns[name].copy()
    changed[chance.sample(range(ROWS), chance.choice((1, 3, ROWS)))] = bad
    return {**columns, name: changed}, False, f"{name} is {bad}"


def _without_momentum(columns: Columns, chance: random.Random) -> tuple[Columns, bool | None, str]:
    jet, row = chance.choice("12"), chance.randrange(ROWS)
    changed = {name: values.copy() for name, values in columns.items()}
    changed[f"pxj{jet}"][row] = changed[f"pyj{jet}"][row] = 0.0
    return changed, False, f"jet {jet} without pT"


def _in_other_units(columns: Columns, chance: random.Random) -> tuple[Columns, bool | None, str]:
    factor = chance.choice((1e-3, 1e3))
    return {k: v if k == "label" else v * factor for k, v in columns.items()}, False, f"times {factor}"


def _with_other_labels(columns: Columns, chance: random.Random) -> tuple[Columns, bool | None, str]:
    bad = chance.choice((2.0, -1.0, 0.5, np.nan))
    changed = columns["label"].copy()
    changed[chance.randrange(ROWS)] = bad
    return {**columns, "label": changed}, False, f"label is {bad}"


def _in_single_precision(columns: Columns, _: random.Random) -> tuple[Columns, bool | None, str]:
    return {name: values.astype(np.float32) for name, values in columns.items()}, True, "in single precision"


def _without_events(columns: Columns, _: random.Random) -> tuple[Columns, bool | None, str]:
    return {name: values[:0] for name, values in columns.items()}, False, "without events"


CONTENTS: tuple[Callable[[Columns, random.Random], tuple[Columns, bool | None, str]], ...] = (
    _is_as_it_is,
    _in_another_order,
    _with_one_more,
    _with_one_less,
    _with_bad_values,
    _without_momentum,
    _in_other_units,
    _with_other_labels,
    _in_single_precision,
    _without_events,
)


def _numbers(columns: Columns) -> Columns:
    """Return the columns that hold numbers, for containers that hold nothing else."""
    return {name: values for name, values in columns.items() if values.dtype != object}


def _write_hdf5(case: TableCase, chance: random.Random) -> TableCase:
    path = case.path.with_suffix(chance.choice((".h5", ".hdf5", ".hdf")))
    columns, names = _numbers(case.columns), [name for name, v in case.columns.items() if v.dtype != object]
    rows = np.stack(list(columns.values()), axis=1)
    kind = chance.choice(("frame", "named", "loose", "nested", "two", "link", "fields"))
    is_plain = all(name.isprintable() and "/" not in name and name.strip() for name in names)
    if kind == "frame" and len(rows):
        write_frame(path, names, rows.astype(np.float32))
        return replace(case, path=path, what=f"{case.what}; a pandas frame")
    with h5py.File(path, "w") as file:
        if kind in ("loose", "fields") and is_plain:
            types = [(name, values.dtype) for name, values in columns.items()]
            if kind == "fields":
                file["events"] = np.rec.fromarrays(list(columns.values()), dtype=types)
            for name, values in columns.items() if kind == "loose" else ():
                file[name] = values
            return replace(case, path=path, what=f"{case.what}; {kind}")
        where = "a/b/events" if kind == "nested" else "events"
        file.create_dataset(where, data=rows).attrs["columns"] = [name.replace("\0", "") for name in names]
        if kind == "two":
            file.create_dataset("other", data=rows).attrs["columns"] = names
        if kind == "link":
            file["elsewhere"] = h5py.ExternalLink("other.h5", "/events")
    is_fine = False if kind in ("two", "link") else case.is_fine
    return replace(case, path=path, is_fine=is_fine, what=f"{case.what}; {kind}")


def _write_csv(case: TableCase, chance: random.Random) -> TableCase:
    path = case.path.with_suffix(".csv")
    text = pd.DataFrame(case.columns).to_csv(index=False)
    lines = text.splitlines(keepends=True)
    place = chance.randrange(1, max(len(lines), 2))
    forms: dict[str, tuple[str | bytes, bool | None]] = {
        "plain": (text, case.is_fine),
        "with a byte-order mark": ("\ufeff" + text, case.is_fine),
        "with CRLF": (text.replace("\n", "\r\n"), case.is_fine),
        "with spaces": (text.replace(",", ", "), None if case.is_fine else case.is_fine),
        "semicolons": (text.replace(",", ";"), False),
        "tabs": (text.replace(",", "\t"), False),
        "decimal commas": (text.replace(",", ";").replace(".", ","), False),
        "without its header": ("".join(lines[1:]), False),
        "a comment first": ("# made by someone\n" + text, False),
        "two headers": ("".join([*lines[:place], lines[0], *lines[place:]]), False if len(lines) > 2 else None),
        "one value too many": ("".join([lines[0], *(f"1.5,{line}" for line in lines[1:])]), False),
        "a line cut": ("".join([*lines[:place], *(line[: len(line) // 2] + "\n" for line in lines[place:])]), None),
        "a web page": (f"<!DOCTYPE html>\n<html>{text}</html>", False),
        "JSON": (json.dumps({name: values.tolist() for name, values in case.columns.items()}), False),
        "compressed": (gzip.compress(text.encode()), False),
        "with NUL": (text.replace("1", "\0", 1), None),
        "in UTF-16": (text.encode("utf-16"), None),
        "an open quote": (text.replace(",", ',"', 1), None),
        "nothing but line ends": ("\n" * 50, False),
        "a long line": (text + "1," * 200_000 + "\n", False),
    }
    what = chance.choice(list(forms))
    content, is_fine = forms[what]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return replace(case, path=path, is_fine=is_fine, what=f"{case.what}; CSV {what}")


def _write_npz(case: TableCase, chance: random.Random) -> TableCase:
    path = case.path.with_suffix(".npz")
    columns = {name.replace("/", "_").replace("\0", "") or "e": v for name, v in case.columns.items()}
    kinds = ("plain", "compressed", "scalar", "objects", "no array", "encrypted", "unknown compression", "npy")
    kind = chance.choice(kinds)
    is_fine = case.is_fine
    if kind == "npy":
        path = case.path.with_suffix(".npy")
        np.save(path, np.stack(list(_numbers(case.columns).values())))
        return replace(case, path=path, is_fine=False, what=f"{case.what}; npy of another shape")
    save: Callable[..., None] = np.savez_compressed if kind == "compressed" else np.savez
    more: dict[str, Columns] = {
        "scalar": {"extra1": np.array(3.0)},
        "objects": {"extra1": np.array([{}] * 3, dtype=object)},
    }
    try:
        save(path, **columns, **more.get(kind, {}))
    except (ValueError, OSError):  # a name that no file can have
        return replace(case, path=path, is_fine=False, what="not written")
    if kind == "no array":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(chance.choice(("note.txt", "x.npy", "../../y.npy")), b"no array")
        is_fine = None if is_fine else is_fine
    if kind in ("encrypted", "unknown compression"):
        content = bytearray(path.read_bytes())
        for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            place = content.find(mark) + at + (0 if kind == "encrypted" else 2)
            content[place] = 1 if kind == "encrypted" else 99
        path.write_bytes(content)
        is_fine = None if is_fine else is_fine
    return replace(case, path=path, is_fine=is_fine, what=f"{case.what}; npz {kind}")


def _write_parquet(case: TableCase, chance: random.Random) -> TableCase:
    path = case.path.with_suffix(".parquet")
    frame = pd.DataFrame(case.columns)
    kind = chance.choice(("plain", "lists", "categories", "missing integers", "index", "many names"))
    if kind == "lists":
        frame["lists"] = [[1.0, 2.0]] * len(frame)
    if kind == "categories":
        frame["kind"] = pd.Categorical(["a"] * len(frame))
    if kind == "missing integers":
        frame["n"] = pd.array([None] * len(frame), dtype="Int64")
    if kind == "index":
        frame = frame.set_index("label", drop=False).rename_axis("i")
    if kind == "many names":
        frame.columns = pd.MultiIndex.from_product([["j"], frame.columns])
    frame.to_parquet(path)
    is_fine = False if kind == "many names" else case.is_fine
    return replace(case, path=path, is_fine=is_fine, what=f"{case.what}; Parquet {kind}")


def _write_root(case: TableCase, chance: random.Random) -> TableCase:
    path = case.path.with_suffix(".root")
    kind = chance.choice(("plain", "in a folder", "two trees", "no tree", "one more of lists", "one jagged", "words"))
    columns: dict[str, Any] = {name: np.ascontiguousarray(values) for name, values in _numbers(case.columns).items()}
    if kind in ("one more of lists", "one jagged"):
        columns["lists" if kind == "one more of lists" else "mj2"] = ak.Array(
            [[1.0] * (row % 3) for row in range(len(columns["label"]))]
        )
    trees = {"in a folder": ("a/b/events",), "two trees": ("events", "other"), "no tree": ()}.get(kind, ("events",))
    types = {name: v.dtype if isinstance(v, np.ndarray) else v.type for name, v in columns.items()}
    try:
        with uproot.recreate(path) as file:
            for tree in trees:
                file.mktree(tree, types)
                file[tree].extend(columns)
            if kind in ("words", "no tree"):
                file["note"] = "some words"
    except (ValueError, TypeError, OSError):  # a name or a type that no tree can have
        return replace(case, path=path, is_fine=False, what="not written")
    is_fine = False if kind in ("two trees", "no tree", "one jagged") else case.is_fine
    return replace(case, path=path, is_fine=is_fine, what=f"{case.what}; ROOT {kind}")


CONTAINERS: dict[str, Callable[[TableCase, random.Random], TableCase]] = {
    "HDF5": _write_hdf5,
    "CSV": _write_csv,
    "npz": _write_npz,
    "Parquet": _write_parquet,
    "ROOT": _write_root,
}


def _damage(case: TableCase, chance: random.Random) -> TableCase:
    """Return a case whose file is damaged; what it then holds may be read or refused."""
    if not case.path.exists():
        return case
    content = bytearray(case.path.read_bytes())
    how = chance.choice(("cut", "flipped", "zeros", "doubled", "another suffix", "empty"))
    path = case.path
    if how == "cut":
        content = content[: chance.randrange(len(content) + 1)]
    if how == "flipped":
        for _ in range(chance.choice((1, 8, 64))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    if how == "zeros":
        start = chance.randrange(len(content))
        content[start : start + 64] = bytes(len(content[start : start + 64]))
    if how == "doubled":
        content = content * 2
    if how == "empty":
        content = bytearray()
    if how == "another suffix":
        path.unlink()
        path = path.with_suffix(
            chance.choice((".h5", ".csv", ".npz", ".npy", ".parquet", ".root", ".toml", ".txt", ""))
        )
    path.write_bytes(content)
    return replace(case, path=path, is_fine=None, what=f"{case.what}; {how}")
