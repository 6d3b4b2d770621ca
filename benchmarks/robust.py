"""Hardened trainings of networks: what they cost and keep, and how they move to simulation of another tune.

Supervised networks learn signal against background of one tune, and are tested on other background of that tune and on
background of another one, which is what arXiv:2411.09296 asks. Files are an event file with signal and background, such
as the shipped one, and one with background of another tune. All events have 3.2 to 3.8 TeV. Trainings of one seed see
the same events.

    python benchmarks/robust.py run lhco_sim_qcd_alt.h5 --seeds 1 2 3
    python benchmarks/robust.py show
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from anomaly_cli.classifiers.base import CLASSIFIERS, Draws, Labelled
from anomaly_cli.classifiers.kfold import balance
from anomaly_cli.classifiers.minima import measure_sharpness
from anomaly_cli.classifiers.mlp import FittedMLP
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import FEATURES, Events, concatenate, make_events
from anomaly_cli.core.streams import Streams
from anomaly_cli.datasets.features import compute_features
from anomaly_cli.datasets.readers import read_events

RESULTS = Path(__file__).parent / "results" / "robust.json"
SHIPPED = Path(__file__).parents[1] / "anomaly_cli" / "data" / "lhco_like_sim.h5"
N_TRAINED, ENSEMBLE, STOPPING = 6000, 5, 0.2
TRAININGS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "sam": {"preset": "sam"},
    "scaled_sam": {"preset": "scaled_sam"},
    "fgsm": {"preset": "fgsm"},
    "pgd": {"preset": "pgd"},
}


@dataclass(frozen=True)
class Pool:
    """Events with 3.2 to 3.8 TeV: background of the tune that is learnt, of another one, and signal."""

    own: Events
    other: Events
    signal: Events


def read_pool(other: Path) -> Pool:
    """Return the events of the shipped file and of one of another tune."""
    own, first = read(SHIPPED, 0)
    alternative, _ = read(other, first)
    return Pool(own[0], alternative[0], own[1])


def read(file: Path, first_id: int) -> tuple[tuple[Events, Events], int]:
    """Return background and signal of a file, and the next free id."""
    table = read_events(file)
    found = compute_features(table.columns, FEATURES)
    used = found.is_defined & (found.mjj >= 3200.0) & (found.mjj < 3800.0)
    events = make_events(found.mjj[used], found.values[used], FEATURES, first_id + np.arange(used.sum()))
    is_signal = np.zeros(len(used), bool) if table.is_signal is None else table.is_signal
    return (events.take(~is_signal[used]), events.take(is_signal[used])), first_id + len(used)


def measure(pool: Pool, training: str, seed: int) -> dict[str, float]:
    """Return the figures of one training."""
    rng = np.random.default_rng([seed, 7])
    own, signal = (part.take(rng.permutation(len(part))) for part in (pool.own, pool.signal))
    learnt = concatenate([own.take(np.arange(N_TRAINED)), signal.take(np.arange(N_TRAINED))])
    tests = [own.take(np.arange(N_TRAINED, len(own))), pool.other, signal.take(np.arange(N_TRAINED, len(signal)))]
    classifier = CLASSIFIERS.make("mlp", {"ensemble": ENSEMBLE, **TRAININGS[training]})
    start = cpu_time()
    preparation = classifier.prepare(learnt, Compute(Streams(seed)))
    labelled = Labelled(preparation.apply(learnt), np.repeat([False, True], N_TRAINED))
    stops = rng.random((ENSEMBLE, len(learnt))) < STOPPING
    weight = np.array([balance(learnt.weight, labelled.is_positive, ~one) for one in stops])
    computes = [Compute(Streams(seed)).child(f"member/{index}") for index in range(ENSEMBLE)]
    models = classifier.fit_members(Draws(labelled, stops, weight), computes)
    cpu = cpu_time() - start
    scores = [np.mean([model.log_odds(preparation.apply(events)) for model in models], axis=0) for events in tests]
    figures = compare(*scores)
    first = models[0]
    if not isinstance(first, FittedMLP):
        raise TypeError("no network")
    sharpness = measure_sharpness(first, labelled, Streams(seed))
    return figures | {
        "cpu": cpu,
        "rise": float(sharpness.rises[1]),
        "curvature": float(sharpness.curvatures[0]),
    }


def compare(own: Any, other: Any, signal: Any) -> dict[str, float]:
    """Return what the scores of both tunes and of signal say; cuts are set on the tune that was learnt."""
    figures = {}
    for name, background in (("own", own), ("other", other)):
        both = np.concatenate([background, signal])
        truth = np.repeat([0, 1], [len(background), len(signal)])
        figures[f"auc_{name}"] = float(roc_auc_score(truth, both))
        weight = np.repeat([1.0 / len(background), 1.0 / len(signal)], [len(background), len(signal)])
        figures[f"calibration_{name}"] = calibration_error(both, truth, weight)
        cut = np.quantile(background, 0.99)
        figures[f"sic_{name}"] = float((signal > cut).mean()) / 0.1
    figures["passing_other"] = float((other > np.quantile(own, 0.99)).mean())
    return figures


def calibration_error(odds: Any, truth: Any, weight: Any, bins: int = 15) -> float:
    """Return the mean difference of predicted and true share of signal, in bins of equal content."""
    predicted = 1.0 / (1.0 + np.exp(-odds))
    place = np.searchsorted(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]), predicted)
    total = 0.0
    for index in range(bins):
        inside = place == index
        if inside.any():
            total += abs(((predicted - truth) * weight)[inside].sum())
    return float(total / weight.sum())


def cpu_time() -> float:
    """Return the CPU time of this process."""
    return sum(os.times()[:2])


def run(arguments: argparse.Namespace) -> None:
    """Measure what has not been measured yet; figures are written after each."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    pool = read_pool(arguments.other)
    print(f"{len(pool.own)} background, {len(pool.other)} of the other tune, {len(pool.signal)} signal", flush=True)
    for seed in arguments.seeds:
        for training in arguments.trainings:
            key = f"{training} | seed {seed}"
            if key not in results:
                results[key] = measure(pool, training, seed)
                RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")
                print(key, results[key], flush=True)


def show() -> None:
    """Print mean and spread over seeds, and the paired difference to the plain training."""
    results = json.loads(RESULTS.read_text())
    for training in TRAININGS:
        by_seed = {key.split(" | ")[1]: value for key, value in results.items() if key.split(" | ")[0] == training}
        if not by_seed:
            continue
        print(f"{training}: {len(by_seed)} seeds")
        for name in next(iter(by_seed.values())):
            values = [figures[name] for figures in by_seed.values()]
            pairs = [figures[name] - results[f"plain | {seed}"][name] for seed, figures in by_seed.items()]
            print(f"  {name:18s} {spread(values)}   to plain {spread(pairs)}")


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.4f} +- {deviation:.4f}"


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("other", type=Path, help="background of another tune")
    runs.add_argument("--seeds", nargs="+", type=int, default=[1])
    runs.add_argument("--trainings", nargs="+", choices=TRAININGS, default=list(TRAININGS))
    actions.add_parser("show")
    arguments = parser.parse_args()
    if arguments.action == "run":
        run(arguments)
    else:
        show()


if __name__ == "__main__":
    main()
