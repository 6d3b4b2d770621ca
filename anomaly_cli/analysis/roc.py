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
from anomaly_cli.core.events import effective_number
from anomaly_cli.core.folds import FloatArray

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


class _Ranked:
    """Scores of background and signal, sorted once for each fold."""

    def __init__(self, background: ScoredEvents, signal: ScoredEvents) -> None:
        self.total = float(signal.weight.sum())
        self.folds = []
        for fold in np.unique(background.fold):
            scores = np.sort(background.score[background.fold == fold])
            own = signal.fold == fold
            order = np.argsort(signal.score[own])
            above = np.append(np.cumsum(signal.weight[own][order][::-1])[::-1], 0.0)
            self.folds.append((scores, signal.score[own][order], above))

    def signal_efficiency(self, background_efficiency: FloatArray) -> FloatArray:
        """Return it at background efficiencies `(k,)`; NaN where a fold has too few events."""
        passed = np.zeros(len(background_efficiency))
        for scores, signal_scores, above in self.folds:
            n_kept = (background_efficiency * len(scores) + 0.5).astype(np.int64)
            threshold = scores[len(scores) - np.clip(n_kept, 1, len(scores))]
            passed += np.where(n_kept < 1, np.nan, above[np.searchsorted(signal_scores, threshold, side="right")])
        return passed / self.total


def measure_curve(background: ScoredEvents, signal: ScoredEvents) -> Curve:
    """Measure a curve at evenly spaced logarithms of the background efficiency.

    The error is that of `sic.improvement_error`: the cut is set by k = efficiency x n independent background events, so
    the efficiency behind it scatters by 1 / sqrt(k), and the signal efficiency follows with its slope there; the
    binomial error of the signal is added in quadrature.

    Args:
        background: scored true background at unit weight.
        signal: scored true signal.
    """
    ranked = _Ranked(background, signal)
    fewest = min(len(scores) for scores, _, _ in ranked.folds)
    n_points = 1 + int(PER_DECADE * np.log10(2.0 * fewest))
    efficiency = 10.0 ** (np.arange(1 - n_points, 1) / PER_DECADE)
    middle = ranked.signal_efficiency(efficiency)
    efficiency, middle = efficiency[np.isfinite(middle)], middle[np.isfinite(middle)]
    n_kept = efficiency * effective_sources(background.source_id, background.weight)
    slope = _slope(ranked, efficiency, middle)
    n_signal = effective_number(signal.weight)
    binomial = np.sqrt(np.maximum(middle * (1.0 - middle), 1.0 / n_signal) / n_signal)
    error = np.hypot(slope / np.sqrt(n_kept), binomial) / np.sqrt(efficiency)
    return Curve(efficiency, middle, error, n_kept)


def _slope(ranked: _Ranked, efficiency: FloatArray, middle: FloatArray) -> FloatArray:
    """Return the slope of the signal efficiency in the logarithm of the background efficiency, of a factor 2 or 4."""
    low = ranked.signal_efficiency(efficiency / 2.0)
    high = ranked.signal_efficiency(np.minimum(2.0 * efficiency, 1.0))
    has_low = np.isfinite(low)
    span = np.where(has_low, np.log(2.0), 0.0) + np.log(np.minimum(2.0, 1.0 / efficiency))
    slope = (high - np.where(has_low, low, middle)) / np.where(span > 0.0, span, np.nan)
    return np.where(np.isfinite(slope), slope, np.nan)


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
