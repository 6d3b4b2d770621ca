"""Plans, drives and reports scans; imported only when a command runs."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.execution import show_next
from anomaly_cli.cli.output import say, show
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.streams import Streams
from anomaly_cli.report.results.registry import report_on
from anomaly_cli.report.status import status_report
from anomaly_cli.report.tables import plural
from anomaly_cli.scans.costs import estimate
from anomaly_cli.scans.engine import (
    Profile,
    find_profile,
    held,
    mark_finished,
    note_driver,
    refuse_live_driver,
    refuse_second_driver,
    release,
    replace_process,
    snakemake_command,
)
from anomaly_cli.scans.export import SUBMIT, export_scan, stale_exports
from anomaly_cli.scans.manifest import Manifest, ScanDirectory, find_job, refuse_other_plan
from anomaly_cli.scans.parts import Base, Chunk, Job, Measurement, Point
from anomaly_cli.scans.results import is_made
from anomaly_cli.scans.settings import load_scan
from anomaly_cli.scans.status import JobState, current_result, files_in, job_statuses, missing_points

DRY_RUN = {"--dry-run", "--dryrun", "-n"}
"""Options of Snakemake that let it only say what it would do."""


def plan_into(config: Path, output: Path, windows: str | None) -> None:
    """Plan a scan and say what it will cost."""
    from anomaly_cli.scans.planning import plan_scan  # the methods check their settings: imports torch

    scan = ScanDirectory(output)
    refuse_live_driver(scan)
    manifest = plan_scan(load_scan(config, windows.split(",") if windows is not None else ()))
    RunDirectory(output).create()
    with held(scan):
        scan.write(manifest)
    _show_plan(scan, manifest)
    show_next([(f"anomaly scan run {shlex.quote(str(output))}", "--profile slurm, htcondor or lxplus: on a cluster")])


def _show_plan(scan: ScanDirectory, manifest: Manifest) -> None:
    missing = missing_points(scan, manifest)
    n_regions = len({point.region for point in manifest.points})
    say(
        f"{scan.manifest}: {plural(len(manifest.points), 'point')} in {plural(n_regions, 'signal region')},"
        f" {len(manifest.points) - len(missing)} done already; {plural(len(manifest.chunks), 'job')} of up to"
        f" {plural(manifest.scan.jobs.seeds_per_job, 'seed')}"
    )
    grid = manifest.scan.grid
    searches = len(grid.methods) * max(len(manifest.scan.variants), 1) * len(grid.inject)
    n_shared = n_regions * searches * grid.seeds - len(manifest.points)
    if n_shared:
        say(f"{plural(n_shared, 'point')} left out: their settings are those of an earlier variant")
    if manifest.bases:
        say(f"{plural(len(manifest.bases), 'shared base flow')}, trained before the jobs that use it")
    if manifest.measurements:
        measured, regions = " and ".join(grid.measure), len(manifest.measurements)
        say(f"Uncertainties from {measured}: {plural(regions, 'measurement')}, each for all seeds of its points")
    if others := _other_results(scan, manifest):
        say(f"{plural(others, 'result')} of earlier plans: kept, and used where a plan asks for them again")
    for name in stale_exports(scan, manifest):
        say(f"{scan.path / name}: was exported for another plan; export again")
    cost = estimate(scan, manifest, missing)
    unknown = f", and {plural(cost.n_unknown, 'point')} of methods not measured yet" if cost.n_unknown else ""
    text = f"Still to run: about {_hours(cost.cpu_hours)} CPU h{unknown}; {cost.megabytes:.0f} MB on disk"
    say(f"{text}{' (jobs of default settings)' if cost.is_from_table else ''}")


def drive(directory: Path, profile: str, cores: int | None, extra: Sequence[str]) -> None:
    """Become the engine, unless all is done."""
    scan = ScanDirectory(directory)
    manifest, chosen = scan.read(), find_profile(profile)
    command = snakemake_command(scan, manifest, chosen, cores, extra)
    refuse_second_driver(scan)
    is_dry = bool(DRY_RUN & set(extra))
    if not missing_points(scan, manifest):
        _show_finished(scan, manifest, is_dry)
        return
    with held(scan):
        _become_engine(scan, manifest, command, None if is_dry else chosen)


def _show_finished(scan: ScanDirectory, manifest: Manifest, is_dry: bool) -> None:
    say(f"All {plural(len(manifest.points), 'result')} are there: nothing to run.")
    result = current_result(scan, manifest)
    if result is not None:
        _show_result(scan.path, result)
    elif not is_dry:
        collect_and_show(scan.path)


def _become_engine(scan: ScanDirectory, manifest: Manifest, command: Sequence[str], driver: Profile | None) -> None:
    """Become the engine; `driver` is the profile to note as that of the driver, or nothing for a dry run."""
    _refuse_other_meaning(manifest)
    mark_finished(scan, manifest)
    if driver is not None:
        note_driver(scan, driver)
    replace_process(scan, command)


def _refuse_other_meaning(manifest: Manifest) -> None:
    from anomaly_cli.scans.meaning import refuse_other_meaning  # asks all stages: imports torch

    refuse_other_meaning(manifest)


def resume_scan(directory: Path, profile: str, cores: int | None, is_forced: bool, extra: Sequence[str]) -> None:
    """Clear what a dead driver left, and drive."""
    if DRY_RUN & set(extra):
        quoted = shlex.quote(str(directory))
        raise ConfigError(f"resume ends what is left of the last driver; use 'anomaly scan run {quoted} --dry-run'")
    scan = ScanDirectory(directory)
    manifest, chosen = scan.read(), find_profile(profile or scan.last_profile)
    # refuses where the scan could not go on: then nothing is ended either
    command = snakemake_command(scan, manifest, chosen, cores, extra)
    refuse_live_driver(scan, is_forced)
    with held(scan):
        for done in release(scan):
            say(done)
        if missing_points(scan, manifest):
            _become_engine(scan, manifest, command, chosen)
        else:
            _show_finished(scan, manifest, is_dry=False)


def print_status(directory: Path) -> None:
    """Print what has become of every job."""
    scan = ScanDirectory(directory)
    statuses = job_statuses(scan, scan.read())
    counts: dict[str, Counter[str]] = {}
    for sort, name in ((Base, "shared base flow"), (Measurement, "measurement"), (Point, "point")):
        found = Counter(item.state.value for item in statuses if isinstance(item.job, sort))
        counts |= {name: found} if found else {}
    noted = [
        (item.job.words, item.state.value, item.reason, str(item.log) if item.log.exists() else "")
        for item in statuses
        if item.reason or item.state not in (JobState.DONE, JobState.WAITING)
    ]
    show(status_report(counts, noted))


def run_one(
    directory: Path,
    named: tuple[int | None, str | None],
    kind: str,
    plan_key: str,
    processes: int | None,
    manner: Manner,
) -> None:
    """Run one job and name its results."""
    scan = ScanDirectory(directory)
    manifest = scan.read()
    refuse_other_plan(manifest, plan_key)
    job = find_job(manifest, *named, kind)
    parts = job.points if isinstance(job, Chunk) else (job,)
    if all(is_made(scan, part) for part in parts):
        made = [False] * len(parts)
    else:
        made = _make(scan, manifest, job, processes, manner)
    outputs = [point.output for point in job.points] if isinstance(job, Chunk) else [job.verdict]
    for output, was_made in zip(outputs, made, strict=True):
        say(f"{scan.path / output}: {'written' if was_made else 'is there already, not made again'}")


def _make(scan: ScanDirectory, manifest: Manifest, job: Job, processes: int | None, manner: Manner) -> list[bool]:
    from anomaly_cli.cli.progress import show_progress
    from anomaly_cli.scans.jobs import run_job  # imports torch

    config = manifest.config(job.points[0] if isinstance(job, Chunk) else job)
    if not manner.quiet:  # logs hold several tries
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        typer.echo(f"{now} {platform.node()}, process {os.getpid()}", err=True)
    with show_progress(manner) as progress:
        compute = Compute(Streams(config.seed), processes=processes or config.n_processes, progress=progress)
        return run_job(scan, manifest, job, compute)


def collect_and_show(directory: Path) -> None:
    """Collect what is there, print it and draw it."""
    from anomaly_cli.cli.picture_execution import draw_scan
    from anomaly_cli.scans.collect import collect_scan

    scan = ScanDirectory(directory)
    manifest = scan.read()
    result = collect_scan(scan, manifest)
    if result is None:
        quoted, others = shlex.quote(str(scan.path)), _other_results(scan, manifest)
        earlier = f" of its present plan ({others} of earlier plans are kept for when they are planned again)"
        raise ArtifactError(
            f"{scan.path}: has no results{earlier if others else ''} yet; run it with 'anomaly scan run {quoted}'"
        )
    _show_result(directory, result)
    say(f"{scan.result}: written")
    if len(result.groups["tests"]["z"]):
        draw_scan(result, scan.picture)
        say(f"{scan.picture}: written")


def _other_results(scan: ScanDirectory, manifest: Manifest) -> int:
    """Return how many results are there that the plan does not ask for."""
    present = {name for name in files_in(scan.path / "results") if name.endswith(".h5")}
    return len(present - {Path(point.output).name for point in manifest.points})


def _show_result(directory: Path, result: Artifact) -> None:
    show(report_on(result))
    states = result.groups["points"]["state"].tolist()
    if "missing" in states or "failed" in states:
        say(
            f"{states.count('missing')} missing, {states.count('failed')} failed of {len(states)}:"
            f" anomaly scan status {shlex.quote(str(directory))}"
        )


def export_submission(directory: Path, to: str, image: str) -> None:
    """Write submit files and say what to do with them."""
    scan = ScanDirectory(directory)
    for path in export_scan(scan, scan.read(), to, image):
        say(f"{path}: written")
    quoted = shlex.quote(str(directory))
    show_next(
        [
            (SUBMIT[to].format(quoted), "submits it"),
            (f"anomaly scan collect {quoted}", "when all have ended: table and picture"),
        ]
    )


def _hours(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10.0 else f"{hours:.2g}"
