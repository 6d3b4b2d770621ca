"""Efficient CURTAINsF4F: what a base flow that has seen the signal region does to closure and sensitivity.

The base shared by all signal regions was trained on the events of each, signal included. Here each seed is measured
with such a base and with one that has not seen the window (`template.base_without`), the events, the masses and the
seeds of the training being the same: closure AUC against true background, and SIC, at several injected strengths.
Differences are paired. The classifier has an ensemble of 5. A pair of which both transports stay the identity compares
nothing; how many there are is in the table.

    python benchmarks/shared_base.py --seeds 101 102 103 104 105
    python benchmarks/shared_base.py --report
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from methods import EFFICIENCIES, mean, mean_error, measure_sic

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.config import load_config
from anomaly_cli.report.tables import rows_of

REGION = "3.3-3.7"
INJECTED = (0, 420, 950)
"""Signal events over the whole spectrum: S/sqrt(B) of about 0, 2.2 and 5 in the signal region."""
BASES = {"seen": (), "not seen": (REGION,)}
Row = dict[str, Any]


def measure(seed: int, injected: int, base: str, processes: int) -> Row:
    """Return closure and SIC of one seed, strength and base."""
    options = {
        "seed": seed,
        "processes": processes,
        "regions.signal_region": REGION,
        "template.method": "curtains_f4f_efficient",
        "template.base_without": list(BASES[base]),
        "data.inject": injected,
        "classifiers.trees.ensemble": 5,
    }
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_sic(load_config([], [], options), Path(folder), with_ideal=False)
        model = RunDirectory(Path(folder)).read(schema.TEMPLATE_MODEL)
        best = min(rows_of(model.groups["training"]), key=lambda row: float(row["validation_loss"]))
        figures["transport_best_epoch"] = int(best["epoch"])
    return {"seed": seed, "injected": injected, "base": base, **figures}


def report(rows: list[Row]) -> str:
    """Return the means over seeds by strength and base, and the paired differences."""
    head = [
        "injected",
        "base",
        "seeds",
        "identity",
        "closure AUC",
        *(f"SIC {100 * float(e):g} %" for e in EFFICIENCIES),
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for injected in sorted({row["injected"] for row in rows}):
        by_base = {
            base: {row["seed"]: row for row in rows if (row["injected"], row["base"]) == (injected, base)}
            for base in BASES
        }
        for base, own in by_base.items():
            at_identity = sum(row["transport_best_epoch"] == 0 for row in own.values())
            cells = [
                str(injected),
                base,
                str(len(own)),
                str(at_identity),
                mean_error([row["closure"] for row in own.values()], 4),
            ]
            cells += [mean([row["sic"][key] for row in own.values()], 2) for key in EFFICIENCIES]
            lines.append("| " + " | ".join(cells) + " |")
        seen, unseen = by_base.values()
        pairs = [(seen[seed], unseen[seed]) for seed in seen if seed in unseen]
        at_identity = sum(a["transport_best_epoch"] == b["transport_best_epoch"] == 0 for a, b in pairs)
        cells = [
            str(injected),
            "difference",
            str(len(pairs)),
            str(at_identity),
            mean_error([a["closure"] - b["closure"] for a, b in pairs], 4),
        ]
        cells += [mean_error([a["sic"][key] - b["sic"][key] for a, b in pairs], 2) for key in EFFICIENCIES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104, 105])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/shared_base.json"))
    parser.add_argument("--report", action="store_true", help="print the table of what was measured")
    arguments = parser.parse_args()
    rows = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
    known = {(row["seed"], row["injected"], row["base"]) for row in rows}
    wanted = [(seed, injected, base) for seed in arguments.seeds for injected in INJECTED for base in BASES]
    for key in [] if arguments.report else [key for key in wanted if key not in known]:
        rows.append(measure(*key, arguments.processes))
        arguments.output.write_text(json.dumps(rows, indent=1))
        print(rows[-1], flush=True)
    print(report(rows))


if __name__ == "__main__":
    main()
