"""What a scan will cost, from what its own jobs took, or from what such jobs took on the shipped data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean

from anomaly_cli.scans.manifest import Manifest, ScanDirectory
from anomaly_cli.scans.parts import Measurement, Point
from anomaly_cli.scans.records import read_record

MEASURED: Mapping[str, float] = {
    "start": 6.0,
    "base": 42.0,
    "closure": 14.0,
    "curtains_f4f": 70.0,
    "curtains_f4f_efficient": 54.0,
}
"""CPU time [s] of starting a job, of a base flow, of the closure in a point, of a point with it: default settings,
shipped data, one process, two side by side on two cores with nothing else to do (`benchmarks/scan.py nine`; the default
method from a run); up to twice as much on busy machines. Other methods: not measured."""
MEASURED_ONCE: Mapping[str, float] = {"windows": 30.0, "experiments": 20.0}
"""CPU time of one signal-free window and of one pseudo-experiment [s], from those of the shipped data."""
MOST_RECORDS = 20
"""Ended points that are enough for a mean."""
RUN_MB = 34.0
"""Size of the run directory of a point, which `keep_runs` keeps."""
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
        is_from_table: whether a point's cost is from the table, which was measured with default settings.
    """

    cpu_hours: float
    n_unknown: int
    megabytes: float
    is_from_table: bool


def estimate(scan: ScanDirectory, manifest: Manifest, missing: Iterable[Point]) -> Estimate:
    """Return what the missing jobs will cost, by jobs of the same method that have ended here, else by the table."""
    seconds: dict[str, float] = {}
    n_unknown, is_from_table = 0, False
    total, n_points, shared = 0.0, 0, set()
    for point in missing:
        n_points += 1
        shared |= {point.base, point.measurement}
        if point.method not in seconds:
            own = _measured(scan, manifest, point)
            seconds[point.method] = own or _tabled(manifest, point)
            is_from_table |= not own and seconds[point.method] > 0.0
        n_unknown += seconds[point.method] == 0.0
        total += seconds[point.method]
    total += MEASURED["start"] * -(-n_points // manifest.scan.jobs.seeds_per_job)
    left = [base for base in manifest.bases if base.key in shared and not (scan.path / base.verdict).exists()]
    total += MEASURED["base"] * len(left)
    total += sum(
        _measuring(manifest, job)
        for job in manifest.measurements
        if job.key in shared and not (scan.path / job.verdict).exists()
    )
    megabytes = RESULT_MB + (RUN_MB if manifest.scan.jobs.keep_runs else 0.0)
    return Estimate(total / 3600.0, n_unknown, megabytes * n_points + BASE_MB * len(left), is_from_table)


def _measured(scan: ScanDirectory, manifest: Manifest, like: Point) -> float:
    """Return the mean CPU time of up to twenty ended points of a method [s], 0 where there is none."""
    found: list[float] = []
    for point in manifest.points:
        if point.method == like.method:
            record = read_record(scan.path / point.record)
            if record.get("state") == "ended" and not record.get("failure"):
                found.append(float(record["cpu_seconds"]))
        if len(found) == MOST_RECORDS:
            break
    return mean(found or [0.0])


def _tabled(manifest: Manifest, like: Point) -> float:
    """Return the CPU time of a point by the table [s], 0 where its method is not in it."""
    if like.method not in MEASURED:
        return 0.0
    return MEASURED[like.method] - (0.0 if manifest.scan.grid.closure else MEASURED["closure"])


def _measuring(manifest: Manifest, job: Measurement) -> float:
    """Return the CPU time of measuring the uncertainties of one signal region, method and variant [s]."""
    numbers = manifest.config(job).significance
    each: list[float] = [MEASURED_ONCE[name] * getattr(numbers, name) for name in manifest.scan.grid.measure]
    return MEASURED["start"] + sum(each)
