"""Run a target: a list of jobs with results by content key, which targets share and an interruption keeps.

The grid of a scan keeps counts and limits of many regions; here truth decides, quantities differ from target to
target, and jobs need not be searches. So jobs are a plain list of values, as those of pseudo-experiments are: whatever
runs them, in whatever order, a result that is there is not made again.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import anomaly_cli
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.config import merge
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError, PhysicsError, TrainingError
from anomaly_cli.core.progress import Step
from anomaly_cli.core.records import nearest
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.workers import in_order
from anomaly_cli.reproduce.eventfiles import EventFiles, LackingError
from anomaly_cli.reproduce.job_records import Record, load_record, record_name, write_record
from anomaly_cli.reproduce.kinds import KINDS, kind_of
from anomaly_cli.reproduce.targets import Quantity, Scale, Series, Target

FIRST_SEED = 1
KEY_LENGTH = 16
"""Hexadecimal digits of a content key in a file name."""
PATHS = (("data", "file"), ("data", "reference"), ("template", "simulation"))
"""Settings that are paths: their digests are in the key, they are not."""


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
        lacks: whether that is because something was not given.
    """

    series: Series
    quantity: Quantity
    x: str
    jobs: Sequence[Job] = ()
    why_not: str = ""
    lacks: bool = False


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
    places = [_place(target, scale, at, files, number) for at in places_of(target, wanted)]
    return Plan(target, scale, number, files, places)


def _place(target: Target, scale: str, at: tuple[Series, Quantity, str], files: EventFiles, seeds: int) -> Place:
    waits_for = at[0].waits_for or at[1].waits_for
    if waits_for:
        return Place(*at, why_not=f"waits for {waits_for}")
    try:
        described = kind_of(target).describe(_settings(target, scale, at), target, files)
    except LackingError as error:
        return Place(*at, why_not=str(error), lacks=True)
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
    places = places_of(target, wanted)
    different = {hash_json(_settings(target, scale, at)) for at in places if not (at[0].waits_for or at[1].waits_for)}
    return len(different) * wanted.seeds


def places_of(target: Target, wanted: Scale) -> list[tuple[Series, Quantity, str]]:
    """Return series, quantity and x of every value of a table."""
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
    record = load_record(folder / job.name)
    return record if record is not None and record["key"] == job.key else None


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
        results = KINDS[job.kind].run(dict(job.settings), compute)
        found = {name: value for name, value in results.items() if math.isfinite(value)}
    except (PhysicsError, TrainingError) as error:  # another try would meet it again: a result
        failure = _without_options(str(error))
    record = {"key": job.key, "kind": job.kind, "seed": job.seed, "settings": job.settings, "found": found}
    record |= {"failure": failure, "cpu_seconds": time.process_time() - start, "release": anomaly_cli.__version__}
    write_record(folder, record)


def _without_options(sentence: str) -> str:
    """Return what went wrong without the advice on options, which the settings of a target leave no room for."""
    reason, _, advice = sentence.partition("; ")
    return reason if "--" in advice else sentence


def expected_hours(plan: Plan, jobs: Sequence[Job]) -> float:
    """Return the CPU time that jobs will take, about [h]."""
    return len(jobs) * plan.target.scales[plan.scale].cpu_minutes / 60.0
