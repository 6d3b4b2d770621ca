"""Spline flows on zuko: conditional densities, and transport between two conditions.

References:
    C. Durkan, A. Bekasov, I. Murray, G. Papamakarios, "Neural Spline Flows", 2019, arXiv:1906.04032.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import zuko
from torch import Tensor, nn

from anomaly_cli.nets.autoregressive import MaskedAutoregressive
from anomaly_cli.nets.splines import Spline


def make_spline_flow(
    n_features: int, n_context: int, transforms: int, hidden: Sequence[int], bins: int, passes: int
) -> zuko.lazy.Flow:
    """Return a conditional rational-quadratic spline flow: zuko's, with inverses that take less time.

    Args:
        n_features: dimension d.
        n_context: number of conditions.
        transforms: number of transforms.
        hidden: widths of the hidden layers.
        bins: spline bins.
        passes: passes of the inverse; 2 is a coupling flow, `n_features` fully autoregressive.
    """
    order = torch.arange(n_features)
    layers = [
        MaskedAutoregressive(
            n_features,
            n_context,
            order=order.flip(0) if number % 2 else order,
            passes=min(passes, n_features),
            univariate=Spline,
            shapes=[(bins,), (bins,), (bins - 1,)],
            hidden_features=list(hidden),
            activation=nn.SiLU,
        )
        for number in range(transforms)
    ]
    normal = zuko.lazy.UnconditionalDistribution(
        zuko.distributions.DiagNormal, loc=torch.zeros(n_features), scale=torch.ones(n_features), buffer=True
    )
    return zuko.lazy.Flow(layers, normal)


def start_at_identity(flow: zuko.lazy.Flow) -> None:
    """Set the last layer of every transform to zero, so that every spline starts as the identity."""
    for transform in flow.transform.transforms:
        if not hasattr(transform, "hyper"):  # one feature and no condition: the spline's parameters themselves
            for parameter in transform.parameters():
                nn.init.zeros_(parameter)
            continue
        last = [layer for layer in transform.hyper if hasattr(layer, "weight")][-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


class PairTransport(nn.Module):
    """The flow f(x; m_source -> m_target) between two conditions.

    One flow maps from the lower to the higher condition, its inverse back; both see the same symmetric
    context (m_high - m_low, mean), so that moving there and back returns the start.

    Args:
        flow: of d features and two conditions; it is made to start at the identity.

    References:
        D. Sengupta, S. Klein, J. A. Raine, T. Golling, "CURTAINs Flows For Flows: Constructing
        Unobserved Regions with Maximum Likelihood Estimation", 2023, arXiv:2305.04646.
    """

    def __init__(self, flow: zuko.lazy.Flow) -> None:
        super().__init__()
        self.flow = flow
        start_at_identity(self.flow)

    def move(self, x: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Move events.

        Args:
            x: `(n, d)`.
            source: condition of each event `(n, 1)`.
            target: condition to move to `(n, 1)`.

        Returns:
            The moved events `(n, d)` and log|det J| `(n,)`.
        """
        moved, log_det = torch.empty_like(x), torch.empty_like(x[:, 0])
        for mask, transform in self._directions(source, target):
            moved[mask], log_det[mask] = transform.call_and_ladj(x[mask])
        return moved, log_det

    def move_both_ways(self, x: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Move events as `move` does, without a branch on their values: up and down, of which one is kept."""
        transform = self.flow(self._context(source, target)).transform
        (up, log_det_up), (down, log_det_down) = transform.call_and_ladj(x), transform.inv.call_and_ladj(x)
        upward = target >= source
        return torch.where(upward, up, down), torch.where(upward[:, 0], log_det_up, log_det_down)

    def moved(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return the moved events `(n, d)` only, without log|det J|."""
        moved = torch.empty_like(x)
        for mask, transform in self._directions(source, target):
            moved[mask] = transform(x[mask])
        return moved

    @staticmethod
    def _context(source: Tensor, target: Tensor) -> Tensor:
        return torch.cat([(target - source).abs(), (target + source) / 2], dim=1)

    def _directions(self, source: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Any]]:
        """Yield which events go up or down `(n,)`, where any do, and the transform that moves them."""
        context = self._context(source, target)
        upward = (target >= source).squeeze(1)
        for mask, is_up in ((upward, True), (~upward, False)):
            if mask.any():
                transform = self.flow(context[mask]).transform
                yield mask, transform if is_up else transform.inv


def pair_loss(
    transport: PairTransport, density: nn.Module, x: Tensor, source: Tensor, target: Tensor, density_target: Tensor
) -> Tensor:
    """Return -log p(T(x) | target) - log|det T'| of each event `(n,)`, as CURTAINsF4F trains its transport.

    Args:
        transport: T.
        density: p, of which the mass may be scaled in another way.
        x: events `(n, d)`.
        source: their masses `(n, 1)`.
        target: masses to move to `(n, 1)`.
        density_target: the same as the density takes them `(n, 1)`.
    """
    moved, log_det = transport.move(x, source, target)
    return negative_log_density(density, moved, density_target) - log_det


def pair_loss_side_by_side(
    transport: PairTransport, density: nn.Module, x: Tensor, source: Tensor, target: Tensor, density_target: Tensor
) -> Tensor:
    """Return what `pair_loss` returns, without a branch on values."""
    moved, log_det = transport.move_both_ways(x, source, target)
    return negative_log_density(density, moved, density_target) - log_det


def draw(flow: zuko.lazy.Flow, context: Tensor, generator: torch.Generator) -> Tensor:
    """Return one event of the density at each context `(n, c)`, `(n, d)`."""
    distribution = condition_on(flow, context)
    n_features = distribution.event_shape[0]
    latent = torch.randn(len(context), n_features, generator=generator, device=context.device)
    drawn: Tensor = distribution.transform.inv(latent)
    return drawn


def condition_on(flow: zuko.lazy.Flow, context: Tensor) -> Any:
    """Return the distribution of a flow at a context `(n, c)`; zuko wants None where c is 0."""
    return flow(context if context.shape[1] else None)


def negative_log_density(flow: zuko.lazy.Flow, x: Tensor, context: Tensor) -> Tensor:
    """Return -log p(x | context) of each event `(n,)`; `context` `(n, c)`, c may be 0."""
    density: Tensor = condition_on(flow, context).log_prob(x)
    return -density
