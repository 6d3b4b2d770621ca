"""How often does R-ANODE find a signal? Many draws of it on background densities that are fitted once.

The density is that of one set's side-bands; observed events are the signal-region background of another set with
signal drawn into it, so a draw costs seconds and its background is independent of the density's. Improvement is
measured on the background of the remaining sets and on signal that was not drawn. Rows are named by density, set, seed
and signal events in the signal region; what has a row is not done again. The template has no part in it: trees beside
it learn the background from true events, and both are averaged, each as the logarithm of the fraction of these events
that score higher. Nothing drawn is the null: what passes cuts that the reference sets, against what they keep of it.

python benchmarks/r_anode_draws.py run qcd-2001.h5 qcd-2002.h5 qcd-2003.h5 --signal signal.h5 --drawn 139
python benchmarks/r_anode_draws.py show
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from crossfit import keep, read
from scores import REGION, spread

import anomaly_cli as an
from anomaly_cli.analysis.roc import measure_curve, smallest_significance
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.analysis.sic import measure_improvement
from anomaly_cli.classifiers.kfold import Contest, train_in_folds
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import NONE, CrossFit
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions
from anomaly_cli.scores.backgrounds import Backgrounds
from anomaly_cli.scores.base import Ranking
from anomaly_cli.scores.r_anode import FittedResidual, RAnode
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.provisions import show as show_seen

RESULTS = Path(__file__).parent / "results" / "r_anode_draws.json"
FOLDS, EFFICIENCIES, COUNTED, N_TEMPLATE = 6, (0.01, 0.001), (0.2, 0.05, 0.01, 0.001), 32_000


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("sets", nargs="+", type=Path, help="simulated files; the first gives the density")
    runs.add_argument("--signal", type=Path, required=True, help="file of simulated signal")
    runs.add_argument("--drawn", action="append", type=int, help="signal events in the signal region; 139 by default")
    runs.add_argument("--seed", action="append", type=int)
    runs.add_argument("--reference", nargs="+", type=Path, default=[], help="sets that only measure")
    runs.add_argument("--density", type=Path, help="npz file that the densities of the first set are kept in")
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
    backgrounds = fit_once(asked.density, settings, seen, ranking, compute)
    signal = data.truth.signal(split.regions.sr)
    sets = {path.stem: signal_region(path, split.regions) for path in others}
    measuring = {path.stem: signal_region(path, split.regions) for path in asked.reference}
    for seed, (name, background), drawn in product(asked.seed or [1], sets.items(), asked.drawn or [139]):
        row = {"density": first.stem, "set": name, "seed": seed, "drawn": drawn}
        if any(row.items() <= known.items() for known in read(asked.results)):
            continue
        rest = concatenate([events for other, events in (sets | measuring).items() if other != name])
        found = draw(settings, backgrounds, ranking, (background, rest, signal), row)
        keep(asked.results, found)
        print(found, flush=True)


def fit_once(path: Path | None, settings: RAnode, seen: Seen, ranking: Ranking, compute: Compute) -> Backgrounds:
    """Return the densities of all folds, from a file where they are in it already."""
    if path is not None and path.exists():
        with np.load(path) as kept:
            return settings.load_backgrounds(dict(kept))
    found = settings.fit_backgrounds(seen, ranking, compute)
    if path is not None:
        arrays: dict[str, Any] = found.to_arrays()
        np.savez(path, **arrays)
    return found


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
    found["gains"] = [float(one.gain.sum(axis=0).max()) for one in signals]
    unused = signal.take(order[row["drawn"] :])
    own = Both(scored(fitted, rest, ranking, len(observed)), scored(fitted, unused, ranking))
    if not row["drawn"]:
        return found | {"cuts": counted(scored(fitted, observed, ranking), own.background)}
    found |= own.figures(len(background), "")
    found["sic_folds"] = [measure_improvement(*own.of_fold(fold), EFFICIENCIES[0]).sic for fold in range(FOLDS)]
    start = time.process_time()
    trees, template = with_trees(ranking, observed, rest, unused, Compute(streams))
    found |= {"cpu_trees": time.process_time() - start, **trees.figures(len(background), "_trees")}
    return found | averaged(own, trees, template).figures(len(background), "_averaged")


@dataclass(frozen=True)
class Both:
    """Scored background and signal that nothing was trained on."""

    background: ScoredEvents
    signal: ScoredEvents

    def figures(self, n_background: int, suffix: str) -> dict[str, Any]:
        """Return the improvement and the smallest strength that reaches five sigma, for so much background."""
        sic = {f"{e:g}": measure_improvement(self.background, self.signal, e).sic for e in EFFICIENCIES}
        smallest = smallest_significance(measure_curve(self.background, self.signal), n_background)
        return {f"sic{suffix}": sic, f"sigma_min{suffix}": smallest.strength}

    def of_fold(self, fold: int) -> tuple[ScoredEvents, ScoredEvents]:
        """Return the events of a fold."""
        background, signal = (one.take(one.fold == fold) for one in (self.background, self.signal))
        return background, signal


def counted(observed: ScoredEvents, reference: ScoredEvents) -> list[dict[str, float]]:
    """Return what passes cuts that the reference sets in every fold, what it expects, and the statistical pull."""
    found = []
    for efficiency in COUNTED:
        passing, kept = 0, 0
        for fold in range(FOLDS):
            scores = np.sort(reference.score[reference.fold == fold])
            n_kept = round(efficiency * len(scores))
            passing += int((observed.score[observed.fold == fold] > scores[-n_kept - 1]).sum())
            kept += n_kept
        expected = len(observed.score) * kept / len(reference.score)
        spread = np.sqrt(expected * (1.0 - efficiency) * (1.0 + expected / kept))
        found.append(
            {"efficiency": efficiency, "n": passing, "expected": expected, "pull": (passing - expected) / spread}
        )
    return found


def with_trees(
    ranking: Ranking, observed: Events, rest: Events, unused: Events, compute: Compute
) -> tuple[Both, ScoredEvents]:
    """Return what trees make of it that learn the background from true events, and these events, scored as well."""
    ids, compute = len(observed) + np.arange(len(rest)), compute.child("trees")
    fold = ranking.crossfit.fold(ids)
    template = replace(rest.take(np.arange(N_TEMPLATE)), event_id=ids[:N_TEMPLATE], source_id=ids[:N_TEMPLATE])
    contest = Contest(observed, template, (ranking.crossfit.fold(observed.source_id), fold[:N_TEMPLATE]))
    trained = train_in_folds(contest, ranking.classifier, ranking.kfold, compute)
    spare = np.arange(len(unused))
    signal_fold = ranking.crossfit.fold(spare)
    background = ScoredEvents(ids, ids, rest.weight, fold, trained.score(rest, fold))
    signal = ScoredEvents(spare, spare, unused.weight, signal_fold, trained.score(unused, signal_fold))
    return Both(background, signal), background.take(np.arange(len(rest)) < N_TEMPLATE)


def averaged(own: Both, trees: Both, template: ScoredEvents) -> Both:
    """Return the average of both as logarithms of the fraction of template events that score higher in the fold."""
    known = np.isin(own.background.event_id, template.event_id)
    pairs = ((own, own.background.take(known)), (trees, template))
    background, signal = (
        replace(
            getattr(own, name),
            score=np.mean([rarity(getattr(both, name), others) for both, others in pairs], axis=0),
        )
        for name in ("background", "signal")
    )
    return Both(background, signal)


def rarity(events: ScoredEvents, template: ScoredEvents) -> FloatArray:
    """Return minus the logarithm of the fraction of template events of the same fold above each event `(n,)`."""
    found = np.zeros(len(events.score))
    for fold in range(FOLDS):
        scores, inside = np.sort(template.score[template.fold == fold]), events.fold == fold
        above = len(scores) - np.searchsorted(scores, events.score[inside], side="left")
        found[inside] = -np.log((above + 1.0) / (len(scores) + 1.0))
    return found


def scored(fitted: FittedResidual, events: Events, ranking: Ranking, first_id: int = 0) -> ScoredEvents:
    """Return events scored by the fold that their number gives them."""
    ids = first_id + np.arange(len(events))
    fold = ranking.crossfit.fold(ids)
    return ScoredEvents(ids, ids, events.weight, fold, fitted.score(events, fold))


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print improvement and diagnostics at every strength, and pulls of the null."""
    grouped: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["drawn"]].append(row)
    for drawn, found in sorted(grouped.items()):
        n, cpu = np.mean([row["n_observed"] for row in found]) - drawn, np.mean([row["cpu"] for row in found])
        print(f"{drawn} signal events in {n:.0f} (S/sqrt(B) {drawn / n**0.5:.2f}): {len(found)} draws, CPU {cpu:.0f} s")
        show_null(found) if not drawn else show_improvement(found)
        gains = [gain for row in found for gain in row["gains"]]
        print(f"  gains of {len(gains)} folds: median {np.median(gains):.1f}, {min(gains):.1f} to {max(gains):.1f}")
        for name in ("w", "gain"):
            values = [row["told"][name][0] for row in found]
            print(
                f"  {name}: mean {np.mean(values):.4f}, std {np.std(values):.4f}, {min(values):.4f}-{max(values):.4f}"
            )


