"""Cuts and counting models from scored events; shared by the analysis and by every pseudo-experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from anomaly_cli.analysis.counting import CountingModel, channel_name
from anomaly_cli.analysis.mass_fit import MassFit, refuse_poor_fit
from anomaly_cli.analysis.modelling import Measured, Predicted, model_by_fail, model_by_template
from anomaly_cli.analysis.selection import CutCounts, ScoredEvents, Selection, select
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.config import SignificanceSettings
from anomaly_cli.core.windows import Window


@dataclass(frozen=True)
class Cut:
    """One cut with its model.

    Attributes:
        selection: what passes.
        model: the counting model.
        measured: closure and over-dispersion that it contains.
    """

    selection: Selection
    model: CountingModel
    measured: Measured


def scored_events(scores: Artifact, group: str) -> ScoredEvents:
    """Return the scored events of a group of a scores artifact."""
    columns = scores.groups[group]
    return ScoredEvents(**{name: columns[name] for name in ("event_id", "source_id", "weight", "fold", "score")})


def build_cuts(
    observed: ScoredEvents,
    template: ScoredEvents,
    fit: MassFit,
    settings: SignificanceSettings,
    measured: Mapping[float, Measured],
) -> list[Cut]:
    """Return every cut with its model.

    Raises:
        PhysicsError: where the template is too small for a cut, or the side-band fit is needed and poor.
    """
    cuts = []
    for efficiency in settings.background_efficiencies:
        selection = select(observed, template, efficiency)
        if efficiency < settings.pass_fail_from:
            refuse_poor_fit(fit, settings.least_fit_p)
        known = measured.get(efficiency, Measured())
        cuts.append(Cut(selection, build_model(selection, fit, fit.window, settings.pass_fail_from, known), known))
    return cuts


def build_model(
    cut: CutCounts, fit: Predicted, window: Window, pass_fail_from: float, measured: Measured
) -> CountingModel:
    """Return the model of a cut: with the events that fail as control where it is loose, else with the template."""
    name = channel_name((window.low, window.high), cut.background_efficiency)
    if cut.background_efficiency >= pass_fail_from:
        return model_by_fail(name, cut, measured)
    return model_by_template(name, cut, fit, measured)


def fold_heterogeneity(selection: Selection, observed: ScoredEvents) -> float:
    """Return the probability that the folds' pass rates differ more than these, for equal true rates."""
    folds = np.unique(observed.fold)
    totals = np.array([(observed.fold == fold).sum() for fold in folds], dtype=np.float64)
    passing = np.array([selection.is_observed_selected[observed.fold == fold].sum() for fold in folds])
    expected = totals * passing.sum() / totals.sum()
    if expected.min() <= 0.0:
        return 1.0
    return float(chi2.sf(((passing - expected) ** 2 / expected).sum(), len(folds) - 1))


def loosest_first(efficiencies: Sequence[float]) -> list[float]:
    """Return background efficiencies from loose to tight."""
    return sorted(efficiencies, reverse=True)
