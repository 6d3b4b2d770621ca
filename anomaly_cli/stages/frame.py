"""The frame of every stage: what it reads, what is up to date, what may be replaced.

A stage is a record: its settings and inputs state the provenance that its output will have. An output that has it
already, with everything that lies beside it, is not made again; others are replaced only with `overwrite`.
"""

from __future__ import annotations

import datetime
import json
import logging
import platform
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from threadpoolctl import threadpool_limits

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.build import this_build
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.pieces import Pieces
from anomaly_cli.artifacts.provenance import Provenance, canonical_json
from anomaly_cli.artifacts.store import Artifact, encode_artifact, write_files
from anomaly_cli.config import Config
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.cputime import used_cpu
from anomaly_cli.core.errors import AnomalyError, AnomalyWarning, ArtifactError
from anomaly_cli.core.progress import Progress, Step, silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.nets.device import resolve_device
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.stages.resolve import resolve_settings

LOG = logging.getLogger(__name__)
Groups = Mapping[str, Mapping[str, Any] | Arrays]
B = TypeVar("B", bound="Bench")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where work is done.

    Attributes:
        run: the run directory.
        compute: the random streams of the run's seed, threads, processes, device, progress.
        overwrite: whether artifacts of other settings or inputs may be replaced.
    """

    run: RunDirectory
    compute: Compute
    overwrite: bool = False

    @property
    def rounding(self) -> dict[str, Any]:
        """What may change rounding, and so belongs to the settings of every stage that computes."""
        return {"threads": self.compute.threads, "device": self.compute.device}


@dataclass(frozen=True, kw_only=True)
class Analysis(Bench):
    """One analysis: where it is done, and how it is configured.

    Attributes:
        config: the configuration.
    """

    config: Config

    @staticmethod
    def open(directory: Path, config: Config, progress: Progress = silent, overwrite: bool = False) -> Analysis:
        """Return the analysis of a directory."""
        compute = Compute(
            Streams(config.seed),
            threads=config.threads,
            processes=config.n_processes,
            device=resolve_device(config.device),
            progress=progress,
        )
        return Analysis(run=RunDirectory(directory), config=config, compute=compute, overwrite=overwrite)

    @cached_property
    def settings(self) -> SearchSettings:
        """How the search is done: the configuration, resolved once."""
        return resolve_settings(self.config)

    def reconfigured(self, config: Config) -> Analysis:
        """Return the same with another configuration, its seed included."""
        return replace(self, config=config, compute=replace(self.compute, streams=Streams(config.seed)))

    def reporting(self, progress: Progress) -> Analysis:
        """Return the same, which reports here; what has been read is not read again."""
        return replace(self, compute=replace(self.compute, progress=progress))

    def replacing(self) -> Analysis:
        """Return the same, allowed to replace what is there."""
        return replace(self, overwrite=True)


@dataclass(frozen=True)
class Made:
    """What a stage has made.

    Attributes:
        groups: content of its artifact.
        features: names of the features of the events in it.
        twins: further artifacts of the same provenance.
        files: further files by their path relative to the run directory.
    """

    groups: Groups
    features: tuple[str, ...] = ()
    twins: Sequence[tuple[Kind, Groups]] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Beside:
    """What lies beside an artifact and was made with it.

    Attributes:
        twins: kinds of the same provenance that must be there.
        files: content of further files by their path relative to the run directory.
        pattern: glob of files left over from an earlier result; they are deleted.
    """

    twins: tuple[Kind, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    pattern: str = ""


def _nothing(_: Any) -> dict[str, Any]:
    return {}


def _refuse_nothing(_: Any) -> None:
    return None


def _nothing_beside(_: Artifact) -> Beside:
    return Beside()


@dataclass(frozen=True)
class Stage(Generic[B]):
    """One stage: from artifacts of a run to one artifact, and what lies beside it.

    Attributes:
        name: as provenance and people call it.
        version: raised when the same settings would give another result.
        kind: what it makes; the kind's parents are what it reads, and its inputs.
        settings: every setting that its result depends on.
        make: makes it.
        inputs: digests of what it reads besides, by name.
        beside: what lies beside an artifact of it.
        output: where it goes, unless to its place in the run directory.
        refuse: refuses what may not be done or cannot work, before anything is made or said to be up to date.
        looks: whether it looks at the signal region, so that it waits for unblinding.
        renewed_by: inputs that only add to what its result knows; where nothing else has changed, it is made again
            without asking.
    """

    name: str
    version: int
    kind: Kind
    settings: Callable[[B], Mapping[str, Any]]
    make: Callable[[B], Made]
    inputs: Callable[[B], Mapping[str, str]] = _nothing
    beside: Callable[[Artifact], Beside] = _nothing_beside
    output: Callable[[B], Path] | None = None
    refuse: Callable[[B], None] = _refuse_nothing
    looks: bool = False
    renewed_by: frozenset[str] = frozenset()

    @property
    def command(self) -> str:
        """The command that runs it."""
        return self.kind.made_by

    def path(self, bench: B) -> Path:
        """Return where its artifact lies."""
        return self.output(bench) if self.output else bench.run.artifact(self.kind)

    def plan(self, bench: B) -> Provenance:
        """Return the provenance that its artifact will have.

        Raises:
            AnomalyError: where a setting cannot be used, or what it reads is missing.
        """
        parents = {name: bench.run.read(schema.KINDS[name]).digest for name in self.kind.parents}
        inputs = {**parents, **self.inputs(bench)}
        return Provenance(self.name, self.version, self.settings(bench), bench.compute.streams.seed, inputs)


class State(Enum):
    """What a plan finds on disk."""

    MISSING = "run"
    CURRENT = "up to date"
    OTHER = "replace"
    RENEWED = "renew"
    UNDECIDED = "after earlier stages"


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes:
        stage: its name.
        output: its file.
        was_made: whether it was made now.
        seconds: wall time [s].
        cpu_seconds: CPU time of this process and of the pieces that worker processes have finished [s].
        finished: when it was finished, UTC in ISO format.
    """

    stage: str
    output: Path
    was_made: bool
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    finished: str = ""


