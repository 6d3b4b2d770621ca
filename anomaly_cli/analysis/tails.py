"""Tails of the normal and the chi2 distribution, as in scipy.stats, which takes half a second to import."""

from __future__ import annotations

from typing import Any

from scipy.special import chdtrc, log_ndtr, ndtr


def normal_tail(z: Any) -> Any:
    """Return the probability that a standard normal number exceeds `z` (a number or an array)."""
    return ndtr(-z)


def log_normal_tail(z: Any) -> Any:
    """Return its logarithm, finite for any finite `z`."""
    return log_ndtr(-z)


def chi2_tail(chi2: Any, ndf: float) -> Any:
    """Return the probability that a chi2 of `ndf` degrees of freedom exceeds `chi2`."""
    return chdtrc(ndf, chi2)
