"""The bump hunt: a smooth spectrum plus a resonance, fitted to the dijet masses that pass the cut.

The smooth part is the dijet function, free in every parameter; the resonance is a fixed shape with a
free yield, which may be negative. It needs no template, so it is blind to closure; it is not blind to
sculpting, a pass rate that depends on the mass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from anomaly_cli.analysis.spectrum import BinnedSpectrum, deviance, orthogonal_basis, predict
from anomaly_cli.analysis.tails import chi2_tail
from anomaly_cli.analysis.workspaces import assemble, meaning_of_mu
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import PhysicsError

FEWEST_PARAMETERS, MOST_PARAMETERS = 3, 5
"""Range of the number of parameters of the smooth part."""
FEW_EVENTS, PARAMETERS_FOR_FEW = 200, 2
"""With fewer side-band events the smooth part has two parameters. A third one is not determined beside a large
resonance then (the smooth part vanishes at one end, and the likelihood has no maximum), nor is it missed: fitted to
all 115,337 shipped background events, two parameters move the signal by less than one standard deviation."""
SIGNIFICANCE_LEVEL = 0.05
"""A parameter is added while the likelihood-ratio test in the side-bands prefers it at this level."""
FEWEST_EVENTS = 30
"""Fewer events after the cut cannot carry a fit."""
TAIL_FRACTION, TAIL_SHIFT, TAIL_WIDTH = 0.2, -2.0, 3.0
"""Low-mass tail of the resonance (radiation, lost energy): its share, and its shift and width in core widths."""
SMALLEST_RATE = 1e-9
CONVERGED = 1e-8
"""A fit ends where a step lowers the deviance by less."""


@dataclass(frozen=True)
class Resonance:
    """The signal shape: a Gaussian core and a wider low-mass tail.

    Attributes:
        mass: [GeV].
        width: of the core [GeV].
    """

    mass: float
    width: float

    def fractions(self, spectrum: BinnedSpectrum) -> FloatArray:
        """Return the fraction of the resonance in each bin `(bins,)`."""
        core = _mass_in_bins(spectrum, self.mass, self.width)
        tail = _mass_in_bins(spectrum, self.mass + TAIL_SHIFT * self.width, TAIL_WIDTH * self.width)
        return (1.0 - TAIL_FRACTION) * core + TAIL_FRACTION * tail


def _mass_in_bins(spectrum: BinnedSpectrum, mean: float, width: float) -> FloatArray:
    fractions: FloatArray = ndtr((spectrum.high - mean) / width) - ndtr((spectrum.low - mean) / width)
    return fractions


@dataclass(frozen=True)
class BumpFit:
    """Result of a bump hunt.

    Attributes:
        n_parameters: of the smooth part.
        background: expected without signal `(bins,)`.
        modes: one-standard-deviation variations of it `(p, bins)`.
        signal_yield: fitted signal events, may be negative.
        signal_error: their uncertainty.
        z: signed significance.
        p_value: goodness of the fit without signal, by the chi2 distribution.
        rate: expected with the fitted signal `(bins,)`.
        deviance: of the fit without signal.
        deviance_with_signal: of the fit with it.
        weights: derivative of the fitted signal yield by the count of each bin, at the fit without signal `(bins,)`.
    """

    n_parameters: int
    background: FloatArray
    modes: FloatArray
    signal_yield: float
    signal_error: float
    z: float
    p_value: float
    rate: FloatArray
    deviance: float
    deviance_with_signal: float
    weights: FloatArray

    def overdispersed(self, is_region: npt.NDArray[np.bool_], factor: float) -> float:
        """Return the factor on the standard deviation of the yield where counts of some bins scatter more.

        Args:
            is_region: bins that scatter more, those of the signal region `(bins,)`.
            factor: on the standard deviation of their counts.
        """
        variance = self.weights**2 * self.background
        share = float(variance[is_region].sum() / variance.sum())
        return float(np.sqrt(1.0 + (factor**2 - 1.0) * share))


def choose_parameters(spectrum: BinnedSpectrum, is_side_band: npt.NDArray[np.bool_]) -> int:
    """Return the number of parameters by forward likelihood-ratio tests on the side-bands alone.

    Raises:
        PhysicsError: where there are too few events.
    """
    outside = is_side_band
    kept = replace(spectrum, low=spectrum.low[outside], high=spectrum.high[outside], counts=spectrum.counts[outside])
    if kept.counts.sum() < FEWEST_EVENTS:
        raise PhysicsError(
            f"bump hunt: {kept.counts.sum():.0f} side-band events pass the cut, at least {FEWEST_EVENTS} are needed;"
            " use a looser background efficiency"
        )
    if kept.counts.sum() < FEW_EVENTS:
        return PARAMETERS_FOR_FEW
    chosen = FEWEST_PARAMETERS
    for n_parameters in range(FEWEST_PARAMETERS, MOST_PARAMETERS):
        try:
            smaller, larger = (_maximise(kept, n, np.zeros(len(kept.low)))[2] for n in (n_parameters, n_parameters + 1))
        except PhysicsError:
            break
        if chi2_tail(max(smaller - larger, 0.0), 1) >= SIGNIFICANCE_LEVEL:
            break
        chosen = n_parameters + 1
    return chosen


def fit_bump(spectrum: BinnedSpectrum, resonance: Resonance, n_parameters: int) -> BumpFit:
    """Fit the spectrum without and with the resonance.

    Raises:
        PhysicsError: where a fit does not converge.
    """
    shape = resonance.fractions(spectrum)
    null, information, null_deviance = _maximise(spectrum, n_parameters, np.zeros_like(shape))
    full, full_information, full_deviance = _maximise(spectrum, n_parameters, shape)
    basis, _ = orthogonal_basis(spectrum, n_parameters)
    background, jacobian = predict(basis, spectrum.weights, null[:-1])
    smooth, _ = predict(basis, spectrum.weights, full[:-1])
    design = np.column_stack([jacobian, shape]) / np.maximum(background, SMALLEST_RATE)[:, None]
    values, vectors = np.linalg.eigh(np.linalg.inv(information[:-1, :-1]))
    q = max(null_deviance - full_deviance, 0.0)
    return BumpFit(
        n_parameters=n_parameters,
        background=background,
        modes=(jacobian @ (vectors * np.sqrt(np.maximum(values, 0.0)))).T,
        signal_yield=float(full[-1]),
        signal_error=float(np.sqrt(np.linalg.inv(full_information)[-1, -1])),
        z=float(np.copysign(np.sqrt(q), full[-1])),
        p_value=float(chi2_tail(null_deviance, len(spectrum.low) - n_parameters)),
        rate=np.maximum(smooth + full[-1] * shape, SMALLEST_RATE),
        deviance=null_deviance,
        deviance_with_signal=full_deviance,
        weights=np.linalg.lstsq(design.T @ np.column_stack([jacobian, shape]), design.T, rcond=None)[0][-1],
    )


def smooth_fit(spectrum: BinnedSpectrum, n_parameters: int) -> tuple[FloatArray, FloatArray]:
    """Return the background fitted without signal `(bins,)` and its gradient by its parameters `(bins, p)`.

    Raises:
        PhysicsError: where the fit does not converge.
    """
    parameters = _maximise(spectrum, n_parameters, np.zeros(len(spectrum.low)))[0]
    basis, _ = orthogonal_basis(spectrum, n_parameters)
    background, jacobian = predict(basis, spectrum.weights, parameters[:-1])
    return np.maximum(background, SMALLEST_RATE), jacobian


def _maximise(spectrum: BinnedSpectrum, n_parameters: int, shape: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Return parameters `(p + 1,)`, the signal yield last, their information, and the deviance.

    Fisher scoring with a line search; without a shape the yield stays 0.
    """
    basis, _ = orthogonal_basis(spectrum, n_parameters)
    with_signal = bool(shape.any())
    start = np.log(np.maximum(spectrum.counts, 0.5) / (spectrum.high - spectrum.low))
    parameters = np.append(np.linalg.lstsq(basis.mean(axis=1), start, rcond=None)[0], 0.0)
    current = _deviance_at(spectrum, basis, shape, parameters)
    for _ in range(200):
        expected, jacobian = predict(basis, spectrum.weights, parameters[:-1])
        rate = np.maximum(expected + parameters[-1] * shape, SMALLEST_RATE)
        design = np.column_stack([jacobian, shape if with_signal else np.zeros_like(shape)])
        information = design.T @ (design / rate[:, None])
        if not with_signal:
            information[-1, -1] = 1.0
        gradient = design.T @ (spectrum.counts / rate - 1.0)
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            raise PhysicsError("bump hunt: the spectrum does not determine the fit; use a looser cut") from None
        size = min(1.0, 1.0 / max(float(np.abs(basis @ step[:-1]).max()), 1e-12))
        while size > 1e-10:
            trial = parameters + size * step
            found = _deviance_at(spectrum, basis, shape, trial)
            if found <= current + 1e-10:
                break
            size /= 2
        slope = float(gradient @ step)
        curvature = (found - current) / size**2 + 2.0 * slope / size
        if slope < curvature * size:  # the parabola along the step is lowest before its end: steps may swing about it
            best = parameters + slope / curvature * step
            at_best = _deviance_at(spectrum, basis, shape, best)
            if at_best < found:
                trial, found = best, at_best
        is_done = current - found < CONVERGED  # also where the rate would turn negative beyond
        if found <= current + 1e-10:
            parameters, current = trial, found
        if is_done or size <= 1e-10:
            return parameters, information, current
    raise PhysicsError(
        "bump hunt: the smooth spectrum is not determined beside the resonance; use a looser cut or wider side-bands"
    )


