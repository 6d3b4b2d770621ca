"""Compare a simulated file with a reference of the same kind: Kolmogorov-Smirnov of five features, signal region.

anomaly simulate qcd --events 50000 --out qcd.h5
python benchmarks/simulation.py qcd.h5 lhco_sim_qcd.h5
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.stats import ks_2samp

from anomaly_cli.core.events import FEATURES
from anomaly_cli.core.windows import Window
from anomaly_cli.datasets.readers import read_events

SR = Window(3300.0, 3700.0)


def main() -> None:
    """Print the comparison."""
    made, reference = (read_events(Path(name)).compute(FEATURES) for name in sys.argv[1:3])
    fractions = [float(SR.contains(found.mjj).mean()) for found in (made, reference)]
    errors = [np.sqrt(p * (1 - p) / len(f.mjj)) for p, f in zip(fractions, (made, reference), strict=True)]
    distance = abs(fractions[0] - fractions[1]) / np.hypot(*errors)
    print(f"events: {len(made.mjj)} and {len(reference.mjj)}")
    print(
        f"in {SR.text} TeV: {100 * fractions[0]:.2f} +- {100 * errors[0]:.2f} % and {100 * fractions[1]:.2f} +-"
        f" {100 * errors[1]:.2f} %, {distance:.1f} standard errors apart"
    )
    print(f"{'feature':<12}{'KS distance':>12}{'p':>10}{'mean':>12}{'mean':>12}")
    pairs = {"mjj": (made.mjj, reference.mjj)}
    pairs |= dict(zip(FEATURES, zip(made.values.T, reference.values.T, strict=True), strict=True))
    for name, (a, b) in pairs.items():
        test = ks_2samp(a, b)
        print(f"{name:<12}{test.statistic:>12.5f}{test.pvalue:>10.3g}{a.mean():>12.5g}{b.mean():>12.5g}")


if __name__ == "__main__":
    main()
