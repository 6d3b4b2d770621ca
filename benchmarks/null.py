"""Is Z centred and of unit width where there is no signal, with everything measured anew in every search?

A set is one simulated file of background, named by its seed; what is in the results already is not done again, so the
study goes on anywhere with whatever sets there are:

anomaly simulate qcd --events 131000 --seed 2001 --out qcd-2001.h5
python benchmarks/null.py run qcd-2001.h5
python benchmarks/null.py show
python benchmarks/null.py windows  # are the windows of a search independent of each other?
python benchmarks/null.py tell

The last writes what reports say of a method's Z without signal. With `--inject` and `--seed` it is asked what the
search finds where there is a signal:

python benchmarks/null.py run anomaly_cli/data/lhco_like_sim.h5 --region 3.3-3.7 --ensemble 20 --inject 420 --seed 2

Results keep counts, those of the windows and the Z of the pseudo-experiments, not significances: whatever is changed in
how they are evaluated can be seen at once. Errors come from a bootstrap over sets, whose regions share side-bands.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from crossfit import keep, read
from scipy.special import ndtri

from anomaly_cli.analysis.calibration import clopper_pearson
from anomaly_cli.analysis.claim import claimable_significance, reason_for_no_claim
from anomaly_cli.analysis.modelling import MEASURED
from anomaly_cli.analysis.nonclosure import FEWEST_EXPECTED
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.cuts import BY_MEAN, CORRECTIONS, Cuts
from anomaly_cli.core.windows import parse_window
from anomaly_cli.methods.base import METHODS
from anomaly_cli.report.null_studies import FILE as STUDIES
from anomaly_cli.report.null_studies import settings_of
from anomaly_cli.scores.base import SCORES
from anomaly_cli.search.count import build_cuts, build_model
from anomaly_cli.search.settings import SearchSettings, describe_method
from anomaly_cli.stages.classify import stored_replicas, stored_scores
from anomaly_cli.stages.split import stored_split
from anomaly_cli.studies.experiments import Normalisation
from anomaly_cli.studies.remeasured import measured_in

RESULTS = Path(__file__).parent / "results" / "null.json"
REGIONS = ("3.1-3.5", "3.3-3.7", "3.5-3.9", "3.7-4.1", "3.9-4.3")
EFFICIENCIES = (0.2, 0.05, 0.01, 0.001)
SEED = 1
LEVELS = (0.05, 0.01)
BOOTSTRAPS = 2000
STAGES = (["split"], ["template"], ["classify"], ["significance", "overdispersion"], ["significance", "windows"])


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("sets", nargs="+", type=Path, help="simulated files of background")
    runs.add_argument("--method", default="curtains_f4f")
    runs.add_argument("--score", default="", help="what ranks events; by default that of the method")
    runs.add_argument("--ensemble", type=int, default=4, help="classifiers per fold; fewer than the default save time")
    runs.add_argument("--region", action="append", help="signal region; five by default")
    runs.add_argument("--inject", type=int, default=0, help="signal events of the file over the whole spectrum")
    runs.add_argument("--signal", type=Path, help="file of the signal; by default that of the sets")
    runs.add_argument("--seed", type=int, default=SEED)
    shown = actions.add_parser("show")
    shown.add_argument("--correct", choices=CORRECTIONS, default=BY_MEAN)
    told, windows = actions.add_parser("tell"), actions.add_parser("windows")
    for one in (runs, shown, told, windows):
        one.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.action == "windows":
        own = {"method": "curtains_f4f", "injected": 0}
        correlate_windows([row for row in read(asked.results) if row | own == row and "score" not in row])
        return
    if asked.action == "show":
        show(read(asked.results), asked.correct)
        return
    if asked.action == "tell":
        STUDIES.write_text(studies_text(read(asked.results)), encoding="utf-8")
        return
    for path in asked.sets:
        for region in asked.region or REGIONS:
            row = {"set": path.stem, "region": region, "method": asked.method, "ensemble": asked.ensemble}
            row |= {"injected": asked.inject, "seed": asked.seed}
            row |= {"signal": asked.signal.stem} if asked.signal else {}
            row |= {"score": asked.score} if asked.score else {}
            if not any(is_same(row, known) for known in read(asked.results)):
                keep(asked.results, row | search(path.absolute(), region, asked))


def is_same(row: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether a known search is the one that a row names; what a row leaves out is the default."""
    return row.items() <= known.items() and all((name in row) == (name in known) for name in ("signal", "score"))


