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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomaly_cli.analysis.claim import reason_for_no_claim
from anomaly_cli.analysis.counting import CountingModel, experiments
from anomaly_cli.analysis.limits import asymptotic_limits
from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.analysis.toys import toy_p_value
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.measured_on import described_events
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.cuts import NO_CORRECTION
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ConfigError, PhysicsError, TrainingError
from anomaly_cli.core.progress import Step, silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Window
from anomaly_cli.core.workers import in_order
from anomaly_cli.search.count import build_cuts, build_model
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import rank
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.template import make_template
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.stages.measurements import Measurements, find_measurements
from anomaly_cli.stages.resolve import resolve_correction
from anomaly_cli.studies.experiment_jobs import FIRST_SIGNAL_ID, Job, Record, Source
from anomaly_cli.studies.remeasured import Remeasure, measured_in

VERSION = 5
"""Of the artifacts."""
RECORD_VERSION = 3
"""Raised when a record holds something else."""
KEY_LENGTH = 12
"""Hexadecimal digits of the key in a directory name."""
TOYS = 20_000
"""Pseudo-experiments on a count for its p0: enough for one of many."""


@dataclass(frozen=True)
class Normalisation:
    """Background events that the side-bands predict in the signal region."""

    n_expected: float
    uncertainty: float


@dataclass(frozen=True)
class Laboratory:
    """All that the jobs of a list share.

    Attributes:
        source: where their events come from.
        settings: how they are searched.
        measured: closure and over-dispersion by efficiency; not used where they are measured anew.
        folder: where records lie; its name holds the key.
        key: hash of everything that a record depends on besides its job.
        inputs: the key and the digests of the measurements, as inputs of the artifact.
        correct: how expectations are corrected, one of `CORRECTIONS`.
        remeasure: what is measured anew in every job; None for nothing.
    """

    source: Source
    settings: SearchSettings
    measured: Mapping[float, Measured]
    folder: Path
    key: str
    inputs: Mapping[str, str]
    correct: str = NO_CORRECTION
    remeasure: Remeasure | None = None

    @property
    def contains(self) -> dict[str, bool]:
        """Whether z contains a measured closure and over-dispersion."""
        known = self.measured.values()
        return {
            name: self.remeasure is not None or all(not math.isnan(getattr(item, name)) for item in known)
            for name in ("closure", "overdispersion")
        }


def open_laboratory(
    analysis: Analysis, folder: str, source: Source, named: Any, remeasure: Remeasure | None = None
) -> Laboratory:
    """Return what the pseudo-experiments of a run share.

    Args:
        analysis: the run.
        folder: name of the directory in it that keeps the records.
        source: where events come from.
        named: what a record depends on of the source, for the key; JSON.
        remeasure: what is measured anew in every job.
    """
    run = analysis.run
    digest = configured_identity(analysis).digest
    measurements = find_measurements(run, analysis.config, digest) if remeasure is None else Measurements({}, {}, {})
    cuts = analysis.settings.cuts
    cuts = replace(cuts, background_efficiencies=tuple(cuts.loosest_first))
    described = [RECORD_VERSION, digest, named, analysis.config.seed, cuts.background_efficiencies]
    described += [cuts.pass_fail_from, cuts.least_fit_p]  # they say which fits are refused
    described += [remeasure and remeasure.described()]
    key = hash_json(described)
    return Laboratory(
        source=source,
        settings=replace(analysis.settings, cuts=cuts),
        measured=measurements.of_each(cuts),
        folder=run.path / folder / key[:KEY_LENGTH],
        key=key,
        inputs={"experiments": key, **measurements.inputs},
        correct=resolve_correction(analysis.config),
        remeasure=remeasure,
    )


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
    """Run one pseudo-experiment: everything trained anew; `compute` has the streams of the run."""
    own, settings = replace(compute.child(f"experiment/{job.name}"), progress=silent), laboratory.settings
    drawn = laboratory.source.draw(job, own)
    split = drawn.split
    made = make_template(split, settings, Provisions(), own)
    ranked, fit = rank(split, made.template, settings, Provisions(), own), made.mass_fit
    found = build_cuts(ranked.observed, ranked.template, ranked.replicas, fit, settings.cuts, {})
    record = {
        "index": job.index,
        "seed": compute.streams.seed,
        "n_injected": job.n_injected,
        "signal_scale": drawn.signal_scale,
        "region": [split.regions.sr.low, split.regions.sr.high],
        "fit": {"n_expected": fit.n_expected, "uncertainty": fit.uncertainty},
        "cuts": [{name: getattr(cut.selection, name) for name in CutCounts.__dataclass_fields__} for cut in found],
        "n_signal": [
            int((ranked.observed.event_id[cut.selection.is_observed_selected] >= FIRST_SIGNAL_ID).sum())
            for cut in found
        ],
    }
    if laboratory.remeasure is not None:
        record |= laboratory.remeasure.measure(split, made, settings, own)
    return record


