"""Pseudo-experiments through the whole chain, as a plain list of jobs.

A job is a number; it draws its events, trains template and classifier anew, counts, and gives one record.
Records are small JSON files in a directory of the run; whatever runs the jobs, in whatever order, those
that are there already are not run again, and when all are there they become one artifact.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.counting import experiments
from anomaly_cli.analysis.limits import asymptotic_limits
from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.artifacts.contents import read_regions, read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import canonical_json
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError, PhysicsError, TrainingError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.progress import Step, silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions
from anomaly_cli.core.workers import in_order
from anomaly_cli.stages.counting import build_cuts, loosest_first
from anomaly_cli.stages.frame import Resources
from anomaly_cli.stages.measurements import configured_digest, find_measurements
from anomaly_cli.stages.search import Search, run_search
from anomaly_cli.stages.smooth_model import SmoothModel, outer_range, read_smooth_model, require_truth

FIRST_SIGNAL_ID = 1_000_000_000
"""Ids of injected events start here."""
Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One pseudo-experiment: its number and the signal events put in."""

    index: int
    n_injected: int


@dataclass(frozen=True)
class Laboratory:
    """All that the jobs of a list share.

    Attributes:
        model: where background comes from.
        signal: labelled signal events, all masses.
        regions: the mass windows.
        config: the configuration of the search.
        measured: closure and over-dispersion by efficiency.
        folder: where records lie.
        key: hash of everything that a record depends on besides its job.
    """

    model: SmoothModel
    signal: Events
    regions: Regions
    config: Config
    measured: Mapping[float, Measured]
    folder: Path
    key: str

    @property
    def contains(self) -> dict[str, bool]:
        """Whether z contains a measured closure and over-dispersion."""
        known = self.measured.values()
        return {
            "closure": all(not math.isnan(item.closure) for item in known),
            "overdispersion": all(not math.isnan(item.overdispersion) for item in known),
        }

    @property
    def inputs(self) -> dict[str, str]:
        """The key, as an input of the artifact."""
        return {"experiments": self.key}


def open_laboratory(run: RunDirectory, config: Config, folder: str) -> Laboratory:
    """Return what the pseudo-experiments of a run share; its smooth model must exist."""
    split = read_split(run)
    truth = require_truth(run, split)
    model, artifact = read_smooth_model(run, split, truth)
    observed = concatenate([split.events(name) for name in ("sb1", "sr", "sb2", "rest")])
    reference = truth.reference.take(truth.reference_is_signal)
    signal = concatenate([observed.take(truth.is_signal[observed.event_id]), reference])
    digest = configured_digest(split, config)
    measurements = find_measurements(run, config, digest)
    settings = replace(
        config.significance,
        background_efficiencies=tuple(loosest_first(config.significance.background_efficiencies)),
    )
    key = canonical_json(
        [digest, artifact.digest, config.seed, settings.background_efficiencies, settings.pass_fail_from]
        + [measurements.inputs]
    )
    return Laboratory(
        model=model,
        signal=signal,
        regions=read_regions(split),
        config=replace(config, significance=settings),
        measured={efficiency: measurements.of(efficiency) for efficiency in settings.background_efficiencies},
        folder=run.path / folder,
        key=hashlib.sha256(key.encode()).hexdigest(),
    )


def run_jobs(laboratory: Laboratory, jobs: Sequence[Job], resources: Resources, task: str) -> list[Record]:
    """Run the jobs whose records are missing, and return all records in order.

    Several run side by side, each in one process: the training of a template uses only one.
    A pseudo-experiment that cannot be analysed (a poor side-band fit, a training that diverges) has a record
    that says why.
    """
    records = {job: read_record(laboratory, job) for job in jobs}
    missing = [job for job in jobs if records[job] is None]
    resources.progress(Step(task, len(jobs) - len(missing), len(jobs)))
    processes = min(resources.processes, len(missing))
    alone = replace(resources, processes=1, progress=silent) if processes > 1 else resources
    made = in_order(_run_and_keep, ((laboratory, job, alone) for job in missing), max(processes, 1))
    for done, (job, record) in enumerate(zip(missing, made, strict=True), start=len(jobs) - len(missing) + 1):
        records[job] = record
        resources.progress(Step(task, done, len(jobs)))
    return [record for record in records.values() if record is not None]


