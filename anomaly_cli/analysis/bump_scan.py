"""A scan of the bump hunt in mass and width, with its own look-elsewhere effect.

The projection of the residuals on the part of a shape that the smooth background cannot take up, over its standard
deviation, is the score statistic; it needs no fit per shape, and says how two shapes are correlated, so that the
probability of the largest z (of fits at every mass and width) is that of correlated normal numbers
(`analysis.lookelsewhere`). Beside it stands how often pseudo-experiments, the background fitted anew in each, have a
larger score than the observed one.

References:
    C. R. Rao, 1948, Math. Proc. Camb. Phil. Soc. 44 50 (the score test).
    G. Choudalakis, 2011, arXiv:1101.0390 (BumpHunter: the trials of a scan from pseudo-experiments).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.bump import BumpFit, Resonance, fit_bump, smooth_fit
from anomaly_cli.analysis.lookelsewhere import GlobalResult, global_p_value
from anomaly_cli.analysis.spectrum import BinnedSpectrum
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.windows import Window

STEP = 0.5
"""Distance of masses, in units of the narrowest width."""
FEWEST_EXCEEDANCES = 25
"""With fewer pseudo-experiments above the observed value, they give no p-value."""


@dataclass(frozen=True)
class BumpScan:
    """What a scan finds.

    Attributes:
        resonances: that were tried `(g)`.
        z: of each `(g,)`.
        best: fit at the largest.
        found: global p-value of the largest from the correlations.
        p_toys: from pseudo-experiments; NaN where fewer than 25 reach it.
        n_toys: how many there were.
    """

    resonances: Sequence[Resonance]
    z: FloatArray
    best: BumpFit
    found: GlobalResult
    p_toys: float
    n_toys: int


def make_grid(window: Window, relative_widths: Sequence[float]) -> list[Resonance]:
    """Return resonances over a window: masses half of the narrowest width apart, each with every width."""
    middle = (window.low + window.high) / 2
    step = STEP * min(relative_widths) * middle
    masses = np.linspace(window.low, window.high, max(2, round(window.width / step) + 1))
    return [Resonance(float(mass), width * float(mass)) for width in relative_widths for mass in masses]


def scan_bumps(
    spectrum: BinnedSpectrum,
    resonances: Sequence[Resonance],
    n_parameters: int,
    n_toys: int,
    generator: np.random.Generator,
    is_region: npt.NDArray[np.bool_],
    factor: float = 1.0,
) -> BumpScan:
    """Return the scan of a spectrum.

    Args:
        spectrum: the counts.
        resonances: to try, masses rising within each relative width.
        n_parameters: of the smooth part.
        n_toys: pseudo-experiments.
        generator: randomness.
        is_region: bins whose counts scatter more than Poisson's.
        factor: on their standard deviation.

    Raises:
        PhysicsError: where the fit does not converge.
    """
    shapes = np.stack([resonance.fractions(spectrum) for resonance in resonances])
    scores, weights, background = _scores(spectrum, shapes, n_parameters)
    fitted = np.array(
        [_significance(spectrum, *pair, n_parameters) for pair in zip(resonances, scores.tolist(), strict=True)]
    )
    variance = weights**2 * background
    share = variance[:, is_region].sum(axis=1) / variance.sum(axis=1)
    wider = np.sqrt(1.0 + (factor**2 - 1.0) * share)
    z = fitted / wider
    covariance = (weights * background) @ weights.T
    scale = np.sqrt(np.diag(covariance))
    widths = np.unique([round(one.width / one.mass, 9) for one in resonances], return_inverse=True)[1]
    found = global_p_value(z, covariance / np.outer(scale, scale), widths, generator)
    largest = []
    for counts in generator.poisson(background, (n_toys, len(background))).astype(np.float64):
        with contextlib.suppress(PhysicsError, np.linalg.LinAlgError):
            largest.append(_scores(replace(spectrum, counts=counts), shapes, n_parameters)[0].max())
    n_above = int((np.array(largest) >= (scores / wider).max()).sum())
    return BumpScan(
        resonances=resonances,
        z=z,
        best=fit_bump(spectrum, resonances[found.index], n_parameters),
        found=found,
        p_toys=n_above / len(largest) if n_above >= FEWEST_EXCEEDANCES else float("nan"),
        n_toys=len(largest),
    )


def _significance(spectrum: BinnedSpectrum, resonance: Resonance, score: float, n_parameters: int) -> float:
    """Return the signed significance of a resonance; its score where it cannot be fitted."""
    with contextlib.suppress(PhysicsError, np.linalg.LinAlgError):
        return fit_bump(spectrum, resonance, n_parameters).z
    return score


def _scores(spectrum: BinnedSpectrum, shapes: FloatArray, n_parameters: int) -> tuple[FloatArray, ...]:
    """Return z of each shape `(g,)`, the weights of the counts in it `(g, bins)`, and the background `(bins,)`."""
    background, jacobian = smooth_fit(spectrum, n_parameters)
    weighted = jacobian / background[:, None]
    taken_up = jacobian @ np.linalg.solve(weighted.T @ jacobian, weighted.T @ shapes.T)
    weights = (shapes - taken_up.T) / background
    deviation = np.sqrt((weights**2 * background).sum(axis=1))
    return weights @ (spectrum.counts - background) / deviation, weights, background