def show_null(found: Sequence[Mapping[str, Any]]) -> None:
    """Print pulls of every cut, averaged over the draws of a set, which have the same background."""
    for index, efficiency in enumerate(COUNTED):
        pulls = defaultdict(list)
        for row in found:
            pulls[row["set"]].append(row["cuts"][index]["pull"])
        print(f"  cut {efficiency:g}: pull {spread([float(np.mean(of_set)) for of_set in pulls.values()])}")


def show_improvement(found: Sequence[Mapping[str, Any]]) -> None:
    """Print SIC of the score, of trees and of their average, paired, and how many folds failed."""
    for efficiency in (f"{e:g}" for e in EFFICIENCIES):
        own, trees, both = ([row[name][efficiency] for row in found] for name in ("sic", "sic_trees", "sic_averaged"))
        print(f"  SIC at {efficiency}: {spread(own)}")
        print(f"    trees on true background {spread(trees)}, r_anode over trees {spread(ratios(own, trees))}")
        print(f"    averaged {spread(both)}, over the better one {spread(ratios(both, np.maximum(own, trees)))}")
        each = [(row["set"], row["seed"], *values) for row, *values in zip(found, own, trees, both, strict=True)]
        for name, seed, *values in each:
            print(f"      {name}, {seed}:", *(f"{value:.1f}" for value in values))
    for suffix in ("", "_trees", "_averaged"):
        print(f"  sigma_min{suffix}: {spread([row[f'sigma_min{suffix}'] for row in found])}")
    folds = [sic for row in found for sic in row["sic_folds"]]
    print(f"  folds with SIC at {EFFICIENCIES[0]:g} below 1: {sum(sic < 1.0 for sic in folds)} of {len(folds)}")


def ratios(values: Sequence[float], others: Any) -> list[float]:
    """Return paired ratios."""
    return [float(a / b) for a, b in zip(values, others, strict=True)]


if __name__ == "__main__":
    main()
