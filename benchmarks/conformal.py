"""Does a conformal p-value from side-band events calibrate where there is no signal?

In the manner of arXiv:2606.13780: the score of every signal-region event is compared with the scores that the same
models give to side-band events, none of which they have seen, and events with a p-value below the cut's efficiency are
counted against what uniform p-values would give. Side-band events have equal weights, or weights exp(a m) of the mass
alone with which their mean mass is that of the signal region (the label-free weighted variant; nothing is trained). The
template's p-values stand beside: those are the counts of the analysis.

python benchmarks/conformal.py run qcd-2001.h5 qcd-2002.h5
python benchmarks/conformal.py show
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from crossfit import keep, read
from null import children_cpu, with_error

from anomaly_cli.analysis.conformal import conformal_p_values, tilted_weights
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.stages.classify import stored_scores
from anomaly_cli.stages.split import stored_split

RESULTS = Path(__file__).parent / "results" / "conformal.json"
REGIONS = ("3.3-3.7", "3.7-4.1")
EFFICIENCIES = (0.2, 0.05, 0.01, 0.001)
SEED, ENSEMBLE = 1, 4
STAGES = (["split"], ["template"], ["classify"])


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("sets", nargs="+", type=Path, help="simulated files of background")
    for one in (runs, actions.add_parser("show")):
        one.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.action == "show":
        show(read(asked.results))
        return
    for path in asked.sets:
        for region in REGIONS:
            row = {"set": path.stem, "region": region, "ensemble": ENSEMBLE, "seed": SEED}
            if not any(row.items() <= known.items() for known in read(asked.results)):
                keep(asked.results, row | search(path.absolute(), region))


def search(path: Path, region: str) -> dict[str, Any]:
    """Search one region of a set up to the scores, and count p-values."""
    options = ["--signal-region", region, "--data", str(path), "--inject", "0", "--seed", str(SEED)]
    options += ["--set", f"classifiers.trees.ensemble={ENSEMBLE}"]
    before = children_cpu()
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            own = options if stage == ["split"] else []
            command = [sys.executable, "-m", "anomaly_cli", *stage, "--run", folder, "--quiet", *own]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        run = RunDirectory(Path(folder))
        scores, split = run.read(schema.SCORES), stored_split(run.read(schema.SPLIT))
        observed, side_bands = (stored_scores(scores, group) for group in ("observed", "side_bands"))
        masses = scores.groups["side_bands"]["mjj"]
        expected = split.fit_masses()
        target = float(expected.sample(100_000, np.random.default_rng(SEED)).mean())
        weights = {"equal": None, "of the mass": tilted_weights(masses, target)}
        cuts = {name: count(observed, side_bands, weight) for name, weight in weights.items()}
        cuts["template"] = count(observed, stored_scores(scores, "template"), None)
        return {"cpu": children_cpu() - before, "n_observed": len(observed.score), "cuts": cuts}


def count(observed: ScoredEvents, calibration: ScoredEvents, weight: FloatArray | None) -> list[dict[str, float]]:
    """Return for every cut the observed events whose p-value is below it, and how many of uniform ones would be."""
    found = conformal_p_values(observed, calibration, weight)
    return [{"n": found.count(e), "expected": found.expected(e), "z": found.significance(e)} for e in EFFICIENCIES]


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print mean and standard deviation of Z from the statistics of both samples; errors by a bootstrap over sets."""
    sets = sorted({row["set"] for row in rows})
    which = np.array([sets.index(row["set"]) for row in rows])
    print(f"{len(rows)} searches of {len(sets)} sets, nothing injected")
    values: dict[str, list[list[float]]] = defaultdict(list)
    ratios: dict[str, list[list[float]]] = defaultdict(list)
    for row in rows:
        for name, cuts in row["cuts"].items():
            values[name].append([cut["z"] for cut in cuts])
            ratios[name].append([cut["n"] / cut["expected"] for cut in cuts])
    for name, of_searches in values.items():
        z, ratio = np.array(of_searches), np.array(ratios[name])
        for index, efficiency in enumerate(EFFICIENCIES):
            print(
                f"{name}, {100 * efficiency:g} %: observed/expected {with_error(np.mean, ratio[:, index], which)}, Z"
                f" {with_error(np.mean, z[:, index], which)}, std {z[:, index].std(ddof=1):.2f}"
            )


if __name__ == "__main__":
    main()
