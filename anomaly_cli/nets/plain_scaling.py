"""Scalings that are the same at every mass, as published methods use: networks then learn how features move with it.

All of them are tables of the same form as one order of the mass-dependent scaling (`nets/scaling.py`), so that whoever
scales need not know which it is. Values that many events share are opened into intervals first, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.special import expit, ndtr, ndtri

from anomaly_cli.nets.atoms import find_atoms
from anomaly_cli.nets.scaling import FeatureScaling, FloatArray, MassScaler

MASS, STANDARD, QUANTILE, LOGIT = "mass", "standard", "quantile", "logit"
N_KNOTS = 1001
"""Knots of a scaling that is no straight line."""
MARGIN = 1e-3
"""A logit's ends lie beyond the extreme values by this share of their distance, so that no value becomes infinite."""
Knots = tuple[FloatArray, FloatArray]
"""Rising values of a feature, and the scaled ones."""


def _standard(x: FloatArray) -> Knots:
    """Return the line through the mean with the slope 1 / standard deviation."""
    unit = np.array([-1.0, 1.0])
    return x.mean() + x.std() * unit, unit


def _quantile(x: FloatArray) -> Knots:
    """Return normal variables of the same rank."""
    outermost = -float(ndtri(0.5 / len(x)))
    z = np.linspace(-outermost, outermost, min(N_KNOTS, len(x)))
    points, first = np.unique(np.quantile(x, ndtr(z)), return_index=True)
    return points, z[first]


def _logit(x: FloatArray) -> Knots:
    """Return ln(u / (1 - u)) of the position u between the ends, standardised."""
    margin = MARGIN * np.ptp(x)
    low, high = x.min() - margin, x.max() + margin
    u = (x - low) / (high - low)
    raw = np.log(u / (1.0 - u))
    logits = np.linspace(raw.min(), raw.max(), N_KNOTS)
    return low + (high - low) * expit(logits), (logits - raw.mean()) / raw.std()


PLAIN: Mapping[str, Callable[[FloatArray], Knots]] = {STANDARD: _standard, QUANTILE: _quantile, LOGIT: _logit}
KINDS = (MASS, *PLAIN)
"""Every scaling: `mass` is the mass-dependent one."""


def fit_plain_scaling(kind: str, bands: Sequence[tuple[FloatArray, FloatArray]], bound: float) -> MassScaler:
    """Fit a scaling that does not depend on mass.

    Args:
        kind: `standard`, `quantile` or `logit`.
        bands: `(mjj (n,) [GeV], features (n, d))` of each mass band.
        bound: scaled values are clipped to [-bound, bound] by `quantile`; the others keep their tails, where splines
            are the identity.
    """
    mjj = np.concatenate([band[0] for band in bands])
    values = np.concatenate([band[1] for band in bands])
    center, scale = float(np.log(mjj).mean()), float(np.log(mjj).std())
    t = (np.log(mjj) - center) / scale
    t_range = np.array([t.min(), t.max()])
    features = tuple(_scale_feature(column, kind, t_range) for column in values.T)
    reach = bound if kind == QUANTILE else float("inf")
    return MassScaler(features, center, scale, values.min(axis=0), values.max(axis=0), reach)


def _scale_feature(values: FloatArray, kind: str, t_range: FloatArray) -> FeatureScaling:
    shared = find_atoms(values)
    points, z = PLAIN[kind](shared.open(values, np.random.default_rng(0)))
    return FeatureScaling(
        location=np.zeros(1),
        log_width=np.zeros(1),
        is_anchored=False,
        points=points,
        coefficients=z[None, :],
        t_range=t_range,
        atoms=shared.values,
        stretch=shared.stretch,
    )
