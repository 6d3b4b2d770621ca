"""One training loop for every network: schedule, validation, early stopping, divergence.

Imports nothing else of the package and knows no physics.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

Loss = Callable[[Tensor, torch.Generator], Tensor]
"""From event indices `(b,)` and a generator to the loss of each event `(b,)`."""
Drawn = tuple[Tensor, ...]
"""What a loss takes of the events of a batch, random numbers included; each `(b, ...)`."""
Begin = Callable[[float], None]
"""Called before each step with the fraction of the training that is done, and with 1 before validation."""
Report = Callable[[int, int, str], None]
"""Called after each epoch with the epochs done, the epochs in all, and a note."""


@dataclass(frozen=True)
class DrawnLoss:
    """A loss in two steps, what is drawn for a batch and what networks make of it, so that several can be done at once.

    Attributes:
        modules: the networks, that which is trained among them.
        draw: from event indices `(b,)` and a generator to what the networks are given.
        evaluate: from networks and what was drawn to the loss of each event `(b,)`. Trainings whose losses are
            evaluated by the same function can be done side by side.
        side_by_side: the same, where `evaluate` has branches on values; then this one must not have any.
    """

    modules: tuple[nn.Module, ...]
    draw: Callable[[Tensor, torch.Generator], Drawn]
    evaluate: Callable[..., Tensor]
    side_by_side: Callable[..., Tensor] | None = None

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of each event of a batch `(b,)`."""
        return self.evaluate(*self.modules, *self.draw(batch, generator))


def ignore(_: float) -> None:
    """Take no note of how far a training is."""


class Diverged(Exception):
    """The loss stayed non-finite after a second try with a lower learning rate."""


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes:
        epochs: epochs at most.
        batch_size: events per step.
        learning_rate: largest learning rate; warmed up over the first tenth, then cosine to 0.
        patience: epochs without a better validation loss before training stops.
        gradient_clip: largest norm of the gradient.
        averaging: decay per step of an exponential moving average of the weights, which is what is
            validated and kept; 0 keeps the weights themselves.
        keeps_last: whether the last state is kept instead of the best, for a loss that changes on the way.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    gradient_clip: float = 5.0
    averaging: float = 0.0
    keeps_last: bool = False


@dataclass(frozen=True)
class Epoch:
    """One row of a training curve; epoch 0 is the state before training."""

    epoch: int
    training_loss: float
    validation_loss: float
    learning_rate: float


@contextlib.contextmanager
def seeded(seed: int, threads: int, device: str = "cpu") -> Iterator[torch.Generator]:
    """Yield a generator on `device`, with so many threads inside the block.

    Layers of torch draw their starting weights from its global generator, which is seeded inside the block too; both it
    and the number of threads are restored after it. Nothing else draws from it.
    """
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield torch.Generator(device).manual_seed(seed)
        finally:
            torch.set_num_threads(before)


@dataclass(frozen=True)
class Task:
    """What is trained, on which events.

    Attributes:
        module: whose parameters are trained, in place.
        loss: loss per event of a batch of indices; one that is drawn first can be trained beside others of its kind.
        training: indices of training events `(n,)`.
        validation: indices of validation events `(v,)`.
        begin: told how far the training is, for losses that change on the way.
    """

    module: nn.Module
    loss: Loss
    training: Tensor
    validation: Tensor
    begin: Begin = ignore


def train(task: Task, schedule: Schedule, generator: torch.Generator, report: Report) -> list[Epoch]:
    """Train a module in place and leave it in its best state by validation loss, or in its last one.

    The state before training competes too: a network that starts at the identity stays there where
    training does not help. A non-finite loss is answered by going back to the best state and trying
    once more with a fifth of the learning rate.

    Args:
        task: what to train.
        schedule: how to train.
        generator: randomness of the order and of the loss.
        report: progress.

    Returns:
        The training curve.

    Raises:
        Diverged: where the second try diverges as well.
    """
    return _train_once(task, schedule, generator, report) or train_carefully(task, schedule, generator, report)


def train_carefully(task: Task, schedule: Schedule, generator: torch.Generator, report: Report) -> list[Epoch]:
    """Train as `train` does where a first try has diverged: with a fifth of the learning rate.

    Raises:
        Diverged: where this one diverges as well.
    """
    curve = _train_once(task, replace(schedule, learning_rate=schedule.learning_rate / 5), generator, report)
    if not curve:
        raise Diverged
    return curve


def _train_once(task: Task, schedule: Schedule, generator: torch.Generator, report: Report) -> list[Epoch]:
    """Train from the best state so far; return the curve, empty where the loss became non-finite."""
    optimisation = _Optimisation(task, schedule)
    best, best_loss, best_epoch = copy.deepcopy(task.module.state_dict()), math.inf, 0
    curve: list[Epoch] = []
    for epoch in range(schedule.epochs + 1):
        mean = optimisation.train_epoch(generator) if epoch > 0 else math.nan
        task.begin(1.0)
        with optimisation.averaged_weights():
            value = validate(task, schedule.batch_size)
            if not math.isfinite(value) or (epoch > 0 and not math.isfinite(mean)):
                break
            if value < best_loss or schedule.keeps_last:
                best, best_loss, best_epoch = copy.deepcopy(task.module.state_dict()), value, epoch
        curve.append(Epoch(epoch, mean, value, optimisation.learning_rate))
        report(epoch, schedule.epochs, f"loss {value:.4f}")
        if epoch - best_epoch >= schedule.patience:
            break
    task.module.load_state_dict(best)
    if len(curve) <= epoch:
        return []
    report(schedule.epochs, schedule.epochs, f"loss {best_loss:.4f}")
    return curve


