"""zuko's rational-quadratic spline, whose knots take less time to make.

The softmax of torch takes about ten times as long on a CPU along a last dimension of a few entries as along a first
one (torch 2.13), a large part of a training step of a flow with 4 to 10 bins; `benchmarks/flows.py` measures what that
saves.

References:
    C. Durkan, A. Bekasov, I. Murray, G. Papamakarios, "Neural Spline Flows", 2019, arXiv:1906.04032.
"""

from __future__ import annotations

import math

import torch
import zuko
from torch import Tensor

SMALLEST_SLOPE = 1e-3
BOUND = 5.0
"""Splines act on [-5, 5] and leave what is outside as it is."""
FEW_BINS = 16
"""Below so many, softmax is faster along the first dimension."""


class Spline(zuko.transforms.MonotonicRQSTransform):  # type: ignore[misc]
    """A spline per feature and event.

    Args:
        widths: of its bins, before softmax `(..., k)`.
        heights: of its bins, likewise.
        derivatives: at its inner knots, logarithms of them `(..., k - 1)`.
    """

    def __init__(self, widths: Tensor, heights: Tensor, derivatives: Tensor) -> None:
        zuko.transforms.Transform.__init__(self)  # not that of the parent, which makes what follows in another way
        steepest = -math.log(SMALLEST_SLOPE)
        self.horizontal, self.vertical = (_knots(_limited(sizes, steepest / 2.0)) for sizes in (widths, heights))
        self.derivatives = torch.nn.functional.pad(_limited(derivatives, steepest), (1, 1)).exp()


def _limited(values: Tensor, limit: float) -> Tensor:
    """Return values near zero as they are, and large ones no larger than the limit."""
    return values / (1.0 + values.abs() / limit)


def _knots(sizes: Tensor) -> Tensor:
    """Return the knots `(..., k + 1)` from -5 to 5 of bins in proportion to the exponentials of `sizes` `(..., k)`."""
    is_short = sizes.shape[-1] < FEW_BINS
    shares = sizes.movedim(-1, 0).softmax(0).movedim(0, -1) if is_short else sizes.softmax(-1)
    return torch.nn.functional.pad(BOUND * (2.0 * shares.cumsum(-1) - 1.0), (1, 0), value=-BOUND)