def search(path: Path, region: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Search one region of a set, and measure over-dispersion and closure for it."""
    settings = [f"classifiers.trees.ensemble={asked.ensemble}", f"template.method={json.dumps(asked.method)}"]
    settings.append(f"significance.background_efficiencies={list(EFFICIENCIES)}")
    options = ["--signal-region", region, "--data", str(path)]
    settings += [f"score.name={json.dumps(asked.score)}"] if asked.score else []
    if asked.signal:
        options += ["--inject-from", f"{asked.signal.absolute()}={asked.inject}"]
    else:
        options += ["--inject", str(asked.inject)]
    options += ["--seed", str(asked.seed)]
    options += [word for setting in settings for word in ("--set", setting)]
    before = children_cpu()
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:  # the first writes the run's configuration, which the others follow
            own = options if stage == ["split"] else []
            command = [sys.executable, "-m", "anomaly_cli", *stage, "--run", folder, "--quiet", *own]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return {"cpu": children_cpu() - before} | record(RunDirectory(Path(folder)))


def children_cpu() -> float:
    """Return the CPU time of all processes that have been waited for [s]."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def record(run: RunDirectory) -> dict[str, Any]:
    """Return the counts of a run and of what was measured for it."""
    scores, fit = run.read(schema.SCORES), stored_split(run.read(schema.SPLIT)).fit_masses()
    observed, template = (stored_scores(scores, group) for group in ("observed", "template"))
    cuts = Cuts(background_efficiencies=EFFICIENCIES, least_fit_p=0.0)
    found = build_cuts(observed, template, stored_replicas(scores), fit, cuts, {})
    validation, experiments = run.read(schema.VALIDATION), run.read(schema.OVERDISPERSION)
    names = CutCounts.__dataclass_fields__
    return {
        "fit": {"n_expected": fit.n_expected, "uncertainty": fit.uncertainty, "p_value": fit.p_value},
        "cuts": [{name: getattr(cut.selection, name) for name in names} for cut in found],
        "windows": {name: values.tolist() for name, values in validation.groups["counts"].items()},
        "window_edges": {name: validation.groups["windows"][name].tolist() for name in ("low", "high", "n_events")},
        "experiments": experiments.groups["experiments"]["z"].tolist(),
        "collision_energy": stored_split(run.read(schema.SPLIT)).regions.collision_energy,
    }


def evaluate(row: Mapping[str, Any], correct: str) -> list[dict[str, float]]:
    """Return for every cut of a search its signed Z, the claimable one, and whether a claim is allowed."""
    known = measured_in(dict(row), correct)
    fit, window = Normalisation(row["fit"]["n_expected"], row["fit"]["uncertainty"]), parse_window(row["region"])
    found = []
    for cut in (CutCounts(**one) for one in row["cuts"]):
        measured = known[cut.background_efficiency]
        model = build_model(cut, fit, window, Cuts.pass_fail_from, measured)
        found.append(
            {
                "z": float(signed_root(model.experiment())),
                "claimable": claimable_significance(model, measured.n_windows),
                "statistical": float(signed_root(model.without(*MEASURED).experiment())),
                "closure": measured.closure,
                "is_refused": bool(reason_for_no_claim(model, measured.windows_p)),
            }
        )
    return found


def show(rows: Sequence[Mapping[str, Any]], correct: str) -> None:
    """Print mean and standard deviation of Z and how often it is large, errors from a bootstrap over sets."""
    kinds = defaultdict(list)
    for row in rows:
        ranked = row["method"] + (f" ranked by {row['score']}" if "score" in row else "")
        kinds[ranked, row["ensemble"], row["injected"], row.get("signal", "")].append(row)
    for (method, ensemble, injected, signal), own in sorted(kinds.items()):
        sets = sorted({(row["set"], row["seed"]) for row in own})
        named = f"{injected} injected{f' of {signal}' if signal else ''}"
        print(f"{method}, ensembles of {ensemble}, {named}, correct = {correct}: ", end="")
        print(f"{len(own)} searches of {len(sets)} sets, {np.mean([row['cpu'] for row in own]):.0f} s of CPU each")
        found = [evaluate(row, correct) for row in own]
        which = np.array([sets.index((row["set"], row["seed"])) for row in own])
        for index, efficiency in enumerate(EFFICIENCIES):
            cuts = [one[index] for one in found]
            print(f"  {100 * efficiency:g} %: {found_signal(cuts) if injected else summary(cuts, which)}")


def studies_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return mean Z without signal by method and score, each with its default correction, as TOML."""
    kinds, methods = defaultdict(list), METHODS.find()
    for row in rows:
        if not row["injected"]:
            kinds[row["method"], row.get("score", methods[row["method"]].score)].append(row)
    lines = ["# Mean Z without signal, by 'python benchmarks/null.py tell'; default settings, ensembles of 4."]
    for (method, score), own in sorted(kinds.items()):
        correct = methods[method].correction
        sets = sorted({row["set"] for row in own})
        which = np.array([sets.index(row["set"]) for row in own])
        z = np.array([[cut["z"] for cut in evaluate(row, correct)] for row in own])
        errors = [scatter(np.mean, column, which) for column in z.T]
        settings = SearchSettings(method=METHODS.make(method, {}), score=SCORES.make(score, {}))
        content = {"method": method, "score": score, "classifier": "trees", "correct": correct}
        content |= {"n_searches": len(own), "n_sets": len(sets), "background_efficiencies": list(EFFICIENCIES)}
        content |= {"mean": [round(one, 2) for one in z.mean(0)], "error": [round(one, 2) for one in errors]}
        lines += ["", "[[study]]", *(f"{name} = {json.dumps(value)}" for name, value in content.items())]
        lines += ["", "[study.settings]"]
        lines += [
            f"{json.dumps(name)} = {json.dumps(value)}" for name, value in settings_of(*described(settings)).items()
        ]
    return "\n".join(lines) + "\n"


def described(settings: SearchSettings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what provenances of template and scores say of the settings of a search."""
    model = {"method": describe_method(settings.method), "crossfit": settings.describe_crossfit()}
    return {"model": model, "oversampling": settings.oversampling}, settings.describe_ranking()


def correlate_windows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print how pulls of windows go together: of neighbours, each in the other's side-bands, and of others.

    Pulls contain the statistics of events, template and models; errors are from the scatter of sets.
    """
    for efficiency in EFFICIENCIES[:-1]:
        found = [(row["set"], *window_pulls(row, efficiency)) for row in rows]
        every = np.concatenate([pulls for _, _, pulls in found])
        pairs: dict[bool, dict[str, list[float]]] = {True: defaultdict(list), False: defaultdict(list)}
        for name, low, pulls in found:
            reduced, order = (pulls - every.mean()) / every.std(), np.argsort(low)
            step = np.diff(np.sort(low)).min(initial=np.inf)
            for place, one in enumerate(order):
                for other in order[place + 1 :]:
                    pairs[bool(low[other] - low[one] < 1.5 * step)][name].append(float(reduced[one] * reduced[other]))
        text = f"{100 * efficiency:g} %: pulls {every.mean():.2f}, std {every.std():.2f}; correlations:"
        for is_near, what in ((True, "neighbours"), (False, "others")):
            own = [np.mean(products) for products in pairs[is_near].values()]
            text += f" {what} {np.mean(own):.2f} +- {np.std(own, ddof=1) / len(own) ** 0.5:.2f}"
        print(text)


def window_pulls(row: Mapping[str, Any], efficiency: float) -> tuple[FloatArray, FloatArray]:
    """Return the lower edges and the pulls of the windows of a search that expect 20 events or more."""
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in row["windows"].items()}
    mine = columns["background_efficiency"] == efficiency
    columns = {name: values[mine] for name, values in columns.items()}
    expected, share = columns["n_all"] * columns["efficiency"], columns["efficiency"]
    errors = columns["efficiency_uncertainty"] ** 2 + columns["model_uncertainty"] ** 2
    pulls = (columns["n_passing"] - expected) / np.sqrt(expected * (1.0 - share) + expected**2 * errors)
    low = np.asarray(row["window_edges"]["low"])[columns["window"].astype(np.int64)]
    is_enough = expected >= FEWEST_EXPECTED
    return low[is_enough], pulls[is_enough]


def found_signal(cuts: Sequence[Mapping[str, float]]) -> str:
    """Return what the searches of one cut say where there is a signal: the median, the smallest and the largest."""
    text = []
    for name in ("z", "claimable", "statistical"):
        values = np.array([cut[name] for cut in cuts])
        text.append(f"{name} {np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})")
    return "; ".join(text) + f"; refused {sum(cut['is_refused'] for cut in cuts)}"


def summary(cuts: Sequence[Mapping[str, float]], which: npt.NDArray[np.int64]) -> str:
    """Return what the searches of one cut say.

    Args:
        cuts: of every search.
        which: the set of each, counted from 0.
    """
    z, claimable = (np.array([cut[name] for cut in cuts]) for name in ("z", "claimable"))
    text = [f"Z {with_error(np.mean, z, which)}", f"std {with_error(np.std, z, which)}"]
    for level in LEVELS:
        k = int((z > -ndtri(level)).sum())
        text.append(f"p < {level:g}: {k} of {len(z)} (< {clopper_pearson(k, len(z), 0.9).high:.3f})")
    text.append(f"claimable Z {with_error(np.mean, claimable, which)}, std {claimable.std(ddof=1):.2f}")
    text.append(f"statistics only {with_error(np.mean, np.array([cut['statistical'] for cut in cuts]), which)}")
    text.append(f"closure {np.median([cut['closure'] for cut in cuts]):.3f}")
    is_refused = np.array([cut["is_refused"] for cut in cuts])
    passing = z[~is_refused]
    likely = int((passing > -ndtri(LEVELS[0])).sum())
    text.append(f"refused {is_refused.sum()}; of the others p < {LEVELS[0]:g}: {likely} of {len(passing)}")
    return "; ".join(text)


def with_error(statistic: Callable[..., Any], values: FloatArray, which: npt.NDArray[np.int64]) -> str:
    """Return a statistic and its standard deviation over bootstrapped sets."""
    return f"{float(statistic(values)):.2f} +- {scatter(statistic, values, which):.2f}"


def scatter(statistic: Callable[..., Any], values: FloatArray, which: npt.NDArray[np.int64]) -> float:
    """Return the standard deviation of a statistic over bootstrapped sets."""
    generator, n = np.random.default_rng(1), int(which.max()) + 1
    drawn = [
        statistic(np.concatenate([values[which == one] for one in generator.integers(n, size=n)]))
        for _ in range(BOOTSTRAPS)
    ]
    return float(np.std(drawn))


if __name__ == "__main__":
    main()
