"""Flows for flows on two-dimensional toys: the figures and the picture of docs/morph.md.

A broad ring is moved into every other toy, and moons into the ring, by every variant of the transfer:

- AUC of boosted trees between moved and fresh target events, 30,000 of each, beside the AUC of the density
  that the variants share and of the source as it is; of both conditions and features where the toys have one;
- the mean distance moved, in the toys' own unit.

Each density is trained once and shared by all variants; with --cache all that is trained is kept, so that the
benchmark can be run in parts, a part being targets and variants. Other figures in the output are kept.

    python benchmarks/toys.py --cache toys-cache --output benchmarks/results/toys.json
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anomaly_cli.analysis.distances import sliced_wasserstein
from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.tables import Table
from anomaly_cli.datasets.toys import SHAPES, make_toy
from anomaly_cli.nets import flows_for_flows as nets
from anomaly_cli.nets import training
from anomaly_cli.nets.flows import condition_on
from anomaly_cli.report.morph import draw_movement, draw_points

TARGETS = (*SHAPES, "checkerboard:rotation", "four_circles:radius")
N_VALIDATION, N_TEST = 5_000, 30_000
DENSITY = nets.Size(2, (128, 128), 32)
DENSITY_SCHEDULE = training.Schedule(epochs=20, batch_size=1024, learning_rate=5e-3, patience=20)
TRANSPORT = nets.Size(2, (128, 128), 32)
FROM_IDENTITY = training.Schedule(epochs=12, batch_size=1024, learning_rate=5e-3, patience=12)
FROM_BASE_TRANSFER = training.Schedule(epochs=10, batch_size=1024, learning_rate=1e-3, patience=10)
FREE, PRICE = nets.Penalty(), nets.Penalty(1, 0.2, is_annealed=True)


@dataclass(frozen=True)
class Variant:
    """One way of training a transport."""

    direction: str
    schedule: training.Schedule
    penalty: nets.Penalty = FREE


BASE_TRANSFER = "base transfer"
VARIANTS = {
    "flows for flows": Variant("both", FROM_BASE_TRANSFER),
    "flows for flows, L1": Variant("both", FROM_BASE_TRANSFER, PRICE),
    "forward, identity": Variant("forward", FROM_IDENTITY),
    "unidirectional, identity": Variant("inverse", FROM_IDENTITY),
    "unidirectional, identity, L1": Variant("inverse", FROM_IDENTITY, PRICE),
}
"""Flows for flows starts at the base transfer, unidirectional transfer at the identity. The price falls to 0 until the
end of the training."""


def tensors(table: Table) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features and conditions."""
    return torch.tensor(table.values, dtype=torch.float32), torch.tensor(table.condition, dtype=torch.float32)


class Toys:
    """Training data and densities by toy, made when first asked for."""

    def __init__(self, streams: Streams, n_events: int, cache: Path | None) -> None:
        self.streams = streams
        self.n_events = n_events
        self.cache = cache

    def side(self, toy: str) -> nets.Side:
        """Return the training data of a toy."""
        table = make_toy(toy, self.n_events, self.streams.generator(f"train/{toy}"))
        rows = torch.arange(self.n_events)
        return nets.Side(*tensors(table), rows[N_VALIDATION:], rows[:N_VALIDATION])

    def test(self, toy: str, role: str) -> Table:
        """Return fresh events of a toy."""
        return make_toy(toy, N_TEST, self.streams.generator(f"test/{role}/{toy}"))

    def density(self, toy: str) -> tuple[torch.nn.Module, float]:
        """Return the density of a toy and the CPU time of its training [s]."""
        side = self.side(toy)
        with training.seeded(self.streams.integer(f"density/{toy}"), 1) as generator:
            density = nets.make_density(2, side.condition.shape[1], DENSITY)
            seconds = self.train(
                f"density {toy} {DENSITY}", nets.density_task(density, side), DENSITY_SCHEDULE, generator
            )
        return density, seconds

    def transport(self, source: str, target: str, name: str) -> tuple[nets.Mover, float]:
        """Return the transport of a variant and the CPU time of its training [s]."""
        variant, sides = VARIANTS[name], (self.side(source), self.side(target))
        densities = self.density(source)[0], self.density(target)[0]
        n_conditions = sides[0].condition.shape[1]
        with training.seeded(self.streams.integer(f"transport/{target}"), 1) as generator:
            transport: nets.BaseTransfer | nets.Transport
            if variant.schedule is FROM_BASE_TRANSFER:
                transport = nets.BaseTransfer(*copy.deepcopy(densities))
            else:
                context = "one_per_side" if n_conditions else "none"
                transport = nets.make_transport(2, n_conditions, TRANSPORT, context, starts_at_identity=True)
            objective = nets.Objective(variant.direction, variant.penalty, keeps_condition=False)
            task = nets.transport_task(transport, sides, densities, objective)
            schedule = replace(variant.schedule, keeps_last=variant.penalty.is_annealed)
            seconds = self.train(f"{variant} {TRANSPORT} {source} {target}", task, schedule, generator)
        return transport, seconds

    def train(self, name: str, task: training.Task, schedule: training.Schedule, generator: torch.Generator) -> float:
        """Train a module, or take it from the cache, and return the CPU time of its training [s]."""
        key = f"{name} {self.n_events} {self.streams.seed} {schedule}"
        stored = self.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.pt" if self.cache else None
        if stored and stored.exists():
            found = torch.load(stored, weights_only=True)
            task.module.load_state_dict(found["state"])
            return float(found["seconds"])
        start = time.process_time()
        training.train(task, schedule, generator, lambda *_: None)
        seconds = time.process_time() - start
        if stored:
            stored.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"state": task.module.state_dict(), "seconds": seconds}, stored)
        return seconds


