"""Is Z centred and of unit width where there is no signal, with everything measured anew in every search?

A set is one simulated file of background, named by its seed; what is in the results already is not done again, so the
study goes on anywhere with whatever sets there are:

anomaly simulate qcd --events 131000 --seed 2001 --out qcd-2001.h5
python benchmarks/null.py run qcd-2001.h5
python benchmarks/null.py show --correct mean

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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.core.cuts import Cuts
from anomaly_cli.search.count import build_cuts
from anomaly_cli.stages.classify import stored_replicas, stored_scores
from anomaly_cli.stages.split import stored_split

RESULTS = Path(__file__).parent / "results" / "null.json"
REGIONS = ("3.1-3.5", "3.3-3.7", "3.5-3.9", "3.7-4.1", "3.9-4.3")
EFFICIENCIES = (0.2, 0.05, 0.01, 0.001)
SEED = 1
STAGES = (["split"], ["template"], ["classify"], ["significance", "overdispersion"], ["significance", "windows"])


def main() -> None:
    """Run or show the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("run")
    runs.add_argument("sets", nargs="+", type=Path, help="simulated files of background")
    runs.add_argument("--method", default="curtains_f4f")
    runs.add_argument("--ensemble", type=int, default=4, help="classifiers per fold; fewer than the default save time")
    runs.add_argument("--region", action="append", choices=REGIONS)
    runs.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    for path in asked.sets:
        for region in asked.region or REGIONS:
            row = {"set": path.stem, "region": region, "method": asked.method, "ensemble": asked.ensemble}
            if not any(row.items() <= known.items() for known in read(asked.results)):
                keep(asked.results, row | search(path.absolute(), region, asked))


def search(path: Path, region: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Search one region of a set, and measure over-dispersion and closure for it."""
    settings = [f"classifiers.trees.ensemble={asked.ensemble}", f"template.method={json.dumps(asked.method)}"]
    settings.append(f"significance.background_efficiencies={list(EFFICIENCIES)}")
    options = ["--signal-region", region, "--data", str(path), "--inject", "0", "--seed", str(SEED)]
    options += [word for setting in settings for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:  # the first writes the run's configuration, which the others follow
            own = options if stage == ["split"] else []
            command = [sys.executable, "-m", "anomaly_cli", *stage, "--run", folder, "--quiet", *own]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return record(RunDirectory(Path(folder)))


def record(run: RunDirectory) -> dict[str, Any]:
    """Return the counts of a run and of what was measured for it."""
    scores, fit = run.read(schema.SCORES), stored_split(run.read(schema.SPLIT)).fit_masses()
    observed, template = (stored_scores(scores, group) for group in ("observed", "template"))
    cuts = Cuts(background_efficiencies=EFFICIENCIES, least_fit_p=0.0)
    found = build_cuts(observed, template, stored_replicas(scores), fit, cuts, {})
    validation, experiments = run.read(schema.VALIDATION), run.read(schema.OVERDISPERSION)
    names = CutCounts.__dataclass_fields__
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "fit": {"n_expected": fit.n_expected, "uncertainty": fit.uncertainty, "p_value": fit.p_value},
        "cuts": [{name: getattr(cut.selection, name) for name in names} for cut in found],
        "windows": {name: values.tolist() for name, values in validation.groups["counts"].items()},
        "window_edges": {name: validation.groups["windows"][name].tolist() for name in ("low", "high", "n_events")},
        "experiments": experiments.groups["experiments"]["z"].tolist(),
        "collision_energy": stored_split(run.read(schema.SPLIT)).regions.collision_energy,
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


if __name__ == "__main__":
    main()