class Adam:
    """What torch's Adam keeps, for its function: the class loads the compiler of torch, a second for every process.

    Args:
        weights: what is trained.
        weight_decay: share of a weight that is taken off in a step of learning rate 1, beside the gradient (AdamW).

    References:
        D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2014, arXiv:1412.6980.
        I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", 2017, arXiv:1711.05101 (algorithm 2).
    """

    def __init__(self, weights: Sequence[Tensor], weight_decay: float = 0.0) -> None:
        self.weights = weights
        self.weight_decay = weight_decay
        self.moments = [[torch.zeros_like(weight) for weight in weights] for _ in range(2)]
        self.n_done = [torch.tensor(0.0) for _ in weights]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Change the weights that have a gradient."""
        used = [(at, weight, weight.grad) for at, weight in enumerate(self.weights) if weight.grad is not None]
        first, second = ([column[at] for at, _, _ in used] for column in self.moments)
        if self.weight_decay:
            for _, weight, _ in used:
                weight.mul_(1.0 - learning_rate * self.weight_decay)
        adam(
            [weight for _, weight, _ in used],
            [gradient for _, _, gradient in used],
            first,
            second,
            [],
            [self.n_done[at] for at, _, _ in used],
            amsgrad=False,
            maximize=False,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=0.0,
            lr=learning_rate,
        )

    def take(self, members: Sequence[int], weights: Sequence[Tensor]) -> Adam:
        """Return the state of some members, of those that are the first dimension of every weight."""
        other = Adam(weights, self.weight_decay)
        other.moments = [[moment[members] for moment in column] for column in self.moments]
        other.n_done = self.n_done
        return other


class _Optimisation:
    """The state of one training besides the module: optimiser, learning rate, moving average of the weights."""

    def __init__(self, task: Task, schedule: Schedule) -> None:
        self.task = task
        self.schedule = schedule
        self.adam = Adam(list(task.module.parameters()))
        self.n_steps = schedule.epochs * math.ceil(len(task.training) / schedule.batch_size)
        self.average = [weight.detach().clone() for weight in task.module.parameters()]
        self.n_done = 0

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return self.schedule.learning_rate * rate_at(self.n_done, self.n_steps)

    def train_epoch(self, generator: torch.Generator) -> float:
        """Train for one epoch and return the mean loss per event, non-finite where that of any batch was."""
        total = torch.zeros((), dtype=torch.float64, device=self.task.training.device)
        order = self.task.training[
            torch.randperm(len(self.task.training), generator=generator, device=generator.device)
        ]
        for batch in torch.split(order, self.schedule.batch_size):
            self.task.begin(self.n_done / self.n_steps)
            losses = self.task.loss(batch, generator)
            for weight in self.adam.weights:
                weight.grad = None
            losses.mean().backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.task.module.parameters(), self.schedule.gradient_clip)
            self.adam.step(self.learning_rate)
            self.n_done += 1
            self._update_average()
            total += losses.detach().sum()  # looked at once an epoch: a look would make a GPU wait in every step
        return float(total) / len(self.task.training)

    def _update_average(self) -> None:
        """Move the average towards the weights; over the first steps it forgets the untrained ones faster."""
        if not self.schedule.averaging:
            return
        decay = decay_at(self.n_done, self.schedule.averaging)
        with torch.no_grad():
            for mean, weight in zip(self.average, self.task.module.parameters(), strict=True):
                mean.lerp_(weight, 1.0 - decay)

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Put the averaged weights into the module inside the block."""
        if not self.schedule.averaging:
            yield
            return
        weights = list(self.task.module.parameters())
        own = [weight.detach().clone() for weight in weights]
        _copy(self.average, weights)
        try:
            yield
        finally:
            _copy(own, weights)


def _copy(values: Sequence[Tensor], weights: Sequence[nn.Parameter]) -> None:
    with torch.no_grad():
        for value, weight in zip(values, weights, strict=True):
            weight.copy_(value)


def validate(task: Task, batch_size: int) -> float:
    """Return the mean loss with the same random numbers every time, so that epochs compare."""
    generator = torch.Generator(task.validation.device).manual_seed(0)
    with torch.no_grad():
        total = math.fsum(float(task.loss(b, generator).sum()) for b in torch.split(task.validation, batch_size))
    return total / len(task.validation)


def decay_at(n_done: int, averaging: float) -> float:
    """Return how much of the average of the weights is kept after so many steps: less at first."""
    return min(averaging, (1 + n_done) / (10 + n_done))


def rate_at(step: int, n_steps: int) -> float:
    """Return the learning rate of a step as a share of the largest."""
    warm_up = max(1, n_steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))
