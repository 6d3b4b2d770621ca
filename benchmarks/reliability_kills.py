"""Commands killed at random moments and run again: nothing corrupt, nothing lost, the bytes of an undisturbed run.

A sequence begins in a fresh directory. Its command is killed (SIGKILL to the process alone, so that its workers have to
notice) after a random part of the time that an undisturbed one took, several times, and then left to end.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from anomaly_cli.artifacts.store import read_any
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.manifests import shipped_file

MARK = "ANOMALY_RELIABILITY"
"""Variable that names a sequence in the environment of every process that belongs to it."""
KILLS = 5
"""Kills of a sequence."""
WORKERS_END_SECONDS = 30.0
"""On a busy machine Python takes long to start a worker; before that, it cannot know that its parent is gone."""
VARYING = ("run_log.json", "anomaly.log", "driver.json", "driver.lock")
FAST = (
    *("--background-efficiencies", "0.2,0.05", "--processes", "2", "--quiet"),
    *("--set", "methods.curtains_f4f.base_epochs=1", "--set", "methods.curtains_f4f.transport_epochs=1"),
    *("--set", "methods.curtains_f4f.scaling_bags=1"),
    *("--set", "classifiers.trees.ensemble=1", "--set", "classifier.folds=3"),
    *("--set", "significance.windows=3", "--set", "significance.experiments=5"),
    *("--set", "significance.permutations=5", "--set", "significance.toys=1000"),
)
RUN = ("run", "--run", "{run}", "--signal-region", "3.3-3.7", "--data", "{data}", "--inject", "150", *FAST)
ON_RUN = ("--run", "{run}", "--processes", "2", "--quiet")
RECIPES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # what is killed, and what has to be there before it
    "run": (RUN, ()),
    "measure": ((*RUN, "--measure"), RUN),
    "permute": (("significance", "permute", *ON_RUN), RUN),
    "bump": (("significance", "bump", *ON_RUN), RUN),
    "limits": (("significance", "limits", "--run", "{run}", "--quiet"), RUN),
    "scan": (("scan", "run", "{run}", "--cores", "2"), ("scan", "plan", "{grid}", "--output", "{run}")),
}
GRID = """
[grid]
windows = ["3.3-3.7", "3.4-3.8"]
inject = [150]
closure = false

[analysis.data]
file = "{data}"

[analysis.classifier]
folds = 3

[analysis.classifiers.trees]
ensemble = 1

[analysis.significance]
background_efficiencies = [0.2, 0.05]
toys = 1000

