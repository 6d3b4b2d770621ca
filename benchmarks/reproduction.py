"""The page docs/reproduction.md and its pictures, from what `anomaly reproduce run` found.

Results lie in benchmarks/results/reproduction:

anomaly reproduce run sic-trees --output reproduction
cp reproduction/sic-trees-quick.json benchmarks/results/reproduction/
python benchmarks/reproduction.py

A long run can be ended on another machine: `--keep reproduction/records` puts what its jobs found into one small file,
and `--restore reproduction/records` makes records of them, which `anomaly reproduce run` finds and does not run again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import textwrap
from pathlib import Path

from anomaly_cli.artifacts.reproduction import Reproduction, read_reproduction
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.report.render.markdown import escape, render
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.reproduction import ERRORS, command_of, reproduction_report
from anomaly_cli.report.reproduction_picture import draw_reproduction
from anomaly_cli.report.table import Level, Message
from anomaly_cli.reproduce.comparing import count_outdated, tell_anew
from anomaly_cli.reproduce.eventfiles import open_files
from anomaly_cli.reproduce.job_records import Record, load_record, record_name, write_record
from anomaly_cli.reproduce.published import not_found, rows_of
from anomaly_cli.reproduce.targets import find_targets, load_target

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reproduction"
PAGE = ROOT / "docs" / "reproduction.md"
PICTURES = PAGE.parent / "images" / "reproduction"
UNFINISHED = ROOT / "benchmarks" / "results" / "reproduction-unfinished.jsonl"
OUTDATED = (
    "Older than this page: settings or stages of {} of its {} jobs have changed since; the command finds other values."
)
HEAD = """# Reproduction

This page is made by `python benchmarks/reproduction.py` from results that were run; no value of ours is typed. The
command above a table makes them again, unless it is said that they are older. How it works, and how to add a target:
[reproduce](reproduce.md).

Published values are numbers of the papers, each with how it was read. Ours are of the file that is stated, with default
settings but for those that are stated and those that the name of a row says. A value that was not run says why.

"""


def page() -> str:
    """Return the page."""
    stored = stored_results()
    blocks = [HEAD + "\n".join(textwrap.wrap(ERRORS, 120)) + "\n"]
    shipped = open_files(load_target("sic-trees"), "quick", "", "", "")
    for one in stored:
        outdated, found = count_outdated(one, shipped), tell_anew(one)
        if outdated:  # notes of today may not be true of it
            found = dataclasses.replace(found, notes=one.notes)
        report = [part for part in reproduction_report(found) if part != Message(ERRORS)]
        if outdated:
            report.insert(1, Message(OUTDATED.format(outdated, len(found.settings["jobs"])), Level.WARNING))
        text = render(report, About(command_of(found)))
        picture = f"![{escape(found.title)}]({picture_of(found).relative_to(PAGE.parent).as_posix()})"
        blocks.append(f"## {found.target}, {found.scale}\n\n{text}\n{picture}\n")
    run = {found.target for found in stored}
    left = [load_target(name) for name in find_targets() if name not in run]
    lines = [f"- `{t.name}` ({', '.join(t.papers)}): {escape(t.waits_for or 'not run for this page')}" for t in left]
    blocks.append("## Not on this page\n\n" + "\n".join(lines) + "\n")
    unknown = dict.fromkeys(text for name in find_targets() for text in not_found(rows_of(load_target(name))))
    blocks.append(
        "## Published values that are in no public text\n\n" + "\n".join(f"- {escape(t)}" for t in unknown) + "\n"
    )
    return "\n".join(blocks)


def stored_results() -> list[Reproduction]:
    """Return what was run for the page, in the order of the files' names."""
    return [read_reproduction(path) for path in sorted(RESULTS.glob("*.json"))]


def picture_of(found: Reproduction) -> Path:
    """Return where the picture of a result is."""
    return PICTURES / f"{found.target}-{found.scale}.svg"


def draw() -> None:
    """Draw every stored result, and remove pictures of what is stored no longer."""
    PICTURES.mkdir(exist_ok=True)
    drawn = {draw_reproduction(tell_anew(found), picture_of(found)) for found in stored_results()}
    for path in set(PICTURES.glob("*.svg")) - drawn:
        path.unlink()


def keep(records: Path, kept: Path = UNFINISHED) -> int:
    """Write what the jobs of a folder found beside what was kept before, and return how many jobs of it there are."""
    found = [record for path in sorted(records.glob("*.json")) if (record := load_record(path)) is not None]
    if not found:
        raise SystemExit(f"{records}: holds no record")
    every = {record["key"]: record for record in [*_kept(kept), *found]}
    write_files({kept: "".join(json.dumps(record) + "\n" for record in every.values()).encode()})
    return len(found)


def restore(records: Path, kept: Path = UNFINISHED) -> int:
    """Make records of what was kept, where there is none that can be read, and return how many were made."""
    records.mkdir(parents=True, exist_ok=True)
    missing = [one for one in _kept(kept) if load_record(records / record_name(one["kind"], one["key"])) is None]
    for record in missing:
        write_record(records, record)
    return len(missing)


def _kept(kept: Path) -> list[Record]:
    return [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []


def main() -> None:
    """Write the page, or carry records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument("--restore", type=Path, metavar="DIR")
    asked = parser.parse_args()
    if asked.keep:
        print(f"{keep(asked.keep)} records are in {UNFINISHED}")
    elif asked.restore:
        print(f"{restore(asked.restore)} records are made again in {asked.restore}")
    else:
        PAGE.write_text(page(), encoding="utf-8")
        draw()


if __name__ == "__main__":
    main()
