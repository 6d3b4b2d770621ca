"""p-values of the bump hunt from pseudo-experiments, at any significance, and the goodness of its fits.

Half of the experiments are drawn from the fit without signal, half from the fit with signal, and weighted to the
first, as in `analysis.toys`: a few thousand give p0 to some per cent at 2 sigma and at 8. Of a deficit, 1 - p0 is
estimated so. The background is fitted anew in each. The halves tell as well how good either fit is: with few events per
bin the deviance does not follow chi2.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln, ndtri_exp, xlogy

from anomaly_cli.analysis.bump import BumpFit, Resonance, fit_bump
from anomaly_cli.analysis.spectrum import BinnedSpectrum
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import PhysicsError


@dataclass(frozen=True)
class BumpToys:
    """What pseudo-experiments say about a fit.

    Attributes:
        p0: probability of an excess at least as significant, without signal.
        error: its statistical error.
        z: one-sided significance of p0; negative for deficits, and there that of the fit where no experiment has less.
        p_value: goodness of the fit without signal.
        p_value_with_signal: goodness of the fit with signal.
        n_failed: experiments that could not be fitted; they count as infinitely significant, which is conservative.
    """

    p0: float
    error: float
    z: float
    p_value: float
    p_value_with_signal: float
    n_failed: int


def bump_p_value(
    spectrum: BinnedSpectrum, resonance: Resonance, fit: BumpFit, n_toys: int, generator: np.random.Generator
) -> BumpToys:
    """Return the p-value of a fit from `n_toys` pseudo-experiments, half of each sort."""
    halves = [
        generator.poisson(rate, (n_toys // 2, len(rate))).astype(np.float64) for rate in (fit.background, fit.rate)
    ]
    fits = [[_fit(spectrum, resonance, fit.n_parameters, counts) for counts in half] for half in halves]
    z = [np.array([np.inf if one is None else one.z for one in half]) for half in fits]
    # the smaller tail is what is estimated well: p0 of an excess, 1 - p0 of a deficit
    is_excess = fit.z > 0.0
    weights = [
        _weights(counts, fit) * ((values >= fit.z) == is_excess) for counts, values in zip(halves, z, strict=True)
    ]
    tail = min(float(sum(weight.sum() for weight in weights) / n_toys), 1.0)
    error = float(np.sqrt(sum(weight.var() * len(weight) for weight in weights)) / n_toys)
    p0 = max(tail if is_excess else 1.0 - tail, np.finfo(float).tiny)
    if is_excess:
        significance = float(-ndtri_exp(np.log(p0)))
    else:
        significance = float(ndtri_exp(np.log(tail))) if tail > 0.0 else fit.z
    without = [one.deviance for one in fits[0] if one is not None]
    with_signal = [one.deviance_with_signal for one in fits[1] if one is not None]
    return BumpToys(
        p0=p0,
        error=error,
        z=significance,
        p_value=_tail(without, fit.deviance),
        p_value_with_signal=_tail(with_signal, fit.deviance_with_signal),
        n_failed=sum(one is None for half in fits for one in half),
    )


def _fit(spectrum: BinnedSpectrum, resonance: Resonance, n_parameters: int, counts: FloatArray) -> BumpFit | None:
    with contextlib.suppress(PhysicsError, np.linalg.LinAlgError):
        return fit_bump(replace(spectrum, counts=counts), resonance, n_parameters)
    return None


def _weights(counts: FloatArray, fit: BumpFit) -> FloatArray:
    """Return the density without signal over that of the mixture, of counts `(toys, bins)`."""
    log_null, log_signal = (
        (xlogy(counts, rate) - rate - gammaln(counts + 1.0)).sum(axis=1) for rate in (fit.background, fit.rate)
    )
    weights: FloatArray = np.exp(log_null - (np.logaddexp(log_null, log_signal) - np.log(2.0)))
    return weights


def _tail(deviances: list[float], observed: float) -> float:
    """Return the probability of a larger deviance; never 0, since that is not known from so many."""
    return float((np.sum(np.array(deviances) >= observed) + 1) / (len(deviances) + 1))
