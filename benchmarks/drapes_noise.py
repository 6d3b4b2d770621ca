"""The noise level of the partly noised Drapes templates: the scan behind the defaults of sigma_max.

Nothing here looks at the signal region. In signal-free windows of the shipped background (the search with the
signal region moved there):

- closure: AUC of fixed trees, template against the events of the window;
- sensitivity: signal events, their mass moved into the window, are injected at S/sqrt(B) = 2.2; SIC at 1 % of
  the window's events in folds.

For side-band events closure decides. For signal-region events closure is best without any noise, where the
template is a copy of the data, signal included; there sensitivity decides, and both are shown.

    python benchmarks/drapes_noise.py --seeds 11 12 13
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.analysis.sic import measure_improvement
from anomaly_cli.artifacts.contents import Truth, read_split, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.classifiers import kfold
from anomaly_cli.config import Config, load_config
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.progress import silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.stages.frame import Resources
from anomaly_cli.stages.search import Search, make_search_template, scored
from anomaly_cli.stages.split import make_split
from anomaly_cli.stages.validation import find_searches

LEVELS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
METHODS = ("drapes_side_bands", "drapes_signal_region")
STRENGTH = 2.2
"""S/sqrt(B) of the injected signal in the window."""
EFFICIENCY = 0.01


def inject(search: Search, truth: Truth, seed: int) -> tuple[Search, np.ndarray]:
    """Return the search with signal in its window, and the mask of signal among the window's events."""
    signal = truth.reference.take(truth.reference_is_signal)
    signal = signal.take(np.abs(signal.mjj / 3500.0 - 1.0) < 0.06)
    n = round(STRENGTH * len(search.sr) ** 0.5)
    chosen = signal.take(np.random.default_rng(seed).permutation(len(signal))[:n])
    window = search.regions.sr
    masses = window.low + (np.arange(n) + 0.5) / n * window.width
    moved = dataclasses.replace(chosen, mjj=masses)
    return dataclasses.replace(search, sr=concatenate([search.sr, moved])), np.arange(len(search.sr) + n) >= len(
        search.sr
    )


def measure(config: Config, search: Search, truth: Truth, processes: int) -> tuple[float, float]:
    """Return closure AUC without signal and SIC with it, in one window."""
    streams, resources = Streams(config.seed), Resources(config.seed, 1, processes, silent)
    template = make_search_template(search, config, streams, resources).events
    sets = [Sampled(events.features, events.source_id, events.weight) for events in (template, search.sr)]
    auc = measure_separation(sets[0], sets[1], config.seed, 1).auc
    injected, is_signal = inject(search, truth, config.seed)
    template = make_search_template(injected, config, streams, resources).events
    workers = kfold.Resources(processes, 1, silent)
    observed = kfold.score_in_folds([injected.sr, template], config.classifier, streams, workers)[0]
    found = scored(injected.sr, observed)
    parts = [ScoredEvents(*(column[mask] for column in vars(found).values())) for mask in (~is_signal, is_signal)]
    return auc, measure_improvement(parts[0], parts[1], EFFICIENCY).sic


def null_data(seed: int, folder: Path) -> tuple[Config, RunDirectory]:
    """Split background-only pseudo-data."""
    options = {"seed": seed, "regions.signal_region": "3.3-3.7", "data.inject": 0, "classifier.ensemble": 5}
    config = load_config([], [], options)
    run = RunDirectory(folder)
    make_split(run, config, Resources(seed, 1, 1, silent), False)
    return config, run


def main() -> None:
    """Scan the noise levels and print the mean over windows and seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--levels", type=float, nargs="+", default=list(LEVELS))
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/drapes_noise.json"))
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            config, run = null_data(seed, Path(folder))
            split = read_split(run)
            truth = read_truth(run, split)
            if truth is None:
                raise SystemExit("the shipped data have truth; install the package again")
            searches = find_searches(split, config)[: arguments.windows]
            for method in METHODS:
                for level in arguments.levels:
                    settings = {method: {"sigma_max": level}}
                    template = dataclasses.replace(config.template, method=method)
                    own = dataclasses.replace(config, template=template, methods=settings)
                    for search in searches:
                        auc, sic = measure(own, search, truth, arguments.processes)
                        window = search.regions.sr.text
                        rows.append(
                            {"seed": seed, "method": method, "sigma": level, "window": window, "auc": auc, "sic": sic}
                        )
                        print(rows[-1], flush=True)
                        arguments.output.write_text(json.dumps(rows, indent=1))
    print(report(rows))


def report(rows: list[dict[str, Any]]) -> str:
    """Return the table of mean figures."""
    lines = ["| method | sigma_max | closure AUC | SIC at 1 % |", "|---|---|---|---|"]
    for method in METHODS:
        for level in sorted({row["sigma"] for row in rows}):
            found = [row for row in rows if row["method"] == method and row["sigma"] == level]
            if found:
                auc, sic = (np.array([row[key] for row in found]) for key in ("auc", "sic"))
                error = np.std(sic, ddof=1) / len(sic) ** 0.5 if len(sic) > 1 else np.nan
                lines.append(f"| {method} | {level:g} | {auc.mean():.4f} | {sic.mean():.2f} +- {error:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