def _deviance_at(spectrum: BinnedSpectrum, basis: FloatArray, shape: FloatArray, parameters: FloatArray) -> float:
    with np.errstate(over="ignore"):
        expected, _ = predict(basis, spectrum.weights, parameters[:-1])
    rate = expected + parameters[-1] * shape
    if not np.isfinite(rate).all() or rate.min() <= 0.0:
        return np.inf
    return deviance(spectrum.counts, rate)


def build_bump_workspace(spectrum: BinnedSpectrum, resonance: Resonance, fit: BumpFit, name: str) -> dict[str, Any]:
    """Return the bump hunt as a HistFactory workspace.

    The smooth background is the fitted one plus free amounts of its eigen-variations, each a sample with
    its own unconstrained factor. Constrained shape variations (histosys) from a fit to the same bins would
    use the data twice.
    """
    nominal = max(fit.signal_error, 1.0)
    signal = resonance.fractions(spectrum) * nominal
    samples: list[dict[str, Any]] = [
        {"name": "signal", "data": signal.tolist(), "modifiers": [_factor("mu")]},
        {"name": "background", "data": fit.background.tolist(), "modifiers": []},
    ]
    largest = 10.0 + 2.0 * abs(fit.signal_yield) / nominal
    parameters: list[dict[str, Any]] = [{"name": "mu", "inits": [1.0], "bounds": [[0.0, largest]]}]
    for index, mode in enumerate(fit.modes):
        factor = f"mode_{index}_{name}"
        samples.append({"name": f"mode_{index}", "data": mode.tolist(), "modifiers": [_factor(factor)]})
        parameters.append({"name": factor, "inits": [0.0], "bounds": [[-20.0, 20.0]]})
    return assemble(f"bump hunt: {meaning_of_mu(nominal)}", {name: (samples, spectrum.counts.tolist())}, parameters)


def _factor(name: str) -> dict[str, Any]:
    return {"name": name, "type": "normfactor", "data": None}
