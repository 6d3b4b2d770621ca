"""Cuts and counting models from scored events; shared by the analysis and by every pseudo-experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.analysis.asymptotics import CountingResult, compute_significance
from anomaly_cli.analysis.claim import claimable_significance, reason_for_no_claim
from anomaly_cli.analysis.counting import CountingModel, channel_name
from anomaly_cli.analysis.exact import binomial_significance
from anomaly_cli.analysis.mass_fit import MassFit, refuse_poor_fit
from anomaly_cli.analysis.modelling import MEASURED, Measured, Predicted, model_by_fail, model_by_template, shifts_of
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import CutCounts, ScoredEvents, ScoredReplicas, Selection, select
from anomaly_cli.analysis.tails import chi2_tail
from anomaly_cli.analysis.toys import ToyResult, toy_p_value
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.cuts import Cuts
from anomaly_cli.core.progress import Step
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


@dataclass(frozen=True)
class Counted:
    """What was counted after one cut, and how significant it is.

    Attributes:
        cut: the cut and its model.
        result: asymptotic significance, from pyhf.
        toys: p-value by toys, which is quoted.
        z_binomial: Z_Bi, the exact reference.
        fold_p: probability of the folds' pass rates differing more for equal true rates.
        z_claimable: significance that the number of windows supports; NaN where there are none.
        z_statistical: significance from statistics only: of the observed events, the template and its models.
        no_claim: why the significance may not be quoted, as part of a sentence; empty where it may.
    """

    cut: Cut
    result: CountingResult
    toys: ToyResult
    z_binomial: float
    fold_p: float
    z_claimable: float
    z_statistical: float
    no_claim: str


def build_cuts(
    observed: ScoredEvents,
    template: ScoredEvents,
    replicas: ScoredReplicas | None,
    fit: MassFit,
    cuts: Cuts,
    measured: Mapping[float, Measured],
) -> list[Cut]:
    """Return every cut with its model.

    Raises:
        PhysicsError: where the template is too small for a cut, or the side-band fit is needed and poor.
    """
    found = []
    for index, efficiency in enumerate(cuts.background_efficiencies):
        selection = select(observed, template, efficiency, replicas)
        if efficiency < cuts.pass_fail_from:
            refuse_poor_fit(fit, cuts.least_fit_p)
        found.append(build_cut(selection, index, fit, cuts, measured.get(efficiency, Measured())))
    return found


def build_cut(selection: Selection, index: int, fit: MassFit, cuts: Cuts, measured: Measured) -> Cut:
    """Return one cut, the `index`-th of the cuts, with its model and the user's systematics."""
    known = measured.at(selection)
    model = build_model(selection, fit, fit.window, cuts.pass_fail_from, known)
    return Cut(selection, replace(model, systematics=shifts_of(cuts.systematics, model.name, index)), known)


def build_model(
    cut: CutCounts, fit: Predicted, window: Window, pass_fail_from: float, measured: Measured
) -> CountingModel:
    """Return the model of a cut: with the events that fail as control where it is loose, else with the template."""
    name, measured = channel_name((window.low, window.high), cut.background_efficiency), measured.at(cut)
    if cut.background_efficiency >= pass_fail_from:
        return model_by_fail(name, cut, measured)
    return model_by_template(name, cut, fit, measured)


def count(cuts: list[Cut], observed: ScoredEvents, n_toys: int, compute: Compute) -> list[Counted]:
    """Return how significant what was counted after each cut is.

    Args:
        cuts: the cuts.
        observed: the scored observed events.
        n_toys: pseudo-experiments per p-value.
        compute: streams of the search, and where to report.

    Raises:
        PhysicsError: where a fit fails.
    """
    counted = []
    for done, cut in enumerate(cuts):
        experiment = cut.model.experiment()
        generator = compute.streams.generator(f"significance/toys/{cut.model.name}")
        counted.append(
            Counted(
                cut,
                compute_significance(cut.model),
                toy_p_value(experiment, n_toys, generator),
                float(binomial_significance(experiment)),
                fold_heterogeneity(cut.selection, observed),
                claimable_significance(cut.model, cut.measured.n_windows) if cut.measured.n_windows else math.nan,
                float(signed_root(cut.model.without(*MEASURED).without_systematics().experiment())),
                reason_for_no_claim(cut.model.without_systematics(), cut.measured.windows_p),
            )
        )
        compute.progress(Step("significance: pyhf and toys", done + 1, len(cuts)))
    return counted


def fold_heterogeneity(selection: Selection, observed: ScoredEvents) -> float:
    """Return the probability that the folds' pass rates differ more than these, for equal true rates.

    Every fold has a cut of its own, from its share of the template, whose statistics and models make rates differ too.
    Models that several folds share are taken as one for each, so that what is called unlikely is.
    """
    folds = np.unique(observed.fold)
    totals = np.array([(observed.fold == fold).sum() for fold in folds], dtype=np.float64)
    passing = np.array([selection.is_observed_selected[observed.fold == fold].sum() for fold in folds])
    rate = passing.sum() / totals.sum()
    expected = totals * rate
    if expected.min() <= 0.0:
        return 1.0
    template = selection.efficiency_uncertainty**2 + np.nan_to_num(selection.model_uncertainty) ** 2
    variance = expected * (1.0 - rate) + expected**2 * template * totals.sum() / totals
    return float(chi2_tail(((passing - expected) ** 2 / variance).sum(), len(folds) - 1))