def evaluate(laboratory: Laboratory, record: Record) -> Record:
    """Return what the counts of a record say: expectation, significance, limit, with what has been measured.

    Signal events and limits are those of the job's number of signal events, where other backgrounds had others.
    """
    settings, region, scale = laboratory.settings.cuts, Window(*record["region"]), record["signal_scale"]
    fit, cuts = Normalisation(**record["fit"]), [CutCounts(**cut) for cut in record["cuts"]]
    measured = laboratory.measured if laboratory.remeasure is None else measured_in(record, laboratory.correct)

    def models(measured: Mapping[float, Measured]) -> list[CountingModel]:
        known = [measured.get(cut.background_efficiency, Measured()) for cut in cuts]
        return [
            build_model(cut, fit, region, settings.pass_fail_from, item) for cut, item in zip(cuts, known, strict=True)
        ]

    streams = Streams(record["seed"]).child(f"evaluate/{record['n_injected']}/{record['index']}")
    counted = models(measured)
    data = experiments(counted)
    toys = [
        toy_p_value(model.experiment(), TOYS, streams.generator(f"toys/{cut.background_efficiency:g}"))
        for model, cut in zip(counted, cuts, strict=True)
    ]
    between = streams.generator("between").random(len(toys))
    return {
        **{name: record[name] for name in ("index", "seed", "n_injected")},
        "low": region.low,
        "high": region.high,
        "n_signal": [n / scale for n in record["n_signal"]],
        "n_observed": [model.n_observed for model in counted],
        "n_expected": [model.n_expected for model in counted],
        "z": signed_root(data).tolist(),
        "p0": [toy.p0 for toy in toys],
        "p0_randomised": [toy.p_above + u * (toy.p0 - toy.p_above) for u, toy in zip(between, toys, strict=True)],
        "z_statistical": signed_root(experiments(models({}))).tolist(),
        "limit": (asymptotic_limits(data).observed / scale).tolist(),
        "is_refused": [
            bool(reason_for_no_claim(model, measured.get(cut.background_efficiency, Measured()).windows_p))
            for model, cut in zip(counted, cuts, strict=True)
        ],
    }


def divide_records(
    laboratory: Laboratory, records: Sequence[Record], fewest: int
) -> tuple[list[Record], dict[str, dict[str, Any]]]:
    """Return the records with a result, evaluated, and all as groups of the schema.

    Raises:
        PhysicsError: where fewer than `fewest` have a result.
    """
    good, failed = ([r for r in records if ("error" in r) is is_failed] for is_failed in (False, True))
    if len(good) < fewest:
        why = f", the first because: {failed[0]['error']}" if failed else ""
        raise PhysicsError(
            f"{len(good)} of {len(records)} pseudo-experiments have a result where at least {fewest} are needed{why}"
        )
    found = [evaluate(laboratory, record) for record in good]
    return found, {
        "experiments": {name: [record[name] for record in found] for name in found[0]},
        "failed": {"index": [r["index"] for r in failed], "reason": [r["error"] for r in failed]},
    }


def study_stage(
    kind: Kind, laboratory: Laboratory, settings: Mapping[str, Any], make: Callable[[Analysis], Made]
) -> Stage[Analysis]:
    """Return the stage that makes an artifact of a list of pseudo-experiments."""

    def described(analysis: Analysis) -> dict[str, Any]:
        return {
            **settings,
            **laboratory.contains,
            "correct": laboratory.correct,
            "settings_digest": configured_identity(analysis).digest,
            "events": described_events(analysis.run.read(schema.SPLIT)),
        }

    return Stage(kind.name, VERSION, kind, settings=described, make=make, inputs=lambda _: laboratory.inputs)


def run_single_job(analysis: Analysis, laboratory: Laboratory, jobs: Sequence[Job], index: int) -> list[Record]:
    """Run one job of a list and keep its record.

    Raises:
        ConfigError: where there is no such job.
    """
    if not 0 <= index < len(jobs):
        raise ConfigError(f"--index {index}: the list has the jobs 0 to {len(jobs) - 1}")
    return run_jobs(laboratory, [jobs[index]], analysis.compute, f"{laboratory.folder.parent.name}: job {index}")
