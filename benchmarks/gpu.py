"""What a GPU is worth: templates of many signal regions and seeds, Drapes, networks as classifiers; with their closure.

    python benchmarks/gpu.py --device cuda            everything; no case is begun after `LIMIT` seconds
    python benchmarks/gpu.py --device cpu --small     the same code where there is no GPU, to see that it runs

Each case is taken side by side (`templates` of the Python API), and a few searches one after the other for the ratio.
The time of the trainings stands apart from that of all, which has scalings, mass fits and sampling in it, and beside it
how many networks were trained at once. Closure is the AUC of trees that tell the template from true background of the
signal region; that of the defaults on a CPU is in `results/large_batches.json`. A case that fails is written down, and
the next one follows. Never run on a GPU so far: `AIMS` are aims.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

import anomaly_cli as an
from anomaly_cli.api.results import Data, MadeTemplateEvents, RegionEvents
from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.methods.base import METHODS, TemplateMethod
from anomaly_cli.nets import flows_for_flows, together, training
from anomaly_cli.search import template

RESULTS = Path(__file__).parent / "results" / "gpu.json"
LOWEST = (2.9, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.7, 3.8)
"""Lower edges of ten signal regions, each 0.4 TeV wide [TeV]."""
REGION = "3.3-3.7"
N_SEEDS = 20
N_COMPARED = 3
"""Searches that are taken one after the other, and whose closure is measured."""
LIMIT = 420.0
"""No case is begun after so many seconds."""
AIMS = {"ten regions": 180.0, "twenty seeds": 60.0, "drapes": 90.0, "networks 50 x 5": 20.0}
"""Largest wall time [s] on one H100."""
N_NETWORKS = 50
"""Networks in each of five folds."""


@dataclass(frozen=True)
class Asked:
    """What is measured on which device, and in how many searches."""

    device: str
    regions: Sequence[str]
    seeds: Sequence[int]
    compared: int
    networks: int
    is_small: bool = False

    @staticmethod
    def of(device: str, is_small: bool) -> Asked:
        """Return what is asked for."""
        regions = [f"{low}-{low + 0.4:.1f}" for low in LOWEST]
        if is_small:
            return Asked(device, regions[4:6], (1, 2), 1, 2, True)
        return Asked(device, regions, range(1, N_SEEDS + 1), N_COMPARED, N_NETWORKS)


def main() -> None:
    """Measure all cases and write what was found after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--small", action="store_true", help="two searches of each, for a machine without a GPU")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    asked, data = Asked.of(given.device, given.small), an.load("shipped", seed=1)
    found: dict[str, Any] = {"machine": machine(given.device), "aims": AIMS, "small": given.small, "cases": {}}
    mock.patch.object(template, "CPU", "").start()  # on a CPU as well, what is done on a GPU
    warm_up(data, asked)
    began = time.perf_counter()
    for name, measure in CASES.items():
        start = time.perf_counter()
        if start - began > LIMIT:
            break
        try:
            found["cases"][name] = measure(data, asked)
        except Exception as error:
            found["cases"][name] = {"failed": f"{type(error).__name__}: {error}", "wall": time.perf_counter() - start}
        print(f"{name}: {json.dumps(found['cases'][name])}", flush=True)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n")


def machine(device: str) -> dict[str, str]:
    """Return what the numbers depend on."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor()
    return {"device": name, "torch": torch.__version__, "python": platform.python_version()}


def warm_up(data: Data, asked: Asked) -> None:
    """Load libraries and compile kernels, which no case is charged for."""
    method = METHODS.make("curtains_f4f", {"base_epochs": 1, "transport_epochs": 1})
    an.templates([an.split(data, REGION)], method, device=asked.device)


@dataclass
class Trainings:
    """How many networks each training had at once, and what the trainings took [s]."""

    seconds: float = 0.0
    at_once: list[int] = field(default_factory=list)


@contextlib.contextmanager
def watched(asked: Asked) -> Iterator[Trainings]:
    """Yield what the trainings inside the block have been."""
    found, whole = Trainings(), together._Group.train

    def train(group: together._Group) -> Any:
        synchronize(asked)
        start = time.perf_counter()
        curves = whole(group)
        synchronize(asked)
        found.seconds += time.perf_counter() - start
        found.at_once.append(len(group.trainings))
        return curves

    with mock.patch.object(together._Group, "train", train):
        yield found


def synchronize(asked: Asked) -> None:
    """Wait until a GPU has done what it was given."""
    if asked.device == "cuda":
        torch.cuda.synchronize()


def timed(asked: Asked, work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what work gives, its wall and CPU time [s], and on a GPU the most memory [GB]."""
    is_gpu = asked.device == "cuda"
    if is_gpu:
        torch.cuda.reset_peak_memory_stats()
    synchronize(asked)
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    synchronize(asked)
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return result, took | ({"gpu_memory": torch.cuda.max_memory_allocated() / 1e9} if is_gpu else {})


