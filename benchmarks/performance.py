"""What an analysis costs, stage by stage, and how good it is: fixed data, fixed seeds, one file of results.

    python -m benchmarks                                          the default run, with quality and without signal
    python -m benchmarks --events 10000 100000 500000             as many events: resampled from the shipped ones
    python -m benchmarks --regions 1 3 9 --processes 1 2          so many signal regions as one scan; so many processes
    python -m benchmarks --code ../before --output before.json    the same of another checkout
    python -m benchmarks --compare before.json                    ratios of what both have
    python -m benchmarks --page                                   write the section of docs/performance.md,
                                                                  with ratios to results/performance-NAME.json

What is in the file of results already is not measured again, so that a series can be run in pieces; each piece keeps
the load of the machine beside it. Times of the CPU are of the process and all that it starts; memory is proportional
(shared pages divided) and looked at four times a second.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from performance_page import compare, write_page
from performance_watch import Figures, Watched, figures_of, watch

from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.manifests import shipped_file

HERE = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "performance.json"
LIBRARIES = ("numpy", "scipy", "torch", "scikit-learn", "zuko", "h5py", "pyhf")
SEED = 1
REGION = ("--signal-region", "3.3-3.7", "--seed", str(SEED))
SMEARED = [OFFICIAL_COLUMNS.index(f"{name}j{jet}") for name in ("m", "tau1", "tau2", "tau3") for jet in (1, 2)]
DIRECTION = 0.1
"""Smearing of a jet's azimuth and pseudorapidity."""
SMEARING = 0.2
"""Relative width: trees would learn exact copies by heart, and not stop as early as on real events."""


