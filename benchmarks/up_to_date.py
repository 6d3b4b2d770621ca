"""What `anomaly run` costs where everything is up to date, with this code and with that of another checkout.

Each makes a run of its own with small settings, since formats differ. Then the same call, which has nothing to do, is
timed as a user does, a process each, the two in turn; medians and their ratio are printed. One more call counts how
often each HDF5 file is opened. Beside them stands the time of imports, within a fresh process.

    git worktree add ../before COMMIT
    python benchmarks/up_to_date.py --other ../before --other-set classifier.ensemble=1
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
SETTINGS = ("classifier.folds=2", "significance.toys=1000", "template.oversampling=1", "processes=1")
"""Small settings that have not been renamed."""
QUICK = tuple(f"methods.curtains_f4f.{part}_epochs=1" for part in ("base", "transport"))
IMPORTS = ("anomaly_cli", "anomaly_cli.cli.app")
TIME_IMPORT = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""
COUNT_OPENS = """
import collections, json, os, sys
import h5py

opened = collections.Counter()

class Counted(h5py.File):
    def __init__(self, name, *arguments, **options):
        is_path = isinstance(name, (str, bytes, os.PathLike))
        opened[os.path.basename(os.fsdecode(name)) if is_path else "in memory"] += 1
        super().__init__(name, *arguments, **options)

h5py.File = Counted
import anomaly_cli
from anomaly_cli.cli.app import main

output = sys.argv.pop(1)
try:
    main()
finally:
    with open(output, "w") as file:
        json.dump({"package": anomaly_cli.__file__, "opened": opened}, file)
"""
"""Runs the command line with every opening of an HDF5 file counted by its name."""


@dataclass(frozen=True)
class Checkout:
    """The code of one checkout, and a run of it.

    Attributes:
        path: the checkout.
        folder: an empty directory for the run, which is worked in.
        settings: settings of the run, as `key=value`.
    """

    path: Path
    folder: Path
    settings: Sequence[str]

    @property
    def command(self) -> list[str]:
        """The arguments of `anomaly`."""
        options = [part for setting in self.settings for part in ("--set", setting)]
        return ["run", "--run", str(self.folder / "run"), "--signal-region", "3.3-3.7", *options]

    def python(self, *arguments: str) -> str:
        """Run Python with this code and return what it prints.

        Raises:
            CalledProcessError: where it fails.
        """
        environment = {**os.environ, "PYTHONPATH": str(self.path)}
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=self.folder, env=environment
        ).stdout

    def run(self) -> float:
        """Return the seconds that `anomaly run` takes."""
        start = time.perf_counter()
        self.python("-m", "anomaly_cli", *self.command)
        return time.perf_counter() - start

    def count_opens(self) -> dict[str, int]:
        """Return how often `anomaly run` opens each HDF5 file, by name."""
        counts = self.folder / "counts.json"
        self.python("-c", COUNT_OPENS, str(counts), *self.command)
        found = json.loads(counts.read_text())
        if not Path(found["package"]).resolve().is_relative_to(self.path):
            raise SystemExit(f"{self.path}: holds no package; what was run is {found['package']}")
        return dict(sorted(found["opened"].items()))

    def time_import(self, module: str) -> float:
        """Return the seconds that an import takes in a fresh process."""
        return float(self.python("-c", TIME_IMPORT.format(module=module)))

    def written(self) -> dict[str, int]:
        """Return when each artifact was written, by name."""
        return {path.name: path.stat().st_mtime_ns for path in (self.folder / "run").glob("*.h5")}


def measure(checkouts: dict[str, Checkout], repeats: int) -> dict[str, dict[str, Any]]:
    """Return the figures of each checkout: all seconds in the order of measuring, and files opened."""
    first = {name: checkout.run() for name, checkout in checkouts.items()}
    written = {name: checkout.written() for name, checkout in checkouts.items()}
    seconds: dict[str, dict[str, list[float]]] = {
        name: {"run": [], **{f"import {module}": [] for module in IMPORTS}} for name in checkouts
    }
    for _ in range(repeats):
        for name, checkout in checkouts.items():
            seconds[name]["run"].append(checkout.run())
            for module in IMPORTS:
                seconds[name][f"import {module}"].append(checkout.time_import(module))
    opened = {name: checkout.count_opens() for name, checkout in checkouts.items()}
    for name, checkout in checkouts.items():
        if checkout.written() != written[name]:
            raise SystemExit(f"{checkout.path}: the run was not up to date; artifacts were written again")
    return {name: {"first_run": first[name], "seconds": seconds[name], "opened": opened[name]} for name in checkouts}


def report(figures: dict[str, dict[str, Any]]) -> str:
    """Return medians and openings as a table, with the ratio of the first checkout to the last."""
    names = list(figures)
    lines = [f"| | {' | '.join(names)} | {names[0]} / {names[-1]} |", "|---" * (len(names) + 2) + "|"]

    def add(what: str, values: list[float], digits: int) -> None:
        ratio = f"{values[0] / values[-1]:.2f}" if values[-1] else ""
        lines.append(f"| {what} | {' | '.join(f'{value:.{digits}f}' for value in values)} | {ratio} |")

    for key in figures[names[0]]["seconds"]:
        what = "up-to-date run [s]" if key == "run" else f"{key} [s]"
        add(what, [statistics.median(figures[name]["seconds"][key]) for name in names], 3)
    for file in sorted({file for found in figures.values() for file in found["opened"]}):
        add(f"{file}, opened", [figures[name]["opened"].get(file, 0) for name in names], 0)
    add("all files, opened", [sum(figures[name]["opened"].values()) for name in names], 0)
    return "\n".join(lines)


def main() -> None:
    """Measure both and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, required=True, help="the other checkout")
    parser.add_argument("--repeats", type=int, default=5)
    for option, words in (("--set", "this code"), ("--other-set", "the other")):
        text = f"a further setting of the run of {words}"
        parser.add_argument(option, action="append", default=[], metavar="KEY=VALUE", help=text)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    own = arguments.set or ["classifiers.trees.ensemble=1"]
    with tempfile.TemporaryDirectory() as folder:
        checkouts = {}
        for name, path, settings in (("this", HERE, own), ("other", arguments.other.resolve(), arguments.other_set)):
            (Path(folder) / name).mkdir()
            checkouts[name] = Checkout(path, Path(folder) / name, (*SETTINGS, *QUICK, *settings))
        figures = measure(checkouts, arguments.repeats)
    text = json.dumps(figures, indent=1)
    print(f"{report(figures)}\n\n{text}")
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
