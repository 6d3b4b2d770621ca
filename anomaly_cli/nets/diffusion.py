"""Conditional diffusion of feature vectors: noise levels, denoiser and samplers are independent parts.

Imports nothing else of the package but the form of a loss, and knows no physics.

References:
    T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating the Design Space of Diffusion-Based Generative
    Models", 2022, arXiv:2206.00364 (EDM; equations quoted by number below).
    C. Lu et al., "DPM-Solver++", 2022, arXiv:2211.01095 (the second-order multistep sampler).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anomaly_cli.nets.training import Drawn

LOG_SIGMA_MEAN, LOG_SIGMA_STD = -0.5, 1.2
"""Noise levels of the training: ln(sigma) ~ Normal; EDM (table 1) has -1.2 for data of half the width."""
RHO = 7.0
"""Spacing of the sampling steps (EDM, eq. 5)."""
SIGMA_DATA = 1.0
"""Standard deviation of the scaled features."""
N_FREQUENCIES = 8
"""Frequencies of the embedding of ln(sigma)."""

Sampler = Callable[["Denoiser", Tensor, Tensor, Tensor], Tensor]
"""From a denoiser, noisy events `(n, d)`, conditions `(n, c)` and falling noise levels to events `(n, d)`."""


class Denoiser(nn.Module):
    """The denoised events D(x; sigma) = c_skip x + c_out F(c_in x, ln(sigma)/4, condition) (EDM, eq. 7).

    Args:
        network: F, from scaled noisy events `(n, d)`, conditions `(n, c)` and embedded noise levels
            `(n, 2 N_FREQUENCIES)` to `(n, d)`; where it starts at zero, D starts at the best guess for independent
            Gaussian features.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        """Return the denoised events `(n, d)` of noisy ones `x (n, d)` at noise levels `sigma (n, 1)`."""
        variance = sigma**2 + SIGMA_DATA**2
        c_skip, c_out, c_in = SIGMA_DATA**2 / variance, sigma * SIGMA_DATA / variance.sqrt(), variance.rsqrt()
        phase = (sigma.log() / 4) * math.pi * 2.0 ** torch.arange(-2, N_FREQUENCIES - 2, device=x.device)
        level = torch.cat([phase.sin(), phase.cos()], dim=1)
        denoised: Tensor = c_skip * x + c_out * self.network(c_in * x, context, level)
        return denoised


class ResidualPerceptron(nn.Module):
    """A residual multilayer perceptron whose last layer starts at zero, as the network of a denoiser.

    Args:
        n_features: dimension d.
        n_context: number of conditions c.
        blocks: residual blocks.
        width: their width.
    """

    def __init__(self, n_features: int, n_context: int, blocks: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_features + n_context + 2 * N_FREQUENCIES, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.last = nn.Linear(width, n_features)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, context: Tensor, level: Tensor) -> Tensor:
        """Return `(n, d)` from events, conditions and embedded noise levels."""
        hidden: Tensor = self.first(torch.cat([x, context, level], dim=1))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        last: Tensor = self.last(hidden)
        return last


def draw_noise(x: Tensor, context: Tensor, generator: torch.Generator) -> Drawn:
    """Return events `(n, d)`, conditions `(n, c)`, random noise levels `(n, 1)` and noise of unit width `(n, d)`."""
    log_sigma = LOG_SIGMA_MEAN + LOG_SIGMA_STD * torch.randn(len(x), 1, generator=generator, device=x.device)
    return x, context, log_sigma.exp(), torch.randn(x.shape, generator=generator, device=x.device)


def denoising_loss(denoiser: Denoiser, x: Tensor, context: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Return the weighted error of the denoised events `(n,)` (EDM, eq. 2, table 1).

    The weight (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 makes every noise level count alike.

    Args:
        denoiser: what is trained.
        x: events `(n, d)`.
        context: conditions `(n, c)`.
        sigma: noise levels `(n, 1)`.
        noise: of unit width `(n, d)`.
    """
    weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
    loss: Tensor = (weight * (denoiser(x + sigma * noise, sigma, context) - x) ** 2).mean(dim=1)
    return loss


@dataclass(frozen=True)
class NoiseLevels:
    """Noise levels of the sampling, from `sigma_max` to `sigma_min` in `steps`, then 0 (EDM, eq. 5)."""

    sigma_min: float
    sigma_max: float
    steps: int

    def levels(self) -> Tensor:
        """Return the falling noise levels `(steps + 1,)`; the last is 0."""
        ramp = torch.linspace(0.0, 1.0, self.steps, dtype=torch.float64)
        low, high = self.sigma_min ** (1 / RHO), self.sigma_max ** (1 / RHO)
        return torch.cat([(high + ramp * (low - high)) ** RHO, torch.zeros(1, dtype=torch.float64)]).float()


def sample_heun(denoiser: Denoiser, x: Tensor, context: Tensor, levels: Tensor) -> Tensor:
    """Integrate the probability flow by Heun's second-order method (EDM, algorithm 1): 2 evaluations a step."""
    for sigma, following in itertools.pairwise(levels):
        slope = (x - denoiser(x, sigma.expand(len(x), 1), context)) / sigma
        euler = x + (following - sigma) * slope
        if following > 0.0:
            corrected = (euler - denoiser(euler, following.expand(len(x), 1), context)) / following
            euler = x + (following - sigma) * (slope + corrected) / 2
        x = euler
    return x


def sample_dpm(denoiser: Denoiser, x: Tensor, context: Tensor, levels: Tensor) -> Tensor:
    """Integrate by DPM-Solver++ 2M (algorithm 2 of the paper): 1 evaluation a step.

    With sigma the noise level and lambda = -ln(sigma), a step of size h uses the denoised events of this
    and the last step, extrapolated to its middle; the step to 0 is the denoised events themselves.
    """
    before: Tensor | None = None
    last_step = 0.0
    for sigma, following in itertools.pairwise(levels):
        denoised: Tensor = denoiser(x, sigma.expand(len(x), 1), context)
        if following == 0.0:
            return denoised
        step = float(torch.log(sigma / following))
        ratio = step / (2.0 * last_step) if before is not None else 0.0
        extrapolated = denoised if before is None else (1.0 + ratio) * denoised - ratio * before
        x = (following / sigma) * x - math.expm1(-step) * extrapolated
        before, last_step = denoised, step
    return x


SAMPLERS: dict[str, Sampler] = {"heun": sample_heun, "dpm": sample_dpm}
"""Samplers by name."""
