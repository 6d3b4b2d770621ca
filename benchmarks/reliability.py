"""How often something went wrong: random kills, bit flips over every kind of artifact, and a grammar of bad inputs.

    python benchmarks/reliability.py kills --number 200 --work DIRECTORY
    python benchmarks/reliability.py flips --number 2000 --work DIRECTORY
    python benchmarks/reliability.py inputs --number 1000 --work DIRECTORY
    python benchmarks/reliability.py table

Trials have numbers, which fix them. Each is noted as soon as it has ended, in `benchmarks/results/reliability-*.jsonl`:
the same command goes on where it was interrupted. `table` prints what stands in docs/reliability.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reliability_flips import FAULTS as FLIP_FAULTS
from reliability_flips import flip_once, make_artifacts
from reliability_inputs import FAMILIES, load_everything, try_input
from reliability_inputs import FAULTS as INPUT_FAULTS
from reliability_kills import KILLS, RECIPES, run_sequence

RESULTS = Path(__file__).parent / "results"
KILL_FAULTS = ("corrupt", "lost", "differing", "refused", "survivors", "leftovers")


def main() -> None:
    """Try what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kills", "flips", "inputs", "table"))
    parser.add_argument("--number", type=int, default=0, help="trials in all")
    parser.add_argument("--work", type=Path, default=Path("reliability"), help="directory to work in")
    asked = parser.parse_args()
    if asked.what == "table":
        print("\n".join(table_lines()))
        return
    asked.work.mkdir(parents=True, exist_ok=True)
    {"kills": _kill, "flips": _flip, "inputs": _try_inputs}[asked.what](asked.work.absolute(), asked.number)


def _kill(work: Path, n_kills: int) -> None:
    done = _read("kills")
    n_done = sum(record["kills"] for record in done)
    known = {(record["recipe"], record["sequence"]) for record in done}
    for sequence, recipe in ((number, name) for number in itertools.count() for name in RECIPES):
        if n_done >= n_kills:
            return
        if (recipe, sequence) not in known:
            found = run_sequence(work, recipe, sequence, min(KILLS, n_kills - n_done))
            n_done += found["kills"]
            _note("kills", {"recipe": recipe, "sequence": sequence, **found})


def _flip(work: Path, number: int) -> None:
    artifacts = make_artifacts(work)
    known = {record["number"] for record in _read("flips")}
    for trial in sorted(set(range(number)) - known):
        path = artifacts[trial % len(artifacts)]
        _note("flips", {"number": trial, "file": _words(path), "outcome": flip_once(path, trial)})


def _try_inputs(work: Path, number: int) -> None:
    load_everything()
    known = {record["number"] for record in _read("inputs")}
    for trial in sorted(set(range(number)) - known):
        found = try_input(work, trial)
        if found["outcome"] not in INPUT_FAULTS:
            del found["what"]
        _note("inputs", {"number": trial, **found})


def _words(path: Path) -> str:
    """Return the name of a file; those of a scan are called as their folder, for theirs hold keys."""
    return path.name if "seed" not in path.name else f"scan: {'bases' if path.parent.name == 'bases' else 'results'}"


def _path(what: str) -> Path:
    return RESULTS / f"reliability-{what}.jsonl"


def _read(what: str) -> list[dict[str, Any]]:
    path = _path(what)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _note(what: str, record: dict[str, Any]) -> None:
    with _path(what).open("a") as file:
        file.write(json.dumps(record) + "\n")


def table_lines() -> Iterator[str]:
    """Yield the lines of the tables of docs/reliability.md."""
    yield from _kill_lines(_read("kills"))
    yield ""
    flips: dict[str, Counter[str]] = defaultdict(Counter)
    for record in _read("flips"):
        flips[record["file"]][record["outcome"]] += 1
    yield from _outcome_lines("file", flips, ("refused", "harmless"), FLIP_FAULTS)
    yield ""
    inputs: dict[str, Counter[str]] = {family: Counter() for family in FAMILIES}
    for record in _read("inputs"):
        inputs[record["family"]][record["outcome"]] += 1
    yield from _outcome_lines("family", inputs, ("refused", "read"), INPUT_FAULTS)


def _kill_lines(records: list[dict[str, Any]]) -> Iterator[str]:
    yield _row("command", "kills", *KILL_FAULTS)
    yield _row("---", *["---:"] * (1 + len(KILL_FAULTS)))
    totals = {recipe: Counter[str]() for recipe in (*RECIPES, "all")}
    for record in records:
        for recipe in (record["recipe"], "all"):
            totals[recipe].update({name: record[name] for name in ("kills", *KILL_FAULTS)})
    for recipe, total in totals.items():
        yield _row(recipe, *(total[name] for name in ("kills", *KILL_FAULTS)))


def _outcome_lines(
    heading: str, counts: dict[str, Counter[str]], good: tuple[str, ...], bad: tuple[str, ...]
) -> Iterator[str]:
    yield _row(heading, "tried", *good, *bad)
    yield _row("---", *["---:"] * (1 + len(good) + len(bad)))
    everything = sum(counts.values(), Counter[str]())
    for name, count in (*sorted(counts.items()), ("all", everything)):
        yield _row(name, count.total(), *(count[outcome] for outcome in (*good, *bad)))


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


if __name__ == "__main__":
    main()
