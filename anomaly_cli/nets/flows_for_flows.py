"""Flows for flows: move one data set into another where neither density is known.

Three ways, all with the same verb `move`:

- base transfer: the density of each side is learned as a flow to the same latent normal; an event goes from
  data to latent with one and back to data with the other;
- unidirectional transfer: one side's density is learned, and a transport is trained by maximum likelihood of
  the other side's events under it;
- flows for flows: both densities are learned, and the transport is trained in both directions.

References:
    S. Klein, J. A. Raine, T. Golling, "Flows for Flows: Training Normalizing Flows Between Arbitrary
    Distributions with Maximum Likelihood Estimation", 2022, arXiv:2211.02487.
    T. Golling, S. Klein, R. Mastandrea, B. Nachman, J. A. Raine, "Flows for Flows: Morphing one Dataset
    into another with Maximum Likelihood Estimation", 2023, arXiv:2309.06472.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from anomaly_cli.nets.flows import condition_on, make_spline_flow, negative_log_density, start_at_identity
from anomaly_cli.nets.training import Drawn, DrawnLoss, Task

DIRECTIONS = ("forward", "inverse", "alternate", "both")
"""Source to target, target to source, either in turn from step to step, or both in every step."""
BATCH = 8192
"""Events moved at once."""


class Mover(Protocol):
    """Whatever moves events `(n, d)` between conditions `(n, c)` and returns them with log|det J| `(n,)`."""

    def move(self, x: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Move events of the source side to the target side."""
        ...

    def move_back(self, y: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Move events of the target side to the source side: the inverse of `move`."""
        ...


@dataclass(frozen=True)
class Size:
    """Size of a spline flow: transforms, widths of the hidden layers, bins."""

    transforms: int
    hidden: tuple[int, ...]
    bins: int


def make_density(n_features: int, n_conditions: int, size: Size) -> Any:
    """Return an autoregressive spline flow for p(x | condition)."""
    return make_spline_flow(n_features, n_conditions, size.transforms, size.hidden, size.bins, passes=n_features)


class BaseTransfer(nn.Module):
    """Data to latent with the density of the source, latent to data with that of the target.

    Each density sees the condition of its side. With copies of the densities it is also a transport to be
    trained further, which then starts where it already reaches the target.
    """

    def __init__(self, source_density: nn.Module, target_density: nn.Module) -> None:
        super().__init__()
        self.source_density = source_density
        self.target_density = target_density

    def move(self, x: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Move events of the source side to the target side."""
        return _through_latent((self.source_density, self.target_density), x, (source, target))

    def move_back(self, y: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Move events of the target side to the source side: the inverse of `move`."""
        return _through_latent((self.target_density, self.source_density), y, (target, source))


def _through_latent(
    densities: tuple[nn.Module, nn.Module], x: Tensor, conditions: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Map to latent with the first density and from there with the second."""
    latent, down = condition_on(densities[0], conditions[0]).transform.call_and_ladj(x)
    moved, up = condition_on(densities[1], conditions[1]).transform.inv.call_and_ladj(latent)
    return moved, down + up


class Transport(nn.Module):
    """The flow T(x; c_source, c_target) from one side to the other; its inverse moves back.

    Coupling transforms, so that both directions cost the same. With `one_per_side`, the half of the
    transforms next to a side sees the condition of that side.

    Args:
        parts: the flows that events go through, in order: two with `one_per_side`, else one.
        context: what they see of the two conditions: `difference`, `concatenation`, `one_per_side` or `none`.
    """

    def __init__(self, parts: Sequence[nn.Module], context: str) -> None:
        super().__init__()
        self.context = context
        self.parts = nn.ModuleList(parts)

    def _contexts(self, source: Tensor, target: Tensor) -> Sequence[Tensor | None]:
        """Return the context of each part."""
        if self.context == "difference":
            return [target - source]
        if self.context == "concatenation":
            return [torch.cat([source, target], dim=1)]
        return [source, target] if self.context == "one_per_side" else [None]

    def move(self, x: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Move events of the source side to the target side."""
        log_det = torch.zeros_like(x[:, 0])
        for part, context in zip(self.parts, self._contexts(source, target), strict=True):
            x, change = part(context).transform.call_and_ladj(x)
            log_det = log_det + change
        return x, log_det

    def move_back(self, y: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Move events of the target side to the source side: the inverse of `move`."""
        log_det = torch.zeros_like(y[:, 0])
        for part, context in zip(reversed(self.parts), reversed(self._contexts(source, target)), strict=True):
            y, change = part(context).transform.inv.call_and_ladj(y)
            log_det = log_det + change
        return y, log_det


def make_transport(n_features: int, n_conditions: int, size: Size, context: str, starts_at_identity: bool) -> Transport:
    """Return an untrained transport of spline flows.

    Args:
        n_features: dimension d.
        n_conditions: number of conditions c of each side.
        size: size of all parts together.
        context: what they see of the conditions.
        starts_at_identity: whether it starts there instead of at random.
    """
    width = {"difference": n_conditions, "concatenation": 2 * n_conditions, "one_per_side": n_conditions}
    shares = [size.transforms]
    if context == "one_per_side":
        shares = [size.transforms - size.transforms // 2, size.transforms // 2]
    parts = [
        make_spline_flow(n_features, width.get(context, 0), share, size.hidden, size.bins, passes=2) for share in shares
    ]
    if starts_at_identity:
        for part in parts:
            start_at_identity(part)
    return Transport(parts, context)


@dataclass(frozen=True)
class Side:
    """One data set.

    Attributes:
        x: events `(n, d)`, within the range of the splines.
        condition: `(n, c)`; c may be 0.
        training: indices of the training events.
        validation: indices of the validation events.
        weight: of each event's loss `(n,)`, with a mean of 1; None where all weigh the same.
    """

    x: Tensor
    condition: Tensor
    training: Tensor
    validation: Tensor
    weight: Tensor | None = None

    def weighted(self, losses: Tensor, batch: Tensor) -> Tensor:
        """Return the losses of a batch of indices times the weights of its events."""
        return losses if self.weight is None else losses * self.weight[batch]


@dataclass(frozen=True)
class Penalty:
    """A price on movement, added to the loss of each event: weight x sum_j |moved_j - x_j|^power.

    Attributes:
        power: 1 (L1), 2 (L2), or 0 for no penalty.
        weight: at the start of the training.
        is_annealed: whether the weight falls to 0 along a half cosine until the end of the training;
            validation is then done without penalty.
    """

    power: int = 0
    weight: float = 0.0
    is_annealed: bool = False

    def weight_at(self, fraction: float) -> float:
        """Return the weight when `fraction` of the training is done."""
        return self.weight * (0.5 * (1.0 + math.cos(math.pi * fraction)) if self.is_annealed else 1.0)

    def of(self, moved: Tensor, x: Tensor, fraction: float) -> Tensor:
        """Return the penalty of each event `(n,)`."""
        if self.power == 0:
            return torch.zeros_like(x[:, 0])
        return self.weight_at(fraction) * (moved - x).abs().pow(self.power).sum(dim=1)


@dataclass(frozen=True)
class Objective:
    """What a transport is trained for.

    Attributes:
        direction: one of `DIRECTIONS`.
        penalty: price on movement.
        keeps_condition: whether events are moved to their own condition, instead of to conditions drawn
            from the other side.
    """

    direction: str
    penalty: Penalty
    keeps_condition: bool


def density_task(density: nn.Module, side: Side) -> Task:
    """Return the training of a density by maximum likelihood."""

    def draw(batch: Tensor, _: torch.Generator) -> Drawn:
        columns = (side.x, side.condition) if side.weight is None else (side.x, side.condition, side.weight)
        return tuple(column[batch] for column in columns)

    return Task(density, DrawnLoss((density,), draw, _density_loss), side.training, side.validation)


def _density_loss(density: nn.Module, x: Tensor, condition: Tensor, weight: Tensor | None = None) -> Tensor:
    losses = negative_log_density(density, x, condition)
    return losses if weight is None else losses * weight


def transport_task(
    transport: BaseTransfer | Transport,
    sides: tuple[Side, Side],
    densities: tuple[nn.Module | None, nn.Module | None],
    to: Objective,
) -> Task:
    """Return the training of a transport.

    Args:
        transport: the `Mover` from the first side to the second.
        sides: source and target.
        densities: their densities; only those that the direction moves to are used. They are frozen.
        to: what to train for.
    """
    for density in densities:
        if density is not None:
            density.requires_grad_(False)
    loss = _TransportLoss(transport, sides, densities, to)
    side = sides[1] if to.direction == "inverse" else sides[0]
    return Task(transport, loss, side.training, side.validation, loss.begin)


class _TransportLoss:
    """-log p_other(T(x) | c_other) - log|det T'| + penalty of each event, in the directions asked for.

    An epoch runs over the source, or over the target where only the inverse is trained; the events of
    the other side are drawn.
    """

    def __init__(
        self,
        transport: BaseTransfer | Transport,
        sides: tuple[Side, Side],
        densities: tuple[nn.Module | None, nn.Module | None],
        objective: Objective,
    ) -> None:
        self.transport = transport
        self.sides = sides
        self.densities = densities
        self.objective = objective
        self.fraction = 1.0
        self.step = 0

    def begin(self, fraction: float) -> None:
        """Take note of how much of the training is done; 1 means validation."""
        self.fraction = fraction
        self.step += fraction < 1.0

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        direction = self.objective.direction
        if direction == "forward":
            return self._one_way(0, batch, generator)
        if direction == "inverse":
            return self._one_way(1, batch, generator)
        is_alternating = direction == "alternate" and self.fraction < 1.0
        if is_alternating and self.step % 2:
            return self._one_way(0, batch, generator)
        back = self._one_way(1, self._draw(1, len(batch), generator), generator)
        return back if is_alternating else 0.5 * (self._one_way(0, batch, generator) + back)

    def _one_way(self, start: int, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of events of one side (0 source, 1 target) moved to the other."""
        here, there = self.sides[start], self.sides[1 - start]
        x, own = here.x[batch], here.condition[batch]
        wanted = own
        if not self.objective.keeps_condition:
            wanted = there.condition[self._draw(1 - start, len(batch), generator)]
        if start == 0:
            moved, log_det = self.transport.move(x, own, wanted)
        else:
            moved, log_det = self.transport.move_back(x, wanted, own)
        misfit = negative_log_density(self.densities[1 - start], moved, wanted)
        return here.weighted(misfit - log_det + self.objective.penalty.of(moved, x, self.fraction), batch)

    def _draw(self, side: int, n: int, generator: torch.Generator) -> Tensor:
        """Return indices of events of a side, of its validation events during validation."""
        pool = self.sides[side].training if self.fraction < 1.0 else self.sides[side].validation
        return pool[torch.randint(len(pool), (n,), generator=generator, device=pool.device)]


def move_all(mover: Mover, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return all events moved `(n, d)`, in batches; the last one may be short."""
    with torch.no_grad():
        parts = [
            mover.move(*arguments)[0]
            for arguments in zip(*(torch.split(tensor, BATCH) for tensor in (x, source, target)), strict=True)
        ]
    return torch.cat(parts)