def inspect_stage(stage: Stage[B], bench: B) -> tuple[State, str]:
    """Return what lies at a stage's output and beside it, and in words how it differs from what is asked for."""
    return _compare(stage, bench, stage.plan(bench))


def _compare(stage: Stage[B], bench: B, planned: Provenance) -> tuple[State, str]:
    path = stage.path(bench)
    if not path.exists():
        return State.MISSING, ""
    try:
        found = bench.run.read_file(path, stage.kind)
    except AnomalyError as error:
        return State.OTHER, str(error)
    differences = planned.differences(found.provenance)
    if differences:
        kept = {name: digest for name, digest in planned.inputs.items() if name in stage.renewed_by}
        old = replace(found.provenance, inputs={**found.provenance.inputs, **kept})
        state = State.OTHER if planned.differences(old) else State.RENEWED
        return state, "; ".join(differences)
    return _inspect_beside(stage.beside(found), found, bench.run)


def _inspect_beside(beside: Beside, found: Artifact, run: RunDirectory) -> tuple[State, str]:
    """Return whether what lies beside an artifact is whole: what is missing is made again, what differs is replaced."""
    missing = False
    for kind in beside.twins:
        path = run.artifact(kind)
        if not path.exists():
            missing = True
            continue
        try:
            twin = run.read_file(path, kind)
        except AnomalyError as error:
            return State.OTHER, str(error)
        if twin.provenance != found.provenance:
            return State.OTHER, f"{path.name} belongs to another {found.kind.name}"
    for name, content in beside.files.items():
        path = run.path / name
        missing = missing or not path.exists()
        if path.exists() and path.read_bytes() != content.encode():
            return State.OTHER, f"{name} has been changed"
    return (State.MISSING if missing else State.CURRENT), ""


