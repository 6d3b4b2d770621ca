"""Our scan in mass and width beside pyBumpHunter's windows, on the same histograms: a falling spectrum plus a bump.

pyBumpHunter (pip install pyBumpHunter) compares counts in windows with a background that it is given, here the true
one; ours fits the background and knows the shape of the signal. Both should point at the same place.

OMP_NUM_THREADS=1 python benchmarks/bump_hunter.py
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.bump import Resonance
from anomaly_cli.analysis.bump_scan import make_grid, scan_bumps
from anomaly_cli.analysis.spectrum import BinnedSpectrum, bin_masses
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.windows import Window

RANGE, REGION = Window(3000.0, 4600.0), Window(3300.0, 3700.0)
RESONANCE = Resonance(3500.0, 105.0)
N_BACKGROUND, SLOPE, TOYS = 5400, 8.0, 2000
RESULTS = Path(__file__).with_name("results") / "bump_hunter.json"


def main() -> None:
    """Scan spectra with more and more signal, and keep what both find."""
    rows = [compare(n_signal, seed) for n_signal in (0, 100, 200, 400) for seed in (6, 7, 8)]
    RESULTS.write_text(json.dumps(rows, indent=1))
    for row in rows:
        print(row)


def draw(n_signal: int, seed: int) -> tuple[BinnedSpectrum, FloatArray]:
    """Return a spectrum that falls as a power of the mass, with a bump of so many events, and its background."""
    rng = np.random.default_rng(seed)
    empty = bin_masses([np.zeros(0)], [RANGE])
    smooth = empty.centers**-SLOPE
    background = N_BACKGROUND * smooth / smooth.sum()
    counts = rng.poisson(background + n_signal * RESONANCE.fractions(empty)).astype(np.float64)
    return replace(empty, counts=counts), background


def compare(n_signal: int, seed: int) -> dict[str, Any]:
    """Return what both scans find in one spectrum."""
    spectrum, background = draw(n_signal, seed)
    inside = spectrum.inside(REGION)
    scan = scan_bumps(spectrum, make_grid(REGION, (0.02, 0.03, 0.05)), 3, TOYS, np.random.default_rng(1), inside)
    best = scan.resonances[scan.found.index]
    hunter = importlib.import_module("pyBumpHunter").BumpHunter1D(
        rang=(REGION.low, REGION.high),
        bins=np.append(spectrum.low[inside], REGION.high),
        width_min=6,
        width_max=16,
        width_step=2,
        npe=TOYS,
        nworker=1,
        seed=1,
        use_sideband=False,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        hunter.bump_scan(spectrum.counts[inside], background[inside], is_hist=True)
    first, width = (int(np.ravel(values)[0]) for values in (hunter.min_loc_ar, hunter.min_width_ar))
    edges = np.append(spectrum.low[inside], REGION.high)
    return {
        "n_signal": n_signal,
        "seed": seed,
        "mass": round(best.mass),
        "width": round(best.width),
        "z_local": round(scan.found.z_local, 2),
        "p_global": float(f"{scan.found.p_global:.3g}"),
        "p_toys": None if np.isnan(scan.p_toys) else scan.p_toys,
        "bump_hunter_window": [round(float(edges[first])), round(float(edges[min(first + width, len(edges) - 1)]))],
        "bump_hunter_p_global": float(np.ravel(hunter.global_Pval)[0]),
    }


if __name__ == "__main__":
    main()
