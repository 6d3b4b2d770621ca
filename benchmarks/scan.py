"""Scans on the shipped data: the figures of docs/scan.md. Every part can be stopped and started again.

    python benchmarks/scan.py nine      nine windows, one seed: wall time; CPU time and closure by stage
    python benchmarks/scan.py default   the same with a base flow per window, to compare with
    python benchmarks/scan.py kills     the driver is killed ten times at random moments, and resumed
    python benchmarks/scan.py null      ten scans with nothing injected: global p-values and their KS p-value
    python benchmarks/scan.py signal    five scans with signal at 3.5 TeV, S/sqrt(B) about 2.2: the best window

Scans lie in --directory and are gone on with where they are there; figures are added to --output. `null` and
`signal` share what they measure of closure and over-dispersion, once per window; their classifiers have an ensemble
of 5 instead of 20, which makes a point three times as fast. Wall times are stated only for scans that were run in
one go.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kstest

from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.scans.manifest import ScanDirectory
from anomaly_cli.scans.records import read_record
from anomaly_cli.scans.status import missing_points

COMMAND = (sys.executable, "-m", "anomaly_cli", "scan")
NINE = [f"{3.1 + 0.1 * step:.1f}" for step in range(9)]
SUBSETS = {"one": ["3.5"], "three": ["3.1", "3.5", "3.9"], "nine": NINE}
SIGNAL_MASS = 3.5
KILLS = 10
GRID = """
[grid]
closure = {closure}
centres = [{centres}]
methods = ["{method}"]
inject = [{inject}]
seeds = {seeds}
first_seed = {first_seed}
measure = [{measure}]

[analysis.data]
file = "shipped"
reserve = 0.4
"""
SHORT = """
[analysis.classifier]
folds = 3

[analysis.classifiers.trees]
ensemble = 1

[analysis.significance]
toys = 1000

[analysis.methods.curtains_f4f_efficient]
base_epochs = 1
transport_epochs = 1
"""
"""Settings that make a job take seconds: the kills are about files, not about physics."""


LIGHT = """
[analysis.classifiers.trees]
ensemble = 5
"""
MEASURED = ("windows", "permutations")
FIRST_SEED = 201


def plan(
    scan: ScanDirectory,
    method: str = "curtains_f4f_efficient",
    inject: Sequence[int] = (420,),
    seeds: tuple[int, int] = (1, 1),
    measure: Sequence[str] = (),
    more: str = "",
) -> None:
    """Plan a scan of the nine windows; `seeds` are the first and how many."""
    grid = GRID.format(
        centres=", ".join(NINE),
        method=method,
        inject=", ".join(map(str, inject)),
        seeds=seeds[1],
        first_seed=seeds[0],
        measure=", ".join(f'"{name}"' for name in measure),
        closure="false" if measure or more == SHORT else "true",
    )
    scan.path.mkdir(parents=True, exist_ok=True)
    file = scan.path / "grid.toml"
    file.write_text(grid + more)
    subprocess.run([*COMMAND, "plan", str(file), "--output", str(scan.path)], check=True)


def drive(scan: ScanDirectory, cores: int) -> float | None:
    """Run a scan to its end; return the wall time [s] if nothing was there before."""
    manifest = scan.read()
    is_fresh = len(missing_points(scan, manifest)) == len(manifest.points) and not (scan.path / "bases").exists()
    start = time.monotonic()
    subprocess.run([*COMMAND, "resume", str(scan.path), "--cores", str(cores)], check=True)
    return time.monotonic() - start if is_fresh else None


def cpu_by_stage(scan: ScanDirectory) -> dict[str, dict[str, float]]:
    """Return the CPU time [s] by stage of one, three and nine windows, with the base flows that they need."""
    manifest = scan.read()
    found: dict[str, dict[str, float]] = {}
    for name, centres in SUBSETS.items():
        edges = {f"{float(c) - 0.2:.4g}-{float(c) + 0.2:.4g}" for c in centres}
        points = [point for point in manifest.points if point.window in edges]
        records = [read_record(scan.path / point.record) for point in points]
        bases = {point.base for point in points if point.base}
        records += [read_record(scan.path / base.record) for base in manifest.bases if base.key in bases]
        total: dict[str, float] = defaultdict(float)
        for record in records:
            for stage in record["stages"]:
                total[stage["stage"]] += stage["cpu_seconds"]
        found[name] = {"windows": len(points), **{stage: round(value, 1) for stage, value in total.items()}}
    return found


def closure(scan: ScanDirectory) -> dict[str, float]:
    """Return mean and spread over windows of the AUC against held-out side-bands."""
    auc = read_artifact(scan.result, SCAN).groups["points"]["closure_auc"]
    return {"mean": float(auc.mean()), "spread": float(auc.std(ddof=1)), "largest": float(auc.max())}


def largest_excesses(scan: ScanDirectory, inject: int) -> list[dict[str, float]]:
    """Return the largest excess of every seed with this injection."""
    groups = read_artifact(scan.result, SCAN).groups
    points, tests, rows = groups["points"], groups["tests"], groups["global"]
    found = []
    for index in np.flatnonzero(rows["inject"] == str(inject)):
        test = rows["test"][index]
        point = tests["point"][test]
        found.append(
            {
                "seed": int(rows["seed"][index]),
                "centre_tev": float(points["low"][point] + points["high"][point]) / 2000.0,
                "background_efficiency": float(tests["background_efficiency"][test]),
                "z_without": float(tests["z_without"][test]),
                **{name: float(rows[name][index]) for name in ("z_local", "p_global", "z_global", "n_effective")},
            }
        )
    return found


def measure_times(scan: ScanDirectory, options: argparse.Namespace, method: str) -> dict[str, Any]:
    """Run nine windows and return wall time, CPU time by stage, closure and the table's largest excess."""
    plan(scan, method)
    wall = drive(scan, options.cores)
    return {
        "wall_seconds": wall,
        "cores": options.cores,
        "load_at_end": os.getloadavg(),
        "cpu_seconds": cpu_by_stage(scan),
        "closure_auc": closure(scan),
        "largest": largest_excesses(scan, 420),
    }