def execute(stage: Stage[B], bench: B) -> Outcome:
    """Make a stage's output unless it is up to date; everything that belongs to it is written in one step.

    Raises:
        ArtifactError: where the output exists with another provenance and may not be replaced.
        AnomalyError: where it cannot be made.
    """
    stage.refuse(bench)
    provenance, path = stage.plan(bench), stage.path(bench)
    state, difference = _compare(stage, bench, provenance)
    if state is State.CURRENT:
        LOG.info("%s: %s is up to date", stage.name, path)
        bench.compute.progress(Step(stage.name, 1, 1, "up to date", is_stage=True))
        return Outcome(stage.name, path, False)
    if state is State.OTHER and not bench.overwrite:
        raise ArtifactError(
            f"{path} already exists and differs from what is asked for ({difference});"
            " pass --overwrite to replace it, or another directory with --run"
        )
    LOG.info("%s: begins, from %s", stage.name, ", ".join(provenance.inputs) or "no artifact")
    LOG.debug("%s: settings %s", stage.name, canonical_json(provenance.settings))
    bench.compute.progress(Step(stage.name, 0, 1, is_stage=True))
    start, cpu_start = time.monotonic(), used_cpu()
    with threadpool_limits(limits=bench.compute.threads):  # of every library, so that rounding is that of `threads`
        made = stage.make(bench)
    _write(stage, bench, made, provenance)
    Pieces.of(bench.run, provenance).clear()
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    outcome = Outcome(stage.name, path, True, time.monotonic() - start, used_cpu() - cpu_start, finished)
    LOG.info("%s: %s written in %.1f s, %.1f s of CPU", stage.name, path, outcome.seconds, outcome.cpu_seconds)
    bench.compute.progress(Step(stage.name, 1, 1, is_stage=True))
    return outcome


def _write(stage: Stage[B], bench: B, made: Made, provenance: Provenance) -> None:
    run, path = bench.run, stage.path(bench)
    files = {run.path / name: content.encode() for name, content in made.files.items()}
    for kind, groups in made.twins:
        files[run.artifact(kind)] = encode_artifact(kind, groups, provenance, made.features)[0]
    files[path] = encode_artifact(stage.kind, made.groups, provenance, made.features)[0]
    run.create()
    write_files(files)
    kept = stage.beside(run.read_file(path, stage.kind))
    if kept.pattern:
        for stale in set(run.path.glob(kept.pattern)) - set(files):
            stale.unlink(missing_ok=True)


def save_config(run: RunDirectory, config: Config) -> None:
    """Store the resolved configuration beside the artifacts."""
    content = config.to_toml().encode()
    if not run.config.exists() or run.config.read_bytes() != content:
        write_files({run.config: content})


def append_log(run: RunDirectory, outcomes: Sequence[Outcome]) -> None:
    """Add what was made now to the run log, which no digest covers."""
    made = [outcome for outcome in outcomes if outcome.was_made]
    if not made:
        return
    try:
        entries = run.read_log()
    except ValueError:
        aside = run.log.with_name(f"{run.log.name}.damaged")
        run.log.replace(aside)
        warnings.warn(
            f"{run.log} was damaged; it is {aside.name} now, and a new one begins", AnomalyWarning, stacklevel=2
        )
        entries = []
    host = {"host": platform.node(), "machine": platform.machine(), "python": platform.python_version()}
    host["build"] = str(this_build())
    entries += [
        {
            **{"stage": o.stage, "output": o.output.name, "seconds": round(o.seconds, 2)},
            **{"cpu_seconds": round(o.cpu_seconds, 2), "finished": o.finished, **host},
        }
        for o in made
    ]
    write_files({run.log: json.dumps(entries, indent=1).encode()})
