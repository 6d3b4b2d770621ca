"""The parts of a scan, each with its identity, its content key and its files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.scan_kinds import search_words
from anomaly_cli.core.windows import parse_window

KEY_LENGTH = 12
"""Hexadecimal digits of a key in file names: 48 bits, enough for millions of results."""


def hash_key(parts: Any) -> str:
    """Return a content key: a hash of anything that JSON can say."""
    return hash_json(parts)[:KEY_LENGTH]


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
    def words(self) -> str:
        """What it is, for people."""
        return f"shared base flow, {self.inject} injected, seed {self.seed}"

    @property
    def stem(self) -> str:
        """Its file names without their endings."""
        return f"inject{self.inject}-seed{self.seed}-{self.key}"

    @property
    def output(self) -> str:
        """Its file, relative to the scan directory."""
        return f"bases/{self.stem}.h5"

    @property
    def verdict(self) -> str:
        """A small file that says whether the base flow could be trained; points wait for it."""
        return f"bases/{self.stem}.json"

    @property
    def log(self) -> str:
        """Its log."""
        return f"logs/bases/{self.stem}.log"

    @property
    def record(self) -> str:
        """Who runs it, since when, at what cost."""
        return f"logs/bases/{self.stem}.json"


@cache
def region_name(text: str) -> str:
    """Return the name of a signal region, in GeV, for files."""
    window = parse_window(text)
    return f"SR_{window.low:g}_{window.high:g}".replace(".", "p")


@dataclass(frozen=True)
class _Search:
    """A signal region, and what is searched in it with which settings.

    Attributes:
        window: signal region as `3.3-3.7` [TeV].
        method: template method.
        variant: variant of the settings.
        inject: signal events put in.
        seed: seed of every random stream; the same in all regions, so that they share their events.
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
        """Start of its file names, which its key makes unique: variants of the same settings share their files."""
        return f"{self.method}-inject{self.inject}-seed{self.seed}"

    @property
    def stem(self) -> str:
        """Its file names without their endings."""
        return f"{self.name}-{self.key}"

    @property
    def words(self) -> str:
        """What it is, for people."""
        return f"{self.window} TeV, {search_words(self.method, self.variant, self.inject)}, seed {self.seed}"


@dataclass(frozen=True)
class Point(_Search):
    """One point of the grid, which has one result.

    Attributes:
        measurement: key of the uncertainties measured for it, or empty.
    """

    measurement: str = ""

    @property
    def output(self) -> str:
        """Its result, relative to the scan directory."""
        return f"results/{self.region}/{self.stem}.h5"

    @property
    def record(self) -> str:
        """Who runs it, since when, at what cost."""
        return f"logs/{self.region}/{self.stem}.json"


@dataclass(frozen=True)
class Measurement(_Search):
    """Uncertainties that are measured once for all seeds and injections of one signal region, method and variant.

    Its injection and seed are those of the pseudo-data that they are measured on.
    """

    @property
    def words(self) -> str:
        """What it is, for people."""
        return f"measurement, {super().words}"

    @property
    def folder(self) -> str:
        """Directory of what was measured, relative to the scan directory."""
        return f"measurements/{self.region}/{self.stem}"

    @property
    def verdict(self) -> str:
        """A small file that says what could not be measured, and why; points wait for it."""
        return f"{self.folder}.json"

    @property
    def log(self) -> str:
        """Its log."""
        return f"logs/{self.region}/measurement-{self.stem}.log"

    @property
    def record(self) -> str:
        """Who runs it, since when, at what cost."""
        return f"logs/{self.region}/measurement-{self.stem}.json"


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


Job = Base | Measurement | Chunk
"""What is run as one."""


def needed_keys(job: Job) -> list[str]:
    """Return the keys of the shared base flows and measurements that a job waits for."""
    if isinstance(job, Base):
        return []
    keys = [job.base] if isinstance(job, Measurement) else [key for p in job.points for key in (p.base, p.measurement)]
    return [key for key in dict.fromkeys(keys) if key]
