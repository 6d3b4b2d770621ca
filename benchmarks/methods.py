"""Every template method side by side, on the shipped data: the tables of docs/methods.md.

As `main_job.py`, for each method and seed: with signal injected SIC and its ratio to the idealised
classifier of the same seed; with nothing injected closure and the excess found. Figures are written after
each run; those that are there already are not measured again.

    python benchmarks/methods.py --seeds 101 102 103 104 105
    python benchmarks/methods.py --report
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from main_job import measure_seed

METHODS = ["curtains_f4f", "curtains_f4f_efficient", "drapes", "drapes_side_bands", "drapes_signal_region"]
METHODS += ["cathode", "rad_ot", "cwola_hunting", "idealised", "supervised", "combined"]


def mean(values: list[float], digits: int) -> str:
    """Return the mean, with the spread over seeds where there are several."""
    spread = f" ({statistics.stdev(values):.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def closure_of(figures: dict[str, Any]) -> float:
    """Return the closure AUC against true background, nothing injected."""
    return float(figures["null"]["closure"]["signal region, true background"][0])


def sic_of(figures: dict[str, Any], efficiency: float) -> tuple[float, float]:
    """Return SIC of the method and of the idealised classifier."""
    first, ideal = (sic for _, value, sic in figures["sic"] if value == efficiency)
    return first, ideal


def row(method: str, figures: list[dict[str, Any]]) -> str:
    """Return one row of the table."""
    cells = [method, str(len(figures)), mean([closure_of(f) for f in figures], 4)]
    for efficiency in (0.01, 0.001):
        pairs = [sic_of(f, efficiency) for f in figures]
        ratios = [a / b for a, b in pairs]
        error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else float("nan")
        cells += [mean([a for a, _ in pairs], 2), f"{statistics.mean(ratios):.2f} +- {error:.2f}"]
    cells += [mean([f["null"]["z"][key] for f in figures], 2) for key in ("0.05", "0.01", "0.001")]
    seconds = [f["null"]["seconds"] for f in figures]
    cells += [mean([s.get("base flow", 0.0) + s["template model"] for s in seconds], 0)]
    cells += [mean([s["template"] for s in seconds], 0)]
    return "| " + " | ".join(cells) + " |"


def report(results: dict[str, dict[str, Any]]) -> str:
    """Return the table of all methods."""
    head = ["method", "seeds", "closure AUC", "SIC 1 %", "ratio", "SIC 0.1 %", "ratio"]
    head += ["null Z 5 %", "1 %", "0.1 %", "training [s]", "sampling [s]"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + [row(method, list(figures.values())) for method, figures in results.items() if figures])


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104, 105])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/methods.json"))
    parser.add_argument("--report", action="store_true", help="print the table of what was measured")
    arguments = parser.parse_args()
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    for seed in [] if arguments.report else arguments.seeds:
        for method in arguments.methods:
            if str(seed) in results.setdefault(method, {}):
                continue
            settings = [f"template.method={method}", *arguments.settings]
            results[method][str(seed)] = measure_seed(seed, settings, arguments.processes)
            arguments.output.write_text(json.dumps(results, indent=1))
            print(method, seed, row(method, [results[method][str(seed)]]), flush=True)
    print(report(results))


if __name__ == "__main__":
    main()
