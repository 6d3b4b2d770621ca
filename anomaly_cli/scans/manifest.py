"""The manifest of a scan: every job with its identity and content key, in one JSON file.

The key of a job is a hash of everything that its result depends on, and it is part of the name of the
result file. So a result that exists is up to date; a changed setting asks for other files; and two
processes that make the same result write the same file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.provenance import canonical_json
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.records import build_record, nearest
from anomaly_cli.core.windows import parse_window
from anomaly_cli.scans.settings import ScanConfig

FORMAT, VERSION = "anomaly scan", 3
KEY_LENGTH = 12
"""Hexadecimal digits of a key in file names: 48 bits, enough for millions of results."""


@dataclass(frozen=True)
class Base:
    """A shared base flow to be trained.

    Attributes:
        method: the method that it is for.
        variant: a variant whose settings it has; others may share it.
        inject: signal events put in.
        seed: seed.
        key: content key.
    """

    method: str
    variant: str
    inject: int | str
    seed: int
    key: str

    @property
    def output(self) -> str:
        """Its file, relative to the scan directory."""
        return f"bases/inject{self.inject}-seed{self.seed}-{self.key}.h5"

    @property
    def verdict(self) -> str:
        """A small file that says whether the base flow could be trained; points wait for it."""
        return f"bases/inject{self.inject}-seed{self.seed}-{self.key}.json"

    @property
    def log(self) -> str:
        """Its log."""
        return f"logs/bases/inject{self.inject}-seed{self.seed}-{self.key}.log"

    @property
    def record(self) -> str:
        """Who runs it, since when, at what cost."""
        return f"logs/bases/inject{self.inject}-seed{self.seed}-{self.key}.json"


@cache
def region_name(text: str) -> str:
    """Return the name of a signal region, in GeV, for files."""
    window = parse_window(text)
    return f"SR_{window.low:g}_{window.high:g}".replace(".", "p")


@dataclass(frozen=True)
class Point:
    """One point of the grid, which has one result.

    Attributes:
        window: signal region as `3.3-3.7` [TeV].
        method: template method.
        variant: variant of the settings.
        inject: signal events put in.
        seed: seed of every random stream; the same in all regions, so that they share their events.
        key: content key.
        base: key of the shared base flow, or empty.
        measurement: key of the uncertainties measured for it, or empty.
    """

    window: str
    method: str
    variant: str
    inject: int | str
    seed: int
    key: str
    base: str
    measurement: str = ""

    @property
    def region(self) -> str:
        """Name of the signal region, in GeV, for files."""
        return region_name(self.window)

    @property
    def name(self) -> str:
        """The point in words, unique within its region."""
        return f"{self.method}-{self.variant}-inject{self.inject}-seed{self.seed}"

    @property
    def output(self) -> str:
        """Its result, relative to the scan directory."""
        return f"results/{self.region}/{self.name}-{self.key}.h5"

    @property
    def record(self) -> str:
        """Who runs it, since when, at what cost."""
        return f"logs/{self.region}/{self.name}-{self.key}.json"


@dataclass(frozen=True)
class Measurement:
    """Uncertainties that are measured once for all seeds and injections of one signal region, method and variant.

    Attributes:
        window: signal region [TeV].
        method: template method.
        variant: variant of the settings.
        inject: signal events in the pseudo-data that it is measured on.
        seed: seed of these pseudo-data.
        key: content key.
        base: key of the shared base flow, or empty.
    """

    window: str
    method: str
    variant: str
    inject: int | str
    seed: int
    key: str
    base: str

    @property
    def region(self) -> str:
        """Name of the signal region, in GeV, for files."""
        return region_name(self.window)

    @property
    def name(self) -> str:
        """The measurement in words."""
        return f"{self.method}-{self.variant}-inject{self.inject}-seed{self.seed}"

    @property
    def folder(self) -> str:
        """Directory of what was measured, relative to the scan directory."""
        return f"measurements/{self.region}/{self.name}-{self.key}"

    @property
    def verdict(self) -> str:
        """A small file that says what could not be measured, and why; points wait for it."""
        return f"{self.folder}.json"

    @property
    def log(self) -> str:
        """Its log."""
        return f"logs/{self.region}/measurement-{self.name}-{self.key}.log"

    @property
    def record(self) -> str:
        """Who runs it, since when, at what cost."""
        return f"logs/{self.region}/measurement-{self.name}-{self.key}.json"


@dataclass(frozen=True)
class Chunk:
    """What one job does: some seeds of one signal region, method, variant and injection, each with a result."""

    points: tuple[Point, ...]

    @cached_property
    def key(self) -> str:
        """Its content key."""
        return hash_key([point.key for point in self.points])

    @property
    def name(self) -> str:
        """The chunk in words, unique with its key."""
        last = self.points[-1].seed
        return self.points[0].name + (f"to{last}" if len(self.points) > 1 else "") + f"-{self.key}"

    @property
    def output(self) -> str:
        """An empty file that is there when all results are; a job that dies keeps the results it has."""
        return f"chunks/{self.points[0].region}/{self.name}.done"

    @property
    def log(self) -> str:
        """Its log."""
        return f"logs/{self.points[0].region}/{self.name}.log"


@dataclass(frozen=True)
class Manifest:
    """A planned scan.

    Attributes:
        scan: its configuration.
        bases: shared base flows.
        measurements: uncertainties measured once for several points.
        points: all points.
        digests: digest of every data file.
        release: release of this package that planned it.
    """

    scan: ScanConfig
    bases: tuple[Base, ...]
    measurements: tuple[Measurement, ...]
    points: tuple[Point, ...]
    digests: Mapping[str, str]
    release: str

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
                {**vars(m), "output": m.verdict, "log": m.log, "needs": [verdicts[m.base]] if m.base else []}
                for m in self.measurements
            ],
            "points": [vars(p) for p in self.points],
            "chunks": [
                {
                    **{name: getattr(chunk, name) for name in ("key", "output", "log")},
                    "needs": [
                        verdicts[key]
                        for key in dict.fromkeys(key for p in chunk.points for key in (p.base, p.measurement))
                        if key
                    ],
                }
                for chunk in self.chunks
            ],
        }
        head = {"format": FORMAT, "version": VERSION, "release": self.release}
        body = {"scan": dataclasses.asdict(self.scan), "digests": dict(self.digests), **jobs}
        return json.dumps({**head, **body}, indent=1).encode()


Job = Base | Measurement | Chunk
"""What is run as one."""


def hash_key(parts: Any) -> str:
    """Return a content key: a hash of anything that JSON can say."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:KEY_LENGTH]


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
        return self.path / "scan.json"

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
    def last_profile(self) -> str:
        """The profile of the last driver."""
        try:
            return str(json.loads(self.driver.read_text(encoding="utf-8"))["profile"])
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
            tree = json.loads(self.manifest.read_text(encoding="utf-8"))
        except OSError as error:
            raise ArtifactError(
                f"{self.manifest}: cannot be read ({error.strerror}); plan a scan with"
                f" 'anomaly scan plan scan.toml --output {self.path}'"
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
        try:
            return _from_tree(tree)
        except (KeyError, TypeError, ConfigError) as error:
            raise ArtifactError(f"{self.manifest}: is damaged ({error}); plan the scan again") from error


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
        digests=tree["digests"],
        release=tree["release"],
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
