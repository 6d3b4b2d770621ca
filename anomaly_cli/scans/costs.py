"""What a scan will cost, from what its own jobs took, or from what such jobs took on the shipped data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean

from anomaly_cli.scans.manifest import Base, Manifest, Point, ScanDirectory
from anomaly_cli.scans.records import read_record

MEASURED: Mapping[str, float] = {"base": 60.0, "curtains_f4f_efficient": 85.0}
"""CPU time of a job [s] with default settings on the shipped data, one process: means of a scan on a busy machine,
so rather too much than too little."""
RESULT_MB = 0.9
"""Size of a result: ids of the selected events, of those of the template above all."""
BASE_MB = 0.2
"""Size of a base flow."""


@dataclass(frozen=True)
class Estimate:
    """What the jobs that are left will cost.

    Attributes:
        cpu_hours: CPU time, where it can be said [h].
        n_unknown: jobs of methods that nobody has measured yet.
        megabytes: disk for results and base flows.
    """

    cpu_hours: float
    n_unknown: int
    megabytes: float


def estimate(scan: ScanDirectory, manifest: Manifest, missing: Iterable[Point]) -> Estimate:
    """Return what the missing jobs will cost, by jobs of the same method that have ended here, else by the table."""
    seconds: dict[str, float] = {}
    n_unknown = 0
    total, n_points, bases = 0.0, 0, set()
    for point in missing:
        n_points += 1
        bases |= {point.base} if point.base else set()
        if point.method not in seconds:
            seconds[point.method] = _measured(scan, manifest.points, point.method)
        n_unknown += seconds[point.method] == 0.0
        total += seconds[point.method]
    left = [base for base in manifest.bases if base.key in bases and not (scan.path / base.verdict).exists()]
    total += MEASURED["base"] * len(left)
    return Estimate(total / 3600.0, n_unknown, RESULT_MB * n_points + BASE_MB * len(left))


def _measured(scan: ScanDirectory, jobs: Iterable[Point | Base], method: str) -> float:
    """Return the mean CPU time of up to twenty ended jobs of a method [s], else the table's, 0 where unknown."""
    found: list[float] = []
    for job in jobs:
        if job.method == method and (record := read_record(scan.path / f"{job.log}.json")).get("state") == "ended":
            found.append(float(record["cpu_seconds"]))
        if len(found) == 20:
            break
    return mean(found) if found else MEASURED.get(method, 0.0)
