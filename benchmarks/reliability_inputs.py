"""Bad inputs by a grammar: event files of every kind, manifests, configurations, scan files, command lines.

An input is made from a number alone. It has to be read as what it is, or refused with a sentence: no traceback, no
hang, and nothing accepted that is known to be wrong, nothing read with other masses than were written.
"""

from __future__ import annotations

import importlib
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from reliability_child import in_child
from reliability_documents import make_config, make_line, make_manifest, make_scan
from reliability_tables import CONTAINERS, TableCase, make_table_case
from typer.testing import CliRunner

from anomaly_cli.cli.app import app
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.datasets.features import dijet_mass
from anomaly_cli.datasets.readers import read_events

FAULTS = ("accepted", "turned away", "changed", "traceback", "crash", "hang")
"""What must not come of an input: read though it is wrong, refused though it is fine, read with other masses, no
sentence."""
SECONDS = 120.0
MOMENTA = tuple(f"{stem}j{jet}" for stem in ("px", "py", "pz", "m") for jet in (1, 2))
SENTENCE = re.compile(r"^(error:|Error:|Usage:)", flags=re.MULTILINE)
Made = tuple[tuple[str, ...], ...]
"""Command lines that are tried one after the other."""
DOCUMENTS: dict[str, Callable[[Path, random.Random], Made]] = {
    "manifest": make_manifest,
    "configuration": make_config,
    "scan file": make_scan,
    "command line": make_line,
}
FAMILIES = (*CONTAINERS, *DOCUMENTS)


def load_everything() -> None:
    """Import what commands import, once: children are forked from this process."""
    for name in ("cli.data_output", "cli.execution", "cli.scan_execution", "scans.planning", "nets.flows"):
        importlib.import_module(f"anomaly_cli.{name}")
    for name in ("pyarrow.parquet", "sklearn.ensemble"):
        importlib.import_module(name)


def try_input(work: Path, number: int) -> dict[str, str]:
    """Make input `number` in a directory of its own, try it, and say which family it is of and what came of it."""
    family = FAMILIES[number % len(FAMILIES)]
    chance = random.Random(number)
    folder = work / "inputs" / str(number)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    work_on = _try_table if family in CONTAINERS else _try_document
    state, found = in_child(lambda: work_on(folder, family, chance), SECONDS)
    outcome, what = found if state == "done" else (state, found)
    if outcome not in FAULTS:
        shutil.rmtree(folder)
    return {"family": family, "outcome": outcome, "what": what}


def _try_table(folder: Path, family: str, chance: random.Random) -> tuple[str, str]:
    case = make_table_case(folder, family, chance)
    outcome, text = _call(("data", "describe", str(case.path)))
    if outcome == "traceback":
        return outcome, f"{case.what}: {text}"
    return _judge(case), case.what


def _judge(case: TableCase) -> str:
    """Return what the reader of event files makes of a table that `describe` could be shown."""
    try:
        found = read_events(case.path)
    except AnomalyError:
        return "turned away" if case.is_fine is True else "refused"
    if case.is_fine is False:
        return "accepted"
    if case.is_fine is None:
        return "read"
    expected = dijet_mass({name: case.columns[name].astype(np.float64) for name in MOMENTA})
    is_same = len(found) == len(expected) and np.allclose(dijet_mass(found.columns), expected, rtol=1e-5)
    return "read" if is_same else "changed"


def _try_document(folder: Path, family: str, chance: random.Random) -> tuple[str, str]:
    made = DOCUMENTS[family](folder, chance)
    os.chdir(folder)
    outcomes = [_call(command) for command in made]
    what = " ; ".join(" ".join(command) for command in made)
    for outcome, text in outcomes:
        if outcome == "traceback":
            return outcome, f"{what}: {text}"
    return ("refused" if any(outcome == "refused" for outcome, _ in outcomes) else "read"), what


def _call(command: tuple[str, ...]) -> tuple[str, str]:
    """Return whether a command is answered (`read`), `refused` with a sentence, or ends in a `traceback`; its text."""
    result = CliRunner().invoke(app, list(command), env={"COLUMNS": "80"})
    text: Any = result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return "traceback", f"{type(result.exception).__name__}: {str(result.exception)[:300]}"
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]", text):
        return "traceback", f"control characters are printed: {text[-300:]!r}"
    if result.exit_code == 0:
        return "read", text
    return ("refused", text) if SENTENCE.search(text) else ("traceback", f"no sentence: {text[-300:]!r}")
