"""The manifest of a scan: every job with its identity and content key, in one JSON file.

The key of a job is a hash of everything that its result depends on, and it is part of the name of the
result file. So a result that exists is up to date; a changed setting asks for other files; and two
processes that make the same result write the same file.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.scan_kinds import ONLY_VARIANT
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.config import Config
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.records import build_record, nearest
from anomaly_cli.scans.parts import Base, Chunk, Job, Measurement, Point, hash_key, needed_keys
from anomaly_cli.scans.settings import ScanConfig

FORMAT, VERSION = "anomaly scan", 5
MANIFEST = "scan.json"
"""Its file in the directory of a scan."""
PLAIN = re.compile(r"\w[\w.+-]*", flags=re.ASCII)
"""What the names of files are made of."""


@dataclass(frozen=True)
class Manifest:
    """A planned scan.

    Attributes:
        scan: its configuration.
        bases: shared base flows.
        measurements: uncertainties measured once for several points.
        points: all points.
        digests: digest of every file that is read, by its role.
        release: release of this package that planned it.
        meaning: hash of what the results of that release mean.
    """

    scan: ScanConfig
    bases: tuple[Base, ...]
    measurements: tuple[Measurement, ...]
    points: tuple[Point, ...]
    digests: Mapping[str, str]
    release: str
    meaning: str

    def config(self, job: Point | Base | Measurement) -> Config:
        """Return the configuration of an analysis for a job; that of a base has no signal region."""
        return point_config(self.scan, job)

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """What the jobs do, apart from shared base flows."""
        searches: dict[tuple[Any, ...], list[Point]] = {}
        for point in self.points:
            searches.setdefault((point.window, point.method, point.variant, point.inject), []).append(point)
        size = self.scan.jobs.seeds_per_job
        return tuple(
            Chunk(tuple(seeds[start : start + size]))
            for seeds in searches.values()
            for start in range(0, len(seeds), size)
        )

    @cached_property
    def jobs_key(self) -> str:
        """Hash of all jobs in their order: what the numbers of jobs mean."""
        return hash_key([[job.key for job in jobs] for jobs in (self.bases, self.measurements, self.chunks)])

    @cached_property
    def base_by_key(self) -> dict[str, Base]:
        """Base flows by their key."""
        return {base.key: base for base in self.bases}

    @cached_property
    def measurement_by_key(self) -> dict[str, Measurement]:
        """Measurements by their key."""
        return {measurement.key: measurement for measurement in self.measurements}

    def to_json(self) -> bytes:
        """Return the manifest as JSON; files are named, so that a workflow engine needs nothing else."""
        shared: tuple[Base | Measurement, ...] = (*self.bases, *self.measurements)
        verdicts = {job.key: job.verdict for job in shared}
        jobs = {
            "bases": [{**vars(b), "output": b.verdict, "log": b.log} for b in self.bases],
            "measurements": [
                {**vars(m), "output": m.verdict, "log": m.log, "needs": [verdicts[key] for key in needed_keys(m)]}
                for m in self.measurements
            ],
            "points": [vars(p) for p in self.points],
            "chunks": [
                {
                    **{name: getattr(chunk, name) for name in ("key", "output", "log")},
                    "needs": [verdicts[key] for key in needed_keys(chunk)],
                }
                for chunk in self.chunks
            ],
        }
        head = {"format": FORMAT, "version": VERSION, "release": self.release, "meaning": self.meaning}
        body = {"scan": dataclasses.asdict(self.scan), "digests": dict(self.digests), **jobs}
        return json.dumps({**head, "digest": hash_json({**head, **body}), **body}, indent=1).encode()


def point_config(scan: ScanConfig, job: Point | Base | Measurement) -> Config:
    """Return the configuration of an analysis at a point."""
    tree = scan.settings(job.variant)
    for table, key, value in (
        ("data", "inject", job.inject),
        ("template", "method", job.method),
        *((("regions", "signal_region", job.window),) if not isinstance(job, Base) else ()),
    ):
        tree.setdefault(table, {})[key] = value
    return build_record(Config, {**tree, "seed": job.seed, "processes": scan.jobs.processes}, "analysis")


@dataclass(frozen=True)
class ScanDirectory:
    """The files of one scan."""

    path: Path

    @property
    def manifest(self) -> Path:
        """The manifest."""
        return self.path / MANIFEST

    @property
    def result(self) -> Path:
        """What `collect` makes."""
        return self.path / "scan_result.h5"

    @property
    def picture(self) -> Path:
        """The p-value against the mass."""
        return self.path / "scan.png"

    @property
    def driver(self) -> Path:
        """Which process drives the scan, or drove it last."""
        return self.path / "driver.json"

    @property
    def guard(self) -> Path:
        """An empty file that whoever plans or drives the scan holds locked."""
        return self.path / "driver.lock"

    @property
    def locks(self) -> Path:
        """Where the engine keeps its lock."""
        return self.path / ".snakemake" / "locks"

    @property
    def is_locked(self) -> bool:
        """Whether an engine works on the scan, or died without releasing it."""
        return self.locks.is_dir() and any(self.locks.iterdir())

    @property
    def last_profile(self) -> str:
        """The profile of the last driver."""
        try:
            return str(parse_json(self.driver.read_text(encoding="utf-8"))["profile"])
        except (OSError, ValueError, KeyError, TypeError):
            return "local"

    def write(self, manifest: Manifest) -> None:
        """Write the manifest.

        Raises:
            ArtifactError: where it cannot be written.
        """
        write_files({self.manifest: manifest.to_json()})

    def read(self) -> Manifest:
        """Return the manifest.

        Raises:
            ArtifactError: where there is none, or it is damaged or of another version.
        """
        try:
            tree = parse_json(self.manifest.read_text(encoding="utf-8"))
        except OSError as error:
            raise ArtifactError(
                f"{self.manifest}: cannot be read ({error.strerror}); plan a scan with"
                f" 'anomaly scan plan scan.toml --output {shlex.quote(str(self.path))}'"
            ) from error
        except ValueError as error:
            raise ArtifactError(f"{self.manifest}: is damaged ({error}); plan the scan again") from error
        if not isinstance(tree, dict) or tree.get("format") != FORMAT:
            raise ArtifactError(f"{self.manifest}: is no manifest of a scan; name the directory of one")
        if tree.get("version") != VERSION:
            raise ArtifactError(
                f"{self.manifest}: has version {tree.get('version')}, this release knows {VERSION}; plan the scan"
                " again with this release (results that mean the same are kept)"
            )
        if tree.pop("digest", "") != hash_json(tree):
            raise ArtifactError(
                f"{self.manifest}: was changed by hand, so that its keys promise other results; change the grid and"
                " plan the scan again"
            )
        try:
            manifest = _from_tree(tree)
            _refuse_other_files(manifest, tree)
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            raise ArtifactError(f"{self.manifest}: is damaged ({error}); plan the scan again") from error
        return manifest


def _from_tree(tree: Mapping[str, Any]) -> Manifest:
    bases, measurements = (
        [{key: value for key, value in item.items() if key not in ("output", "log", "needs")} for item in tree[name]]
        for name in ("bases", "measurements")
    )
    return Manifest(
        scan=build_record(ScanConfig, tree["scan"], "scan"),
        bases=tuple(Base(**item) for item in bases),
        measurements=tuple(Measurement(**item) for item in measurements),
        points=tuple(Point(**item) for item in tree["points"]),
        digests=dict(tree["digests"]),
        release=tree["release"],
        meaning=tree["meaning"],
    )


def _refuse_other_files(manifest: Manifest, tree: Mapping[str, Any]) -> None:
    """Refuse a manifest whose files, keys or settings are not those that its jobs have.

    Raises:
        ValueError: where a name is no plain one, or the file says another than follows from the job.
        ConfigError: for settings that no analysis has.
    """
    for variant in manifest.scan.variants or (ONLY_VARIANT,):
        build_record(Config, manifest.scan.settings(variant), "analysis")
    jobs: tuple[Base | Measurement | Point, ...] = (*manifest.bases, *manifest.measurements, *manifest.points)
    for job in jobs:
        keys = [job.key, *(key for key in (getattr(job, "base", ""), getattr(job, "measurement", "")) if key)]
        odd = [text for text in (job.stem, *keys) if not PLAIN.fullmatch(text)]
        if odd:
            raise ValueError(f"{odd[0]!r} cannot be part of a file name")
    derived = parse_json(manifest.to_json().decode())
    if any(derived[name] != tree[name] for name in ("bases", "measurements", "points", "chunks")):
        raise ValueError("its files are not those of its jobs")


def refuse_other_plan(manifest: Manifest, key: str) -> None:
    """Refuse numbers of jobs that were exported for another plan.

    Raises:
        ArtifactError: where that is so.
    """
    if key not in ("", manifest.jobs_key):
        raise ArtifactError(
            "the scan was planned anew since these submit files were exported, and the numbers of jobs mean others now;"
            " export again with 'anomaly scan export'"
        )


def find_job(manifest: Manifest, index: int | None, key: str | None, kind: str) -> Job:
    """Return the job of a kind (`base`, `measurement` or `point`) with a position in the manifest, or with a key.

    Raises:
        ConfigError: where there is none, or neither or both are given.
    """
    kinds: Mapping[str, Sequence[Job]] = {
        "base": manifest.bases,
        "measurement": manifest.measurements,
        "point": manifest.chunks,
    }
    if kind not in kinds:
        raise ConfigError(f"--kind {kind}: unknown; {nearest(kind, kinds)}")
    jobs = kinds[kind]
    if (index is None) == (key is None):
        raise ConfigError("name one job: --index N or --key KEY")
    if index is not None:
        if not 0 <= index < len(jobs):
            raise ConfigError(f"--index {index}: the manifest has {len(jobs)} of these jobs, counted from 0")
        return jobs[index]
    for job in jobs:
        if job.key == key:
            return job
    raise ConfigError(f"--key {key}: is not in the manifest; 'anomaly scan plan' may have changed it since")
