"""The dijet function fitted to side-bands: background yield and masses in the signal region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomaly_cli.analysis.misfit import explain_misfit
from anomaly_cli.analysis.spectrum import (
    BinnedSpectrum,
    bin_masses,
    deviance,
    dijet_basis,
    orthogonal_basis,
    predict,
)
from anomaly_cli.analysis.tails import chi2_tail
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.windows import COLLISION_ENERGY, Window

FEWEST_EVENTS = 50
"""A side-band with fewer events is refused."""
FEWEST_PARAMETERS, MOST_PARAMETERS = 4, 5
"""Range of the number of parameters; three do not describe LHCO-like spectra."""
SIGNIFICANCE_LEVEL = 0.05
"""A parameter is added while the likelihood-ratio test prefers it at this level."""
LARGEST_STEP = 1.0
"""Largest change of the logarithm of the rate in one step of the fit."""
LARGEST_UNCERTAINTY = 0.5
"""Largest relative uncertainty of a prediction that is worth anything."""
POOR_FIT = 1e-3
"""The uncertainty of a fit with a smaller p-value is scaled up, and the report says so."""
WORST_FIT = 10.0
"""A fit with a larger chi2 per degree of freedom describes nothing and is refused where its yield is used."""


@dataclass(frozen=True)
class MassFit:
    """Background spectrum in the signal region, from the side-bands alone.

    Attributes:
        parameters: coefficients in the orthogonalised basis `(p,)`.
        covariance: their covariance `(p, p)`.
        rotation: matrix that orthogonalises the basis `(p, p)`.
        chi2: Poisson deviance.
        ndf: degrees of freedom.
        window: the signal region.
        n_expected: predicted background events in the signal region.
        uncertainty_statistical: uncertainty of `n_expected` from the parameters' covariance.
        uncertainty_function: difference to the function with one more parameter.
        misfit: what no fit could describe, where the fit is poor and that can be told, else empty.
        collision_energy: centre-of-mass energy [GeV] that the function scales masses by.
    """

    parameters: FloatArray
    covariance: FloatArray
    rotation: FloatArray
    chi2: float
    ndf: int
    window: Window
    n_expected: float
    uncertainty_statistical: float
    uncertainty_function: float
    misfit: str = ""
    collision_energy: float = COLLISION_ENERGY

    @property
    def p_value(self) -> float:
        """Goodness of fit."""
        return float(chi2_tail(self.chi2, self.ndf)) if self.ndf > 0 else 1.0

    @property
    def misfit_scale(self) -> float:
        """What a poor fit's uncertainty is multiplied by: sqrt(chi2 / ndf) where p < 0.001, else 1.

        References:
            Particle Data Group, Review of Particle Physics, introduction, section 5.2.2 (scale factor).
        """
        return float(np.sqrt(self.chi2 / self.ndf)) if self.p_value < POOR_FIT else 1.0

    @property
    def uncertainty(self) -> float:
        """Total uncertainty of `n_expected`."""
        return self.misfit_scale * float(np.hypot(self.uncertainty_statistical, self.uncertainty_function))

    def density(self, mjj: FloatArray) -> FloatArray:
        """Return events per GeV at `mjj` `(n,)` [GeV]."""
        rate: FloatArray = np.exp(
            dijet_basis(mjj, len(self.parameters), self.collision_energy) @ self.rotation @ self.parameters
        )
        return rate

    def sample(self, n: int, generator: np.random.Generator) -> FloatArray:
        """Draw `n` masses in the signal region `(n,)` [GeV]."""
        grid = np.linspace(self.window.low, self.window.high, 2001)
        rate = self.density(grid)
        cumulative = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) * np.diff(grid) / 2)])
        masses: FloatArray = np.interp(generator.random(n) * cumulative[-1], cumulative, grid)
        below: FloatArray = np.minimum(masses, np.nextafter(self.window.high, 0.0))
        return below


def fit_mass_spectrum(
    masses: Sequence[FloatArray],
    side_bands: Sequence[Window],
    signal_region: Window,
    collision_energy: float = COLLISION_ENERGY,
) -> MassFit:
    """Fit ln f = c0 + c1 ln(1-x) + c2 ln x + c3 ln^2 x (+ c4 ln^3 x), x = mjj/sqrt(s), to binned side-bands.

    The function is linear in its parameters, so the Poisson likelihood is maximised by iteratively
    re-weighted least squares in an orthogonalised basis; no start values are needed. Four parameters are
    the least, a fifth is kept where a likelihood-ratio test asks for it.

    Args:
        masses: masses in each side-band `(n,)` [GeV].
        side_bands: the windows, in the same order.
        signal_region: where the background is wanted.
        collision_energy: centre-of-mass energy sqrt(s) [GeV].

    Raises:
        PhysicsError: where a side-band has too few events, or the fit does not converge.
    """
    for mjj, window in zip(masses, side_bands, strict=True):
        if len(mjj) < FEWEST_EVENTS:
            raise PhysicsError(
                f"side-band {window.text} TeV holds {len(mjj)} events, the mass fit needs at least {FEWEST_EVENTS};"
                " widen it with --side-bands"
            )
    data = bin_masses(masses, side_bands, collision_energy)
    sr = bin_masses([np.zeros(0)], [signal_region], collision_energy)
    fit, spread = _fit(data, sr, signal_region, FEWEST_PARAMETERS), None
    for n_parameters in range(FEWEST_PARAMETERS + 1, MOST_PARAMETERS + 2):
        try:
            larger = _fit(data, sr, signal_region, n_parameters)
        except PhysicsError:
            break  # the data cannot constrain it
        spread = abs(larger.n_expected - fit.n_expected)
        is_better = chi2_tail(max(fit.chi2 - larger.chi2, 0.0), 1) < SIGNIFICANCE_LEVEL
        if n_parameters > MOST_PARAMETERS or not is_better:
            break
        fit = larger
    if spread is None:  # no larger fit: the difference to one parameter less stands for it
        spread = abs(fit.n_expected - _fit(data, sr, signal_region, FEWEST_PARAMETERS - 1).n_expected)
    fit = replace(fit, uncertainty_function=spread)
    if fit.p_value < POOR_FIT:
        fit = replace(fit, misfit=explain_misfit(masses, side_bands))
    if fit.uncertainty > LARGEST_UNCERTAINTY * fit.n_expected:
        if fit.misfit:
            raise PhysicsError(f"the side-bands give no prediction: {fit.misfit}")
        raise PhysicsError(
            f"the side-bands predict {fit.n_expected:.0f} +- {fit.uncertainty:.0f} events in the signal region"
            f" {signal_region.text} TeV, which is no prediction; widen them with --side-bands"
        )
    return fit


def refuse_poor_fit(fit: MassFit, least_p: float = 0.0) -> None:
    """Refuse a fit that does not describe its side-bands.

    Raises:
        PhysicsError: where chi2 per degree of freedom exceeds 10, or the goodness of fit falls below `least_p`.
    """
    if fit.misfit and (fit.p_value < least_p or fit.chi2 > WORST_FIT * fit.ndf > 0):
        raise PhysicsError(
            f"the side-band mass fit is poor (p = {fit.p_value:.1e}): {fit.misfit}; or count only cuts that need no fit"
            " with --background-efficiencies 0.2,0.05"
        )
    if fit.p_value < least_p and fit.chi2 <= WORST_FIT * fit.ndf:
        raise PhysicsError(
            f"the side-band mass fit is poor (p = {fit.p_value:.1e}, below {least_p:g}); narrow the side-bands with"
            " --side-bands, count only cuts that need no fit with --background-efficiencies 0.2,0.05, or accept it with"
            " its uncertainty scaled up: --set significance.least_fit_p=0"
        )
    if fit.chi2 > WORST_FIT * fit.ndf > 0:
        raise PhysicsError(
            f"the side-band mass fit is poor (chi2 of {fit.chi2:.0f} for {fit.ndf} degrees of freedom), so its yield in"
            " the signal region means nothing; narrow the side-bands with --side-bands"
        )


def _fit(data: BinnedSpectrum, sr: BinnedSpectrum, window: Window, n_parameters: int) -> MassFit:
    basis, rotation = orthogonal_basis(data, n_parameters)
    try:
        parameters, covariance = _maximise(data, basis)
    except np.linalg.LinAlgError:
        raise PhysicsError(
            f"the side-bands do not determine the {n_parameters} parameters of the mass fit; widen them with"
            " --side-bands"
        ) from None
    expected, _ = predict(basis, data.weights, parameters)
    n_expected, gradient = predict(
        dijet_basis(sr.nodes, n_parameters, sr.collision_energy) @ rotation, sr.weights, parameters
    )
    slope = gradient.sum(axis=0)
    return MassFit(
        parameters=parameters,
        covariance=covariance,
        rotation=rotation,
        chi2=deviance(data.counts, expected),
        ndf=len(data.counts) - n_parameters,
        window=window,
        n_expected=float(n_expected.sum()),
        uncertainty_statistical=float(np.sqrt(slope @ covariance @ slope)),
        uncertainty_function=0.0,
        collision_energy=data.collision_energy,
    )


def _maximise(data: BinnedSpectrum, basis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the parameters of largest likelihood `(p,)` and their covariance `(p, p)`, by Fisher scoring."""
    middle = basis.mean(axis=1)
    start = np.log(np.maximum(data.counts, 0.5) / (data.high - data.low))
    parameters: FloatArray = np.linalg.lstsq(middle, start, rcond=None)[0]
    for _ in range(100):
        expected, jacobian = predict(basis, data.weights, parameters)
        information = jacobian.T @ (jacobian / expected[:, None])
        step = np.linalg.solve(information, jacobian.T @ (data.counts / expected - 1.0))
        step = step * min(1.0, LARGEST_STEP / float(np.abs(basis @ step).max()))
        parameters = parameters + step
        if np.abs(step).max() < 1e-10 * (1.0 + np.abs(parameters).max()):
            return parameters, np.asarray(np.linalg.inv(information), dtype=np.float64)
    raise PhysicsError("the side-band mass fit does not converge; check the side-bands with 'anomaly inspect'")
