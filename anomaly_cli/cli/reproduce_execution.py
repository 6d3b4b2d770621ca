"""Runs and shows reproductions; imported only when a command runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.reproduction import Reproduction, write_reproduction
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.execution import RECORDS
from anomaly_cli.cli.output import say, show
from anomaly_cli.cli.progress import show_progress
from anomaly_cli.core.compute import CPU, Compute, available_cores
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.streams import Streams
from anomaly_cli.report.render.csv import render_table
from anomaly_cli.report.render.registry import About, find_renderers
from anomaly_cli.report.reproduction import (
    command_of,
    published_table,
    reproduction_report,
    targets_table,
    values_table,
)
from anomaly_cli.report.reproduction_picture import draw_reproduction
from anomaly_cli.report.table import Level, Message, Part, Report
from anomaly_cli.report.tables import plural
from anomaly_cli.reproduce.published import not_found, rows_of
from anomaly_cli.reproduce.targets import LABELLED, NO_EVENTS, PAPER, SCALES, SIMULATED, find_targets, load_target

WRITTEN = {"markdown": "md", "latex": "tex"}
"""Renderers of the report, and the endings of what they write."""
LISTED = {NO_EVENTS: "nothing", LABELLED: "labels", SIMULATED: "simulation"}
"""Data that a target needs, in the list."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        name: of the target.
        scale: how much.
        files: data, reference and simulation; empty where none is given.
        seeds: number of seeds; None for that of the scale.
        output: directory of results.
        part: `K/N`, or empty for all jobs.
    """

    name: str
    scale: str
    files: tuple[str, ...]
    seeds: int | None
    output: Path
    part: str


def print_targets() -> None:
    """Print the list of targets."""
    targets = [load_target(name) for name in find_targets()]
    rows = [(t.name, t.title, ", ".join(t.papers).replace("arXiv:", ""), LISTED[t.data], t.waits_for) for t in targets]
    partly = {t.name: ", ".join(series.name for series in t.series if series.waits_for) for t in targets}
    notes = [f"{t.name} cannot be run yet: it waits for {t.waits_for}." for t in targets if t.waits_for]
    notes += [f"{name} runs without {left_out}." for name, left_out in partly.items() if left_out]
    show(targets_table(rows, notes))


def print_target(name: str) -> None:
    """Print a target."""
    from anomaly_cli.reproduce.running import count_jobs

    target = load_target(name)
    published = rows_of(target)
    rows = [(r.method, r.quantity, r.x, r.value, r.error, r.how_read, r.source) for r in published]
    parts: list[Part] = [Message(f"{target.name}: {target.title}", Level.HEADLINE), Message(", ".join(target.papers))]
    if target.waits_for:
        parts.append(Message(f"Waits for {target.waits_for}."))
    parts += [Message(f"{one.name} waits for {one.waits_for}.") for one in target.series if one.waits_for]
    parts += [Message(note) for note in target.notes]
    is_published = any(row.value is not None for row in published)
    parts += [] if is_published else [Message(f"In no public text: {text}.") for text in not_found(published)]
    show([*parts, *([published_table(rows)] if is_published else [])])
    for scale in SCALES if not target.waits_for else ():
        wanted = target.scales[scale]
        n_jobs = count_jobs(target, scale)
        say(
            f"{scale}: {plural(n_jobs, 'job')}, {plural(wanted.seeds, 'seed')}, about"
            f" {_time(n_jobs * wanted.cpu_minutes)} of CPU time; {_needs(target.data, scale)}"
        )


def run_and_show(wanted: Wanted, processes: int | None, manner: Manner) -> None:
    """Run what is missing, compare, print and write."""
    from anomaly_cli.reproduce.comparing import collect
    from anomaly_cli.reproduce.eventfiles import open_files
    from anomaly_cli.reproduce.running import expected_hours, missing_jobs, plan_target, run_jobs

    target = load_target(wanted.name)
    target.scale(wanted.scale)
    number, total = _parse_part(wanted.part)
    plan = plan_target(target, wanted.scale, open_files(target, wanted.scale, *wanted.files), wanted.seeds)
    if not plan.jobs:
        raise ConfigError(f"target {target.name}: nothing can be run; {plan.places[0].why_not}")
    folder = wanted.output / RECORDS
    RunDirectory(folder).create()
    missing = missing_jobs(plan, folder)
    wanted_keys = {job.key for job in missing}
    chosen = [job for job in plan.jobs[number - 1 :: total] if job.key in wanted_keys]
    about = f", about {_time(60.0 * expected_hours(plan, chosen))} of CPU time" if chosen else ""
    here = f", {len(chosen)} to do in this part" if wanted.part else ""
    say(f"{plural(len(plan.jobs), 'job')}, {len(plan.jobs) - len(missing)} done already{here}{about}")
    for reason in dict.fromkeys(place.why_not for place in plan.places if place.lacks):
        names = dict.fromkeys(place.series.name for place in plan.places if place.why_not == reason)
        say(f"Left out, {', '.join(names)}: {reason}.")
    if wanted.scale == PAPER and missing:
        say("Results are kept one by one: Ctrl-C stops, the same command goes on.")
    if chosen:
        with show_progress(manner) as progress:
            compute = Compute(Streams(0), processes=processes or available_cores(), progress=progress)
            run_jobs(chosen, folder, compute, CPU)
    if wanted.part:
        say(f"Part {number} of {total} is done; the command without --part shows and writes what all parts found.")
        return
    found = collect(plan, folder)
    report = reproduction_report(found)
    written = _write(found, report, wanted)
    show(report)
    for path in written:
        say(f"{path}: written")
    if found.failed and not any(value.ours for value in found.values):
        raise PhysicsError(f"target {target.name}: no job has a result, for the reasons above; give other events")


def _needs(data: str, scale: str) -> str:
    """Return the files that a scale of a target needs, in words."""
    if data == NO_EVENTS:
        return "needs no data"
    own = "needs the paper's file as --data" if scale == PAPER else "on the shipped file, or that of --data"
    return own + (", with --simulation for some or all of it" if data == SIMULATED else "")


def _parse_part(part: str) -> tuple[int, int]:
    """Return which of how many parts of the jobs are run; all are the only part."""
    number, _, total = (part or "1/1").partition("/")
    if not (number.isdecimal() and total.isdecimal()):
        raise ConfigError(f"--part {part}: write it as K/N, for instance 1/10 for the first of ten parts")
    if not 1 <= int(number) <= int(total):
        raise ConfigError(f"--part {part}: K of K/N must be from 1 to N")
    return int(number), int(total)


def _write(found: Reproduction, report: Report, wanted: Wanted) -> list[Path]:
    RunDirectory(wanted.output).create()
    stem = wanted.output / f"{found.target}-{found.scale}"
    written = [write_reproduction(found, stem.with_suffix(".json"))]
    renderers, about = find_renderers(), About(command_of(found))
    texts = {ending: renderers[name](report, about) for name, ending in WRITTEN.items()}
    for ending, text in {"csv": render_table(values_table(found)), **texts}.items():
        path = stem.with_suffix(f".{ending}")
        write_files({path: text.encode()})
        written.append(path)
    picture = draw_reproduction(found, stem.with_suffix(".png"))
    return [*written, picture] if picture else written


def _time(minutes: float) -> str:
    number, unit = (minutes / 60.0, "h") if minutes >= 60.0 else (minutes, "minutes")
    text = f"{number:,.0f}" if number >= 10.0 else f"{number:.1g}"
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}"
