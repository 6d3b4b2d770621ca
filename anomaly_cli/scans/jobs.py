"""The jobs of a scan: analyses, each in a directory of its own, of which small results are kept.

A job may be killed at any time, run twice, or run on two nodes at once: it works in a fresh directory, its
result appears in one step under a name that holds its content key, and a result that is there is kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anomaly_cli.analysis.lookelsewhere import PASS_FAIL
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.idsets import pack_ids
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance, canonical_json
from anomaly_cli.artifacts.scan_kinds import SCAN_POINT
from anomaly_cli.artifacts.store import write_artifact, write_files
from anomaly_cli.config import Config
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ArtifactError, ConfigError, PhysicsError, TrainingError
from anomaly_cli.core.progress import Step
from anomaly_cli.core.windows import parse_window
from anomaly_cli.scans.events import base_regions, refuse_changed_data
from anomaly_cli.scans.manifest import Manifest, ScanDirectory
from anomaly_cli.scans.meaning import refuse_other_meaning
from anomaly_cli.scans.parts import Base, Chunk, Job, Measurement, Point
from anomaly_cli.scans.records import JobRecord
from anomaly_cli.scans.results import MEASURED_KINDS, base_verdict, is_made, not_measured
from anomaly_cli.scans.settings import GridSettings
from anomaly_cli.stages.chain import run_chain
from anomaly_cli.stages.closure import CLOSURE
from anomaly_cli.stages.frame import Analysis, Outcome, execute
from anomaly_cli.stages.shared import SHARED
from anomaly_cli.stages.significance import SIGNIFICANCE
from anomaly_cli.stages.split import SPLIT, event_settings
from anomaly_cli.stages.template import MODEL, TEMPLATE
from anomaly_cli.studies.limits import limits_stage
from anomaly_cli.studies.overdispersion import OVERDISPERSION
from anomaly_cli.studies.windows import WINDOWS

STAGE = "scan point"
MEASURE = {"windows": WINDOWS, "experiments": OVERDISPERSION}
MEDIAN = 2
"""Position of the median among the expected limits."""
PHYSICS = (PhysicsError, TrainingError, ConfigError)
"""Failures that another try would meet again: they are results, and the scan goes on."""
_Ended = tuple[tuple[Outcome, ...], str]
"""What a job did, and why it has no result, if so."""


def run_job(scan: ScanDirectory, manifest: Manifest, job: Job, compute: Compute) -> list[bool]:
    """Make what is missing of a job's results, one seed after the other; return which were made now.

    Raises:
        Exception: the first failure that another try may mend, after the other seeds have had their turn.
    """
    refuse_other_meaning(manifest)
    was_made, failures = [], []
    for part in job.points if isinstance(job, Chunk) else (job,):
        try:
            was_made.append(_run_once(scan, manifest, part, compute))
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return was_made


def _run_once(scan: ScanDirectory, manifest: Manifest, job: Point | Base | Measurement, compute: Compute) -> bool:
    if is_made(scan, job):
        return False
    compute.progress(Step(job.words, 0, 1))
    with JobRecord.start(scan.path / job.record) as record:
        if isinstance(job, Base):
            outcomes, failure = _run_base(scan, manifest, job, compute)
        elif isinstance(job, Measurement):
            outcomes, failure = _run_measurement(scan, manifest, job, compute)
        else:
            outcomes, failure = _run_point(scan, manifest, job, compute)
        record.finish(outcomes, failure)
    compute.progress(Step(job.words, 1, 1, f"failed: {failure}" if failure else ""))
    return True


def _run_base(scan: ScanDirectory, manifest: Manifest, job: Base, compute: Compute) -> _Ended:
    output = (scan.path / job.output).absolute()
    config = manifest.config(job)
    template = dataclasses.replace(config.template, base=str(output))
    outcomes: list[Outcome] = []
    reason = ""
    refuse_changed_data(manifest, config)
    with _work_directory(scan, manifest, job) as directory:
        RunDirectory(output.parent).create()
        try:
            config = dataclasses.replace(config, template=template, regions=base_regions(config))
            analysis = _open(directory, config, job, compute).replacing()
            outcomes.append(execute(SPLIT, analysis))
        except ConfigError as error:  # says nothing about the base flow: no verdict
            raise ArtifactError(f"shared base flow: its events cannot be prepared: {error}") from error
        except PHYSICS as error:
            reason = str(error)
        try:
            outcomes += [execute(SHARED, analysis)] if not reason else []
        except PHYSICS as error:
            reason = str(error)
    write_files({scan.path / job.verdict: json.dumps({"reason": reason}).encode()})
    return tuple(outcomes), reason


def _run_measurement(scan: ScanDirectory, manifest: Manifest, job: Measurement, compute: Compute) -> _Ended:
    """Keep what can be measured, and note what cannot."""
    reasons, measured = [], []
    outcomes: list[Outcome] = []
    refuse_changed_data(manifest, manifest.config(job))
    with _work_directory(scan, manifest, job) as directory:
        run = RunDirectory(directory)
        try:
            config = _with_base(scan, manifest, job, compute)
            analysis = _open(directory, config, job, compute)
            outcomes += [execute(stage, analysis) for stage in (SPLIT, MODEL, TEMPLATE)]
            for name in manifest.scan.grid.measure:
                kind = MEASURED_KINDS[name]
                try:
                    outcomes.append(execute(MEASURE[name], analysis))
                    content = run.artifact(kind).read_bytes()
                    write_files({RunDirectory(scan.path / job.folder).artifact(kind): content})
                    measured.append(name)
                except PHYSICS as error:
                    reasons.append(str(error))
        except PHYSICS as error:
            reasons.append(str(error))
    write_files({scan.path / job.verdict: json.dumps({"measured": measured, "reasons": reasons}).encode()})
    return tuple(outcomes), "; ".join(reasons)


def _run_point(scan: ScanDirectory, manifest: Manifest, point: Point, compute: Compute) -> _Ended:
    refuse_changed_data(manifest, manifest.config(point))
    provenance = Provenance(STAGE, SCAN_POINT.version, {"key": point.key, "point": point.name}, point.seed, {})
    groups: dict[str, Any] = {"point": _identity(point)}
    outcomes: tuple[Outcome, ...] = ()
    reason = ""
    with _work_directory(scan, manifest, point) as directory:
        run = RunDirectory(directory)
        try:
            config = _with_base(scan, manifest, point, compute)
            measured, missing = _measurements(scan, manifest, point, compute)
            outcomes, found = _analyse(_open(directory, config, point, compute), manifest.scan.grid, measured)
            groups |= found
            groups["events"]["not_measured"] = missing
        except PHYSICS as error:
            reason = str(error)
        finally:
            _keep_unblinding(scan, point, run)
        groups["outcome"] = {"is_done": not reason, "reason": reason}
        write_artifact(scan.path / point.output, SCAN_POINT, groups, provenance)
    return outcomes, reason


def _measurements(scan: ScanDirectory, manifest: Manifest, point: Point, compute: Compute) -> tuple[Path | None, str]:
    """Return where the uncertainties of a point were measured, if any were, and what is missing there."""
    if not point.measurement:
        return None, ""
    job = manifest.measurement_by_key[point.measurement]
    _run_once(scan, manifest, job, compute)  # where no engine has made it beforehand
    folder = scan.path.absolute() / job.folder
    return folder if folder.is_dir() else None, not_measured(scan, job) or ""


def _with_base(scan: ScanDirectory, manifest: Manifest, point: Point | Measurement, compute: Compute) -> Config:
    """Return the configuration of a point, with the shared base flow that it needs.

    Raises:
        PhysicsError: where that could not be trained.
    """
    config = manifest.config(point)
    if not point.base:
        return config
    base = manifest.base_by_key[point.base]
    _run_once(scan, manifest, base, compute)  # where no engine has made it beforehand
    reason = base_verdict(scan, base)
    if reason:
        raise PhysicsError(f"shared base flow: {reason}")
    template = dataclasses.replace(config.template, base=str((scan.path / base.output).absolute()))
    return dataclasses.replace(config, template=template)


def _open(directory: Path, config: Config, job: Point | Base | Measurement, compute: Compute) -> Analysis:
    """Return the analysis of a job."""
    own = dataclasses.replace(config, seed=job.seed)
    opened = Analysis.open(directory, own, compute.progress)
    return dataclasses.replace(opened, compute=dataclasses.replace(opened.compute, processes=compute.processes))


def _analyse(
    analysis: Analysis, grid: GridSettings, measured: Path | None
) -> tuple[tuple[Outcome, ...], dict[str, dict[str, Any]]]:
    """Run the chain, count again with what was measured; return outcomes and what is kept."""
    leave_out = () if grid.closure else (CLOSURE,)
    outcomes = run_chain(analysis, grid.unblind, leave_out)
    run = analysis.run
    if not run.has(schema.SIGNIFICANCE):
        return tuple(outcomes), _collect(run)
    without = run.read(schema.SIGNIFICANCE).groups["tests"]["z"]
    if measured:
        significance = dataclasses.replace(analysis.config.significance, measurements=str(measured))
        analysis = analysis.reconfigured(dataclasses.replace(analysis.config, significance=significance))
        outcomes.append(execute(SIGNIFICANCE, analysis.replacing()))
    outcomes.append(execute(limits_stage(), analysis))
    found = _collect(run)
    found["tests"]["z_without"] = without
    return tuple(outcomes), found


def _keep_unblinding(scan: ScanDirectory, point: Point, run: RunDirectory) -> None:
    """Keep the record of who looked at a signal region; the run directory does not last."""
    if run.unblinding.exists():
        kept = scan.path / "unblinding" / point.region / f"{point.stem}.json"
        write_files({kept: run.unblinding.read_bytes()})


@contextlib.contextmanager
def _work_directory(scan: ScanDirectory, manifest: Manifest, job: Point | Base | Measurement) -> Iterator[Path]:
    """Yield a fresh directory; it is removed at the end, or kept in `runs/` where that is asked for."""
    named = manifest.scan.jobs.scratch
    scratch = Path(os.path.expandvars(named)).expanduser() if named else scan.path / "work"
    if named and "$" in str(scratch):
        raise ArtifactError(
            f"jobs.scratch = {named}: has no value on {platform.node()}; set the variable there, or name another place"
            " and plan again"
        )
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=f"{job.key}-", dir=scratch))
    except OSError as error:
        raise ArtifactError(
            f"{scratch}: cannot be written ({error.strerror}); free some space or name another place in jobs.scratch"
        ) from error
    try:
        yield directory
        if manifest.scan.jobs.keep_runs and isinstance(job, Point):
            kept = scan.path / "runs" / job.region / job.stem
            shutil.copytree(directory, kept, dirs_exist_ok=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _identity(point: Point) -> dict[str, Any]:
    window = parse_window(point.window)
    values = {name: getattr(point, name) for name in ("method", "seed", "key")}
    return {"low": window.low, "high": window.high, "inject": str(point.inject), **values}


def _collect(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """Return what is kept of a finished run."""
    split = run.read(schema.SPLIT)
    groups: dict[str, dict[str, Any]] = {
        "events": {
            "identity": canonical_json(event_settings(split.provenance)),
            "n_observed": -1,
            "not_measured": "",
            **dict.fromkeys(("n_expected", "uncertainty", "fit_p_value"), float("nan")),
        },
        "chain": _chain(run),
    }
    if run.has(schema.CLOSURE):
        checks = run.read(schema.CLOSURE).groups["checks"]
        groups["closure"] = {name: checks[name] for name in SCAN_POINT.groups["closure"].columns}
    if run.has(schema.SIGNIFICANCE):
        significance = run.read(schema.SIGNIFICANCE).groups
        limits = run.read(schema.LIMITS).groups["tests"]
        fit = significance["mass_fit"]
        groups["events"]["n_observed"] = len(split.groups["sr"]["event_id"])
        groups["events"] |= {name: fit[name] for name in ("n_expected", "uncertainty")} | {
            "fit_p_value": fit["p_value"]
        }
        found = {**significance["tests"], "limit": limits["observed"], "limit_expected": limits["expected"][:, MEDIAN]}
        groups["tests"] = {name: found[name] for name in SCAN_POINT.groups["tests"].columns if name in found}
        kept = ("selected", "selected_template", "systematics")
        groups |= {name: dict(significance[name]) for name in kept if name in significance}
        groups |= _control_samples(run, significance["tests"])
    return groups


def _control_samples(run: RunDirectory, tests: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the events of the signal region, where those that fail a cut tell what to expect."""
    if PASS_FAIL not in tests["test"]:
        return {}
    scores = run.read(schema.SCORES).groups
    groups = {"region": "observed", "region_template": "template"}
    return {name: pack_ids(scores[group]["event_id"]) for name, group in groups.items()}


def _chain(run: RunDirectory) -> dict[str, list[str]]:
    kinds = [
        kind
        for kind in (schema.SPLIT, schema.TEMPLATE_MODEL, schema.TEMPLATE, schema.SCORES, schema.SIGNIFICANCE)
        if run.has(kind)
    ]
    digests = [run.read(kind).digest for kind in kinds]
    return {"kind": [kind.name for kind in kinds], "digest": digests}
