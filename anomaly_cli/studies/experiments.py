"""Pseudo-experiments through the whole chain, as a plain list of jobs.

A job draws its events, trains template and classifier anew, counts, and gives one record. Records are small
JSON files in a directory of the run, named by everything that the trainings depend on; whatever runs the
jobs, in whatever order, those that are there already are not run again. When all are there, their counts are
evaluated with what has been measured of closure and over-dispersion, and become one artifact.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.counting import CountingModel, experiments
from anomaly_cli.analysis.limits import asymptotic_limits
from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.analysis.toys import toy_p_value
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.cuts import NO_CORRECTION
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ConfigError, PhysicsError, TrainingError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.progress import Step, silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions
from anomaly_cli.core.workers import in_order
from anomaly_cli.search.count import build_cuts, build_model
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.run import run_search
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import split_events
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.stages.measurements import find_measurements
from anomaly_cli.stages.split import stored_split
from anomaly_cli.studies.smooth_model import SmoothModel, outer_range, read_smooth_model, require_truth

FIRST_SIGNAL_ID = 1_000_000_000
"""Ids of injected events start here."""
RECORD_VERSION = 2
"""Raised when a record holds something else."""
KEY_LENGTH = 12
"""Hexadecimal digits of the key in a directory name."""
TOYS = 20_000
"""Pseudo-experiments on a count for its p0: enough for one of many."""
Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One pseudo-experiment: its number among those of the same signal, and the signal events put in."""

    index: int
    n_injected: int

    @property
    def name(self) -> str:
        """The job in a file name."""
        return f"{self.n_injected:06d}-{self.index:05d}"


@dataclass(frozen=True)
class Normalisation:
    """Background events that the side-bands predict in the signal region."""

    n_expected: float
    uncertainty: float


@dataclass(frozen=True)
class Laboratory:
    """All that the jobs of a list share.

    Attributes:
        model: where background comes from.
        signal: labelled signal events, all masses.
        regions: the mass windows.
        settings: how they are searched.
        measured: closure and over-dispersion by efficiency.
        folder: where records lie; its name holds the key.
        key: hash of everything that a record depends on besides its job.
        inputs: the key and the digests of the measurements, as inputs of the artifact.
        correct: how expectations are corrected, one of `CORRECTIONS`.
    """

    model: SmoothModel
    signal: Events
    regions: Regions
    settings: SearchSettings
    measured: Mapping[float, Measured]
    folder: Path
    key: str
    inputs: Mapping[str, str]
    correct: str = NO_CORRECTION

    @property
    def contains(self) -> dict[str, bool]:
        """Whether z contains a measured closure and over-dispersion."""
        known = self.measured.values()
        return {
            "closure": all(not math.isnan(item.closure) for item in known),
            "overdispersion": all(not math.isnan(item.overdispersion) for item in known),
        }


def open_laboratory(analysis: Analysis, folder: str) -> Laboratory:
    """Return what the pseudo-experiments of a run share; its smooth model must exist."""
    run = analysis.run
    model, artifact = read_smooth_model(run)
    digest = configured_identity(analysis).digest
    measurements = find_measurements(run, analysis.config, digest)
    cuts = analysis.settings.cuts
    cuts = replace(cuts, background_efficiencies=tuple(cuts.loosest_first))
    described = [RECORD_VERSION, digest, artifact.digest, analysis.config.seed, cuts.background_efficiencies]
    described += [cuts.pass_fail_from, cuts.least_fit_p]  # they say which fits are refused
    key = hash_json(described)
    return Laboratory(
        model=model,
        signal=labelled_signal(run),
        regions=read_regions(run.read(schema.SPLIT)),
        settings=replace(analysis.settings, cuts=cuts),
        measured=measurements.of_each(cuts),
        folder=run.path / folder / key[:KEY_LENGTH],
        key=key,
        inputs={"experiments": key, **measurements.inputs},
        correct=analysis.config.significance.correct,
    )


def labelled_signal(run: RunDirectory) -> Events:
    """Return all signal events with labels, used in the pseudo-data or not."""
    truth, observed = require_truth(run), stored_split(run.read(schema.SPLIT)).everything
    reference = truth.reference.take(truth.reference_is_signal)
    return concatenate([observed.take(truth.of(observed)), reference])


def refuse_too_much_signal(n_injected: int, n_signal: int) -> None:
    """Refuse to inject more signal than there is.

    Raises:
        ConfigError: where there is less.
    """
    if n_injected > n_signal:
        raise ConfigError(f"--injected {n_injected}: the file has only {n_signal} signal events; ask for fewer")


def run_jobs(laboratory: Laboratory, jobs: Sequence[Job], compute: Compute, task: str) -> list[Record]:
    """Run the jobs whose records are missing, and return all records in order.

    Several run side by side, each in one process: the training of a template uses only one.
    A pseudo-experiment that cannot be analysed (a poor side-band fit, a training that diverges) has a record
    that says why.
    """
    records = {job: read_record(laboratory, job) for job in jobs}
    missing = [job for job in jobs if records[job] is None]
    compute.progress(Step(task, len(jobs) - len(missing), len(jobs)))
    processes = min(compute.processes, len(missing))
    alone = compute.alone() if processes > 1 else compute
    pieces = ((laboratory, job, alone) for job in missing)
    with contextlib.closing(in_order(_run_and_keep, pieces, max(processes, 1))) as made:
        for done, (job, record) in enumerate(zip(missing, made, strict=True), start=len(jobs) - len(missing) + 1):
            records[job] = record
            compute.progress(Step(task, done, len(jobs)))
    return [record for record in records.values() if record is not None]


