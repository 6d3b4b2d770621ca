"""Do few large steps train as well as many small ones? Presets `large_batches` beside the defaults, on shipped events.

    python benchmarks/large_batches.py                                  both methods, three seeds
    python benchmarks/large_batches.py --set learning_rate=0.01 --methods drapes --seeds 11 12     other settings

The loss is that of the side-band events that are held out of the training, with the same random numbers for both; no
label is looked at. Closure, the AUC of trees that tell the template from true background of the signal region, is
measured beside it. Results are in `results/large_batches.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import anomaly_cli as an
from anomaly_cli import nets
from anomaly_cli.api.results import Data
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.seen import Seen
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods import densities
from anomaly_cli.methods.base import METHODS, TemplateMethod
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.template import choose_crossfit, see

RESULTS = Path(__file__).parent / "results" / "large_batches.json"
REGION = "3.3-3.7"
N_DRAWS = 40
"""Random numbers of every held-out event."""


def main() -> None:
    """Measure what is missing and show the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["curtains_f4f", "drapes"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    extra = {key: json.loads(value) for key, value in (one.split("=", 1) for one in asked.settings)}
    rows: list[dict[str, Any]] = json.loads(asked.results.read_text()) if asked.results.exists() else []
    data = an.load("shipped", seed=1)
    for name in asked.methods:
        for settings in ({}, {"preset": "large_batches"} | extra):
            for seed in asked.seeds:
                key = {"method": name, "settings": settings, "seed": seed}
                if not any(row.items() >= key.items() for row in rows):
                    rows.append(key | measure(data, METHODS.make(name, settings), seed))
                    print(json.dumps(rows[-1]), flush=True)
                    asked.results.write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(lines(rows)))


def measure(data: Data, method: TemplateMethod, seed: int) -> dict[str, Any]:
    """Return the mean loss of held-out events over all parts, closure, and the CPU time of the training [s]."""
    regions, compute, settings = (
        an.split(data, REGION, seed=seed),
        Compute(Streams(seed)),
        SearchSettings(method=method),
    )
    seen = see(regions.split, method, Provisions(), compute)
    crossfit = choose_crossfit(settings, seen, compute)
    losses, start = [], time.process_time()
    for index, plan in enumerate(crossfit.plans):
        own = crossfit.part_of(seen, plan.divisions)
        losses.append(held_out_loss(method.fit(own, compute.child(f"part/{index}")), own))
    took = time.process_time() - start
    return {"loss": losses, "auc": float(an.closure(an.template(regions, method), data.truth).auc), "cpu": took}


def held_out_loss(fitted: Any, seen: Seen) -> float:
    """Return the mean loss of the events that validate, of the denoiser or of the transport."""
    data = densities.ScaledEvents.make(fitted.scaler, seen.side_bands, seen.is_validation)
    batch, generator = data.validation.repeat(N_DRAWS), nets.torch.Generator().manual_seed(1)
    with nets.torch.no_grad():
        if hasattr(fitted, "denoiser"):
            noisy = nets.diffusion.draw_noise(data.x[batch], data.mass[batch], generator)
            return float(nets.diffusion.denoising_loss(fitted.denoiser, *noisy).mean())
        to = data.mass[data.training[nets.torch.randint(len(data.training), (len(batch),), generator=generator)]]
        return float(
            nets.flows.pair_loss(fitted.transport, fitted.base, data.x[batch], data.mass[batch], to, to).mean()
        )


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows of the table of docs/performance.md: means over seeds, in brackets their spread."""
    found = []
    for method, settings in dict.fromkeys((row["method"], json.dumps(row["settings"])) for row in rows):
        own = [row for row in rows if (row["method"], json.dumps(row["settings"])) == (method, settings)]
        loss, auc = [float(np.mean(row["loss"])) for row in own], [row["auc"] for row in own]
        named = ", ".join(f"{name} {value}" for name, value in json.loads(settings).items()) or "default"
        found.append(
            f"| `{method}` | {named} | {np.mean(loss):.4f} ({np.std(loss, ddof=1):.4f}) |"
            f" {np.mean(auc):.4f} ({np.std(auc, ddof=1):.4f}) | {np.mean([row['cpu'] for row in own]):.0f} |"
        )
    return found


if __name__ == "__main__":
    main()
