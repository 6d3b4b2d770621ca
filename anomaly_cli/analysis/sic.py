"""Significance improvement: what a classifier gains over counting."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents, effective_sources, number_to_keep
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


def measure_improvement(background: ScoredEvents, signal: ScoredEvents, background_efficiency: float) -> Improvement:
    """Return the signal efficiency at a background efficiency, cut fold by fold as the analysis does.

    In each fold the cut is the m-th largest score of true background, which has unit weights; none of these events may
    have been used in a training that scored it.

    Raises:
        PhysicsError: where a fold has too little background for the efficiency.
    """
    passed = 0.0
    for fold in np.unique(background.fold):
        scores = np.sort(background.score[background.fold == fold])[::-1]
        n_kept = number_to_keep(len(scores), background_efficiency)
        if n_kept < 1:
            raise PhysicsError(
                f"evaluate: {len(scores)} reference events in fold {fold} are too few for a background efficiency of"
                f" {background_efficiency:g}; hold back more with --reserve"
            )
        passed += signal.weight[(signal.fold == fold) & (signal.score > scores[n_kept - 1])].sum()
    return Improvement(background_efficiency, float(passed / signal.weight.sum()))


def largest_improvement(background: ScoredEvents, signal: ScoredEvents, fewest: int) -> Improvement:
    """Return the largest SIC over background efficiencies that keep at least `fewest` background events.

    The largest of many is biased upwards where they fluctuate; its error is that of a cut chosen beforehand.

    Raises:
        PhysicsError: where there is less background than that in one fold.
    """
    smallest = fewest / len(background.score)
    efficiencies = np.geomspace(min(smallest, 1.0), 1.0, N_EFFICIENCIES)[:-1]
    found = [measure_improvement(background, signal, float(efficiency)) for efficiency in efficiencies]
    best = max(found, key=lambda one: one.sic)
    return replace(best, sic_error=improvement_error(background, signal, best.background_efficiency))


def improvement_error(background: ScoredEvents, signal: ScoredEvents, background_efficiency: float) -> float:
    """Return the statistical error of SIC from the finite numbers of test events.

    The cut is set by k = efficiency x n independent background events, so the efficiency behind it scatters by
    1 / sqrt(k); the signal efficiency follows with the slope that it has between half and twice the background
    efficiency. The binomial error of the signal, with that of one event where none or all pass, is added in quadrature.
    NaN where a fold has too few events.
    """
    try:
        low, middle, high = (
            measure_improvement(background, signal, background_efficiency * factor).signal_efficiency
            for factor in (0.5, 1.0, 2.0)
        )
    except PhysicsError:
        return float("nan")
    scatter = (background_efficiency * effective_sources(background.source_id, background.weight)) ** -0.5
    slope = (high - low) / np.log(4.0)
    n_signal = effective_number(signal.weight)
    binomial = max(middle * (1.0 - middle), 1.0 / n_signal) ** 0.5 / n_signal**0.5
    return float(np.hypot(slope * scatter, binomial) / np.sqrt(background_efficiency))
