"""zuko's autoregressive transform with an inverse that computes the spline of each feature once.

zuko inverts in passes: each evaluates the network and inverts the splines of all features, though only those of one
group become right in it, and one evaluation more gives log|det J|. Here a pass makes the splines of its group alone,
and log|det J| is that of the same ones. Results agree to rounding; `benchmarks/flows.py` measures what that saves.

References:
    G. Papamakarios, T. Pavlakou, I. Murray, "Masked Autoregressive Flow for Density Estimation", 2017,
    arXiv:1705.07057.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import zuko
from torch import Tensor
from torch.distributions import constraints


class MaskedAutoregressive(zuko.flows.MaskedAutoregressiveTransform):  # type: ignore[misc]
    """A transform of features, each given those of earlier groups and a context; made as zuko's, with its weights.

    Features of a group have to lie side by side, and their order is the one given here, whatever is loaded later.

    Raises:
        ValueError: where a group has gaps.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        order = self.order.tolist()
        found = [[at for at, group in enumerate(order) if group == wanted] for wanted in sorted(set(order))]
        self.groups = [slice(group[0], group[-1] + 1) for group in found]
        if any(len(group) != group[-1] + 1 - group[0] for group in found):
            raise ValueError(f"order {order}: features of a group must lie side by side")

    def forward(self, c: Tensor | None = None) -> zuko.transforms.AutoregressiveTransform:
        """Return the transform at a context `(n, c)`, or at none."""
        return _Forward(self, c)

    def invert(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, list[tuple[Any, Tensor]]]:
        """Return what is transformed into `y` `(n, d)`, and of each group its splines with what they gave."""
        *hidden, last = self.hyper
        weight = (last.mask * last.weight).unflatten(0, (-1, self.total))
        bias = last.bias.unflatten(0, (-1, self.total))
        parts = {group.start: torch.zeros_like(y[:, group]) for group in sorted(self.groups, key=lambda g: g.start)}
        made: list[tuple[Any, Tensor]] = []
        for group in self.groups:
            values = torch.cat([*parts.values()] if context is None else [*parts.values(), context], dim=1)
            if context is None and not made:
                values = values[:1]  # the splines of the first group depend on nothing
            for layer in hidden:
                values = layer(values)
            parameters = torch.nn.functional.linear(values, weight[group].flatten(0, 1), bias[group].flatten())
            parameters = parameters.reshape(-1, *weight[group].shape[:2]).expand(len(y), -1, -1)
            splines = self.univariate(*zuko.utils.unpack(parameters, self.shapes))
            parts[group.start] = splines.inv(y[:, group])
            made.append((splines, parts[group.start]))
        return torch.cat([*parts.values()], dim=1), made


class _Forward(zuko.transforms.AutoregressiveTransform):  # type: ignore[misc]
    """The transform at a context."""

    def __init__(self, made_by: MaskedAutoregressive, context: Tensor | None) -> None:
        super().__init__(partial(made_by.meta, context), made_by.passes)
        self.made_by = made_by
        self.context = context

    @property
    def inv(self) -> _Inverse:
        """The inverse, by itself and not by torch's wrapper."""
        return _Inverse(self)

    def _inverse(self, y: Tensor) -> Tensor:
        if y.dim() != 2 or (self.context is not None and self.context.shape[:-1] != y.shape[:-1]):
            moved: Tensor = super()._inverse(y)  # one event, or several per context: in passes, as zuko does
            return moved
        return self.made_by.invert(y, self.context)[0]


class _Inverse(torch.distributions.Transform):
    """The inverse of a transform at a context."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, forward: _Forward) -> None:
        super().__init__()
        self.of = forward

    @property
    def inv(self) -> _Forward:
        """The transform itself."""
        return self.of

    def _call(self, x: Tensor) -> Tensor:
        return self.of._inverse(x)

    def _inverse(self, y: Tensor) -> Tensor:
        x: Tensor = self.of(y)
        return x

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is transformed into `x` `(n, d)`, and log|det J| of the inverse `(n,)`."""
        y, made = self.of.made_by.invert(x, self.of.context)
        log_det = torch.stack([splines.log_abs_det_jacobian(found, None).sum(1) for splines, found in made])
        return y, -log_det.sum(0)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return log|det J| of the inverse `(n,)`, which maps x to y."""
        log_det: Tensor = self.of.log_abs_det_jacobian(y, x)
        return -log_det
