"""Trainings that are hard to mislead: the worst weights and the worst inputs near by, for many members at once.

Every function takes the losses of all members `(m,)` as a function of their weights and inputs; members do not mix.

References:
    P. Foret et al., "Sharpness-aware minimization for efficiently improving generalization", 2020, arXiv:2010.01412.
    J. Kwon et al., "ASAM: adaptive sharpness-aware minimization", 2021, arXiv:2102.11600.
    I. Goodfellow, J. Shlens, C. Szegedy, "Explaining and harnessing adversarial examples", 2014, arXiv:1412.6572.
    A. Madry et al., "Towards deep learning models resistant to adversarial attacks", 2017, arXiv:1706.06083.
    F. Rothen et al., "Enhancing generalization in high energy physics using white-box adversarial attacks", 2024,
    arXiv:2411.09296.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Losses: TypeAlias = Callable[[Sequence[Tensor], Tensor], Tensor]
"""Loss of each member `(m,)`, from the parameters of all, each `(m, ...)`, and inputs `(m, b, d)`."""
STRIDE = 2.5
"""Steps of an attack reach this many times its size in all, so that they can leave its start and return."""


@dataclass(frozen=True)
class Robustness:
    """What a training is hardened against; by default nothing.

    Attributes:
        sharpness_radius: length of the move of all weights that raises the loss most; a step follows the slope there.
        sharpness_scaled: whether each weight moves in proportion to its size, so that the length is relative to them.
        attack: most that an input is shifted, the worst for the loss, before the training sees it.
        attack_steps: of the search for that shift; 1 is the sign of the gradient, more start at random.
    """

    sharpness_radius: float = 0.0
    sharpness_scaled: bool = False
    attack: float = 0.0
    attack_steps: int = 1


PLAIN = Robustness()
"""A plain training."""


def moved_uphill(
    parameters: Sequence[Tensor], gradients: Sequence[Tensor], radius: float, scaled: bool
) -> list[Tensor]:
    """Return the parameters of every member, moved to where the loss is largest to first order.

    Args:
        parameters: each `(m, ...)`.
        gradients: of the loss of each member, as the parameters.
        radius: length of the move of a member.
        scaled: whether the length counts each component relative to the size of its parameter; parameters of 0 stay.
    """
    scales = [parameter.detach().abs() if scaled else torch.ones_like(parameter) for parameter in parameters]
    rates = [scale * gradient for scale, gradient in zip(scales, gradients, strict=True)]
    norm = torch.stack([rate.flatten(1).square().sum(dim=1) for rate in rates]).sum(dim=0).sqrt()
    step = radius / norm.clamp_min(torch.finfo(norm.dtype).tiny)
    return [
        (parameter + step.reshape(-1, *[1] * (rate.dim() - 1)) * scale * rate).detach().requires_grad_()
        for parameter, scale, rate in zip(parameters, scales, rates, strict=True)
    ]


def attacked(
    losses: Losses,
    parameters: Sequence[Tensor],
    inputs: Tensor,
    settings: Robustness,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Return inputs, none of them shifted by more than the attack, where the loss of each member is larger `(m, b, d)`.

    Args:
        losses: of the members.
        parameters: of the members; they are not changed.
        inputs: of each member `(m, b, d)`.
        settings: size and steps of the attack.
        generators: of each member, on the CPU; used where there is more than one step.
    """
    fixed = [parameter.detach() for parameter in parameters]
    low, high = inputs - settings.attack, inputs + settings.attack
    step, at = settings.attack, inputs
    if settings.attack_steps > 1:
        drawn = torch.stack([torch.rand(inputs.shape[1:], generator=generator) for generator in generators])
        at = low + 2.0 * settings.attack * drawn.to(inputs.device)
        step = STRIDE * settings.attack / settings.attack_steps
    for _ in range(settings.attack_steps):
        at = at.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(losses(fixed, at).sum(), at)
        at = torch.minimum(torch.maximum(at + step * gradient.sign(), low), high)
    return at.detach()
