"""How sharp a minimum is: how much the loss rises near by, and its largest curvatures.

References:
    F. Rothen et al., "Enhancing generalization in high energy physics using white-box adversarial attacks", 2024,
    arXiv:2411.09296.
    M. Frank, P. Wolfe, "An algorithm for quadratic programming", Naval Research Logistics 3 (1956) 95.
    B. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994) 147.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

FloatArray = npt.NDArray[np.float64]
Loss: TypeAlias = Callable[[Sequence[Tensor]], Tensor]
"""Loss, as a function of parameters."""


def length(parameters: Sequence[Tensor]) -> float:
    """Return the Euclidean norm of all parameters together."""
    return float(torch.cat([parameter.detach().ravel() for parameter in parameters]).norm())


def rise_within(loss: Loss, center: Sequence[Tensor], radius: float, steps: int, seed: int) -> float:
    """Return how much the loss rises at most on the way uphill within a distance of the parameters.

    The way starts in a random direction, and each step goes to that point of the sphere where the loss is largest to
    first order around the last one. On a quadratic form this is the power iteration, and the rise its largest
    eigenvalue times radius^2 / 2.

    Args:
        loss: what rises.
        center: where from.
        radius: of the sphere.
        steps: how often the direction is chosen anew.
        seed: of the first direction.
    """
    generator = torch.Generator().manual_seed(seed)
    direction = [torch.randn(one.shape, generator=generator, dtype=one.dtype) for one in center]
    start, highest = float(loss(center).detach()), -np.inf
    for _ in range(steps + 1):
        scale = radius / max(length(direction), float(np.finfo(float).tiny))
        at = [(one + scale * move).detach().requires_grad_() for one, move in zip(center, direction, strict=True)]
        value = loss(at)
        highest = max(highest, float(value.detach()))
        direction = list(torch.autograd.grad(value, at))
    return highest - start


def largest_curvatures(loss: Loss, center: Sequence[Tensor], n: int, seed: int) -> FloatArray:
    """Return the n largest eigenvalues of the loss's second derivatives at the parameters, the largest first `(n,)`.

    Args:
        loss: what is curved; twice differentiable but for kinks.
        center: where; more parameters than n.
        n: how many.
        seed: of the vector that the Lanczos iteration starts with.
    """
    at = [one.detach().requires_grad_() for one in center]
    slopes = torch.autograd.grad(loss(at), at, create_graph=True)
    slope = torch.cat([one.ravel() for one in slopes])

    def times(vector: npt.NDArray[Any]) -> FloatArray:
        along = torch.from_numpy(np.asarray(vector, dtype=np.float64).ravel())
        parts = torch.autograd.grad(slope @ along.to(slope.dtype), at, retain_graph=True, allow_unused=True)
        filled = [torch.zeros_like(one) if part is None else part for part, one in zip(parts, at, strict=True)]
        return torch.cat([part.ravel() for part in filled]).double().numpy()

    start = np.random.default_rng(seed).standard_normal(len(slope))
    operator = LinearOperator((len(slope), len(slope)), matvec=times, dtype=np.float64)
    found: FloatArray = eigsh(operator, k=n, which="LA", v0=start, tol=1e-3, return_eigenvectors=False)
    return np.sort(found)[::-1]
