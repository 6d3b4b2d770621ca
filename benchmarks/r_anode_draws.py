"""How often does R-ANODE find a signal? Many draws of it on background densities that are fitted once.

The density is that of one set's side-bands; observed events are the signal-region background of another set with
signal drawn into it, so a draw costs seconds and its background is independent of the density's. Improvement is
measured on the background of the remaining sets and on signal that was not drawn. Rows are named by density, set, seed
and signal events in the signal region; what has a row is not done again. The template has no part in it: trees are
compared with in `benchmarks/scores.py`.

python benchmarks/r_anode_draws.py run qcd-2001.h5 qcd-2002.h5 qcd-2003.h5 --signal signal.h5 --drawn 139
python benchmarks/r_anode_draws.py show
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from crossfit import keep, read
from scores import REGION, spread

import anomaly_cli as an
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.analysis.sic import measure_improvement
from anomaly_cli.classifiers.kfold import Contest, train_in_folds
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import NONE, CrossFit
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.seen import Need
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions
from anomaly_cli.scores.backgrounds import Backgrounds
from anomaly_cli.scores.base import Ranking
from anomaly_cli.scores.r_anode import FittedResidual, RAnode
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.provisions import show as show_seen

RESULTS = Path(__file__).parent / "results" / "r_anode_draws.json"
FOLDS, EFFICIENCIES, N_TEMPLATE = 6, (0.01, 0.001), 32_000


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("sets", nargs="+", type=Path, help="simulated files; the first gives the density")
    runs.add_argument("--signal", type=Path, required=True, help="file of simulated signal")
    runs.add_argument("--drawn", action="append", type=int, help="signal events in the signal region; 139 by default")
    runs.add_argument("--seed", action="append", type=int)
    for one in (runs, actions.add_parser("show")):
        one.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.action == "run":
        run(asked)
    show(read(asked.results))


def run(asked: argparse.Namespace) -> None:
    """Fit the density of the first set, and look for signal in each of the others."""
    first, *others = asked.sets
    settings, compute = RAnode(), Compute(Streams(1))
    crossfit = CrossFit(NONE, FOLDS, 1)
    ranking = Ranking(Trees(), KFold(FOLDS), crossfit)
    data = an.load(str(first), inject=0, seed=1, inject_from=(f"{asked.signal.absolute()}=0",))
    split = an.split(data, REGION).split
    seen = show_seen(split, Provisions(), {Need.SIDE_BANDS}, "score r_anode", compute.streams)
    backgrounds = settings.fit_backgrounds(seen, ranking, compute)
    signal = data.truth.signal(split.regions.sr)
    sets = {path.stem: signal_region(path, split.regions) for path in others}
    for drawn in asked.drawn or [139]:
        for seed in asked.seed or [1]:
            for name, background in sets.items():
                row = {"density": first.stem, "set": name, "seed": seed, "drawn": drawn}
                if any(row.items() <= known.items() for known in read(asked.results)):
                    continue
                rest = concatenate([events for other, events in sets.items() if other != name])
                found = draw(settings, backgrounds, ranking, (background, rest, signal), row)
                keep(asked.results, found)
                print(found, flush=True)


def signal_region(path: Path, regions: Regions) -> Events:
    """Return the background of a set in the signal region."""
    events: Events = an.load(str(path), inject=0, seed=1).observed
    return events.take(regions.sr.contains(events.mjj))


def draw(
    settings: RAnode,
    backgrounds: Backgrounds,
    ranking: Ranking,
    events: tuple[Events, Events, Events],
    row: Mapping[str, Any],
) -> dict[str, Any]:
    """Draw signal into background, look for it as the score does, and measure."""
    background, rest, signal = events
    order = np.random.default_rng([row["seed"], row["drawn"]]).permutation(len(signal))
    observed = concatenate([background, signal.take(order[: row["drawn"]])])
    ids = np.arange(len(observed))
    observed = replace(observed, event_id=ids, source_id=ids)
    start = time.process_time()
    streams = Streams(row["seed"]).child(f"{row['density']}/{row['set']}/{row['drawn']}")
    signals = settings.find_signals(backgrounds, observed, ranking, Compute(streams))
    fitted = FittedResidual(backgrounds, signals)
    found = {**row, "cpu": time.process_time() - start, "n_observed": len(observed), "n_reference": len(rest)}
    found["told"] = {one.name: [one.value, one.spread] for one in fitted.diagnostics}
    if row["drawn"]:
        other, unused = (scored(fitted, one, ranking) for one in (rest, signal.take(order[row["drawn"] :])))
        found["sic"] = {f"{e:g}": measure_improvement(other, unused, e).sic for e in EFFICIENCIES}
        compute = Compute(streams).child("trees")
        found |= with_trees(ranking, observed, rest, signal.take(order[row["drawn"] :]), compute)
    return found


def with_trees(
    ranking: Ranking, observed: Events, rest: Events, unused: Events, compute: Compute
) -> dict[str, dict[str, float] | float]:
    """Return the improvement by trees that learn the background from true events, and their CPU time."""
    start, ids = time.process_time(), len(observed) + np.arange(len(rest))
    fold = ranking.crossfit.fold(ids)
    template = replace(rest.take(np.arange(N_TEMPLATE)), event_id=ids[:N_TEMPLATE], source_id=ids[:N_TEMPLATE])
    contest = Contest(observed, template, (ranking.crossfit.fold(observed.source_id), fold[:N_TEMPLATE]))
    trained = train_in_folds(contest, ranking.classifier, ranking.kfold, compute)
    cpu, spare = time.process_time() - start, np.arange(len(unused))
    signal_fold = ranking.crossfit.fold(spare)
    other = ScoredEvents(ids, ids, rest.weight, fold, trained.score(rest, fold))
    signal = ScoredEvents(spare, spare, unused.weight, signal_fold, trained.score(unused, signal_fold))
    sic = {f"{e:g}": measure_improvement(other, signal, e).sic for e in EFFICIENCIES}
    return {"sic_trees": sic, "cpu_trees": cpu}


def scored(fitted: FittedResidual, events: Events, ranking: Ranking) -> ScoredEvents:
    """Return events scored by the fold that their number gives them."""
    ids = np.arange(len(events))
    fold = ranking.crossfit.fold(ids)
    return ScoredEvents(ids, ids, events.weight, fold, fitted.score(events, fold))


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print improvement and diagnostics at every strength."""
    grouped: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["drawn"]].append(row)
    for drawn, found in sorted(grouped.items()):
        n, cpu = np.mean([row["n_observed"] for row in found]) - drawn, np.mean([row["cpu"] for row in found])
        print(f"{drawn} signal events in {n:.0f} (S/sqrt(B) {drawn / n**0.5:.2f}): {len(found)} draws, CPU {cpu:.0f} s")
        for efficiency in found[0].get("sic", {}):
            print(f"  SIC at {efficiency}: {spread([row['sic'][efficiency] for row in found])}")
            pairs = [(row["sic"][efficiency], row["sic_trees"][efficiency]) for row in found if "sic_trees" in row]
            if pairs:
                print(
                    f"    of {len(pairs)} with idealised trees: {spread([trees for _, trees in pairs])} by these,"
                    f" {spread([own for own, _ in pairs])} by it, {spread([a - b for a, b in pairs])} more,"
                    f" each {[(round(a, 1), round(b, 1)) for a, b in pairs]}"
                )
        for name in ("w", "gain"):
            values = [row["told"][name][0] for row in found]
            print(
                f"  {name}: mean {np.mean(values):.4f}, std {np.std(values):.4f}, {min(values):.4f}-{max(values):.4f}"
            )


if __name__ == "__main__":
    main()
