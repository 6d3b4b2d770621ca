"""Controls of a search without signal: what is planted has to be seen, and what is harmless must not be.

Each search of `null.py` is done again with a fault planted in it, and evaluated with the closure that the null study
measured for that set and region:

python benchmarks/controls.py run qcd-2001.h5 qcd-2002.h5 --signal signal.h5
python benchmarks/controls.py show

To be seen: cross-fitting off; copies of side-band events that cross parts; a feature shifted by 6 % of its standard
deviation in the signal region only; a bump in the mean of a feature, which all parts share and no scaling follows.
Harmless: a template of true background of the other sets; signal in a side-band only. Signal in one of the windows in
which closure is measured changes no count; what it does to the closure, the gate and Z is shown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import null
import numpy as np
from crossfit import EFFICIENCIES, SEED, configure, keep, read

import anomaly_cli as an
from anomaly_cli.analysis.selection import CutCounts, select
from anomaly_cli.core.blocks import FEATURES_BLOCK, Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import NONE, THIRDS
from anomaly_cli.core.cuts import CORRECTIONS, Cuts
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.seen import TrueEvents
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Window
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import rank
from anomaly_cli.search.run import run_search
from anomaly_cli.search.split import Split
from anomaly_cli.search.template import make_template
from anomaly_cli.search.windows import count_window, find_windows
from anomaly_cli.studies.experiment_jobs import Job
from anomaly_cli.studies.free_windows import WindowSource

RESULTS = Path(__file__).parent / "results" / "controls.json"
REGION = "3.3-3.7"
METHOD = "curtains_f4f"
SHIFT = 0.06
"""Of a feature's standard deviation."""
FEATURE = 1
"""Which feature is shifted: the difference of the jet masses."""
BUMP_WIDTH = 200.0
"""Of the bump in a feature's mean [GeV]; the scaling's orders follow what is some times wider."""
N_SIGNAL = 420
WINDOW = "signal in a window"
"""Changes the windows, not the search."""
ALL = Window(1.0, 13_000.0)
WINDOW_INDEX = 1
"""Which one: the nearer ones come first."""


@dataclass(frozen=True)
class Control:
    """A search with something planted.

    Attributes:
        plant: changes the events.
        scheme: of cross-fitting.
        method: of the template.
    """

    plant: Callable[[Split, Events], Split] = lambda split, _: split
    scheme: str = THIRDS
    method: str = "curtains_f4f"


def cross_parts(split: Split, _: Events) -> Split:
    """Return side-bands in which every second event is a copy of its neighbour, as an event of its own."""

    def doubled(events: Events) -> Events:
        half = events.take(np.arange(0, len(events) - 1, 2))
        copies = replace(half, event_id=half.event_id + 10**8, source_id=half.source_id + 10**8)
        return concatenate([half, copies])

    return replace(split, sb1=doubled(split.sb1), sb2=doubled(split.sb2))


def shift(split: Split, _: Events) -> Split:
    """Return a split with one feature shifted in the signal region only."""
    features = split.sr.features.copy()
    features[:, FEATURE] += SHIFT * features[:, FEATURE].std()
    return replace(split, sr=split.sr.with_block(FEATURES_BLOCK, Features(features, split.sr.names)))


def bump(split: Split, _: Events) -> Split:
    """Return a split with a bump in the mean of one feature, about the middle of the signal region."""
    centre, size = 0.5 * (split.regions.sr.low + split.regions.sr.high), SHIFT * split.sr.features[:, FEATURE].std()

    def bent(events: Events) -> Events:
        features = events.features.copy()
        features[:, FEATURE] += size * np.exp(-0.5 * ((events.mjj - centre) / BUMP_WIDTH) ** 2)
        return events.with_block(FEATURES_BLOCK, Features(features, events.names))

    return replace(split, sb1=bent(split.sb1), sr=bent(split.sr), sb2=bent(split.sb2))


def beside(split: Split, signal: Events) -> Split:
    """Return a split with signal in the upper side-band, moved there in mass."""
    some = signal.take(np.arange(min(N_SIGNAL, len(signal))))
    band = split.regions.sb2
    masses = np.clip(some.mjj + 700.0, band.low, np.nextafter(band.high, band.low))
    ids = 2 * 10**8 + np.arange(len(some))
    moved = replace(some, mjj=masses, event_id=ids, source_id=ids)
    return replace(split, sb2=concatenate([split.sb2, moved]))


CONTROLS = {
    "nothing": Control(),
    "cross-fitting off": Control(scheme=NONE),
    "copies cross parts": Control(cross_parts),
    "shift in the region": Control(shift),
    "bump in a mean": Control(bump),
    "true template": Control(method="idealised"),
    "signal beside": Control(beside),
}