def compare(values: np.ndarray, condition: np.ndarray, target: Table, offset: int) -> dict[str, float]:
    """Return how alike points and target are."""
    ids = np.arange(N_TEST) + offset * N_TEST
    first, second = np.hstack([values, condition]), np.hstack([target.values, target.condition])
    weight = np.ones(N_TEST)
    found = measure_separation(
        Sampled(first, ids, weight), Sampled(second, np.arange(N_TEST), weight), seed=1, threads=1
    )
    distance = sliced_wasserstein(first, second, np.random.default_rng(1))
    return {"auc": found.auc, "auc_error": found.error, "sliced_wasserstein": distance}


def sample_density(density: torch.nn.Module, condition: np.ndarray) -> np.ndarray:
    """Return events drawn from a density, one per condition."""
    with torch.no_grad(), training.seeded(1, 1) as generator:
        given = torch.tensor(condition, dtype=torch.float32)
        latent = torch.randn(len(given), 2, generator=generator)
        drawn: np.ndarray = condition_on(density, given).transform.inv(latent).double().numpy()
        return drawn


def measure_target(
    toys: Toys, source: str, target: str, variants: list[str]
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Yield the figures of each variant, and the moved test events."""
    (source_density, source_seconds), (target_density, target_seconds) = toys.density(source), toys.density(target)
    before, aim = toys.test(source, "source"), toys.test(target, "target")
    x, own = tensors(before)
    wanted = toys.test(target, "condition").condition
    common = {"source": source, "target": target}
    yield {**common, "variant": "none", **compare(before.values, before.condition, aim, 1), "distance": 0.0}, x.numpy()
    drawn = sample_density(target_density, wanted)
    yield {**common, "variant": "target density", **compare(drawn, wanted, aim, 2), "seconds": target_seconds}, drawn
    for name in variants:
        mover: Any = nets.BaseTransfer(source_density, target_density)
        seconds = source_seconds + target_seconds
        if name != BASE_TRANSFER:
            mover, seconds = toys.transport(source, target, name)
        moved = nets.move_all(mover, x, own, torch.tensor(wanted, dtype=torch.float32)).double().numpy()
        distance = float(np.linalg.norm(moved - before.values, axis=1).mean())
        figures = {**compare(moved, wanted, aim, 1), "distance": distance, "seconds": seconds}
        yield {**common, "variant": name, **figures}, moved


def source_of(target: str) -> str:
    """Return what is moved into a target: the ring, moons into the ring; with the same kind of condition."""
    shape, colon, condition = target.partition(":")
    return ("moons" if shape == "ring" else "ring") + colon + condition


def draw(path: Path, before: np.ndarray, aim: np.ndarray, moved: dict[str, np.ndarray]) -> None:
    """Draw source, target, and for each variant moved events and movement."""
    figure = Figure(figsize=(2.6 * (len(moved) + 1), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(moved) + 1, sharex=True, sharey=True)
    origin = np.arctan2(before[:, 1], before[:, 0])
    draw_points(axes[0, 0], before, origin)
    draw_points(axes[1, 0], aim, None)
    axes[0, 0].set_title("source")
    axes[1, 0].set_title("target")
    for column, (name, points) in enumerate(moved.items(), start=1):
        draw_points(axes[0, column], points, origin)
        draw_movement(axes[1, column], before[:400], points[:400])
        axes[0, column].set_title(name, fontsize=9)
    axes[0, 0].set_xlim(-5.0, 5.0)
    axes[0, 0].set_ylim(-5.0, 5.0)
    figure.savefig(path, dpi=80)


def report(rows: list[dict[str, Any]]) -> str:
    """Return the figures as Markdown tables: AUC and distance, a line per target, a column per variant."""
    present = {row["variant"] for row in rows}
    names = [name for name in ("none", "target density", BASE_TRANSFER, *VARIANTS) if name in present]
    lines = []
    for key, digits in (("auc", 4), ("distance", 3), ("seconds", 0)):
        lines += [f"\n{key}\n", f"| target | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
        for target in dict.fromkeys(row["target"] for row in rows):
            found = {row["variant"]: row.get(key) for row in rows if row["target"] == target}
            cells = ["" if found.get(name) is None else f"{found[name]:.{digits}f}" for name in names]
            lines.append(f"| {target} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the targets asked for, write figures and pictures, and print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--variants", nargs="*", default=[BASE_TRANSFER, *VARIANTS])
    parser.add_argument("--events", type=int, default=100_000, help="training and validation events per toy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/toys.json"))
    parser.add_argument("--pictures", type=Path, default=None, help="directory for one picture per target")
    arguments = parser.parse_args()
    rows = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
    toys = Toys(Streams(arguments.seed), arguments.events, arguments.cache)
    for target in arguments.targets:
        moved = {}
        for row, points in measure_target(toys, source_of(target), target, arguments.variants):
            rows = [old for old in rows if (old["target"], old["variant"]) != (target, row["variant"])]
            rows.append({**row, "seed": arguments.seed, "events": arguments.events})
            moved[row["variant"]] = points
            print(json.dumps(rows[-1]), flush=True)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(rows, indent=1))
        if arguments.pictures:
            before = moved.pop("none")
            moved.pop("target density")
            name = target.replace(":", "-")
            draw(arguments.pictures / f"toys-{name}.png", before, toys.test(target, "target").values, moved)
    print(report(rows))


if __name__ == "__main__":
    main()
