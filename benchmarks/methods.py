"""Every template method side by side, on the shipped data: the tables of docs/methods.md and docs/performance.md.

For each method and seed, the division of the data, the injected signal and every training are drawn anew:

- with signal (S/sqrt(B) about 2.2): SIC at background efficiencies 1e-2 and 1e-3 on reference background and unused
  signal, its ratio to the idealised classifier of the same seed, and closure AUC of the template, where a method that
  sees the signal region shows what signal does to it;
- with nothing injected: closure AUC of the template, and the significance found from statistics alone
  (`benchmarks/null.py` has it with all uncertainties).

Times are kept but not reported, as they depend on what else the machine does: `anomaly reproduce run training-time` is
for them.

The seeds share one pool of 218,480 background events, so they overlap: the spread over seeds is smaller than that of
independent data sets. Figures are written after each run; those that are there already are not measured again.

    python benchmarks/methods.py --seeds 101 102 103 104 105
    python benchmarks/methods.py --report
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.analysis.sic import Improvement
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_truth
from anomaly_cli.config import Config, load_config
from anomaly_cli.core.events import Events
from anomaly_cli.core.seen import Need
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.methods.base import METHODS
from anomaly_cli.report.tables import rows_of
from anomaly_cli.scores.base import SCORES, FittedScore
from anomaly_cli.search.closure import true_background
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import fit_score, scored
from anomaly_cli.search.template import at_unit_weight
from anomaly_cli.stages.chain import run_chain
from anomaly_cli.stages.classify import stored_score
from anomaly_cli.stages.closure import CLOSURE
from anomaly_cli.stages.evaluate import measure_gain
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.significance import SIGNIFICANCE
from anomaly_cli.stages.split import stored_split
from anomaly_cli.stages.template import method_of

WITHOUT_SIMULATION = ["curtains_f4f", "curtains_f4f_efficient", "drapes", "drapes_side_bands", "drapes_signal_region"]
WITHOUT_SIMULATION += ["cathode", "rad_ot", "mass_scaling", "cwola_hunting", "combined"]
WITHOUT_SIMULATION += ["idealised", "over_idealised", "supervised"]
FROM_SIMULATION = ["salad", "flows_for_flows"]
EFFICIENCIES = ("0.01", "0.001")
Figures = dict[str, Any]


def by_efficiency(gains: Iterable[Improvement]) -> dict[str, float]:
    """Return SIC by background efficiency."""
    return {f"{gain.background_efficiency:g}": gain.sic for gain in gains}


def measure_sic(config: Config, directory: Path, with_ideal: bool) -> Figures:
    """Return SIC with signal injected, of the method's template and of true background."""
    analysis = Analysis.open(directory, config)
    run = analysis.run
    run_chain(analysis, leave_out=(SIGNIFICANCE, CLOSURE))
    split, template, labels = run.read(schema.SPLIT), run.read(schema.TEMPLATE), read_truth(run)
    assert labels is not None  # the shipped data have labels  # noqa: S101
    truth, sr = labels[0], read_regions(split).sr
    reference, signal = truth.background(sr), truth.signal(sr)
    weights = analysis.compute.streams.generator("evaluate/weights")
    background = at_unit_weight(reference, len(reference), weights)

    score, crossfit = stored_score(run.read(schema.CLASSIFIER))

    def sic(score: FittedScore) -> dict[str, float]:
        ranked = [scored(score, events, crossfit.fold(events.source_id)) for events in (background, signal)]
        return by_efficiency(measure_gain(*ranked))

    figures: Figures = {"sic": sic(score)}
    held, method = stored_split(split), method_of(template.provenance.settings["model"])
    sets = (template.events("events"), true_background(held.sr, truth, held.regions, method))
    points = [Sampled(events.features, events.source_id, events.weight) for events in sets]
    figures["closure"] = measure_separation(points[0], points[1], config.seed, config.threads).auc
    if with_ideal:
        figures["ideal_sic"] = sic(fit_ideal(analysis, reference))
    return figures | {"n_background": len(background), "n_signal": len(signal)}


def fit_ideal(analysis: Analysis, background: Events) -> FittedScore:
    """Train the classifier of an analysis against true background in place of its template."""
    settings = replace(analysis.settings, score=SCORES.make("cwola", {}))
    split, template = stored_split(analysis.run.read(schema.SPLIT)), Template((TemplatePart(background),))
    return fit_score(split, template, settings, Provisions(), analysis.compute)


def measure_null(config: Config, directory: Path) -> Figures:
    """Return closure and the excess found with nothing injected, and what the run cost."""
    analysis = Analysis.open(directory, config)
    start, cpu = time.monotonic(), time.process_time()
    outcomes = run_chain(analysis)
    closure, tests = analysis.run.read(schema.CLOSURE), analysis.run.read(schema.SIGNIFICANCE)
    return {
        "wall": time.monotonic() - start,
        "cpu_main_process": time.process_time() - cpu,
        "seconds": {outcome.stage: outcome.seconds for outcome in outcomes},
        "n_sources": int(closure.groups["counts"]["n_sources"]),
        "closure": {
            str(row["check"]): [float(row["auc"]), float(row["auc_error"]), float(row["baseline_auc"])]
            for row in rows_of(closure.groups["checks"])
        },
        "z": {
            f"{row['background_efficiency']:g}": float(row["z_closed_form"]) for row in rows_of(tests.groups["tests"])
        },
    }