def main() -> None:
    """Run or show the controls."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("sets", nargs="+", type=Path, help="simulated files of background")
    runs.add_argument("--signal", type=Path, required=True, help="file of simulated signal")
    runs.add_argument("--control", action="append", choices=[*CONTROLS, WINDOW])
    shown = actions.add_parser("show")
    shown.add_argument("--null", type=Path, default=null.RESULTS, help="results of the null study")
    for one in (runs, shown):
        one.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.action == "run":
        run(asked)
    else:
        show(read(asked.results), read(asked.null))


def run(asked: argparse.Namespace) -> None:
    """Do the searches that have no result yet."""
    known = {(row["set"], row["control"]) for row in read(asked.results)}
    for path in asked.sets:
        data = an.load(str(path), inject=0, inject_from=(f"{asked.signal.absolute()}=0",), seed=SEED)
        split, signal = an.split(data, REGION).split, data.truth
        others = [an.load(str(one), inject=0, seed=SEED).observed for one in asked.sets if one != path]
        for name in asked.control or [*CONTROLS, WINDOW]:
            if (path.stem, name) in known:
                continue
            if name == WINDOW:
                keep(asked.results, {"set": path.stem, "control": name} | search_window(split, signal.signal(ALL)))
                continue
            found = search(CONTROLS[name], split, others, signal)
            keep(asked.results, {"set": path.stem, "control": name} | found)
            print(path.stem, name, [f"{ratio_of(one):.3f}" for one in found["cuts"]], flush=True)


def search(control: Control, split: Split, others: Sequence[Events], signal: Any) -> dict[str, Any]:
    """Return the counts of one search."""
    planted = control.plant(split, signal.signal(split.regions.sr))
    background = concatenate(list(others))
    background = background.take(split.regions.sr.contains(background.mjj))
    ids = 10**9 + np.arange(len(background))
    true = replace(background, event_id=ids, source_id=ids)
    half = np.arange(len(true)) % 2 == 0
    provisions = Provisions(true=TrueEvents(true.take(half), true.take(~half)))
    settings, compute = configure(control.method, {}, control.scheme), Compute(Streams(SEED))
    template = make_template(planted, settings, provisions, compute).template
    ranked = rank(planted, template, settings, provisions, compute)
    fit, names = planted.fit_masses(), CutCounts.__dataclass_fields__
    cuts = [select(ranked.observed, ranked.template, efficiency, ranked.replicas) for efficiency in EFFICIENCIES]
    return {
        "fit": {"n_expected": fit.n_expected, "uncertainty": fit.uncertainty},
        "cuts": [{name: getattr(cut, name) for name in names} for cut in cuts],
    }


def search_window(split: Split, signal: Events) -> dict[str, Any]:
    """Return what one of the windows counts with signal in it, as much for its background as in the signal region."""
    windows, _ = find_windows(split, 1.0, Cuts.least_fit_p)
    region = split.regions.sr
    source = WindowSource(tuple(windows), signal, 0.5 * (region.low + region.high), split.fit_masses().n_expected)
    drawn = source.draw(Job(WINDOW_INDEX, N_SIGNAL), Compute(Streams(SEED)))
    settings = configure("curtains_f4f", {}, THIRDS)
    searched = run_search(drawn.split, settings, Provisions(), Compute(Streams(SEED)).child("window"))
    edges = [drawn.split.regions.sr.low, drawn.split.regions.sr.high]
    return {"window": edges, "counts": count_window(WINDOW_INDEX, searched, EFFICIENCIES)}


def with_window(row: Mapping[str, Any], planted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a search of the null study in which one of the windows counted something else."""
    edges, columns = row["window_edges"], row["windows"]
    if [edges["low"][WINDOW_INDEX], edges["high"][WINDOW_INDEX]] != planted["window"]:
        raise ValueError(f"{row['set']}: the windows of the null study are others")
    kept = [index for index, window in enumerate(columns["window"]) if window != WINDOW_INDEX]
    changed = {
        name: [values[index] for index in kept] + [one[name] for one in planted["counts"]]
        for name, values in columns.items()
    }
    return {**row, "windows": changed}


def show_window(rows: Sequence[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what signal in a window does to the closure, the gate and Z of searches without signal."""
    pairs = [(known[row["set"]], with_window(known[row["set"]], row)) for row in rows if row["set"] in known]
    if not pairs:
        return
    print(f"{WINDOW}: {len(pairs)} searches")
    for correct in CORRECTIONS:
        before, after = ([null.evaluate(pair[which], correct) for pair in pairs] for which in (0, 1))
        for index, efficiency in enumerate(EFFICIENCIES):
            text = f"  correct = {correct}, {100 * efficiency:g} %:"
            for name, found in (("without", before), ("with", after)):
                values = {key: np.array([one[index][key] for one in found]) for key in ("closure", "z")}
                text += f" {name}: closure {values['closure'].mean():.3f}, Z {values['z'].mean():.2f};"
            print(f"{text} refused {sum(one[index]['is_refused'] for one in after)}")


def is_without_fault(row: Mapping[str, Any]) -> bool:
    """Return whether a search of the null study is what the faults were planted in; others have another closure."""
    is_default = row["method"] == METHOD and "score" not in row
    return bool(row["region"] == REGION and is_default and row["injected"] == 0)


def ratio_of(cut: Mapping[str, float]) -> float:
    """Return observed over expected."""
    return cut["n_passing"] / (cut["n_all"] * cut["efficiency"])


def show(rows: Sequence[Mapping[str, Any]], measured: Sequence[Mapping[str, Any]]) -> None:
    """Print for every control the mean pull by statistics, and the mean Z with the closure that was measured."""
    known = {row["set"]: row for row in measured if is_without_fault(row)}
    for name in CONTROLS:
        own = [row for row in rows if row["control"] == name]
        if not own:
            continue
        z = [null.evaluate({**known[row["set"]], **row}, "none") for row in own if row["set"] in known]
        print(f"{name}: {len(own)} searches")
        for index, efficiency in enumerate(EFFICIENCIES):
            ratio = np.array([ratio_of(row["cuts"][index]) for row in own])
            text = (
                f"  {100 * efficiency:g} %: observed/expected {ratio.mean():.3f} +- {ratio.std() / len(own) ** 0.5:.3f}"
            )
            for key in ("statistical", "z"):
                values = np.array([one[index][key] for one in z])
                text += f"; {key} {values.mean():.2f} (std {values.std():.2f})"
            print(text + f"; refused {sum(one[index]['is_refused'] for one in z)}")
    show_window([row for row in rows if row["control"] == WINDOW], known)


if __name__ == "__main__":
    main()