def measure_kills(scan: ScanDirectory, options: argparse.Namespace) -> dict[str, Any]:
    """Kill the driver ten times, resume, and compare with results of single jobs."""
    whole = ScanDirectory(scan.path.with_name("kills_whole"))
    shutil.rmtree(scan.path, ignore_errors=True)
    for each in (whole, scan):
        plan(each, seeds=(1, 2), more=SHORT)
    for index in range(len(whole.read().chunks)):
        subprocess.run([*COMMAND, "job", str(whole.path), "--index", str(index), "--processes", "1"], check=True)
    chance, done = random.Random(1), []
    for _ in range(KILLS):
        driver = subprocess.Popen([*COMMAND, "resume", str(scan.path), "--cores", str(options.cores)])
        time.sleep(chance.uniform(4.0, 30.0))
        was_alive = driver.poll() is None
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        present = len(scan.read().points) - len(missing_points(scan, scan.read()))
        done.append({"driver_was_alive": was_alive, "results_there": present})
    drive(scan, options.cores)
    mine, theirs = ({p.name: p.read_bytes() for p in s.path.rglob("results/*/*.h5")} for s in (scan, whole))
    return {
        "kills": done,
        "results": len(mine),
        "equal_bytes": mine == theirs,
        "left_in_work": len(list((scan.path / "work").glob("*"))),
    }


def measure_null(scan: ScanDirectory, options: argparse.Namespace) -> dict[str, Any]:
    """Run ten scans without signal and return their global p-values."""
    scan = ScanDirectory(scan.path.with_name("pseudo_experiments"))
    plan(scan, inject=(0,), seeds=(FIRST_SEED, 10), measure=MEASURED, more=LIGHT)
    drive(scan, options.cores)
    found = largest_excesses(scan, 0)
    p = np.array([row["p_global"] for row in found])
    return {"largest": found, "ks_p_value": float(kstest(p, "uniform").pvalue), "tests": spread_of_z(scan)}


def spread_of_z(scan: ScanDirectory) -> dict[str, dict[str, float]]:
    """Return mean and spread of local Z by cut with nothing injected, with and without what was measured."""
    groups = read_artifact(scan.result, SCAN).groups
    tests, is_null = groups["tests"], groups["points"]["inject"][groups["tests"]["point"]] == "0"
    found = {}
    for efficiency in np.unique(tests["background_efficiency"]):
        mine = is_null & (tests["background_efficiency"] == efficiency)
        z, without = tests["z"][mine], tests["z_without"][mine]
        found[f"{efficiency:g}"] = {
            "n": int(mine.sum()),
            **{f"{name}_mean": float(values.mean()) for name, values in (("z", z), ("z_without", without))},
            **{f"{name}_std": float(values.std(ddof=1)) for name, values in (("z", z), ("z_without", without))},
            "closure_mean": float(np.nanmean(tests["closure_uncertainty"][mine])),
            "closure_not_measured": int(np.isnan(tests["closure_uncertainty"][mine]).sum()),
        }
    return found


def measure_signal(scan: ScanDirectory, options: argparse.Namespace) -> dict[str, Any]:
    """Run five scans with signal and return where the largest excess is."""
    scan = ScanDirectory(scan.path.with_name("pseudo_experiments"))
    plan(scan, inject=(0, 420), seeds=(FIRST_SEED, 5), measure=MEASURED, more=LIGHT)
    drive(scan, options.cores)
    found = largest_excesses(scan, 420)
    n_near = sum(abs(row["centre_tev"] - SIGNAL_MASS) < 0.1001 for row in found)
    return {"largest": found, "within_0.1_tev": n_near}


PARTS: dict[str, Callable[[ScanDirectory, argparse.Namespace], dict[str, Any]]] = {
    "nine": lambda scan, options: measure_times(scan, options, "curtains_f4f_efficient"),
    "default": lambda scan, options: measure_times(scan, options, "curtains_f4f"),
    "kills": measure_kills,
    "null": measure_null,
    "signal": measure_signal,
}


def main() -> None:
    """Measure one part, add its figures to the file and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--directory", type=Path, default=Path("scan_benchmark"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/scan.json"))
    options = parser.parse_args()
    figures = PARTS[options.part](ScanDirectory(options.directory / options.part), options)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({**known, options.part: figures}, indent=1))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
