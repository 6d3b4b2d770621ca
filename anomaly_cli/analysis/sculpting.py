"""Does a cut shape a spectrum? Passing fractions along it, and how far apart passing and failing events are.

References:
    S. Klein, T. Golling, "Decorrelation using conditional normalizing flows", 2022, arXiv:2211.02486.
    A. Hallin et al., "Resonant anomaly detection without background sculpting", 2022, arXiv:2210.14924.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import PhysicsError

BoolArray = npt.NDArray[np.bool_]
N_BINS = 20
"""Bins of about equal content along the spectrum."""
FEWEST_PASSING = 5.0
"""Events that pass in a bin on average; with fewer, bins are wider."""


@dataclass(frozen=True)
class Sculpting:
    """What a cut does to a spectrum of background.

    Attributes:
        efficiency: part of the events that passes.
        chi2: of the passing fraction in every bin against that of all, with binomial variances.
        ndf: bins less one.
        divergence: Jensen-Shannon divergence of the spectra of passing and failing events, in bits.
    """

    efficiency: float
    chi2: float
    ndf: int
    divergence: float

    @property
    def chi2_per_ndf(self) -> float:
        """Near 1 where the cut shapes nothing."""
        return self.chi2 / self.ndf

    @property
    def error(self) -> float:
        """Standard deviation of chi2/ndf where the cut shapes nothing."""
        return float(np.sqrt(2.0 / self.ndf))


def measure_sculpting(spectrum: FloatArray, is_passing: BoolArray) -> Sculpting:
    """Return what a cut does to the spectrum of independent background events `(n,)`.

    Raises:
        PhysicsError: where fewer than ten events pass or fail, or the spectrum has one value only.
    """
    n_fewer = int(min(is_passing.sum(), (~is_passing).sum()))
    n_bins = min(N_BINS, int(n_fewer / FEWEST_PASSING))
    if n_bins < 2 or np.ptp(spectrum) == 0.0:
        raise PhysicsError(
            f"sculpting: {n_fewer} events on one side of a cut, or a spectrum of one value, show no shape; give more"
            " events"
        )
    edges = np.unique(np.quantile(spectrum, np.linspace(0.0, 1.0, n_bins + 1)))
    place = np.clip(np.searchsorted(edges, spectrum, side="right") - 1, 0, len(edges) - 2)
    passing, total = (np.bincount(place[mask], minlength=len(edges) - 1) for mask in (is_passing, is_passing | True))
    is_filled = total > 0
    passing, total = passing[is_filled], total[is_filled]
    efficiency = float(is_passing.mean())
    chi2 = ((passing - efficiency * total) ** 2 / (total * efficiency * (1.0 - efficiency))).sum()
    return Sculpting(efficiency, float(chi2), len(total) - 1, _divergence(passing, total - passing))


def _divergence(one: npt.NDArray[np.int64], two: npt.NDArray[np.int64]) -> float:
    """Return the Jensen-Shannon divergence of two histograms, in bits."""
    p, q = one / one.sum(), two / two.sum()
    middle = (p + q) / 2
    parts = [np.sum(x[x > 0.0] * np.log2(x[x > 0.0] / middle[x > 0.0])) for x in (p, q)]
    return float(np.sum(parts) / 2)


def cut_at(score: FloatArray, efficiency: float) -> BoolArray:
    """Return which events pass a cut that keeps about this part of them `(n,)`."""
    n_kept = max(1, int(efficiency * len(score) + 0.5))
    order = np.argsort(-score, kind="stable")
    is_passing = np.zeros(len(score), dtype=np.bool_)
    is_passing[order[:n_kept]] = True
    return is_passing


def rejection(background: FloatArray, signal: FloatArray, signal_efficiency: float) -> tuple[float, BoolArray]:
    """Return the inverse background efficiency at a signal efficiency, and which background events pass `(n,)`."""
    cut = np.quantile(signal, 1.0 - signal_efficiency)
    is_passing: BoolArray = background > cut
    return len(background) / max(1, int(is_passing.sum())), is_passing