def configure(method: str, seed: int, settings: list[str], processes: int, **options: Any) -> Config:
    """Return the configuration of a method and seed."""
    data = {f"data.{name}": value for name, value in options.items()}
    common = {"seed": seed, "processes": processes, "regions.signal_region": "3.3-3.7", "template.method": method}
    return load_config([], settings, common | data)


def measure(method: str, seed: int, settings: list[str], processes: int, with_ideal: bool) -> Figures:
    """Return the figures of one method and seed."""
    with tempfile.TemporaryDirectory() as folder:
        null = configure(method, seed, settings, processes, inject=0)
        figures = {"null": measure_null(null, Path(folder) / "null")}
        signal = configure(method, seed, settings, processes)
        figures["signal"] = measure_sic(signal, Path(folder) / "signal", with_ideal)
    return figures | {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def mean(values: list[float], digits: int) -> str:
    """Return the mean, with the spread over seeds where there are several."""
    spread = f" ({statistics.stdev(values):.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def mean_error(values: list[float], digits: int) -> str:
    """Return the mean with its error."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.{digits}f} +- {error:.{digits}f}"


def ideal_sic(results: dict[str, dict[str, Figures]], seed: str, efficiency: str) -> float:
    """Return SIC of the idealised classifier of a seed, measured with one of the methods."""
    found = [figures[seed]["signal"].get("ideal_sic") for figures in results.values() if seed in figures]
    return float(next(sic for sic in found if sic)[efficiency])


def row(method: str, results: dict[str, dict[str, Figures]], seeds: list[str]) -> str:
    """Return one row of the table."""
    figures = [results[method][seed] for seed in seeds]
    closure = [f["null"]["closure"]["signal region, true background"][0] for f in figures]
    cells = [method, str(len(figures)), mean_error(closure, 4)]
    for efficiency in EFFICIENCIES:
        own = [f["signal"]["sic"][efficiency] for f in figures]
        ratios = [sic / ideal_sic(results, seed, efficiency) for sic, seed in zip(own, seeds, strict=True)]
        cells += [mean(own, 2), mean_error(ratios, 2)]
    cells += [mean([f["null"]["z"][key] for f in figures], 2) for key in ("0.2", "0.05", "0.01", "0.001")]
    return "| " + " | ".join(cells) + " |"


def report(results: dict[str, dict[str, Figures]]) -> str:
    """Return the table of all methods."""
    head = ["method", "seeds", "closure AUC", "SIC 1 %", "ratio", "SIC 0.1 %", "ratio"]
    head += ["null Z 20 %", "5 %", "1 %", "0.1 %"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [row(method, results, sorted(figures)) for method, figures in results.items() if figures]
    ideal = {s: f["signal"]["ideal_sic"] for m in results.values() for s, f in m.items() if "ideal_sic" in f["signal"]}
    for efficiency in EFFICIENCIES:
        values = [sic[efficiency] for sic in ideal.values()]
        if values:
            lines.append(f"idealised classifier, SIC at {efficiency}: {mean(values, 2)}, seeds {sorted(ideal)}")
    blind = [method for method in results if Need.TRUTH not in METHODS.find()[method].needs]
    every = [figures for method in blind for figures in results[method].values()]
    if every:
        baseline = statistics.mean(f["null"]["closure"]["signal region, true background"][2] for f in every)
        errors = {f"{f['null']['closure']['signal region, true background'][1]:.4f}" for f in every}
        lines.append(f"untouched side-bands AUC {baseline:.4f}; statistical error of each AUC {sorted(errors)}")
    return "\n".join(lines)


def read_results(output: Path) -> dict[str, dict[str, Figures]]:
    """Return what was measured before, by method and seed."""
    return json.loads(output.read_text()) if output.exists() else {}


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104, 105])
    parser.add_argument("--methods", nargs="+", default=WITHOUT_SIMULATION)
    parser.add_argument("--simulation", type=Path, help="measure the methods that need a simulation, with this file")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/methods.json"))
    parser.add_argument("--report", action="store_true", help="print the table of what was measured")
    arguments = parser.parse_args()
    output, results = arguments.output, read_results(arguments.output)
    settings = list(arguments.settings)
    methods = list(arguments.methods)
    if arguments.simulation:
        settings.append(f"template.simulation={arguments.simulation}")
        methods = FROM_SIMULATION
    for seed in [] if arguments.report else [str(seed) for seed in arguments.seeds]:
        for method in methods:
            if seed in results.setdefault(method, {}):
                continue
            with_ideal = not any("ideal_sic" in m[seed]["signal"] for m in results.values() if seed in m)
            figures = measure(method, int(seed), settings, arguments.processes, with_ideal)
            results = read_results(output)
            results.setdefault(method, {})[seed] = figures
            output.write_text(json.dumps(results, indent=1))
            print(f"{method}, seed {seed}: done", flush=True)
    print(report(results))


if __name__ == "__main__":
    main()
