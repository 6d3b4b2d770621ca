"""Run a target: a list of jobs with results by content key, which targets share and an interruption keeps.

The grid of a scan keeps counts and limits of many regions; here truth decides, quantities differ from target to
target, and jobs need not be searches. So jobs are a plain list of values, as those of pseudo-experiments are: whatever
runs them, in whatever order, a result that is there is not made again.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import anomaly_cli
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.reproduction import NOT_RUN, Compared, Reproduction
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.config import merge
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ConfigError, PhysicsError, TrainingError
from anomaly_cli.core.progress import Step
from anomaly_cli.core.records import nearest
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.workers import in_order
from anomaly_cli.reproduce.eventfiles import EventFiles, LackingError
from anomaly_cli.reproduce.kinds import KINDS, kind_of
from anomaly_cli.reproduce.published import PublishedValue, find_value, not_found, read_published
from anomaly_cli.reproduce.targets import Quantity, Scale, Series, Target

FIRST_SEED = 1
KEY_LENGTH = 16
"""Hexadecimal digits of a content key in a file name."""
PATHS = (("data", "file"), ("data", "reference"), ("template", "simulation"))
"""Settings that are paths: their digests are in the key, they are not."""
Record = Mapping[str, Any]


def record_name(kind: str, key: str) -> str:
    """Return the file name of the record of a job."""
    return f"{kind}-{key}.json"


@dataclass(frozen=True)
class Job:
    """One job: its kind, settings and seed."""

    kind: str
    settings: Mapping[str, Any]
    seed: int

    @cached_property
    def key(self) -> str:
        """Hash of all that its result depends on."""
        settings = copy.deepcopy(dict(self.settings))
        for table, name in PATHS:
            settings.get("config", {}).get(table, {}).pop(name, None)
        return hash_json([self.kind, KINDS[self.kind].version, settings, self.seed])[:KEY_LENGTH]

    @property
    def name(self) -> str:
        """Its file name."""
        return record_name(self.kind, self.key)


@dataclass(frozen=True)
class Place:
    """One value of the table: what it is of, and the jobs that it is made from.

    Attributes:
        series: method.
        quantity: what is compared.
        x: where, as the paper writes it; empty where there is one value only.
        jobs: one per seed; none where it cannot be run.
        why_not: why it cannot be run.
    """

    series: Series
    quantity: Quantity
    x: str
    jobs: Sequence[Job] = ()
    why_not: str = ""


@dataclass(frozen=True)
class Plan:
    """All that a run of a target is.

    Attributes:
        target: what is run.
        scale: how much.
        seeds: number of seeds.
        files: the events.
        places: the values of its table.
    """

    target: Target
    scale: str
    seeds: int
    files: EventFiles
    places: Sequence[Place]

    @cached_property
    def jobs(self) -> list[Job]:
        """Every job once."""
        found = {job.key: job for place in self.places for job in place.jobs}
        return list(found.values())


def plan_target(target: Target, scale: str, files: EventFiles, seeds: int | None = None) -> Plan:
    """Return what a run of a target is made of.

    Args:
        target: what to run.
        scale: how much.
        files: the events.
        seeds: number of seeds; by default that of the scale.

    Raises:
        ConfigError: where the target waits for something, or a setting is not known.
    """
    wanted = target.scale(scale)
    number = seeds or wanted.seeds
    places = [_place(target, scale, at, files, number) for at in _all_places(target, wanted)]
    return Plan(target, scale, number, files, places)


def _place(target: Target, scale: str, at: tuple[Series, Quantity, str], files: EventFiles, seeds: int) -> Place:
    waits_for = at[0].waits_for or at[1].waits_for
    if waits_for:
        return Place(*at, why_not=f"waits for {waits_for}")
    try:
        described = kind_of(target).describe(_settings(target, scale, at), target, files)
    except LackingError as error:
        return Place(*at, why_not=str(error))
    jobs = [Job(target.kind, described, seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
    return Place(*at, jobs)


def _settings(target: Target, scale: str, at: tuple[Series, Quantity, str]) -> dict[str, Any]:
    """Return what jobs at a place are declared with.

    Raises:
        ConfigError: for a setting that jobs of this kind do not have.
    """
    series, quantity, x = at
    settings: dict[str, Any] = copy.deepcopy(dict(target.settings))
    for more in (target.scales[scale].settings, series.settings, quantity.settings):
        merge(settings, copy.deepcopy(dict(more)))
    if target.x_sets and x:
        _assign(settings, target.x_sets, x if target.x_factor == 1.0 else str(float(x) * target.x_factor))
    known = kind_of(target).settings
    for name in sorted(set(settings) - set(known)):
        raise ConfigError(f"target {target.name}: has no setting '{name}'; {nearest(name, known)}")
    return settings


def count_jobs(target: Target, scale: str) -> int:
    """Return how many jobs a scale is, of all that waits for nothing; reads no events.

    Raises:
        ConfigError: as `plan_target`.
    """
    wanted = target.scale(scale)
    places = _all_places(target, wanted)
    different = {hash_json(_settings(target, scale, at)) for at in places if not (at[0].waits_for or at[1].waits_for)}
    return len(different) * wanted.seeds


def _all_places(target: Target, wanted: Scale) -> list[tuple[Series, Quantity, str]]:
    return [
        (series, quantity, x)
        for series in target.series
        for quantity in target.quantities
        if series.found.get(quantity.name, "...")
        for x in wanted.x or ("",)
    ]


def _assign(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *tables, name = dotted.split(".")
    for table in tables:
        tree = tree.setdefault(table, {})
    tree[name] = value


def read_record(folder: Path, job: Job) -> Record | None:
    """Return the record of a job, or None where it is missing or damaged."""
    try:
        record = parse_json((folder / job.name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("key") == job.key else None


def missing_jobs(plan: Plan, folder: Path) -> list[Job]:
    """Return the jobs that have no record yet."""
    return [job for job in plan.jobs if read_record(folder, job) is None]


def run_jobs(jobs: Sequence[Job], folder: Path, compute: Compute, device: str) -> None:
    """Run jobs side by side, each in one process; each writes its record as it ends."""
    task = "reproduce: jobs"
    compute.progress(Step(task, 0, len(jobs)))
    processes = max(1, min(compute.processes, len(jobs)))
    pieces: Iterator[tuple[Job, Path, str]] = ((job, folder, device) for job in jobs)
    with contextlib.closing(in_order(_run_and_keep, pieces, processes)) as made:
        for done, _ in enumerate(made, start=1):
            compute.progress(Step(task, done, len(jobs)))


def _run_and_keep(job: Job, folder: Path, device: str) -> None:
    start, found, failure = time.process_time(), {}, ""
    try:
        compute = Compute(Streams(job.seed), device=device)
        found = dict(KINDS[job.kind].run(dict(job.settings), compute))
    except (PhysicsError, TrainingError) as error:  # another try would meet it again: a result
        failure = str(error)
    record = {"key": job.key, "kind": job.kind, "seed": job.seed, "settings": job.settings, "found": found}
    record |= {"failure": failure, "cpu_seconds": time.process_time() - start, "release": anomaly_cli.__version__}
    write_files({folder / job.name: json.dumps(record, indent=1).encode()})


def collect(plan: Plan, folder: Path) -> Reproduction:
    """Return published values beside ours, from the records that are there."""
    target = plan.target
    rows = read_published(target.published)
    records = {job.key: read_record(folder, job) for job in plan.jobs}
    known = [record for record in records.values() if record is not None]
    values = tuple(_compare(place, plan, rows, records) for place in plan.places)
    failed = [f"seed {record['seed']}: {record['failure']}" for record in known if record["failure"]]
    ranks = dict.fromkeys(KINDS[job.kind].ranks(dict(job.settings)) for job in plan.jobs)
    return Reproduction(
        target=target.name,
        title=target.title,
        scale=plan.scale,
        x=target.x,
        values=tuple(value for value in values if value.ours or value.why_not or value.published is not None),
        data=plan.files.words(target),
        classifier="; ".join(filter(None, ranks)),
        settings=_kept_settings(plan),
        release=anomaly_cli.__version__,
        n_jobs=len(known),
        cpu_seconds=sum(float(record["cpu_seconds"]) for record in known),
        failed=tuple(dict.fromkeys(failed)),
        notes=(*target.notes, *_notes(plan, rows)),
    )


def _kept_settings(plan: Plan) -> dict[str, Any]:
    """Return what makes the jobs of a run again: paths are on one machine only, digests on all."""
    scale = plan.target.scales[plan.scale]
    return {
        "target": dict(plan.target.settings),
        "scale": dict(scale.settings),
        "x": list(scale.x),
        "seeds": list(range(FIRST_SEED, FIRST_SEED + plan.seeds)),
        "files": dict(plan.files.digests),
        "jobs": sorted(job.key for job in plan.jobs),
    }


def _compare(
    place: Place, plan: Plan, rows: Sequence[PublishedValue], records: Mapping[str, Record | None]
) -> Compared:
    series, quantity = place.series, place.quantity
    published = _published(place, plan.target, rows)
    compared = Compared(series.name, quantity.name, place.x, why_not=place.why_not)
    if published is not None:
        compared = replace(
            compared,
            published=published.value,
            published_error=published.error,
            how_read=published.how_read,
            source=published.source,
        )
    if place.why_not:
        return compared
    name = series.found.get(quantity.name, quantity.found).replace("{x}", _number_text(place.x))
    founds = [record["found"] for job in place.jobs if (record := records[job.key]) is not None]
    ours, errors, exact = (
        [quantity.factor * float(found[f"{name}{suffix}"]) for found in founds if f"{name}{suffix}" in found]
        for suffix in ("", ".error", ".exact")
    )
    if not ours:
        return replace(compared, why_not=_why_not([records[job.key] for job in place.jobs]))
    kept = tuple(abs(error) for error in errors)
    return replace(compared, ours=tuple(ours), errors=kept, exact=exact[0] if exact else None)


def _why_not(records: Sequence[Record | None]) -> str:
    """Return why jobs have no value."""
    if any(record is None for record in records):
        return NOT_RUN
    failures = [str(record["failure"]) for record in records if record is not None and record["failure"]]
    return failures[0] if failures else "too few events"


def _number_text(x: str) -> str:
    """Return x as results are named by it: `1e-2` is `0.01`."""
    try:
        return f"{float(x):g}"
    except ValueError:
        return x


def _notes(plan: Plan, rows: Sequence[PublishedValue]) -> list[str]:
    """Return what else has to be said: of series, of values that nobody has found, of those that a scale leaves out."""
    notes = [f"{series.name}: {series.note}" for series in plan.target.series if series.note]
    notes += [f"Not found in any public text: {text}." for text in not_found(rows)]
    shown = {id(_published(place, plan.target, rows)) for place in plan.places}
    pairs = itertools.product(plan.target.series, plan.target.quantities)
    named = {_published_name(series, quantity) for series, quantity in pairs}
    known = [row for row in rows if row.value is not None and (row.method, row.quantity) in named]
    left_out = sum(id(row) not in shown for row in known)
    if left_out:
        notes.append(f"{left_out} of {len(known)} published values of these methods are not asked for at this scale.")
    return notes


def _published(place: Place, target: Target, rows: Sequence[PublishedValue]) -> PublishedValue | None:
    """Return the published value of a place, or None."""
    x = target.published_x.get(place.x, place.x)
    return find_value(rows, *_published_name(place.series, place.quantity), x)


def _published_name(series: Series, quantity: Quantity) -> tuple[str, str]:
    """Return what published rows call method and quantity."""
    name = quantity.published or quantity.name
    return (series.published or series.name).replace("{quantity}", name), name


def expected_hours(plan: Plan, jobs: Sequence[Job]) -> float:
    """Return the CPU time that jobs will take, about [h]."""
    return len(jobs) * plan.target.scales[plan.scale].cpu_minutes / 60.0