def templates(asked: Asked, searches: Sequence[RegionEvents], method: TemplateMethod) -> dict[str, Any]:
    """Return what the templates of several searches take side by side and one by one, and how well they close."""
    with watched(asked) as beside:
        made, took = timed(asked, lambda: an.templates(list(searches), method, device=asked.device))
    few = searches[: asked.compared]
    with watched(asked) as alone:
        _, took_alone = timed(asked, lambda: [an.template(one, method, device=asked.device) for one in few])
    return {
        **took,
        "n_searches": len(searches),
        "training": beside.seconds,
        "networks_at_once": beside.at_once,
        "wall_each": took["wall"] / len(searches),
        "training_each": beside.seconds / len(searches),
        "wall_each_one_by_one": took_alone["wall"] / len(few),
        "training_each_one_by_one": alone.seconds / len(few),
        "n_closed": len(few),
        "closure_auc": closure(made[: asked.compared]),
    }


def closure(made: Sequence[MadeTemplateEvents]) -> list[float]:
    """Return the closure AUC of some templates."""
    return [float(an.closure(one, one.regions.data.truth).auc) for one in made]


def large_batches(name: str, asked: Asked) -> TemplateMethod:
    """Return a method with its preset; where the measurement is a trial, with two epochs of it."""
    few = {"drapes": {"epochs": 2}, "curtains_f4f": {"base_epochs": 2, "transport_epochs": 2}}
    return METHODS.make(name, {"preset": "large_batches"} | (few[name] if asked.is_small else {}))


def ten_regions(data: Data, asked: Asked) -> dict[str, Any]:
    """Ten signal regions, 50 + 50 epochs, as flows for flows is documented."""
    searches = [an.split(data, region) for region in asked.regions]
    return templates(asked, searches, large_batches("curtains_f4f", asked))


def twenty_seeds(data: Data, asked: Asked) -> dict[str, Any]:
    """One signal region with as many seeds."""
    searches = [an.split(data, REGION, seed=seed) for seed in asked.seeds]
    return templates(asked, searches, large_batches("curtains_f4f", asked))


def drapes(data: Data, asked: Asked) -> dict[str, Any]:
    """Events from noise, one search."""
    return templates(asked, [an.split(data, REGION)], large_batches("drapes", asked))


def networks(data: Data, asked: Asked) -> dict[str, Any]:
    """Fifty networks in each of five folds."""
    regions = an.split(data, REGION)
    made = an.template(regions, an.methods.MassScaling(), folds=5)
    family = CLASSIFIERS.make("mlp", {"preset": "drapes", "ensemble": asked.networks})
    _, took = timed(asked, lambda: an.classify(regions, made, family, processes=1, device=asked.device))
    return {**took, "n_networks": asked.networks * 5}


def steps(_: Data, asked: Asked) -> dict[str, Any]:
    """Events per second of the training of a base flow, by batch and by networks at once."""
    method = METHODS.make("curtains_f4f", {})
    rates = {}
    for batch in (1024, 8192, 65_536) if asked.device == "cuda" else (1024,):
        for at_once in (1, 10):
            rates[f"batch {batch}, {at_once} at once"] = events_per_second(method, batch, at_once, asked.device)
    return {"events_per_second": rates}


def events_per_second(method: Any, batch: int, at_once: int, device: str) -> float:
    """Return the rate of the training of so many base flows at once, each on its own made-up events."""
    n_steps, trainings = 40, []
    for seed in range(at_once):
        with training.seeded(seed, 1, device) as generator:
            n = batch * n_steps // 2
            x, mass = (torch.randn(n + 100, d, generator=generator, device=device) for d in (5, 1))
            own, held = torch.arange(n, device=device), torch.arange(n, n + 100, device=device)
            side = flows_for_flows.Side(x.clamp(-4, 4), mass, own, held)
            task = flows_for_flows.density_task(method.make_base(5).to(device), side)
        schedule = training.Schedule(2, batch, 1e-3, 9)
        trainings.append(together.Training(task, schedule, generator, lambda *_: None))
    group = together._Group(trainings)
    group._train_epoch()  # compiles kernels for these shapes
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    losses = group._train_epoch()  # looks at the losses, and so waits for them
    if not np.isfinite(losses).all():
        raise ValueError(f"the trainings diverged: losses {losses}")
    return at_once * (n_steps // 2) * batch / (time.perf_counter() - start)


CASES: dict[str, Callable[[Data, Asked], dict[str, Any]]] = {
    "steps": steps,
    "twenty seeds": twenty_seeds,
    "ten regions": ten_regions,
    "drapes": drapes,
    "networks 50 x 5": networks,
}

if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