def main() -> None:
    """Measure what is missing, and show it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[], metavar="N", help="events of the file")
    parser.add_argument("--regions", type=int, nargs="+", default=[], metavar="N", help="signal regions, up to 20")
    parser.add_argument("--processes", type=int, nargs="+", default=[1], metavar="N")
    parser.add_argument("--only", default="", metavar="START", help="only cases whose name starts so")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--code", type=Path, default=HERE, help="checkout whose code is measured")
    parser.add_argument("--work", type=Path, help="directory to work in, which is kept; a temporary one by default")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of results, which is gone on with")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="only print ratios to the results of this file")
    parser.add_argument("--page", action="store_true", help="only write docs/performance.md from the results")
    asked = parser.parse_args()
    if asked.compare:
        print("\n".join(compare(read(asked.output), read(asked.compare))))
    elif asked.page:
        write_page(read(asked.output), others(asked.output))
    else:
        measure_missing(asked)


def measure_missing(asked: argparse.Namespace) -> None:
    """Measure every case that has no result; a directory that was worked in before is gone on with."""
    settings = tuple(part for setting in asked.settings for part in ("--set", setting))
    with contextlib.ExitStack() as stack:
        work = asked.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        for name, measure in cases(asked):
            if name in read(asked.output)["cases"] or not name.startswith(asked.only):
                continue
            load = os.getloadavg()
            found = measure(Place(work.resolve(), asked.code.resolve(), settings))
            found |= {"load": [round(load[0], 1), round(os.getloadavg()[0], 1)]}
            keep(asked.output, name, found)
            print(f"{name}: {json.dumps(found['all'])}", flush=True)


@dataclass(frozen=True)
class Place:
    """Where something is measured: directory, checkout of the code, further arguments."""

    work: Path
    code: Path
    settings: tuple[str, ...]

    def run(self, name: str, *arguments: str) -> tuple[Watched, Path]:
        """Run the analysis and return what it took, and its directory."""
        run = self.work / name
        return watch(self.code, ["run", *REGION, "--run", str(run), "--quiet", *arguments, *self.settings]), run


Measure = Callable[[Place], Figures]


def cases(asked: argparse.Namespace) -> Iterator[tuple[str, Measure]]:
    """Yield what was asked for, by name."""
    for n_processes in asked.processes:
        end = f", processes {n_processes}"
        for n in asked.events:
            yield f"events {n}{end}", partial(measure_events, n_events=n, processes=n_processes)
        for n in asked.regions:
            yield f"regions {n}{end}", partial(measure_regions, n_regions=n, cores=n_processes)
        if not asked.events and not asked.regions:
            yield f"default{end}", partial(measure_default, processes=n_processes)
    if not asked.events and not asked.regions:
        yield "without signal", measure_null
        yield "improvement", measure_improvement


def measure_default(place: Place, processes: int) -> Figures:
    """Return what the default run takes, and its closure."""
    watched, run = place.run(f"default-{processes}", "--processes", str(processes))
    return figures_of(watched, run) | {"n_events": count_events(run), "quality": {"closure": closure_of(run)}}


def measure_null(place: Place) -> Figures:
    """Return closure and Z by cut with nothing injected."""
    watched, run = place.run("null", "--processes", "1", "--inject", "0")
    with h5py.File(run / "significance.h5") as file:
        tests = [file[f"tests/{name}"][()] for name in ("background_efficiency", "z_closed_form")]
    z = {f"{cut:g}": float(value) for cut, value in zip(*tests, strict=True)}
    return figures_of(watched, run) | {"n_events": count_events(run), "quality": {"closure": closure_of(run), "z": z}}


def measure_improvement(place: Place) -> Figures:
    """Return the significance improvement of the default run by cut, with its error."""
    _, run = place.run("default-1", "--processes", "1")
    watched = watch(place.code, ["evaluate", "--run", str(run), "--processes", "1", "--quiet"])
    with h5py.File(run / "evaluation.h5") as file:
        rows = [file[f"sic/{name}"][()] for name in ("method", "background_efficiency", "sic", "sic_error")]
    own = rows[0] == rows[0][0]
    sic = {f"{row[0]:g}": [float(row[1]), float(row[2])] for row in zip(*(r[own] for r in rows[1:]), strict=True)}
    all_of_it = {"wall": round(watched.wall, 2), "cpu": round(watched.cpu, 2), "memory": round(watched.peak)}
    return {"all": all_of_it, "stages": {}, "quality": {"sic": sic}}


def measure_events(place: Place, n_events: int, processes: int) -> Figures:
    """Return what a run on so many background events takes, and its closure."""
    data = place.work / f"events-{n_events}.h5"
    write_resampled(data, n_events)
    name = f"events-{n_events}-{processes}"
    copies = ("--set", "significance.least_fit_p=0")  # their masses scatter more than Poisson's law says
    watched, run = place.run(name, "--data", str(data), "--inject", "0", "--processes", str(processes), *copies)
    data.unlink()
    return figures_of(watched, run) | {"n_events": count_events(run), "quality": {"closure": closure_of(run)}}


def measure_regions(place: Place, n_regions: int, cores: int) -> Figures:
    """Return what a scan of so many signal regions takes, and the mean closure against held-out side-bands."""
    scan, grid = place.work / f"scan-{n_regions}-{cores}", place.work / f"scan-{n_regions}.toml"
    centres = ", ".join(f"{3.1 + 0.05 * step:.2f}" for step in range(20)[:n_regions])
    text = f'[grid]\ncentres = [{centres}]\nmethods = ["curtains_f4f_efficient"]\ninject = [420]\n'
    settings = ('data.file="shipped"', "data.reserve=0.4", *place.settings[1::2])
    grid.write_text("\n".join([text, "[analysis]", *settings, ""]))
    watch(place.code, ["scan", "plan", str(grid), "--output", str(scan)])
    watched = watch(place.code, ["scan", "resume", str(scan), "--cores", str(cores)])
    records = [json.loads(path.read_text()) for path in (scan / "logs").rglob("*.json")]
    stages: dict[str, Figures] = {}
    for entry in (entry for record in records for entry in record.get("stages", [])):
        total = stages.setdefault(entry["stage"], {"wall": 0.0, "cpu": 0.0, "memory": 0})
        total["wall"] += entry["seconds"]
        total["cpu"] += entry["cpu_seconds"]
    with h5py.File(scan / "scan_result.h5") as file:
        closure = {"side-bands, held-out events": [float(np.mean(file["points/closure_auc"][()])), 0.0]}
    all_of_it = {"wall": round(watched.wall, 2), "cpu": round(watched.cpu, 2), "memory": round(watched.peak)}
    return {"all": all_of_it, "stages": stages, "n_regions": n_regions, "quality": {"closure": closure}}


def write_resampled(path: Path, n_events: int) -> None:
    """Write background events drawn from the shipped ones and smeared: for costs, not for physics.

    Jet masses, taus and directions are smeared, so that no classifier knows events by their copies: it would go on
    learning for as long as it may, which no real events make it do.
    """
    generator = np.random.default_rng(SEED)
    with h5py.File(shipped_file()) as source:
        rows = np.asarray(source["df/block0_values"][()])
    rows = rows[rows[:, -1] == 0.0]
    drawn = rows[generator.integers(len(rows), size=n_events)]
    smearing = generator.standard_normal((n_events, len(SMEARED)), dtype=np.float32)
    drawn[:, SMEARED] *= np.exp(np.float32(SMEARING) * smearing)
    for jet in (1, 2):
        momenta = [OFFICIAL_COLUMNS.index(f"p{axis}j{jet}") for axis in "xyz"]
        drawn[:, momenta] = turned(drawn[:, momenta], generator)
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=drawn).attrs["columns"] = [*OFFICIAL_COLUMNS, "label"]


def turned(momenta: npt.NDArray[np.float32], generator: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return momenta of the same pT in smeared directions `(n, 3)`."""
    p_x, p_y, p_z = momenta.T
    p_t = np.hypot(p_x, p_y)
    azimuth, rapidity = DIRECTION * generator.standard_normal((2, len(p_t)), dtype=np.float32)
    azimuth += np.arctan2(p_y, p_x)
    rapidity += np.arcsinh(p_z / p_t)
    return np.stack([p_t * np.cos(azimuth), p_t * np.sin(azimuth), p_t * np.sinh(rapidity)], axis=1)


def count_events(run: Path) -> int:
    """Return how many events were analysed."""
    with h5py.File(run / "split.h5") as file:
        return sum(len(file[f"{group}/mjj"]) for group in ("sb1", "sr", "sb2", "rest"))


def closure_of(run: Path) -> Figures:
    """Return the AUC of each check of the template, with its error."""
    with h5py.File(run / "closure.h5") as file:
        rows = [file[f"checks/{name}"][()] for name in ("check", "auc", "auc_error")]
    return {name.decode(): [float(auc), float(error)] for name, auc, error in zip(*rows, strict=True)}


def others(path: Path) -> dict[str, dict[str, Any]]:
    """Return results beside a file that are named after it, as `performance-before-x.json`, by that word."""
    found = sorted(path.parent.glob(f"{path.stem}-*.json"))
    return {one.stem.removeprefix(f"{path.stem}-").replace("-", " "): read(one) for one in found}


def read(path: Path) -> dict[str, Any]:
    """Return what was measured before."""
    return json.loads(path.read_text()) if path.exists() else {"machine": {}, "cases": {}}


def keep(path: Path, name: str, figures: Figures) -> None:
    """Add a result, and say what it was measured on."""
    known = read(path)
    known["cases"][name] = figures
    known["machine"] = machine()
    path.write_text(json.dumps(known, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """Return what times depend on; neither names nor paths."""
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return {
        "cpu": ", ".join(sorted(models)) or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }
