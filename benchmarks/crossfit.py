"""Which scheme of cross-fitting? Searches with and without signal on disjoint sets of simulated background.

A set is one simulated file, named by its seed; whatever is in the results already is not done again, so the study goes
on anywhere with whatever sets there are:

anomaly simulate qcd --events 131000 --seed 2001 --out qcd-2001.h5
python benchmarks/crossfit.py run qcd-2001.h5 --scheme none --scheme parts
python benchmarks/crossfit.py run qcd-2001.h5 --signal signal.h5 --inject 420 --reference qcd-2002.h5
python benchmarks/crossfit.py show

With signal, the significance improvement is measured on the background of other sets.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import anomaly_cli as an
from anomaly_cli.analysis.selection import CutCounts, select
from anomaly_cli.analysis.sic import measure_improvement
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import GROUPS, NONE, SCHEMES, THIRDS
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.truth import Truth
from anomaly_cli.core.windows import Regions
from anomaly_cli.methods.base import METHODS
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import Ranked, rank, scored
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.template import make_template

RESULTS = Path(__file__).parent / "results" / "crossfit.json"
NULL = RESULTS.with_name("null.json")
REGIONS = ("3.1-3.5", "3.3-3.7", "3.5-3.9", "3.7-4.1", "3.9-4.3")
EFFICIENCIES = (0.2, 0.05, 0.01, 0.001)
ENSEMBLE = 4
SEED = 1


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("sets", nargs="+", type=Path, help="simulated files")
    runs.add_argument("--scheme", action="append", choices=SCHEMES, help="schemes; all by default")
    runs.add_argument("--method", default="curtains_f4f")
    runs.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    runs.add_argument("--region", action="append", help="signal region; five by default")
    runs.add_argument("--processes", type=int, default=1)
    runs.add_argument("--signal", type=Path, help="file of simulated signal, to inject")
    runs.add_argument("--inject", type=int, default=0, help="signal events over the whole spectrum")
    runs.add_argument("--reference", nargs="+", type=Path, default=[], help="sets to measure the improvement on")
    shown = actions.add_parser("show")
    shown.add_argument("--null", type=Path, default=NULL, help="results of null.py, which are searches with thirds")
    for one in (runs, shown):
        one.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.action == "run":
        run(asked)
        return
    rows = read(asked.results)
    known = {name_of(row) for row in rows}
    null = [of_null(row) for row in read(asked.null) if "score" not in row]
    show([*rows, *(row for row in null if name_of(row) not in known)])


def name_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells a search from others."""
    names = ("set", "region", "scheme", "method")
    return (*(row[name] for name in names), json.dumps(row["settings"]), row.get("injected", 0))


def of_null(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a search of the null study as a row of this one: its cuts are the same, ensembles of 4 and seed 1."""
    is_like = (row["ensemble"], row["seed"], row["injected"]) == (ENSEMBLE, SEED, 0)
    cuts = [described(CutCounts(**cut)) for cut in row["cuts"]] if is_like else []
    named = {name: row[name] for name in ("set", "region", "method")}
    return named | {"scheme": THIRDS, "settings": {}, "injected": 0 if is_like else -1, "cpu": np.nan, "cuts": cuts}


def run(asked: argparse.Namespace) -> None:
    """Do the searches that have no result yet."""
    chosen = {key: json.loads(value) for key, _, value in (text.partition("=") for text in asked.settings)}
    for path in asked.sets:
        signal = {"inject_from": (f"{asked.signal.absolute()}={asked.inject}",)} if asked.inject else {}
        data = an.load(str(path), inject=0, seed=SEED, **signal)
        others = [an.load(str(one), inject=0, seed=SEED).observed for one in asked.reference if one != path]
        for region in asked.region or REGIONS:
            for scheme in asked.scheme or SCHEMES:
                row = {"set": path.stem, "region": region, "scheme": scheme, "method": asked.method, "settings": chosen}
                row["injected"] = asked.inject
                if any(row.items() <= known.items() for known in read(asked.results)):
                    continue
                settings = configure(asked.method, chosen, scheme)
                compute = Compute(Streams(SEED), processes=asked.processes)
                start = time.process_time()
                split = an.split(data, region).split
                template = make_template(split, settings, Provisions(), compute).template
                ranked = rank(split, template, settings, Provisions(), compute)
                row |= {"cpu": time.process_time() - start, "cuts": counts(ranked)}
                if asked.inject:
                    row["sic"] = improvement(ranked, concatenate(others), data.truth, split.regions)
                keep(asked.results, row)
                print(path.stem, region, scheme, [f"{one['ratio']:.3f}" for one in row["cuts"]], flush=True)


def configure(method: str, chosen: Mapping[str, Any], scheme: str) -> SearchSettings:
    """Return the settings of a search; halves and thirds need as many folds for each part."""
    return SearchSettings(
        method=METHODS.make(method, chosen),
        crossfit=scheme,
        classifier=Trees(ensemble=ENSEMBLE),
        kfold=KFold(6 if scheme in GROUPS else 5),
    )


def improvement(ranked: Ranked, others: Events, truth: Truth, regions: Regions) -> dict[str, float]:
    """Return the significance improvement on background of other sets and signal that was not injected."""
    background = others.take(regions.sr.contains(others.mjj))
    ids = 10**9 + np.arange(len(background))
    background = dataclasses.replace(background, event_id=ids, source_id=ids)
    scores = [
        scored(ranked.score, events, ranked.crossfit.fold(events.source_id))
        for events in (background, truth.signal(regions.sr))
    ]
    return {f"{e:g}": measure_improvement(scores[0], scores[1], e).sic for e in EFFICIENCIES[2:]}


def counts(searched: Ranked) -> list[dict[str, float]]:
    """Return what passes each cut, what the template expects, and the statistical pull."""
    cuts = (select(searched.observed, searched.template, efficiency, searched.replicas) for efficiency in EFFICIENCIES)
    return [described(cut) for cut in cuts]


def described(cut: CutCounts) -> dict[str, float]:
    """Return a cut as a row keeps it."""
    expected = cut.n_all * cut.efficiency
    spread = np.sqrt(expected * (1 - cut.efficiency) + (expected * cut.efficiency_uncertainty) ** 2)
    return {
        "efficiency": cut.background_efficiency,
        "n": cut.n_passing,
        "expected": expected,
        "ratio": cut.n_passing / expected,
        "template": cut.efficiency_uncertainty,
        "model": cut.model_uncertainty,
        "pull": (cut.n_passing - expected) / spread,
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Return the results so far."""
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return rows


def keep(path: Path, row: Mapping[str, Any]) -> None:
    """Add a result."""
    new = path.with_suffix(".new")
    new.write_text("[\n" + ",\n".join(json.dumps(one) for one in [*read(path), row]) + "\n]\n")
    new.replace(path)


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print ratios and pulls, and differences to no cross-fitting, paired; errors from the scatter between sets."""
    grouped: dict[Any, dict[Any, Any]] = defaultdict(dict)
    for row in (row for row in rows if row["cuts"]):
        key = (row["method"], json.dumps(row["settings"]), row["scheme"], row.get("injected", 0))
        grouped[key][row["set"], row["region"]] = row
    for (method, chosen, scheme, injected), found in grouped.items():
        base = grouped.get((method, "{}", NONE, injected), {})
        shared = [key for key in found if key in base]
        what = f"{method} {chosen} {scheme}, {injected} injected"
        cpu = np.nanmean([one["cpu"] for one in found.values()])
        n_sets = len({name for name, _ in found})
        print(f"{what}: {len(found)} searches of {n_sets} sets, {len(shared)} paired, CPU {cpu:.0f} s")
        for index, efficiency in enumerate(EFFICIENCIES):
            pull = np.array([one["cuts"][index]["pull"] for one in found.values()])
            ratio = {key: one["cuts"][index]["ratio"] for key, one in found.items()}
            text = f"  {efficiency:<6} ratio {by_set(ratio)}  pull {pull.mean():.2f}, std {pull.std():.2f}"
            if scheme != NONE or chosen != "{}":
                text += f"  minus none {by_set({k: ratio[k] - base[k]['cuts'][index]['ratio'] for k in shared})}"
            left = {key: unexplained(one["cuts"][index]) for key, one in found.items() if "model" in one["cuts"][index]}
            if left:
                text += f"  unexplained, in squared model errors {by_set(left)}"
            print(text)
        for efficiency in found and next(iter(found.values())).get("sic", {}):
            print(f"  SIC at {efficiency}: {by_set({key: one['sic'][efficiency] for key, one in found.items()})}")


def unexplained(cut: Mapping[str, float]) -> float:
    """Return the square of what Poisson statistics and those of the template leave, in squared errors of the models."""
    off = np.log(max(cut["n"], 0.5) / cut["expected"])
    return float((off**2 - (1.0 - cut["efficiency"]) / cut["expected"] - cut["template"] ** 2) / cut["model"] ** 2)


def by_set(values: Mapping[Any, float]) -> str:
    """Return the mean and its error from the scatter of the means of the sets."""
    sets: dict[str, list[float]] = defaultdict(list)
    for (name, _), value in values.items():
        sets[name].append(value)
    means = np.array([np.mean(one) for one in sets.values()])
    error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    return f"{means.mean():.3f} +- {error:.3f}"


if __name__ == "__main__":
    main()
