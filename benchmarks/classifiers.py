"""Families of classifiers side by side, against true background as template: the tables of docs/classifiers.md.

The background events of all files with 3.2 to 3.8 TeV are one pool. For each seed, 16,000 of them with signal are
observed and 32,000 others are the template; all that are not observed are the reference, those of the template being
scored by models that have not seen them. So families are compared by the same events, seed by seed; the seeds share the
pool, so their spread is smaller than that of independent data. Supervised trees, on as many true events, are beside.

    anomaly simulate qcd --events 131000 --seed 2001 --out qcd-2001.h5
    python benchmarks/classifiers.py run qcd-*.h5 --seeds 1 2 3 4 5
    python benchmarks/classifiers.py show
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.analysis.sic import measure_improvement
from anomaly_cli.classifiers.averaged import Averaged, FittedAveraged
from anomaly_cli.classifiers.base import CLASSIFIERS, Classifier
from anomaly_cli.classifiers.kfold import Contest, Ensembles, train_in_folds
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import FEATURES, Events, concatenate, make_events
from anomaly_cli.core.folds import KFold, assign_folds
from anomaly_cli.core.streams import Streams
from anomaly_cli.datasets.features import compute_features
from anomaly_cli.datasets.noise import NOISE, noise_features
from anomaly_cli.datasets.readers import read_events

RESULTS = Path(__file__).parent / "results" / "classifiers.json"
SHIPPED = Path(__file__).parents[1] / "anomaly_cli" / "data" / "lhco_like_sim.h5"
N_OBSERVED, N_TEMPLATE, N_FOLDS = 16_000, 32_000, 5
EFFICIENCIES = (1e-2, 1e-3, 2e-4)
FAMILIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "trees": ("trees", {}),
    "trees 50": ("trees", {"preset": "standard"}),
    "trees 50 bagged": ("trees", {"preset": "bagged"}),
    "mlp": ("mlp", {}),
    "mlp drapes": ("mlp", {"preset": "drapes"}),
    "mlp curtains": ("mlp", {"preset": "curtains"}),
    "mlp bagged": ("mlp", {"preset": "bagged"}),
    "supervised trees": ("trees", {}),
    "averaged": ("averaged", {"ensemble": 5}),
}


@dataclass(frozen=True)
class Pool:
    """All background and signal events of the files with 3.2 to 3.8 TeV."""

    background: Events
    signal: Events


def read_pool(files: Sequence[Path]) -> Pool:
    """Return the events of files, none of them twice."""
    parts = []
    for file in (SHIPPED, *files):
        table = read_events(file)
        found = compute_features(table.columns, FEATURES)
        used = found.is_defined & (found.mjj >= 3200.0) & (found.mjj < 3800.0)
        parts.append((found.mjj[used], found.values[used], table.is_signal[used]))
    mjj, values, is_signal = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    _, first = np.unique(mjj, return_index=True)
    if len(first) < len(mjj):
        raise SystemExit(f"{len(mjj) - len(first)} events are there twice; name every file once")
    events = make_events(mjj, values, FEATURES, np.arange(len(mjj)))
    return Pool(events.take(~is_signal), events.take(is_signal))


def with_noise(events: Events, n: int) -> Events:
    """Return events with n features of Gaussian noise besides."""
    if not n:
        return events
    values = np.hstack([events.features, noise_features(events.mjj, NOISE[:n])])
    names = (*events.names, *NOISE[:n])
    return events.with_block(Features.kind, Features(values, names))


def measure(pool: Pool, family: str, seed: int, strength: float, n_noise: int, processes: int) -> dict[str, Any]:
    """Return the figures of one family for one draw of events."""
    rng = np.random.default_rng([seed, 1])
    order, signal = rng.permutation(len(pool.background)), rng.permutation(len(pool.signal))
    n_signal = round(strength * N_OBSERVED**0.5)
    observed = concatenate([pool.background.take(order[:N_OBSERVED]), pool.signal.take(signal[:n_signal])])
    rest = pool.background.take(order[N_OBSERVED:])
    template, unused = rest.take(np.arange(N_TEMPLATE)), pool.signal.take(signal[n_signal:])
    if family == "supervised trees":
        observed = unused.take(np.arange(len(unused)) % 2 == 0)
    observed, template, rest, unused = (with_noise(part, n_noise) for part in (observed, template, rest, unused))
    name, settings = FAMILIES[family]
    classifier: Classifier = CLASSIFIERS.make(name, settings)
    folds = tuple(assign_folds(part.source_id, N_FOLDS, seed) for part in (observed, template))
    start, cpu = time.monotonic(), cpu_time()
    compute = Compute(Streams(seed), processes=processes).child("classify")
    trained = train_in_folds(Contest(observed, template, (folds[0], folds[1])), classifier, KFold(N_FOLDS), compute)
    figures: dict[str, Any] = {"wall": time.monotonic() - start, "cpu": cpu_time() - cpu}
    start = time.monotonic()
    background, signals = (ranked(trained, events, seed) for events in (rest, unused))
    figures["scoring_wall"] = time.monotonic() - start
    figures["sic"] = improvement(background, signals)
    if isinstance(classifier, Averaged):
        figures["sic_alone"] = {
            candidate: improvement(*(ranked(alone(trained, index), events, seed) for events in (rest, unused)))
            for index, candidate in enumerate(classifier.candidates)
        }
    return figures | {"n_reference": len(rest), "n_signal_test": len(unused)}


def improvement(background: ScoredEvents, signal: ScoredEvents) -> dict[str, float]:
    """Return SIC at each background efficiency."""
    return {f"{cut:g}": measure_improvement(background, signal, cut).sic for cut in EFFICIENCIES}


def alone(trained: Ensembles, index: int) -> Ensembles:
    """Return the models of one candidate of an average."""
    models = [[one.models[index] for one in members if isinstance(one, FittedAveraged)] for members in trained.members]
    return replace(trained, members=models)


def ranked(trained: Ensembles, events: Events, seed: int) -> ScoredEvents:
    """Return events scored by the models of their folds."""
    fold = assign_folds(events.source_id, N_FOLDS, seed)
    return ScoredEvents(events.event_id, events.source_id, events.weight, fold, trained.score(events, fold))


def cpu_time() -> float:
    """Return the CPU time of this process and of those that it waited for."""
    return sum(os.times()[:4])


def keys(arguments: argparse.Namespace) -> Iterator[tuple[str, int, float, int]]:
    """Yield what is to be measured."""
    for seed in arguments.seeds:
        for strength in arguments.strengths:
            for n_noise in arguments.noise:
                for family in arguments.families or FAMILIES:
                    yield family, seed, strength, n_noise


def run(arguments: argparse.Namespace) -> None:
    """Measure what has not been measured yet; figures are written after each."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    pool = read_pool(arguments.files)
    for family, seed, strength, n_noise in keys(arguments):
        key = f"{family} | {strength:g} | noise {n_noise} | seed {seed}"
        if key in results:
            continue
        results[key] = measure(pool, family, seed, strength, n_noise, arguments.processes)
        RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")
        print(key, results[key], flush=True)


