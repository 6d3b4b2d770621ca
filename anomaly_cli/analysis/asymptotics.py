"""The asymptotic significance of a counting test from pyhf, checked against the closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.tails import normal_tail
from anomaly_cli.analysis.workspaces import build_workspace
from anomaly_cli.core.errors import PhysicsError

LARGEST_DISAGREEMENT = 0.02
"""Largest difference in z between pyhf and the closed form."""
MOST_CALLS = 3000
"""Calls of the likelihood in one attempt of minuit; a fit takes some hundred, one that fails would take minutes."""
TOLERANCE = 0.001
"""Of minuit; its own 0.1 leaves errors of 1e-4 in q0, a z of 0.01 where there is no excess."""

INTERPOLATION = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
"""Between the sides of a factor, as in `analysis.skewed`, cabinetry and the commands of pyhf."""


@dataclass(frozen=True)
class CountingResult:
    """Asymptotic significance of one counting test.

    Attributes:
        q0: discovery test statistic from pyhf.
        z: local one-sided significance, asymptotic; 0 for a deficit.
        p0: local one-sided p-value, asymptotic.
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


def compute_significance(model: CountingModel) -> CountingResult:
    """Return q0, z and p0 of a counting test from pyhf (numpy, minuit), checked against the closed form.

    References:
        G. Cowan, K. Cranmer, E. Gross, O. Vitells, 2011, arXiv:1007.1727, eq. 12 and 52.

    Raises:
        PhysicsError: where the fit fails or disagrees with the closed form by more than 0.02 in z.
    """
    spec = build_workspace(model)
    q0, mu = fit_workspace(spec, model.name)
    z = math.sqrt(max(q0, 0.0))
    expected = float(signed_root(model.experiment()))
    if abs(z - max(expected, 0.0)) > LARGEST_DISAGREEMENT:
        raise PhysicsError(
            f"significance: pyhf gives z = {z:.3f} for {model.name}, the closed form {expected:.3f}; they must agree"
            f" to {LARGEST_DISAGREEMENT}: please report this with the workspace"
        )
    return CountingResult(q0, z, float(normal_tail(z)), mu * model.nominal_signal, expected, spec)


def fit_workspace(spec: Mapping[str, Any], name: str) -> tuple[float, float]:
    """Return q0 and the fitted mu of a workspace, from pyhf with minuit.

    Raises:
        PhysicsError: where the fit fails.
    """
    import pyhf

    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(maxiter=MOST_CALLS, tolerance=TOLERANCE))
    workspace = pyhf.Workspace(spec)
    pdf = workspace.model(modifier_settings=INTERPOLATION)
    data = workspace.data(pdf)
    bounds, start, fixed = pdf.config.suggested_bounds(), pdf.config.suggested_init(), pdf.config.suggested_fixed()
    try:
        q0 = float(pyhf.infer.test_statistics.q0(0.0, data, pdf, start, bounds, fixed))
        best = pyhf.infer.mle.fit(data, pdf)
    except (pyhf.exceptions.FailedMinimization, AttributeError) as error:  # minuit on empty bins: AttributeError
        raise PhysicsError(f"significance: the fit of {name} failed ({error}); inspect its workspace") from error
    return q0, float(best[pdf.config.poi_index])
