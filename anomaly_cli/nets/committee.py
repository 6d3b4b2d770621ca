"""Many small perceptrons trained side by side: one batched matrix product does the work of all.

Each member has its own start, order of events, weights, stopping events, optimiser state and end, so it does not
depend on the company that it is trained in, but for rounding.

Imports nothing else of the package but what hardens a training, the optimiser and the end of a diverged one, and
knows no physics.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from anomaly_cli.nets.robust import PLAIN, Losses, Robustness, attacked, moved_uphill
from anomaly_cli.nets.training import Adam, Diverged

BLOCK = 4096
"""Stopping events that are evaluated at once."""


@dataclass(frozen=True)
class Recipe:
    """How the members are trained: AdamW, the learning rate falling as a cosine to 0 over all epochs.

    Attributes:
        hidden: widths of the hidden layers, with ReLU after each.
        epochs: epochs at most; an epoch is as many steps as all events, stopping ones included, make batches.
        batch_size: events per step.
        learning_rate: at the start.
        weight_decay: of AdamW.
        patience: epochs without a better loss of the stopping events before a member is done.
        best_epochs: states that are kept of each member, those of the best losses.
        robustness: what it is hardened against; what says when to stop is the plain loss all the same.
    """

    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    best_epochs: int
    robustness: Robustness = PLAIN


@dataclass(frozen=True)
class Lessons:
    """What m members learn from, out of the same n events.

    Attributes:
        inputs: `(n, d)`.
        target: 1 for the positive class, else 0 `(n,)`.
        weight: weight of each event for each member `(m, n)`.
        stops: whether a member stops on an event instead of training on it `(m, n)`.
        uses: whether a member sees an input `(m, d)`.
        seeds: of the start and the order of each member.
    """

    inputs: Tensor
    target: Tensor
    weight: Tensor
    stops: Tensor
    uses: Tensor
    seeds: Sequence[int]


Layers = list[tuple[Tensor, Tensor]]
"""Weights `(m, i, o)` and biases `(m, 1, o)` of each layer."""


@dataclass
class _Member:
    """The course of one member: its randomness, and its best states so far."""

    generator: torch.Generator
    training: Tensor
    best: list[tuple[float, Layers]] = field(default_factory=list)
    best_epoch: int = -1

    def order(self, n: int) -> Tensor:
        """Return n training events in random order; where there are fewer, the order goes round."""
        shuffled = self.training[torch.randperm(len(self.training), generator=self.generator)]
        return shuffled.repeat(math.ceil(n / len(shuffled)))[:n]

    def keep(self, loss: float, epoch: int, state: Layers, n: int) -> None:
        """Keep a state if it is among the n best."""
        if not math.isfinite(loss):
            return
        if not self.best or loss < self.best[0][0]:
            self.best_epoch = epoch
        self.best = sorted([*self.best, (loss, state)], key=lambda kept: kept[0])[:n]


def train_committee(lessons: Lessons, recipe: Recipe) -> list[Layers]:
    """Train all members and return the layers of each, its best epochs in place of members `(k, i, o)`.

    Raises:
        Diverged: where a member never had a finite loss.
    """
    members = [
        _Member(torch.Generator().manual_seed(seed), torch.nonzero(~stops)[:, 0].cpu())
        for seed, stops in zip(lessons.seeds, lessons.stops, strict=True)
    ]
    widths = [lessons.inputs.shape[1], *recipe.hidden, 1]
    course = _Course(lessons, recipe, _start(members, widths, lessons.uses), list(range(len(members))))
    for epoch in range(recipe.epochs):
        course.train_epoch(epoch, members)
        for place, (index, loss) in enumerate(zip(course.active, course.stopping_losses(), strict=True)):
            members[index].keep(loss, epoch, course.state(place), recipe.best_epochs)
        going = [i for i, index in enumerate(course.active) if epoch - members[index].best_epoch < recipe.patience]
        if not going:
            break
        course.leave_only(going)
    if any(not member.best for member in members):
        raise Diverged
    return [_stack([state for _, state in member.best]) for member in members]


def _start(members: Sequence[_Member], widths: Sequence[int], uses: Tensor) -> list[Tensor]:
    """Return starting weights and biases, uniform within 1/sqrt(inputs) as torch's linear layers have them."""
    parameters = []
    for before, after in itertools.pairwise(widths):
        bound = 1.0 / math.sqrt(before)
        for shape in ((before, after), (1, after)):
            drawn = [torch.rand(shape, generator=member.generator) for member in members]
            parameters.append(((2.0 * torch.stack(drawn) - 1.0) * bound).to(uses.device))
    parameters[0] *= uses[:, :, None]
    return parameters


