"""Plans, drives and reports scans; imported only when a command runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.cli.execution import show, show_next
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.report.scan import global_tables, scan_notes, scan_tables, status_tables
from anomaly_cli.scans.costs import estimate
from anomaly_cli.scans.engine import (
    find_profile,
    mark_finished,
    refuse_live_driver,
    refuse_second_driver,
    release,
    replace_process,
    snakemake_command,
)
from anomaly_cli.scans.export import export_scan
from anomaly_cli.scans.manifest import Manifest, ScanDirectory, find_job
from anomaly_cli.scans.parts import Chunk, Job
from anomaly_cli.scans.results import is_made
from anomaly_cli.scans.settings import load_scan
from anomaly_cli.scans.status import JobState, current_result, job_statuses, missing_points


def plan_into(config: Path, output: Path, windows: str | None) -> None:
    """Plan a scan and say what it will cost."""
    from anomaly_cli.scans.planning import plan_scan  # the methods check their settings: imports torch

    scan = ScanDirectory(output)
    refuse_live_driver(scan)
    manifest = plan_scan(load_scan(config, windows.split(",") if windows is not None else ()))
    RunDirectory(output).create()
    scan.write(manifest)
    missing = missing_points(scan, manifest)
    n_regions = len({point.region for point in manifest.points})
    show(
        Text(
            f"{scan.manifest}: {len(manifest.points)} points in {n_regions} signal regions,"
            f" {len(manifest.points) - len(missing)} done already; {len(manifest.chunks)} jobs of up to"
            f" {manifest.scan.jobs.seeds_per_job} seeds"
        )
    )
    if manifest.bases:
        show(Text(f"Shared base flows: {len(manifest.bases)}, each trained once before its jobs"))
    if manifest.measurements:
        measured = " and ".join(manifest.scan.grid.measure)
        show(Text(f"Uncertainties from {measured}: measured {len(manifest.measurements)} times, for all seeds"))
    cost = estimate(scan, manifest, missing)
    unknown = f", and {cost.n_unknown} jobs of methods not measured yet" if cost.n_unknown else ""
    show(Text(f"Still to run: about {_hours(cost.cpu_hours)} CPU h{unknown}; {cost.megabytes:.0f} MB on disk"))
    show_next([(f"anomaly scan run {output}", "--profile slurm, htcondor or lxplus: on a cluster")])


def drive(directory: Path, profile: str, cores: int | None, extra: Sequence[str]) -> None:
    """Become the engine, unless all is done."""
    scan = ScanDirectory(directory)
    manifest = scan.read()
    chosen = find_profile(profile)
    command = snakemake_command(scan, manifest, chosen, cores, extra)
    refuse_second_driver(scan)
    if not missing_points(scan, manifest):
        show(Text(f"All {len(manifest.points)} results are there: nothing to run."))
        result = current_result(scan, manifest)
        if result is not None:
            _show_result(directory, result)
        elif "--dry-run" not in extra:
            collect_and_show(directory)
        return
    _refuse_other_meaning(manifest)
    mark_finished(scan, manifest)
    replace_process(scan, command, chosen)


def _refuse_other_meaning(manifest: Manifest) -> None:
    from anomaly_cli.scans.meaning import refuse_other_meaning  # asks all stages: imports torch

    refuse_other_meaning(manifest)


def resume_scan(directory: Path, profile: str, cores: int | None, is_forced: bool, extra: Sequence[str]) -> None:
    """Clear what a dead driver left, and drive."""
    scan = ScanDirectory(directory)
    profile = profile or scan.last_profile
    # refuses where the scan could not go on: then nothing is ended either
    snakemake_command(scan, scan.read(), find_profile(profile), cores, extra)
    for done in release(scan, is_forced):
        show(Text(done))
    drive(directory, profile, cores, extra)


def print_status(directory: Path) -> None:
    """Print what has become of every job."""
    scan = ScanDirectory(directory)
    statuses = job_statuses(scan, scan.read())
    counts = {state.value: sum(item.state is state for item in statuses) for state in JobState}
    noted = [
        (item.point.window, item.point.name, item.state.value, item.reason, str(item.log))
        for item in statuses
        if item.reason or item.state not in (JobState.DONE, JobState.WAITING)
    ]
    for part in status_tables(counts, noted):
        show(part)


def run_one(
    directory: Path, named: tuple[int | None, str | None], kind: str, processes: int | None, quiet: bool
) -> None:
    """Run one job and name its results."""
    scan = ScanDirectory(directory)
    manifest = scan.read()
    job = find_job(manifest, *named, kind)
    parts = job.points if isinstance(job, Chunk) else (job,)
    if all(is_made(scan, part) for part in parts):
        made = [False] * len(parts)
    else:
        made = _make(scan, manifest, job, processes, quiet)
    outputs = [point.output for point in job.points] if isinstance(job, Chunk) else [job.verdict]
    for output, was_made in zip(outputs, made, strict=True):
        show(Text(f"{scan.path / output}: {'written' if was_made else 'is there already, not made again'}"))


def _make(scan: ScanDirectory, manifest: Manifest, job: Job, processes: int | None, quiet: bool) -> list[bool]:
    from anomaly_cli.cli.progress import show_progress
    from anomaly_cli.scans.jobs import run_job  # imports torch
    from anomaly_cli.stages.frame import Resources

    config = manifest.config(job.points[0] if isinstance(job, Chunk) else job)
    with show_progress(quiet) as progress:
        resources = Resources(config.seed, config.threads, processes or config.n_processes, progress)
        return run_job(scan, manifest, job, resources)


def collect_and_show(directory: Path) -> None:
    """Collect what is there, print it and draw it."""
    from anomaly_cli.report.scan_picture import draw_scan
    from anomaly_cli.scans.collect import collect_scan

    scan = ScanDirectory(directory)
    manifest = scan.read()
    result = collect_scan(scan, manifest)
    if result is None:
        raise ArtifactError(f"{scan.path}: has no results yet; run it with 'anomaly scan run {scan.path}'")
    _show_result(directory, result)
    show(Text(f"{scan.result}: written"))
    if len(result.groups["tests"]["z"]):
        show(Text(f"{draw_scan(result, scan.picture)}: written"))


def _show_result(directory: Path, result: Artifact) -> None:
    for table in (*scan_tables(result), *global_tables(result)):
        show(table)
    for note in scan_notes(result):
        show(note)
    states = result.groups["points"]["state"].tolist()
    if "missing" in states or "failed" in states:
        show(
            Text(
                f"{states.count('missing')} missing, {states.count('failed')} failed of {len(states)}:"
                f" anomaly scan status {directory}"
            )
        )


def export_submission(directory: Path, to: str) -> None:
    """Write submit files and say what to do with them."""
    scan = ScanDirectory(directory)
    for path in export_scan(scan, scan.read(), to):
        show(Text(f"{path}: written"))


def _hours(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10.0 else f"{hours:.2g}"
