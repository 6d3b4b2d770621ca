"""One counting test: its model, and the asymptotic significance from pyhf checked against the closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from anomaly_cli.analysis.profile import Experiments, signed_root
from anomaly_cli.analysis.workspaces import build_workspace
from anomaly_cli.core.errors import PhysicsError

LARGEST_DISAGREEMENT = 0.02
"""Largest difference in z between pyhf and the closed form."""
MOST_CALLS = 3000
"""Calls of the likelihood in one attempt of minuit; a fit takes some hundred, one that fails would take minutes."""
TOLERANCE = 0.001
"""Of minuit; its own 0.1 leaves errors of 1e-4 in q0, a z of 0.01 where there is no excess."""
LARGEST_RELATIVE = 10.0
"""A relative uncertainty above this is a mistake."""


@dataclass(frozen=True)
class CountingModel:
    """One counting test (see `analysis.profile` for the likelihood).

    Attributes:
        name: channel name.
        n_observed: observed events after the cut.
        n_control: events of the control sample: effective template events that pass, or data that fail.
        transfer: control events per expected background event, > 0.
        relative: log-normal relative uncertainties of the pass rate by name.
        is_pass_fail: whether the control sample are the data that fail the cut.
    """

    name: str
    n_observed: int
    n_control: float
    transfer: float
    relative: Mapping[str, float]
    is_pass_fail: bool = False

    def __post_init__(self) -> None:
        if self.n_observed < 0 or not (math.isfinite(self.n_control) and self.n_control >= 0.0):
            raise PhysicsError(f"{self.name}: counts must be 0 or more; check the scores that they come from")
        if not (math.isfinite(self.transfer) and self.transfer > 0.0):
            raise PhysicsError(
                f"{self.name}: the transfer factor is {self.transfer:g}, and must be above 0; is the template or the"
                " side-band fit empty?"
            )
        for name, d in self.relative.items():
            if not 0.0 <= d <= LARGEST_RELATIVE:
                raise PhysicsError(
                    f"{self.name}: the relative uncertainty '{name}' is {d:g}, outside [0, {LARGEST_RELATIVE:g}];"
                    " measure it again or leave the cut out"
                )

    @property
    def n_expected(self) -> float:
        """Expected background after the cut."""
        return self.n_control / self.transfer

    @property
    def leverage(self) -> float:
        """How much more the transfer factor moves than the pass rate: 1/(1 - efficiency) for pass/fail."""
        return (1.0 + self.transfer) / self.transfer if self.is_pass_fail else 1.0

    @property
    def width(self) -> float:
        """Uncertainty of the logarithm of the transfer factor."""
        return self.leverage * math.sqrt(sum(math.log1p(d) ** 2 for d in self.relative.values()))

    @property
    def uncertainty(self) -> float:
        """Absolute uncertainty of `n_expected` from everything in the model."""
        statistical = 1.0 / self.n_control if self.n_control > 0.0 else 0.0
        systematic = self.leverage**2 * sum(d**2 for d in self.relative.values())
        return self.n_expected * math.sqrt(systematic + statistical)

    @property
    def nominal_signal(self) -> float:
        """Signal yield at mu = 1, about one standard deviation, so that the fit is well scaled."""
        return math.sqrt(self.n_expected + self.uncertainty**2 + 1.0)

    def experiment(self) -> Experiments:
        """Return the test as arrays of shape ()."""
        return experiments([self], scalar=True)


def experiments(models: Sequence[CountingModel], scalar: bool = False) -> Experiments:
    """Return tests as arrays `(t,)`, or of shape () for a single one."""
    table = np.array([[m.n_observed, m.n_control, m.transfer, 0.0, m.width] for m in models], dtype=np.float64)
    columns = table[0] if scalar else table.T
    return Experiments(*(np.asarray(column) for column in columns))


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
    return CountingResult(q0, z, float(norm.sf(z)), mu * model.nominal_signal, expected, spec)


def fit_workspace(spec: Mapping[str, Any], name: str) -> tuple[float, float]:
    """Return q0 and the fitted mu of a workspace, from pyhf with minuit.

    Raises:
        PhysicsError: where the fit fails.
    """
    import pyhf

    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(maxiter=MOST_CALLS, tolerance=TOLERANCE))
    workspace = pyhf.Workspace(spec)
    pdf = workspace.model()
    data = workspace.data(pdf)
    bounds, start, fixed = pdf.config.suggested_bounds(), pdf.config.suggested_init(), pdf.config.suggested_fixed()
    try:
        q0 = float(pyhf.infer.test_statistics.q0(0.0, data, pdf, start, bounds, fixed))
        best = pyhf.infer.mle.fit(data, pdf)
    except (pyhf.exceptions.FailedMinimization, AttributeError) as error:  # minuit on empty bins: AttributeError
        raise PhysicsError(f"significance: the fit of {name} failed ({error}); inspect its workspace") from error
    return q0, float(best[pdf.config.poi_index])


def channel_name(window_edges: Sequence[float], background_efficiency: float) -> str:
    """Return a channel name such as `SR_3300_3700_eff0p01`."""
    low, high = (f"{edge:g}".replace(".", "p") for edge in window_edges)
    return f"SR_{low}_{high}_eff{background_efficiency:g}".replace(".", "p")