def forward(parameters: Sequence[Tensor], x: Tensor) -> Tensor:
    """Return the log-odds `(m, b)` of inputs `(m, b, d)`, or `(b, d)` for all members alike."""
    x = x.expand(len(parameters[0]), *x.shape[-2:])
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = torch.relu(torch.baddbmm(bias, x, weight))
    return torch.baddbmm(parameters[-1], x, parameters[-2])[:, :, 0]


class _Course:
    """The members that are still trained, with their optimiser."""

    def __init__(self, lessons: Lessons, recipe: Recipe, parameters: list[Tensor], active: list[int]) -> None:
        self.lessons = lessons
        self.recipe = recipe
        self.active = active
        self.n_steps = math.ceil(len(lessons.inputs) / recipe.batch_size)
        self.sets = (lessons.weight, lessons.stops, lessons.uses)
        self.parameters = [parameter.requires_grad_() for parameter in parameters]
        self.adam = Adam(self.parameters, recipe.weight_decay)

    def leave_only(self, going: list[int]) -> None:
        """Leave only these of the members."""
        if len(going) == len(self.active):
            return
        self.active = [self.active[place] for place in going]
        self.sets = (self.sets[0][going], self.sets[1][going], self.sets[2][going])
        self.parameters = [parameter.detach()[going].requires_grad_() for parameter in self.parameters]
        self.adam = self.adam.take(going, self.parameters)

    def train_epoch(self, epoch: int, members: Sequence[_Member]) -> None:
        """Train every active member for an epoch."""
        size, device = self.recipe.batch_size, self.lessons.inputs.device
        order = torch.stack([members[index].order(self.n_steps * size) for index in self.active]).to(device)
        generators = [members[index].generator for index in self.active]
        for step in range(self.n_steps):
            done = (epoch * self.n_steps + step) / (self.recipe.epochs * self.n_steps)
            rate = 0.5 * self.recipe.learning_rate * (1.0 + math.cos(math.pi * done))
            self._learn(order[:, step * size : (step + 1) * size], rate, generators)

    def _learn(self, batch: Tensor, learning_rate: float, generators: Sequence[torch.Generator]) -> None:
        """Make one step of every active member, on events `(m, b)` of its own."""
        losses, inputs, hard = self._losses(batch), self.lessons.inputs[batch], self.recipe.robustness
        if hard.attack:
            inputs = attacked(losses, self.parameters, inputs, hard, generators)
        gradients = self._gradients(losses, self.parameters, inputs)
        if hard.sharpness_radius:
            worst = moved_uphill(self.parameters, gradients, hard.sharpness_radius, hard.sharpness_scaled)
            gradients = self._gradients(losses, worst, inputs)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.adam.step(learning_rate)

    def _losses(self, batch: Tensor) -> Losses:
        """Return the mean loss of every active member on events `(m, b)`, as a function of weights and inputs."""
        target, weight = self.lessons.target[batch], torch.gather(self.sets[0], 1, batch)

        def losses(parameters: Sequence[Tensor], inputs: Tensor) -> Tensor:
            odds = forward(parameters, inputs)
            each = torch.nn.functional.binary_cross_entropy_with_logits(odds, target, weight=weight, reduction="none")
            return each.mean(dim=1)

        return losses

    def _gradients(self, losses: Losses, parameters: Sequence[Tensor], inputs: Tensor) -> list[Tensor]:
        """Return the gradients of each member's loss; what a member does not see has none."""
        first, *others = torch.autograd.grad(losses(parameters, inputs).sum(), list(parameters))
        return [first * self.sets[2][:, :, None], *others]

    def stopping_losses(self) -> list[float]:
        """Return the mean loss of every active member on its stopping events."""
        lessons, (weight, stops, _) = self.lessons, self.sets
        total = torch.zeros(len(self.active), dtype=torch.float64, device=lessons.inputs.device)
        weighed = weight * stops
        used = torch.nonzero(stops.any(dim=0))[:, 0]
        with torch.no_grad():
            for part in torch.split(used, BLOCK):
                odds = forward(self.parameters, lessons.inputs[part])
                target = lessons.target[part].expand_as(odds)
                losses = torch.nn.functional.binary_cross_entropy_with_logits(odds, target, reduction="none")
                total += (losses * weighed[:, part]).double().sum(dim=1)
        return (total / weighed.double().sum(dim=1)).tolist()

    def state(self, place: int) -> Layers:
        """Return a copy of the layers of one member."""
        own = [parameter.detach()[place : place + 1].clone() for parameter in self.parameters]
        return list(zip(own[::2], own[1::2], strict=True))


def _stack(states: Sequence[Layers]) -> Layers:
    return [
        (torch.cat([weight for weight, _ in layer]), torch.cat([bias for _, bias in layer]))
        for layer in zip(*states, strict=True)
    ]
