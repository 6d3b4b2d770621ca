"""What our flows save against zuko's, of which they are made: CPU time of both, in turns, in one run.

    python benchmarks/flows.py

A step is the density of events, or log|det J| through the inverse as trainings of a transport need it, with gradients;
drawing is the inverse without either. Results are in `results/flows.json`.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import zuko
from torch import nn

from anomaly_cli.nets.flows import make_spline_flow

RESULTS = Path(__file__).parent / "results" / "flows.json"
N_REPEATED = 20
SHAPES = {
    "curtains_f4f, transport": (5, 2, 2, (32, 32), 4, 2, 1024),
    "curtains_f4f, density": (5, 1, 2, (32, 32), 4, 5, 1024),
    "curtains_f4f, published transport": (5, 2, 16, (16, 16), 10, 5, 256),
    "flows for flows, transport of toys": (2, 0, 4, (128, 128), 32, 2, 1024),
    "flows for flows, transport of jets": (5, 2, 4, (128, 128), 32, 2, 1024),
}
"""Features, conditions, transforms, widths, bins, passes, events."""


def measure(shape: tuple[int, int, int, tuple[int, ...], int, int, int]) -> dict[str, float]:
    """Return the median ratio of zuko's time to ours, of a step of training either way and of drawing."""
    d, c, transforms, hidden, bins, passes, n = shape
    torch.manual_seed(1)
    ours = make_spline_flow(d, c, transforms, hidden, bins, passes)
    theirs = zuko.flows.NSF(
        d, c, bins=bins, transforms=transforms, hidden_features=list(hidden), activation=nn.SiLU, passes=min(passes, d)
    )
    theirs.load_state_dict(ours.state_dict())
    y, context = torch.randn(n, d), torch.randn(n, c) if c else None

    def density(flow: Any) -> None:
        flow(context).log_prob(y).mean().backward()

    def inverse(flow: Any) -> None:
        moved, log_det = flow(context).transform.inv.call_and_ladj(y)
        (moved.pow(2).sum() - log_det.sum()).backward()

    def draw(flow: Any) -> None:
        with torch.no_grad():
            flow(context).transform.inv(y)

    found = {}
    for name, action in (("density", density), ("inverse", inverse), ("drawing", draw)):
        pairs = [(_seconds(action, theirs), _seconds(action, ours)) for _ in range(N_REPEATED)]
        found[name] = statistics.median(slow / fast for slow, fast in pairs)
    return found


def _seconds(action: Callable[[Any], None], flow: nn.Module) -> float:
    start = time.process_time()
    action(flow)
    return time.process_time() - start


def lines(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the table of docs/performance.md."""
    head = ["| flow | density | inverse | drawing |", "|---|---|---|---|"]
    return head + [
        f"| {name} | " + " | ".join(f"{ratio:.2f}" for ratio in of.values()) + " |" for name, of in found.items()
    ]


def main() -> None:
    """Measure every shape, show and keep it."""
    torch.set_num_threads(1)
    found = {name: measure(shape) for name, shape in SHAPES.items()}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