def _run_and_keep(laboratory: Laboratory, job: Job, resources: Resources) -> Record:
    """Run a job and write its record."""
    try:
        record = run_job(laboratory, job, resources)
    except (PhysicsError, TrainingError) as error:  # one of many: kept and counted, not dropped
        record = {"index": job.index, "n_injected": job.n_injected, "error": str(error)}
    laboratory.folder.mkdir(parents=True, exist_ok=True)
    write_files({_path(laboratory, job): json.dumps({"key": laboratory.key, **record}, indent=1).encode()})
    return record


def read_record(laboratory: Laboratory, job: Job) -> Record | None:
    """Return the record of a job, or None where it is missing or belongs to other settings."""
    try:
        record: Record = json.loads(_path(laboratory, job).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if record.pop("key", None) != laboratory.key or record.get("n_injected") != job.n_injected:
        return None
    return record


def _path(laboratory: Laboratory, job: Job) -> Path:
    return laboratory.folder / f"{job.index:05d}.json"


def run_job(laboratory: Laboratory, job: Job, resources: Resources) -> Record:
    """Run one pseudo-experiment: fresh events, everything trained anew."""
    config = laboratory.config
    streams = Streams(config.seed).child(f"experiment/{job.index}")
    events = laboratory.model.draw(streams.child("events"))
    if job.n_injected:
        events = concatenate([events, _inject(laboratory, job.n_injected, streams)])
    regions = laboratory.regions
    parts = {name: events.take(window.contains(events.mjj)) for name, window in regions.named().items()}
    search = Search(parts["sb1"], parts["sr"], parts["sb2"], regions, regions.side_bands)
    searched = run_search(search, config, streams, resources)
    scores = (searched.observed, searched.template, searched.mass_fit, config.significance)
    cuts = build_cuts(*scores, laboratory.measured)
    models = [cut.model for cut in cuts]
    data = experiments(models)
    statistical = experiments([cut.model for cut in build_cuts(*scores, {})])
    return {
        "index": job.index,
        "seed": config.seed,
        "n_injected": job.n_injected,
        "n_observed": [model.n_observed for model in models],
        "n_expected": [model.n_expected for model in models],
        "n_signal": [
            int((searched.observed.event_id[cut.selection.is_observed_selected] >= FIRST_SIGNAL_ID).sum())
            for cut in cuts
        ],
        "z": signed_root(data).tolist(),
        "z_statistical": signed_root(statistical).tolist(),
        "limit": asymptotic_limits(data).observed.tolist(),
    }


def _inject(laboratory: Laboratory, n: int, streams: Streams) -> Events:
    """Return those of `n` signal events, drawn without replacement over the whole spectrum, that lie in range.

    Raises:
        ConfigError: where the file has fewer.
    """
    signal = laboratory.signal
    if n > len(signal):
        raise ConfigError(f"--injected {n}: the file has only {len(signal)} signal events; ask for fewer")
    drawn = signal.take(streams.generator("injection").permutation(len(signal))[:n])
    inside = drawn.take(outer_range(laboratory.regions).contains(drawn.mjj))
    ids = FIRST_SIGNAL_ID + np.arange(len(inside))
    return replace(inside, event_id=ids, source_id=ids)


def divide_records(records: Sequence[Record], fewest: int) -> tuple[list[Record], dict[str, dict[str, Any]]]:
    """Return the records with a result, and all as groups of the schema.

    Raises:
        PhysicsError: where fewer than `fewest` have a result.
    """
    good, failed = ([r for r in records if ("error" in r) is is_failed] for is_failed in (False, True))
    if len(good) < fewest:
        raise PhysicsError(
            f"{len(failed)} of {len(records)} pseudo-experiments gave no result, the first because:"
            f" {failed[0]['error']}"
        )
    return good, {
        "experiments": {name: [record[name] for record in good] for name in good[0]},
        "failed": {"index": [r["index"] for r in failed], "reason": [r["error"] for r in failed]},
    }
