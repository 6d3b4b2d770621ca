"""Toy data with known answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from anomaly_cli.artifacts.store import read_any, write_artifact
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.events import Events, concatenate, make_events
from anomaly_cli.core.seen import Need, Seen, Simulation, TrueEvents
from anomaly_cli.core.streams import Streams
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.manifests import shipped_file
from anomaly_cli.methods.base import Request
from anomaly_cli.search.split import split_events
from anomaly_cli.testing import REGIONS, toy_events


def compute(seed: int = 1) -> Compute:
    """What a test may use: one process, one thread, silence."""
    return Compute(Streams(seed))


def draw(fitted, masses, seed: int = 1):
    """Sample a fitted template at masses."""
    return fitted.sample(Request(masses), compute(seed))


def toy_inputs(n: int = 24_000, seed: int = 1) -> tuple[Seen, Events]:
    """Return what a template method may see, truth included, and the events in the signal region that it never sees."""
    events = toy_events(n, seed)
    sb1, sr, sb2 = (events.take(window.contains(events.mjj)) for window in (REGIONS.sb1, REGIONS.sr, REGIONS.sb2))
    is_validation = np.random.default_rng(seed).random(len(sb1) + len(sb2)) < 0.1
    truth = toy_events(n, seed + 1000)
    background = truth.take(REGIONS.sr.contains(truth.mjj))
    true = TrueEvents(background, background.take(np.zeros(0, dtype=np.int64)))
    return Seen(sb1, sb2, REGIONS, is_validation, true=true), sr


def toy_simulation(n: int = 24_000, seed: int = 5000) -> Events:
    """Return simulated events in all three windows that are a little unlike `toy_events`; ids are negative."""
    events = toy_events(n, seed)
    shifted = events.features + np.array([0.2, 0.0, 0.0])
    inside = REGIONS.contain(events.mjj)
    return make_events(events.mjj[inside], shifted[inside], events.names, -1 - np.flatnonzero(inside))


def seen_by(method, inputs, hidden, simulation, shared):
    """Return what a method may see of everything that there is: side-bands, and what it declares to need."""
    return replace(
        inputs,
        reader=f"method {method.name}",
        simulation=Simulation(simulation, Cutflow()) if Need.SIMULATION in method.needs else None,
        shared=shared if Need.SHARED_MODEL in method.needs else None,
        observed=hidden if Need.SR_FEATURES in method.needs else None,
        true=inputs.true if Need.TRUTH in method.needs else None,
    )


def shared_model(method, inputs, hidden):
    """Return the model that a method shares between signal regions, trained on the whole toy spectrum."""
    spectrum = [inputs.sb1, hidden, inputs.sb2]
    is_validation = np.arange(sum(len(part) for part in spectrum)) % 10 == 0
    return method.fit_shared([concatenate(spectrum)], is_validation, compute())


def toy_split(n: int = 24_000, seed: int = 1):
    """Return a split of toy events."""
    return split_events(toy_events(n, seed), REGIONS)


def write_official(path: Path, rows: np.ndarray, names: tuple[str, ...] = (*OFFICIAL_COLUMNS, "label")) -> Path:
    """Write rows as an HDF5 data set with named columns."""
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=rows).attrs["columns"] = [str(name) for name in names]
    return path


def shipped_rows(every: int, first: int = 0) -> np.ndarray:
    """Return every n-th row of the shipped data from some row on, 15 columns."""
    with h5py.File(shipped_file()) as file:
        return np.asarray(file["df/block0_values"][first::every], dtype=np.float64)


def write_frame(path: Path, blocks: list[tuple[list[str], np.ndarray]]) -> Path:
    """Write what pandas writes in fixed format: a group `df` of typed blocks."""
    with h5py.File(path, "w") as file:
        frame = file.create_group("df")
        frame.attrs["pandas_type"] = np.bytes_("frame")
        frame.attrs["nblocks"] = len(blocks)
        frame["axis0"] = np.array([name for names, _ in blocks for name in names], dtype="S16")
        for index, (names, values) in enumerate(blocks):
            frame[f"block{index}_items"] = np.array(names, dtype="S16")
            frame[f"block{index}_values"] = values
    return path


def blind(run: Path) -> Path:
    """Make a finished run one on data without labels, which nobody has looked at; nothing is trained again."""
    for name in ("truth", "significance", "closure", "evaluation"):
        (run / f"{name}.h5").unlink(missing_ok=True)
    renewed: dict[str, str] = {}
    for name in ("split", "model", "template", "scores", "classifier"):
        artifact = read_any(run / f"{name}.h5")
        groups = {**artifact.groups, **({"origin": {"has_truth": np.array(False)}} if name == "split" else {})}
        inputs = {key: renewed.get(digest, digest) for key, digest in artifact.provenance.inputs.items()}
        provenance = replace(artifact.provenance, inputs=inputs)
        renewed[artifact.digest] = write_artifact(artifact.path, artifact.kind, groups, provenance, artifact.features)
    return run
