"""Whole ROC and SIC curves on truth, with their errors, and what follows from them.

References:
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837 (the error of an AUC).
    G. Cowan, K. Cranmer, E. Gross, O. Vitells, 2010, arXiv:1007.1727, eq. 97 (median significance of a count).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.selection import ScoredEvents, effective_sources
from anomaly_cli.analysis.sic import SortedScores
from anomaly_cli.core.arrays import FloatArray

PER_DECADE = 20
"""Points of a curve per decade of background efficiency."""
LARGEST_ERROR = 0.2
"""A SIC with a larger relative error is not relied on."""
FEWEST_BACKGROUND = 25
"""Thresholds that keep no more independent background events of the truth sample say nothing about five sigma."""
DISCOVERY = 5.0
"""The significance of a discovery."""
WEAKEST, STRONGEST = 1e-3, 1e3
"""Between these S/sqrt(B) the smallest one is looked for."""


@dataclass(frozen=True)
class Curve:
    """Signal against background efficiency, cut fold by fold as the analysis does, `(k,)` each.

    Attributes:
        background_efficiency: from the smallest that keeps an event of every fold to 1, rising.
        signal_efficiency: the fraction of signal above the cuts.
        sic_error: statistical error of SIC; NaN where it cannot be told.
        n_background: independent background events of the truth sample above the cuts.
    """

    background_efficiency: FloatArray
    signal_efficiency: FloatArray
    sic_error: FloatArray
    n_background: FloatArray

    @property
    def sic(self) -> FloatArray:
        """Signal efficiency / sqrt(background efficiency)."""
        return self.signal_efficiency / np.sqrt(self.background_efficiency)

    @property
    def least_reliable(self) -> float:
        """The background efficiency below which the relative error of SIC exceeds `LARGEST_ERROR`; NaN if everywhere.

        Where it does so at once and falls again, the last crossing counts.
        """
        is_reliable = self.sic_error <= LARGEST_ERROR * self.sic
        unreliable = np.flatnonzero(~is_reliable)
        first = 0 if not len(unreliable) else int(unreliable[-1]) + 1
        return float(self.background_efficiency[first]) if first < len(is_reliable) else float("nan")


@dataclass(frozen=True)
class Smallest:
    """The weakest signal that still reaches five sigma.

    Attributes:
        strength: its S/sqrt(B) before any cut; NaN where no threshold keeps enough background to be counted on.
        background_efficiency: of the threshold that does it.
    """

    strength: float
    background_efficiency: float


def measure_curve(background: ScoredEvents, signal: ScoredEvents) -> Curve:
    """Measure a curve at evenly spaced logarithms of the background efficiency.

    Args:
        background: scored true background at unit weight.
        signal: scored true signal.
    """
    ranked = SortedScores(background, signal)
    n_points = 1 + int(PER_DECADE * np.log10(2.0 * ranked.fewest))
    efficiency = 10.0 ** (np.arange(1 - n_points, 1) / PER_DECADE)
    middle = ranked.signal_efficiency(efficiency)
    efficiency, middle = efficiency[np.isfinite(middle)], middle[np.isfinite(middle)]
    return Curve(efficiency, middle, ranked.sic_error(efficiency), efficiency * ranked.n_independent)


def area_under_curve(background: ScoredEvents, signal: ScoredEvents) -> tuple[float, float]:
    """Return the probability that signal scores above background of its fold, and its statistical error.

    Background events that are copies of one source count as often as the source does.
    """
    shares, areas, variances = [], [], []
    for fold in np.unique(background.fold):
        scores, own = background.score[background.fold == fold], signal.fold == fold
        if not own.any():
            continue
        weight = signal.weight[own] / signal.weight[own].sum()
        below = _rank(scores, signal.score[own])
        area = float((weight * below).sum())
        above = 1.0 - _rank(signal.score[own], scores, weight)
        n_sources = effective_sources(background.source_id[background.fold == fold], np.ones(len(scores)))
        variances.append(float((weight**2 * (below - area) ** 2).sum()) + above.var() / n_sources)
        areas.append(area)
        shares.append(float(signal.weight[own].sum()))
    share = np.array(shares) / sum(shares)
    return float((share * areas).sum()), float(np.sqrt((share**2 * variances).sum()))


def _rank(scores: FloatArray, values: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """Return the share of scores below each value, those that equal it by half `(n,)`."""
    order = np.argsort(scores)
    each = np.full(len(scores), 1.0 / len(scores)) if weight is None else weight[order]
    total = np.append(0.0, np.cumsum(each))
    left, right = (np.searchsorted(scores[order], values, side=side) for side in ("left", "right"))
    half: FloatArray = 0.5 * (total[left] + total[right])
    return half


def expected_significance(n_signal: npt.ArrayLike, n_background: npt.ArrayLike) -> FloatArray:
    """Return the median significance of counts with known background; 0 without signal (arXiv:1007.1727, eq. 97)."""
    s, b = np.asarray(n_signal, dtype=np.float64), np.asarray(n_background, dtype=np.float64)
    return np.sqrt(np.maximum(2.0 * ((s + b) * np.log1p(s / b) - s), 0.0))


def smallest_significance(curve: Curve, n_background: float) -> Smallest:
    """Return the smallest S/sqrt(B) that a classifier lifts to five sigma, by cuts that keep over 25 background events.

    The classifier stays as it is; one that is trained on a weaker signal is a worse one, so this is a bound, and what a
    search reaches is found by training at several strengths. The background after the cut is taken as known.

    Args:
        curve: of the classifier.
        n_background: background events in the signal region of the search, B.

    References:
        arXiv:2604.20965 (the quantity, and the 25 events).
    """
    is_counted = curve.n_background > FEWEST_BACKGROUND
    kept = n_background * curve.background_efficiency[is_counted]
    signal = curve.signal_efficiency[is_counted] * np.sqrt(n_background)
    if not len(kept) or not signal.any():
        return Smallest(float("nan"), float("nan"))
    low, high = np.full(len(kept), np.log(WEAKEST)), np.full(len(kept), np.log(STRONGEST))
    for _ in range(60):
        middle = 0.5 * (low + high)
        reaches = expected_significance(signal * np.exp(middle), kept) >= DISCOVERY
        low, high = np.where(reaches, low, middle), np.where(reaches, middle, high)
    best = int(np.argmin(high))
    return Smallest(float(np.exp(high[best])), float(curve.background_efficiency[is_counted][best]))


def purity(signal_efficiency: float, background_efficiency: float, n_signal: float, n_background: float) -> float:
    """Return the expected share of signal among what a cut keeps; NaN where nothing is kept."""
    kept = signal_efficiency * n_signal
    total = kept + background_efficiency * n_background
    return kept / total if total > 0.0 else float("nan")
