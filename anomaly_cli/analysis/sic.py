"""Significance improvement: what a classifier gains over counting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents, effective_sources
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import effective_number

N_EFFICIENCIES = 60
"""Background efficiencies among which the largest SIC is looked for."""


@dataclass(frozen=True)
class Improvement:
    """Significance improvement at one background efficiency.

    Attributes:
        background_efficiency: on true background.
        signal_efficiency: on true signal, mean over folds.
        sic_error: statistical error of SIC; NaN where it was not measured.
    """

    background_efficiency: float
    signal_efficiency: float
    sic_error: float = float("nan")

    @property
    def sic(self) -> float:
        """Signal efficiency / sqrt(background efficiency)."""
        return self.signal_efficiency / float(np.sqrt(self.background_efficiency))


class SortedScores:
    """Scores of background and signal, sorted once for each fold and cut fold by fold, as the analysis does.

    In each fold the cut is the m-th largest score of true background, which has unit weights; none of these events may
    have been used in a training that scored it.

    Attributes:
        fewest: background events of the smallest fold.
        n_independent: independent background events of all folds.
    """

    def __init__(self, background: ScoredEvents, signal: ScoredEvents) -> None:
        self._total = float(signal.weight.sum())
        self._n_signal = effective_number(signal.weight)
        self._folds = []
        for fold in np.unique(background.fold):
            scores = np.sort(background.score[background.fold == fold])
            own = signal.fold == fold
            order = np.argsort(signal.score[own])
            above = np.append(np.cumsum(signal.weight[own][order][::-1])[::-1], 0.0)
            self._folds.append((scores, signal.score[own][order], above))
        self.fewest = min(len(scores) for scores, _, _ in self._folds)
        self.n_independent = effective_sources(background.source_id, background.weight)

    def signal_efficiency(self, background_efficiency: FloatArray) -> FloatArray:
        """Return it at background efficiencies `(k,)`; NaN where a fold has too few events."""
        passed = np.zeros(len(background_efficiency))
        for scores, signal_scores, above in self._folds:
            n_kept = (background_efficiency * len(scores) + 0.5).astype(np.int64)
            threshold = scores[len(scores) - np.clip(n_kept, 1, len(scores))]
            passed += np.where(n_kept < 1, np.nan, above[np.searchsorted(signal_scores, threshold, side="right")])
        return passed / self._total

    def sic_error(self, background_efficiency: FloatArray) -> FloatArray:
        """Return the statistical error of SIC from the finite numbers of test events `(k,)`.

        The cut is set by k = efficiency x n independent background events, so the efficiency behind it scatters by
        1 / sqrt(k); the signal efficiency follows with the slope that it has between half and twice the background
        efficiency, or as much of that as can be cut at. The binomial error of the signal, with that of one event where
        none or all pass, is added in quadrature. NaN where a fold has too few events.
        """
        middle = self.signal_efficiency(background_efficiency)
        scatter = (background_efficiency * self.n_independent) ** -0.5
        slope = self._slope(background_efficiency, middle)
        binomial = np.sqrt(np.maximum(middle * (1.0 - middle), 1.0 / self._n_signal) / self._n_signal)
        error: FloatArray = np.hypot(slope * scatter, binomial) / np.sqrt(background_efficiency)
        return error

    def _slope(self, efficiency: FloatArray, middle: FloatArray) -> FloatArray:
        """Return the slope of the signal efficiency in the logarithm of the background efficiency."""
        low = self.signal_efficiency(efficiency / 2.0)
        high = self.signal_efficiency(np.minimum(2.0 * efficiency, 1.0))
        has_low = np.isfinite(low)
        span = np.where(has_low, np.log(2.0), 0.0) + np.log(np.minimum(2.0, 1.0 / efficiency))
        slope = (high - np.where(has_low, low, middle)) / np.where(span > 0.0, span, np.nan)
        return np.where(np.isfinite(slope), slope, np.nan)


def measure_improvement(background: ScoredEvents, signal: ScoredEvents, background_efficiency: float) -> Improvement:
    """Return SIC at a background efficiency, with its error.

    Raises:
        PhysicsError: where a fold has too little background for the efficiency.
    """
    ranked, at = SortedScores(background, signal), np.array([background_efficiency])
    kept = float(ranked.signal_efficiency(at)[0])
    if np.isnan(kept):
        raise PhysicsError(
            f"evaluate: {ranked.fewest} reference events in a fold are too few for a background efficiency of"
            f" {background_efficiency:g}; hold back more with --reserve"
        )
    return Improvement(background_efficiency, kept, float(ranked.sic_error(at)[0]))


def largest_improvement(background: ScoredEvents, signal: ScoredEvents, fewest: int) -> Improvement:
    """Return the largest SIC over background efficiencies that keep at least `fewest` background events.

    The largest of many is biased upwards where they fluctuate; its error is that of a cut chosen beforehand.

    Raises:
        PhysicsError: where there is less background than that in one fold.
    """
    smallest = fewest / len(background.score)
    efficiencies = np.geomspace(min(smallest, 1.0), 1.0, N_EFFICIENCIES)[:-1]
    found = SortedScores(background, signal).signal_efficiency(efficiencies) / np.sqrt(efficiencies)
    best = int(np.argmax(found))  # the first that is NaN, where there is one: it is refused
    return measure_improvement(background, signal, float(efficiencies[best]))