def _run_and_keep(laboratory: Laboratory, job: Job, compute: Compute) -> Record:
    """Run a job and write its record."""
    try:
        record = run_job(laboratory, job, compute)
    except (PhysicsError, TrainingError) as error:  # one of many: kept and counted, not dropped
        record = {"index": job.index, "n_injected": job.n_injected, "error": str(error)}
    write_files({_path(laboratory, job): json.dumps({"key": laboratory.key, **record}, indent=1).encode()})
    return record


def read_record(laboratory: Laboratory, job: Job) -> Record | None:
    """Return the record of a job, or None where it is missing or damaged."""
    try:
        record: Record = parse_json(_path(laboratory, job).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_right = isinstance(record, dict) and record.pop("key", None) == laboratory.key
    return record if is_right else None


def _path(laboratory: Laboratory, job: Job) -> Path:
    return laboratory.folder / f"{job.name}.json"


def run_job(laboratory: Laboratory, job: Job, compute: Compute) -> Record:
    """Run one pseudo-experiment: fresh events, everything trained anew; `compute` has the streams of the run."""
    own = replace(compute.child(f"experiment/{job.name}"), progress=silent)
    events = laboratory.model.draw(own.child("events"))
    if job.n_injected:
        events = concatenate([events, _inject(laboratory, job.n_injected, own.streams)])
    split = split_events(events, laboratory.regions)
    searched = run_search(split, laboratory.settings, Provisions(), own)
    fit = searched.mass_fit
    cuts = [
        cut.selection
        for cut in build_cuts(
            searched.observed, searched.template, searched.replicas, fit, laboratory.settings.cuts, {}
        )
    ]
    return {
        "index": job.index,
        "seed": compute.streams.seed,
        "n_injected": job.n_injected,
        "fit": {"n_expected": fit.n_expected, "uncertainty": fit.uncertainty},
        "cuts": [{name: getattr(cut, name) for name in CutCounts.__dataclass_fields__} for cut in cuts],
        "n_signal": [
            int((searched.observed.event_id[cut.is_observed_selected] >= FIRST_SIGNAL_ID).sum()) for cut in cuts
        ],
    }


def evaluate(laboratory: Laboratory, record: Record) -> Record:
    """Return what the counts of a record say: expectation, significance, limit, with what has been measured."""
    settings = laboratory.settings.cuts
    fit, cuts = Normalisation(**record["fit"]), [CutCounts(**cut) for cut in record["cuts"]]

    def models(measured: Mapping[float, Measured]) -> list[CountingModel]:
        known = [measured.get(cut.background_efficiency, Measured()) for cut in cuts]
        return [
            build_model(cut, fit, laboratory.regions.sr, settings.pass_fail_from, item)
            for cut, item in zip(cuts, known, strict=True)
        ]

    streams = Streams(record["seed"]).child(f"evaluate/{record['n_injected']}/{record['index']}")
    counted = models(laboratory.measured)
    data = experiments(counted)
    toys = [
        toy_p_value(model.experiment(), TOYS, streams.generator(f"toys/{cut.background_efficiency:g}"))
        for model, cut in zip(counted, cuts, strict=True)
    ]
    between = streams.generator("between").random(len(toys))
    return {
        **{name: record[name] for name in ("index", "seed", "n_injected", "n_signal")},
        "n_observed": [model.n_observed for model in counted],
        "n_expected": [model.n_expected for model in counted],
        "z": signed_root(data).tolist(),
        "p0": [toy.p0 for toy in toys],
        "p0_randomised": [toy.p_above + u * (toy.p0 - toy.p_above) for u, toy in zip(between, toys, strict=True)],
        "z_statistical": signed_root(experiments(models({}))).tolist(),
        "limit": asymptotic_limits(data).observed.tolist(),
    }


def _inject(laboratory: Laboratory, n: int, streams: Streams) -> Events:
    """Return those of `n` signal events, drawn without replacement over the whole spectrum, that lie in range.

    Raises:
        ConfigError: where the file has fewer.
    """
    signal = laboratory.signal
    refuse_too_much_signal(n, len(signal))
    drawn = signal.take(streams.generator("injection").permutation(len(signal))[:n])
    inside = drawn.take(outer_range(laboratory.regions).contains(drawn.mjj))
    ids = FIRST_SIGNAL_ID + np.arange(len(inside))
    return replace(inside, event_id=ids, source_id=ids)


def divide_records(
    laboratory: Laboratory, records: Sequence[Record], fewest: int
) -> tuple[list[Record], dict[str, dict[str, Any]]]:
    """Return the records with a result, evaluated, and all as groups of the schema.

    Raises:
        PhysicsError: where fewer than `fewest` have a result.
    """
    good, failed = ([r for r in records if ("error" in r) is is_failed] for is_failed in (False, True))
    if len(good) < fewest:
        raise PhysicsError(
            f"{len(failed)} of {len(records)} pseudo-experiments gave no result, the first because:"
            f" {failed[0]['error']}"
        )
    found = [evaluate(laboratory, record) for record in good]
    return found, {
        "experiments": {name: [record[name] for record in found] for name in found[0]},
        "failed": {"index": [r["index"] for r in failed], "reason": [r["error"] for r in failed]},
    }
