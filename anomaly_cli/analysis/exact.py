"""Exact references for counting: the binomial significance.

References:
    R. D. Cousins, J. T. Linnemann, J. Tucker, 2008, arXiv:physics/0702156, eq. 14 and section 3.2.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, ndtri

from anomaly_cli.analysis.profile import Experiments
from anomaly_cli.core.arrays import FloatArray


def binomial_significance(data: Experiments) -> FloatArray:
    """Return Z_Bi of each experiment: conservative, exact where the transfer factor has no uncertainty.

    An uncertainty of the transfer factor is turned into a smaller control sample of the same relative
    uncertainty, 1/m' = 1/m + d^2 (the correspondence of the reference).
    """
    with np.errstate(divide="ignore"):
        control = 1.0 / (1.0 / np.asarray(data.m, dtype=np.float64) + np.asarray(data.total_width) ** 2)
    tau = np.where(control > 0.0, control / np.where(data.expected > 0.0, data.expected, 1.0), data.tau)
    p = np.where(data.n > 0.0, betainc(np.maximum(data.n, 1.0), control + 1.0, 1.0 / (1.0 + tau)), 1.0)
    z: FloatArray = -ndtri(np.maximum(p, np.finfo(float).tiny))
    return z