def show() -> None:
    """Print SIC of each family, mean and spread over seeds, and paired ratios to the default trees."""
    results = json.loads(RESULTS.read_text())
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for key, figures in results.items():
        family, strength, noise, seed = key.split(" | ")
        groups.setdefault((strength, noise, family), {})[seed] = figures
    for (strength, noise, family), by_seed in sorted(groups.items()):
        base = groups.get((strength, noise, "trees"), {})
        clean = groups.get((strength, "noise 0", family), {})
        line = f"S/sqrt(B) {strength}, {noise:8s} {family:20s} n={len(by_seed)}"
        for cut in ("0.01", "0.001"):
            values = [figures["sic"][cut] for figures in by_seed.values()]
            line += f"  SIC@{cut} {spread(values)}"
            for name, other in (("/trees", base), ("/without noise", clean)):
                common = sorted(set(other) & set(by_seed))
                if common and other is not by_seed:
                    ratios = [by_seed[seed]["sic"][cut] / other[seed]["sic"][cut] for seed in common]
                    line += f" {name} {spread(ratios)}"
        alone = [figures["sic_alone"] for figures in by_seed.values() if "sic_alone" in figures]
        for candidate in alone[0] if alone else ():
            line += f"  {candidate} alone {spread([one[candidate]['0.01'] for one in alone])}"
            line += f" {spread([one[candidate]['0.001'] for one in alone])}"
        cpu = statistics.mean(figures["cpu"] for figures in by_seed.values())
        print(f"{line}  CPU {cpu:.0f} s")


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.2f}+-{deviation:.2f}"


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("files", nargs="*", type=Path, help="simulated background beside the shipped events")
    runs.add_argument("--families", nargs="*", choices=FAMILIES)
    runs.add_argument("--seeds", nargs="+", type=int, default=[1])
    runs.add_argument("--strengths", nargs="+", type=float, default=[2.2])
    runs.add_argument("--noise", nargs="+", type=int, default=[0])
    runs.add_argument("--processes", type=int, default=1)
    actions.add_parser("show")
    arguments = parser.parse_args()
    if arguments.action == "run":
        run(arguments)
    else:
        show()


if __name__ == "__main__":
    main()
