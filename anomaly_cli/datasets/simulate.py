"""Simulation of LHCO-like events: generator, detector, jets, trigger, official layout.

Work is done in chunks of a fixed number of generated events. A chunk depends on the seed and its own number
only, and is kept on disk until the file is whole: any number of processes and any number of interruptions
give the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.progress import Progress, Step
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.workers import in_order
from anomaly_cli.datasets.detector import Particles, simulate_detector
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.frames import write_frame, written_in_one_step
from anomaly_cli.datasets.generator import (
    QCD,
    SIGNAL,
    VETO_PT,
    VETO_RADIUS,
    VETO_SCALE,
    Process,
    generate,
    require_pythia,
)
from anomaly_cli.datasets.jets import Constituents, find_dijets, quiet_stdout, require_fastjet
from anomaly_cli.datasets.rootfiles import is_root, require_uproot, write_event_tree

VERSION = 2
"""Raised when the same settings would give other events."""
CHUNK_EVENTS = 1000
"""Generated events of a chunk, not counting those stopped early."""
LARGEST_PYTHIA_SEED = 900_000_000


@dataclass(frozen=True)
class Simulation:
    """What is asked for.

    Attributes:
        process: what to generate.
        n_events: events that pass the trigger.
        seed: seed of every random stream.
    """

    process: Process
    n_events: int
    seed: int

    def __post_init__(self) -> None:
        if self.n_events < 1 or self.seed < 0:
            raise ConfigError("simulate: needs --events of 1 or more and --seed of 0 or more")

    @property
    def settings(self) -> str:
        """All that determines a chunk, as JSON; the number of events does not."""
        content = {"version": VERSION, "seed": self.seed, "chunk": CHUNK_EVENTS, "pythia": self.process.settings}
        if self.process.name == QCD:
            content["early_stop"] = [VETO_SCALE, VETO_RADIUS, VETO_PT]
        return json.dumps(content, sort_keys=True)


@dataclass(frozen=True)
class Simulated:
    """What was done.

    Attributes:
        path: the file.
        n_events: events in it.
        n_generated: events generated in full for the chunks used.
        n_passed: those of them that pass the trigger; the surplus over `n_events` is not written.
        cpu_seconds: processor time of the chunks made now.
        n_passed_now: passing events of the chunks made now.
    """

    path: Path
    n_events: int
    n_generated: int
    n_passed: int
    cpu_seconds: float
    n_passed_now: int


def simulate(simulation: Simulation, target: Path, processes: int, progress: Progress) -> Simulated:
    """Write a file of simulated events in the official feature layout.

    Finished chunks lie in a folder beside the target until the file is whole; the same command goes on from
    there.

    Raises:
        ConfigError: where an extra is missing or a setting is refused.
        DataError: where the target exists or cannot be written.
    """
    require_pythia()
    require_fastjet()
    if is_root(target):
        require_uproot(target)
    if target.exists():
        raise DataError(f"{target}: exists already; choose another name with --out or delete it")
    folder = target.with_name(f"{target.name}.{hashlib.sha256(simulation.settings.encode()).hexdigest()[:8]}.chunks")
    rows, n_passed, n_used, cpu, n_now = [], 0, 0, 0.0, 0
    task = f"simulate: {simulation.process.name}"
    progress(Step(task, 0, simulation.n_events))
    with contextlib.closing(_chunks(simulation, folder, processes)) as chunks:
        for chunk, seconds in chunks:
            rows.append(chunk)
            n_passed, n_used, cpu = n_passed + len(chunk), n_used + 1, cpu + seconds
            n_now += len(chunk) if seconds else 0
            progress(Step(task, min(n_passed, simulation.n_events), simulation.n_events, f"{n_passed} events pass"))
            if n_passed >= simulation.n_events:
                break
    content = np.concatenate(rows)[: simulation.n_events]
    label = np.full((len(content), 1), float(simulation.process.name == SIGNAL), dtype=np.float32)
    names, content = (*OFFICIAL_COLUMNS, "label"), np.column_stack([content, label])
    with written_in_one_step(target) as scratch:
        if is_root(target):
            write_event_tree(scratch, names, content, simulation.settings)
        else:
            write_frame(scratch, names, content, {"simulation": simulation.settings})
    shutil.rmtree(folder, ignore_errors=True)
    return Simulated(target, len(content), n_used * CHUNK_EVENTS, n_passed, cpu, n_now)


def _chunks(simulation: Simulation, folder: Path, processes: int) -> Generator[tuple[npt.NDArray[np.float32], float]]:
    """Yield the rows of chunk after chunk without end, and the processor time each took now (0 if kept)."""
    n_chunk = 0
    while (found := _read_chunk(folder, n_chunk)) is not None:
        yield found, 0.0
        n_chunk += 1
    numbers = ((simulation, folder, number) for number in _count_from(n_chunk))
    with contextlib.closing(in_order(make_chunk, numbers, processes)) as made:
        yield from made


def _count_from(number: int) -> Iterator[int]:
    while True:
        yield number
        number += 1


def make_chunk(simulation: Simulation, folder: Path, number: int) -> tuple[npt.NDArray[np.float32], float]:
    """Simulate one chunk, keep it in `folder`, and return its rows `(n, 14)` and the processor time [s]."""
    kept = _read_chunk(folder, number)
    if kept is not None:
        return kept, 0.0
    start = time.process_time()
    streams = Streams(simulation.seed).child(f"simulate/{simulation.process.name}/{number}")
    generator, seed = streams.generator("detector"), 1 + streams.integer("pythia") % LARGEST_PYTHIA_SEED
    with quiet_stdout():
        parts = [
            measure_events(particles, size, generator)
            for particles, size in generate(simulation.process, seed, CHUNK_EVENTS)
        ]
    rows: npt.NDArray[np.float32] = np.concatenate(parts)
    with written_in_one_step(_chunk_file(folder, number)) as scratch, scratch.open("wb") as file:
        np.save(file, rows)
    return rows, time.process_time() - start


def measure_events(particles: Particles, n_events: int, generator: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the official columns of the events that pass the trigger, `(n, 14)`."""
    seen = simulate_detector(particles, generator)
    count = np.bincount(seen.event, minlength=n_events)
    jets = find_dijets(Constituents(count, seen.pt, seen.eta, seen.phi), only_triggered=True)
    return jets.rows[jets.has_two].astype(np.float32)


def _chunk_file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.npy"


def _read_chunk(folder: Path, number: int) -> npt.NDArray[np.float32] | None:
    try:
        rows: npt.NDArray[np.float32] = np.load(_chunk_file(folder, number))
    except (OSError, ValueError):
        return None
    return rows
