"""Do scores sculpt a spectrum, and what does it cost to stop them?

Background of one set, its jet masses shifted by a tenth of mjj, is searched in 3.3-3.7 TeV with nothing injected; the
scores then rank background of another set in 3.0-4.6 TeV, and a tenth of each fold is kept. (chi2 - ndf)/N of the
passing fraction in 20 bins of mjj, in that spectrum and in the signal region alone, stands beside the 95 % band of cuts
at random. With --signal, the same without a shift and with signal: the significance improvement on background of the
other set.

    python benchmarks/sculpting.py run qcd-2002.h5 qcd-2003.h5
    python benchmarks/sculpting.py run qcd-2002.h5 qcd-2003.h5 --signal signal.h5 --inject 354
    python benchmarks/sculpting.py show
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from crossfit import configure, improvement, keep, read

import anomaly_cli as an
from anomaly_cli.analysis.sculpting import N_BINS, cut_at, measure_sculpting
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import NONE
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.core.events import Events
from anomaly_cli.core.streams import Streams
from anomaly_cli.scores.base import SCORES
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import Ranked, rank
from anomaly_cli.search.template import make_template

RESULTS = Path(__file__).parent / "results" / "sculpting.json"
REGION, SPECTRUM, METHOD = "3.3-3.7", (3000.0, 4600.0), "cathode"
SHIFT, SHIFTED, EFFICIENCY, TOYS = 0.1, ("mj1", "delta_mj"), 0.1, 400
SCORED: Mapping[str, tuple[str, str]] = {
    "cwola": ("cwola", "none"),
    "cwola, decorrelated on the template": ("cwola", "template"),
    "cwola, decorrelated on side-bands": ("cwola", "side_bands"),
    "lacathode": ("lacathode", "none"),
}
"""Scores, and what makes them free of the mass."""


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("set", type=Path, help="simulated file that is searched")
    runs.add_argument("other", type=Path, help="simulated file that is ranked")
    runs.add_argument("--signal", type=Path, help="file of simulated signal")
    runs.add_argument("--inject", type=int, default=0, help="signal events over the whole spectrum")
    runs.add_argument("--score", action="append", choices=SCORED)
    actions.add_parser("show")
    asked = parser.parse_args()
    if asked.action == "run":
        run(asked)
    show(read(RESULTS))


def run(asked: argparse.Namespace) -> None:
    """Rank by every score that has no row yet."""
    shift = 0.0 if asked.inject else SHIFT
    keys = [
        {"score": name, "set": asked.set.stem, "other": asked.other.stem, "injected": asked.inject, "shift": shift}
        for name in asked.score or SCORED
    ]
    keys = [key for key in keys if not any(key.items() <= row.items() for row in read(RESULTS))]
    if not keys:
        return
    signal = {"inject_from": (f"{asked.signal.absolute()}={asked.inject}",)} if asked.inject else {}
    data = an.load(str(asked.set), inject=0, seed=1, **signal)
    other = an.load(str(asked.other), inject=0, seed=1).observed
    data, other = replace(data, observed=shifted(data.observed, shift)), shifted(other, shift)
    split, compute = an.split(data, REGION).split, Compute(Streams(1))
    settings = configure(METHOD, {}, NONE)
    template = make_template(split, settings, Provisions(), compute).template
    for key in keys:
        name, free = SCORED[key["score"]]
        start = time.process_time()
        own = replace(settings, score=SCORES.make(name, {}), decorrelate=free)
        try:
            ranked = rank(split, template, own, Provisions(), compute)
        except AnomalyError as error:
            keep(RESULTS, {**key, "failed": str(error)})
            continue
        row = {**key, "cpu": time.process_time() - start}
        if asked.inject:
            row["sic"] = improvement(ranked, other, data.truth, split.regions)
        else:
            row["spectrum"] = sculpted(ranked, other, SPECTRUM)
            row["signal_region"] = sculpted(ranked, other, (split.regions.sr.low, split.regions.sr.high))
        keep(RESULTS, row)
        print(row, flush=True)


def shifted(events: Events, shift: float) -> Events:
    """Return events with the jet masses moved by a part of mjj."""
    moved = np.array([name in SHIFTED for name in events.names])
    return events.with_block(
        Features.kind, Features(events.features + shift * events.mjj[:, None] * moved, events.names)
    )


def sculpted(ranked: Ranked, other: Events, window: tuple[float, float]) -> dict[str, Any]:
    """Return what a cut on each fold does to the spectrum in a window, and what one at random does."""
    low, high = window
    events = other.take((other.mjj >= low) & (other.mjj < high))
    fold = ranked.crossfit.fold(np.arange(len(events)))
    score = ranked.score.score(events, fold)
    return {
        "n": len(events),
        "excess": of_cut(events.mjj, score, fold),
        "band": band(events.mjj.tobytes(), fold.tobytes()),
    }


@cache
def band(mjj: bytes, fold: bytes) -> list[float]:
    """Return between which values 95 % of cuts at random lie; the same for all scores."""
    masses, folds, rng = np.frombuffer(mjj), np.frombuffer(fold, dtype=np.int64), np.random.default_rng(1)
    toys = [of_cut(masses, rng.random(len(masses)), folds) for _ in range(TOYS)]
    return [float(edge) for edge in np.quantile(toys, (0.025, 0.975))]


def of_cut(mjj: Any, score: Any, fold: Any) -> float:
    """Return (chi2 - ndf)/bins of the spectrum after a cut that keeps as much of every fold."""
    is_passing = np.zeros(len(mjj), dtype=bool)
    for index in np.unique(fold):
        inside = fold == index
        is_passing[inside] = cut_at(score[inside], EFFICIENCY)
    found = measure_sculpting(mjj, is_passing)
    return (found.chi2 - found.ndf) / N_BINS


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print sculpting and improvement of every score."""
    for row in sorted(rows, key=lambda row: (row["injected"], row["set"], list(SCORED).index(row["score"]))):
        if "failed" in row:
            told = row["failed"]
        elif "sic" in row:
            told = ", ".join(f"SIC at {key} {value:.2f}" for key, value in row["sic"].items())
        else:
            told = ", ".join(
                f"{name} (chi2 - ndf)/N {one['excess']:.2f}, band {one['band'][0]:.2f} to {one['band'][1]:.2f}"
                for name, one in ((name, row[name]) for name in ("spectrum", "signal_region"))
            )
        cpu = f", CPU {row['cpu']:.0f} s" if "cpu" in row else ""
        print(f"{row['score']}: {row['set']}, {row['injected']} injected: {told}{cpu}")


if __name__ == "__main__":
    main()
