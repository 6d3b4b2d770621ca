"""What ranks best? Scores on the same events, templates and folds, over sets, draws of signal and signal strengths.

A set is one simulated file, named by its seed. A row is named by score, settings, method, set, seed and signal events
injected; what has a row is not done again, so the study goes on anywhere with whatever sets there are:

anomaly simulate qcd --events 131000 --seed 2001 --out qcd-2001.h5
python benchmarks/scores.py run qcd-2001.h5 --signal signal.h5 --inject 177 --reference qcd-2002.h5 qcd-2003.h5
python benchmarks/scores.py show

Nothing is chosen by truth: it is used for the significance improvement (on the background of other sets and signal that
was not injected) and for nothing else. The seed draws the injected signal and everything that is random in the search.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from crossfit import configure, counts, improvement, keep, read

import anomaly_cli as an
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.streams import Streams
from anomaly_cli.scores.base import SCORES
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import rank
from anomaly_cli.search.template import make_template

RESULTS = Path(__file__).parent / "results" / "scores.json"
REGION, SCHEME, BASELINE = "3.3-3.7", "thirds", "cwola"


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("sets", nargs="+", type=Path, help="simulated files")
    runs.add_argument("--score", action="append", help=f"as NAME or NAME:KEY=VALUE,...; {BASELINE} by default")
    runs.add_argument("--method", default="cathode", help="of the template")
    runs.add_argument("--seed", action="append", type=int)
    runs.add_argument("--signal", type=Path, help="file of simulated signal")
    runs.add_argument("--inject", action="append", type=int, help="signal events over the whole spectrum")
    runs.add_argument("--reference", nargs="+", type=Path, default=[], help="sets to measure the improvement on")
    for one in (runs, actions.add_parser("show")):
        one.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.action == "run":
        for path in asked.sets:
            for seed in asked.seed or [1]:
                for injected in asked.inject or [0]:
                    run(asked, path, seed, injected)
    show(read(asked.results))


def run(asked: argparse.Namespace, path: Path, seed: int, injected: int) -> None:
    """Rank the events of one set by every score that has no row yet."""
    keys = [
        {"score": text, "method": asked.method, "set": path.stem, "seed": seed, "injected": injected}
        for text in asked.score or [BASELINE]
    ]
    known = read(asked.results)
    keys = [key for key in keys if not any(key.items() <= row.items() for row in known)]
    if not keys:
        return
    signal = {"inject_from": (f"{asked.signal.absolute()}={injected}",)} if injected else {}
    data = an.load(str(path), inject=0, seed=seed, **signal)
    others = [an.load(str(one), inject=0, seed=1).observed for one in asked.reference if one != path]
    split, compute = an.split(data, REGION).split, Compute(Streams(seed))
    settings = configure(asked.method, {}, SCHEME)
    template = make_template(split, settings, Provisions(), compute).template
    for key in keys:
        start = time.process_time()
        try:
            ranked = rank(split, template, replace(settings, score=score(key["score"])), Provisions(), compute)
        except AnomalyError as error:
            keep(asked.results, {**key, "failed": str(error)})
            continue
        row = {**key, "cpu": time.process_time() - start, "n_sr": len(split.sr), "cuts": counts(ranked)}
        row["told"] = {one.name: [one.value, one.spread] for one in ranked.score.diagnostics}
        if injected:
            row["n_signal"] = int(data.truth.of(split.sr).sum())
            row["n_reference"] = int(sum(split.regions.sr.contains(one.mjj).sum() for one in others))
            row["sic"] = improvement(ranked, concatenate(others), data.truth, split.regions)
        keep(asked.results, row)
        print(*key.values(), row.get("sic"), [f"{one['pull']:.2f}" for one in row["cuts"]], flush=True)


def score(text: str) -> Any:
    """Return the score that a text names, as `r_anode` or `r_anode:starts=50,flows=1`."""
    name, _, chosen = text.partition(":")
    pairs = (one.partition("=") for one in chosen.split(",") if one)
    return SCORES.make(name, {key: json.loads(value) for key, _, value in pairs})


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print every score at every strength: improvement, paired with the baseline, pulls of background alone, CPU."""
    grouped: dict[Any, dict[Any, Any]] = defaultdict(dict)
    for row in rows:
        grouped[row["injected"], row["method"], row["score"]][row["set"], row["seed"]] = row
    for (injected, method, name), found in sorted(grouped.items()):
        done = {key: row for key, row in found.items() if "failed" not in row}
        text = f"{injected} injected, {method}, {name}: {len(done)} of {len(found)} searches"
        if done:
            print(f"{text}, CPU {np.mean([row['cpu'] for row in done.values()]):.0f} s")
        for efficiency in ("0.01", "0.001") if injected and done else ():
            sic = {key: row["sic"][efficiency] for key, row in done.items()}
            base = {key: row["sic"][efficiency] for key, row in grouped[injected, method, BASELINE].items()}
            print(f"  SIC at {efficiency}: {spread(list(sic.values()))}, paired with {BASELINE}:", end=" ")
            print(spread([sic[key] - base[key] for key in sic if key in base]))
        if not injected:
            for index, cut in enumerate(next(iter(done.values()))["cuts"] if done else ()):
                pulls = [row["cuts"][index]["pull"] for row in done.values()]
                ratios = [row["cuts"][index]["ratio"] for row in done.values()]
                print(f"  cut {cut['efficiency']:g}: pull {spread(pulls)}, observed/expected {spread(ratios)}")


def spread(values: Sequence[float]) -> str:
    """Return mean with its error, standard deviation, median, smallest, and how many lie below 1."""
    if not values:
        return "none"
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    mean, std, middle = np.mean(values), np.std(values, ddof=min(1, len(values) - 1)), np.median(values)
    below = int(np.sum(np.array(values) < 1.0))
    return f"{mean:.2f} +- {error:.2f} (std {std:.2f}, median {middle:.2f}, least {min(values):.2f}, {below} below 1)"


if __name__ == "__main__":
    main()
