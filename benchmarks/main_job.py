"""Quality and speed of the main job on the shipped data: the figures of docs/performance.md.

For each seed, the division of the data, the injected signal and every training are drawn anew:

- with signal (S/sqrt(B) about 2.2): SIC at background efficiencies 1e-2 and 1e-3 on reference background
  and unused signal, and its ratio to the idealised classifier of the same seed;
- with nothing injected: closure AUC of the template, and the significance found.

The seeds share one pool of 218,480 background events, so they overlap: the spread over seeds is smaller
than that of independent data sets.

    python benchmarks/main_job.py --seeds 101 102 103 104 105 --output benchmarks/results/main_job.json
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.config import Config, load_config
from anomaly_cli.core.progress import silent
from anomaly_cli.report.tables import rows_of
from anomaly_cli.stages.evaluate import make_evaluation
from anomaly_cli.stages.frame import Resources
from anomaly_cli.stages.run import run_chain


def run_once(
    config: Config, directory: Path, processes: int, with_evaluation: bool
) -> tuple[RunDirectory, dict[str, float]]:
    """Run the chain and return its directory and the wall time of each stage [s]."""
    run = RunDirectory(directory)
    resources = Resources(config.seed, config.threads, processes, silent)
    outcomes = run_chain(run, config, resources, overwrite=False)
    seconds = {outcome.stage: outcome.seconds for outcome in outcomes}
    if with_evaluation:
        make_evaluation(run, config, resources, overwrite=False)
    return run, seconds


def n_sources(run: RunDirectory) -> int:
    """Return the number of independent events behind the template."""
    template = read_artifact(run.artifact(schema.TEMPLATE), schema.TEMPLATE)
    return len(np.unique(template.groups["events"]["source_id"]))


def measure_seed(seed: int, settings: list[str], processes: int) -> dict[str, Any]:
    """Return the figures of one seed."""
    figures: dict[str, Any] = {"seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        for label, inject in (("signal", "default"), ("null", 0)):
            options = {"seed": seed, "regions.signal_region": "3.3-3.7", "data.inject": inject}
            config = load_config([], settings, options)
            run, seconds = run_once(config, Path(folder) / label, processes, with_evaluation=label == "signal")
            closure = read_artifact(run.artifact(schema.CLOSURE), schema.CLOSURE)
            tests = read_artifact(run.artifact(schema.SIGNIFICANCE), schema.SIGNIFICANCE)
            figures[label] = {
                "seconds": seconds,
                "n_sources": n_sources(run),
                "closure": {
                    str(row["check"]): [float(row["auc"]), float(row["auc_error"]), float(row["baseline_auc"])]
                    for row in rows_of(closure.groups["checks"])
                },
                "z": {
                    f"{row['background_efficiency']:g}": float(row["z_closed_form"])
                    for row in rows_of(tests.groups["tests"])
                },
            }
            if label == "signal":
                evaluation = read_artifact(run.artifact(schema.EVALUATION), schema.EVALUATION)
                figures["sic"] = [
                    [str(row["method"]), float(row["background_efficiency"]), float(row["sic"])]
                    for row in rows_of(evaluation.groups["sic"])
                ]
                figures["n_idealised_template"] = int(evaluation.groups["counts"]["n_background"])
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def mean_and_spread(values: list[float]) -> str:
    """Return mean, spread over seeds and error of the mean."""
    spread = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.4f} (spread {spread:.4f}, error of the mean {spread / len(values) ** 0.5:.4f})"


def report(seeds: list[dict[str, Any]]) -> str:
    """Return the figures over seeds as text."""
    lines = [
        f"seeds {[s['seed'] for s in seeds]}; idealised template: "
        f"{[s['n_idealised_template'] for s in seeds]} distinct events"
    ]
    for check in seeds[0]["null"]["closure"]:
        values = [s["null"]["closure"][check] for s in seeds]
        lines.append(
            f"closure AUC, nothing injected, {check}: {mean_and_spread([v[0] for v in values])}; each"
            f" +- {values[0][1]:.4f}; untouched side-bands {statistics.mean(v[2] for v in values):.4f}"
        )
    for efficiency in (0.01, 0.001):
        by_method: dict[str, list[float]] = {}
        for seed in seeds:
            for method, value, sic in seed["sic"]:
                if value == efficiency:
                    by_method.setdefault(method, []).append(sic)
        for method, values in by_method.items():
            lines.append(f"SIC at {efficiency:g}, {method}: {mean_and_spread(values)}")
        first, ideal = by_method.values()
        ratios = [a / b for a, b in zip(first, ideal, strict=True)]
        lines.append(f"SIC ratio to idealised at {efficiency:g}, paired: {mean_and_spread(ratios)}")
    for label in ("signal", "null"):
        for efficiency in seeds[0][label]["z"]:
            values = [s[label]["z"][efficiency] for s in seeds]
            lines.append(f"Z ({label}) at {efficiency}: {mean_and_spread(values)}")
    lines.append(f"wall time of a run: {mean_and_spread([sum(s['signal']['seconds'].values()) for s in seeds])} s")
    lines.append(f"peak memory of the main process: {max(s['peak_memory_mb'] for s in seeds):.0f} MB")
    return "\n".join(lines)


def main() -> None:
    """Measure all seeds, write the figures and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104, 105])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/main_job.json"))
    arguments = parser.parse_args()
    seeds = []
    for seed in arguments.seeds:
        seeds.append(measure_seed(seed, arguments.settings, arguments.processes))
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps({"settings": arguments.settings, "seeds": seeds}, indent=1))
        print(json.dumps(seeds[-1]), flush=True)
    print(report(seeds))


if __name__ == "__main__":
    main()
