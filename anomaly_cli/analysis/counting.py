"""The counting experiment: cuts on the score, expected background, significance from pyhf.

Model of one test, with B0 the expected background:

    n ~ Poisson(mu s + B0 g prod_i (1 + d_i)^a_i),  auxiliary m ~ Poisson(m g),  a_i ~ Normal(0, 1)

g is the template statistics (shapesys), each d_i a relative uncertainty (normsys): the normalisation
from the side-band fit and, once measured, closure and k-fold over-dispersion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm

from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.folds import FloatArray, IntArray, hash_uniform

BoolArray = npt.NDArray[np.bool_]
TIE_SALT = 20_200_101
"""Salt of the hash that orders events of equal score."""
LARGEST_DISAGREEMENT = 0.02
"""Largest difference in z between pyhf and the closed form."""


@dataclass(frozen=True)
class ScoredEvents:
    """Scored events of one kind, `(n,)` each."""

    event_id: IntArray
    source_id: IntArray
    weight: FloatArray
    fold: IntArray
    score: FloatArray


@dataclass(frozen=True)
class Selection:
    """What a cut keeps.

    Attributes:
        background_efficiency: the fraction of the template asked for.
        is_observed_selected: mask of the observed events.
        is_template_selected: mask of the template events.
        efficiency: unbiased estimate of the fraction of background that passes.
        n_sources: effective number of independent template events that pass.
        thresholds: score cut of each fold `(k,)`.
    """

    background_efficiency: float
    is_observed_selected: BoolArray
    is_template_selected: BoolArray
    efficiency: float
    n_sources: float
    thresholds: FloatArray


def select(observed: ScoredEvents, template: ScoredEvents, background_efficiency: float) -> Selection:
    """Cut on the score in every fold so that about this fraction of the template passes.

    The threshold of a fold is its m-th largest template score; an observed background event lies above
    it with probability m / (M + 1), M the template events of the fold (`numpy.quantile` would be biased
    towards signal). Equal scores are ordered by a hash of the event id.

    Raises:
        PhysicsError: where a fold's template is too small for the cut.
    """
    folds = np.unique(template.fold)
    selected_observed = np.zeros(len(observed.fold), dtype=np.bool_)
    selected_template = np.zeros(len(template.fold), dtype=np.bool_)
    thresholds = []
    for fold in folds:
        in_template, in_observed = np.flatnonzero(template.fold == fold), np.flatnonzero(observed.fold == fold)
        n_kept = round(background_efficiency * len(in_template))
        if n_kept < 1:
            raise PhysicsError(
                f"significance: {len(in_template)} template events in fold {fold} are too few for a background"
                f" efficiency of {background_efficiency:g}; drop that efficiency or raise --oversampling"
            )
        ties = hash_uniform(template.event_id[in_template], TIE_SALT)
        order = np.lexsort((ties, template.score[in_template]))[::-1]
        last = order[n_kept - 1]
        threshold, tie = template.score[in_template[last]], ties[last]
        selected_template[in_template[order[:n_kept]]] = True
        score = observed.score[in_observed]
        above = (score > threshold) | (
            (score == threshold) & (hash_uniform(observed.event_id[in_observed], TIE_SALT + 1) > tie)
        )
        selected_observed[in_observed] = above
        thresholds.append(threshold)
    return Selection(
        background_efficiency=background_efficiency,
        is_observed_selected=selected_observed,
        is_template_selected=selected_template,
        efficiency=float(selected_template.sum() / (len(selected_template) + len(folds))),
        n_sources=effective_sources(template.source_id[selected_template], template.weight[selected_template]),
        thresholds=np.array(thresholds),
    )


def effective_sources(source_id: IntArray, weight: FloatArray) -> float:
    """Return the effective number of independent events behind a template.

    With w_j the summed weight of the copies of source j, it is (sum_j w_j)^2 / sum_j w_j^2: the number
    of sources if all are used equally, and less if a few dominate.
    """
    _, index = np.unique(source_id, return_inverse=True)
    per_source = np.bincount(index, weights=weight)
    return float(per_source.sum() ** 2 / (per_source**2).sum()) if len(per_source) else 0.0


@dataclass(frozen=True)
class CountingModel:
    """One counting test.

    Attributes:
        name: channel name.
        n_observed: observed events after the cut.
        n_expected: expected background after the cut, > 0.
        n_sources: effective number of independent template events behind it, > 0.
        relative: log-normal relative uncertainties by name.
    """

    name: str
    n_observed: int
    n_expected: float
    n_sources: float
    relative: Mapping[str, float]

    @property
    def template_uncertainty(self) -> float:
        """Relative uncertainty from template statistics."""
        return 1.0 / math.sqrt(self.n_sources)

    @property
    def uncertainty(self) -> float:
        """Absolute uncertainty of `n_expected` from everything in the model."""
        return self.n_expected * math.sqrt(sum(d**2 for d in self.relative.values()) + 1.0 / self.n_sources)

    @property
    def nominal_signal(self) -> float:
        """Signal yield at mu = 1, about one standard deviation, so that the fit is well scaled."""
        return math.sqrt(self.n_expected + self.uncertainty**2 + 1.0)


@dataclass(frozen=True)
class CountingResult:
    """Significance of one counting test.

    Attributes:
        q0: discovery test statistic.
        z: local one-sided asymptotic significance; 0 for a deficit.
        p0: local one-sided asymptotic p-value.
        signal_yield: fitted signal events, 0 for a deficit.
        z_closed_form: signed significance of the same model in closed form.
        workspace: HistFactory JSON as a mapping.
    """

    q0: float
    z: float
    p0: float
    signal_yield: float
    z_closed_form: float
    workspace: Mapping[str, Any]


def build_workspace(model: CountingModel) -> dict[str, Any]:
    """Return the HistFactory workspace of a counting test.

    References:
        K. Cranmer et al., "HistFactory", 2012, CERN-OPEN-2012-016; the JSON schema of pyhf.
    """
    relative = {f"{name}_{model.name}": d for name, d in model.relative.items() if 1.0 + d > 1.0}
    nuisances = [
        {"name": name, "type": "normsys", "data": {"hi": 1.0 + d, "lo": 1.0 / (1.0 + d)}}
        for name, d in relative.items()
    ]
    statistics = {
        "name": f"template_{model.name}",
        "type": "shapesys",
        "data": [model.n_expected * model.template_uncertainty],
    }
    signal = {"name": "mu", "type": "normfactor", "data": None}
    largest_mu = 10.0 + 2.0 * max(model.n_observed, model.n_expected) / model.nominal_signal
    parameters: list[dict[str, Any]] = [{"name": "mu", "inits": [1.0], "bounds": [[0.0, largest_mu]]}]
    parameters += [
        {"name": name, "inits": [0.0], "bounds": [_pull_bounds(model, math.log1p(d))]} for name, d in relative.items()
    ]
    samples = [
        {"name": "signal", "data": [model.nominal_signal], "modifiers": [signal]},
        {"name": "background", "data": [model.n_expected], "modifiers": [statistics, *nuisances]},
    ]
    return {
        "version": "1.0.0",
        "channels": [{"name": model.name, "samples": samples}],
        "observations": [{"name": model.name, "data": [float(model.n_observed)]}],
        "measurements": [{"name": "counting", "config": {"poi": "mu", "parameters": parameters}}],
    }


def _pull_bounds(model: CountingModel, d: float) -> list[float]:
    """Return bounds that no fit reaches.

    The null fit stops at a background b between the expected and the observed count, where this pull is
    d (n - b) and no more than ln(n / B0) / d, with d = ln(1 + relative uncertainty).
    """
    n, b0 = model.n_observed, model.n_expected
    bound = max(30.0, 2.0 * min(d * abs(n - b0), abs(math.log(max(n, 0.5) / b0)) / d))
    return [-bound, bound]


def closed_form_z(model: CountingModel) -> float:
    """Return the signed significance of a counting test without a fit.

    Under mu = 0 the profiled background b solves
    b = B0 (m + n - b)/m exp(d^2 (n - b)), with d^2 the summed squares of ln(1 + d_i) and m the effective
    number of template events; then q0 = 2 [NLL(b) - NLL(n)].

    References:
        R. D. Cousins, J. T. Linnemann, J. Tucker, 2008, arXiv:physics/0702156 (the case d = 0).
    """
    n, m, b0 = float(model.n_observed), model.n_sources, model.n_expected
    d2 = sum(math.log1p(d) ** 2 for d in model.relative.values())

    def equation(b: float) -> float:
        return math.log(b) - math.log(b0) - math.log((m + n - b) / m) - d2 * (n - b)

    b = brentq(equation, 1e-12 * min(b0, 1.0), (m + n) * (1 - 1e-12), xtol=1e-13, rtol=1e-14)
    gamma, pull2 = (m + n - b) / m, d2 * (n - b) ** 2
    null = b - (n * math.log(b) if n else 0.0) + m * gamma - m * math.log(m * gamma) + pull2 / 2
    best = n - (n * math.log(n) if n else 0.0) + m - m * math.log(m)
    return math.copysign(math.sqrt(max(2.0 * (null - best), 0.0)), n - b0)


def compute_significance(model: CountingModel) -> CountingResult:
    """Return q0, z and p0 of a counting test from pyhf (numpy, minuit), checked against the closed form.

    References:
        G. Cowan, K. Cranmer, E. Gross, O. Vitells, 2011, arXiv:1007.1727, eq. 12 and 52.

    Raises:
        PhysicsError: where the fit fails or disagrees with the closed form by more than 0.02 in z.
    """
    import pyhf

    pyhf.set_backend("numpy", "minuit")
    spec = build_workspace(model)
    workspace = pyhf.Workspace(spec)
    pdf = workspace.model()
    data = workspace.data(pdf)
    bounds, start, fixed = pdf.config.suggested_bounds(), pdf.config.suggested_init(), pdf.config.suggested_fixed()
    try:
        q0 = float(pyhf.infer.test_statistics.q0(0.0, data, pdf, start, bounds, fixed))
        best = pyhf.infer.mle.fit(data, pdf)
    except pyhf.exceptions.FailedMinimization as error:
        raise PhysicsError(f"significance: the fit of {model.name} failed ({error}); inspect its workspace") from error
    z = math.sqrt(max(q0, 0.0))
    expected = closed_form_z(model)
    if abs(z - max(expected, 0.0)) > LARGEST_DISAGREEMENT:
        raise PhysicsError(
            f"significance: pyhf gives z = {z:.3f} for {model.name}, the closed form {expected:.3f}; they must agree"
            f" to {LARGEST_DISAGREEMENT}: please report this with the workspace"
        )
    signal_yield = float(best[pdf.config.poi_index]) * model.nominal_signal
    return CountingResult(q0, z, float(norm.sf(z)), signal_yield, expected, spec)


def channel_name(window_edges: Sequence[float], background_efficiency: float) -> str:
    """Return a channel name such as `SR_3300_3700_eff0p01`."""
    low, high = (f"{edge:g}".replace(".", "p") for edge in window_edges)
    return f"SR_{low}_{high}_eff{background_efficiency:g}".replace(".", "p")