[analysis.methods.curtains_f4f_efficient]
base_epochs = 1
transport_epochs = 1
scaling_bags = 1
"""


@dataclass(frozen=True)
class Reference:
    """An undisturbed command: where it ran, what was there before, and how long it took [s]."""

    finished: Path
    before: Path
    seconds: float


def run_sequence(work: Path, recipe: str, number: int, n_kills: int = KILLS) -> dict[str, int]:
    """Kill a command `n_kills` times, let it end, and return how often what went wrong.

    Args:
        work: directory for everything; what an undisturbed command made is kept there.
        recipe: one of `RECIPES`.
        number: number of the sequence, which fixes its moments.
        n_kills: how often it is killed.
    """
    reference = _reference(work, recipe)
    chance = random.Random(f"{recipe}/{number}")
    directory = work / f"{recipe}-{number}" / "run"
    shutil.rmtree(directory.parent, ignore_errors=True)
    shutil.copytree(reference.before, directory)
    mark = f"{recipe}-{number}-{os.getpid()}"
    found = dict.fromkeys(("kills", "corrupt", "lost", "refused", "survivors", "differing", "leftovers"), 0)
    again = "resume" if recipe == "scan" else ""
    for _ in range(n_kills):
        whole = _whole_files(directory)
        command = _command(work, recipe, directory, again if found["kills"] else "")
        found["kills"] += _kill(command, mark, chance.uniform(0.05, 0.95) * reference.seconds)
        if recipe != "scan":  # jobs of a scan run on until it is resumed
            found["survivors"] += _survivors(mark)
        found["lost"] += sum(not path.exists() for path in whole)
        found["corrupt"] += sum(not _is_whole(path) for path in directory.rglob("*.h5"))
    found["refused"] = int(_start(_command(work, recipe, directory, again), mark).wait() != 0)
    found["survivors"] += _survivors(mark)
    found["differing"] = _differing(reference.finished, directory)
    found["leftovers"] = sum(path.name.endswith(".partial") for path in directory.rglob("*"))
    found["leftovers"] += sum(1 for _ in (directory / "work").glob("*"))
    if not any(count for name, count in found.items() if name != "kills"):
        shutil.rmtree(directory.parent)
    return found


def _reference(work: Path, recipe: str) -> Reference:
    """Return an undisturbed command, made once for each working directory."""
    folder = work / f"{recipe}-reference"
    if not (folder / "seconds").exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "run").mkdir(parents=True)
        write_data(work)
        if RECIPES[recipe][1]:
            (folder / "run").rmdir()
            _call(_filled(work, RECIPES[recipe][1], folder / "run"))
        shutil.copytree(folder / "run", folder / "before")
        start = time.monotonic()
        _call(_command(work, recipe, folder / "run", ""))
        (folder / "seconds").write_text(str(time.monotonic() - start))
    return Reference(folder / "run", folder / "before", float((folder / "seconds").read_text()))


def write_data(work: Path) -> None:
    """Write an eighth of the shipped events, and the grid of a scan of them."""
    with h5py.File(shipped_file()) as file:
        rows = np.asarray(file["df/block0_values"][::8], dtype=np.float64)
    with h5py.File(work / "events.h5", "w") as file:
        file.create_dataset("features", data=rows).attrs["columns"] = [*OFFICIAL_COLUMNS, "label"]
    (work / "grid.toml").write_text(GRID.format(data=work / "events.h5"))


def _command(work: Path, recipe: str, directory: Path, instead: str) -> list[str]:
    command = _filled(work, RECIPES[recipe][0], directory)
    return [command[0], instead, *command[2:]] if instead else command


def _filled(work: Path, words: Sequence[str], directory: Path) -> list[str]:
    places = {"run": directory, "data": work / "events.h5", "grid": work / "grid.toml"}
    return [word.format(**places) for word in words]


def _start(command: Sequence[str], mark: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, MARK: mark, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "anomaly_cli", *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _call(command: Sequence[str]) -> None:
    if _start(command, "").wait() != 0:
        raise RuntimeError(f"the undisturbed command fails: {' '.join(command)}")


def _kill(command: Sequence[str], mark: str, seconds: float) -> int:
    """Return whether a command could be killed after a time: 0 where it had ended before."""
    process = _start(command, mark)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return 1
    return 0


def _survivors(mark: str) -> int:
    """Return how many processes of a sequence live on after some seconds."""
    end = time.monotonic() + WORKERS_END_SECONDS
    while (found := len(list(_processes(mark)))) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _processes(mark: str) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue


def _whole_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*.h5") if not path.name.startswith(".") and "work" not in path.parts]


def _is_whole(path: Path) -> bool:
    """Return whether an artifact can be read; scratch files and those of dead jobs do not count."""
    if path.name.startswith(".") or "work" in path.parts or not path.exists():
        return True
    try:
        read_any(path)
    except AnomalyError:
        return False
    return True


def _differing(reference: Path, directory: Path) -> int:
    """Return how many files are missing, too many, or have other bytes; what varies and logs aside."""
    names = {
        path.relative_to(folder)
        for folder in (reference, directory)
        for path in folder.rglob("*")
        if path.is_file()
        and not {"logs", "work", ".snakemake"} & set(path.relative_to(folder).parts)
        and path.name not in VARYING
        and not path.name.endswith((".partial", ".done"))  # marks of the engine, which a scan that has all needs not
    }
    return sum(
        not ((reference / name).is_file() and (directory / name).is_file())
        or (reference / name).read_bytes() != (directory / name).read_bytes()
        for name in names
    )
