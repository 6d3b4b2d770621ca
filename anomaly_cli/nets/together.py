"""Networks of one kind trained side by side: one call of torch does the work of all (`torch.func.vmap`).

On a GPU a step of a small network takes the time to launch its operations, whatever their size, so that many networks
share them. Each has its own events, random numbers, best state and end: it becomes what it would be if it were trained
alone, but for rounding.

Knows no physics.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from anomaly_cli.core.meeting import Meeting
from anomaly_cli.nets.training import (
    Adam,
    Diverged,
    Drawn,
    DrawnLoss,
    Epoch,
    Report,
    Schedule,
    Task,
    decay_at,
    ignore,
    rate_at,
    train,
    train_carefully,
)

MOST_EVENTS = 1_000_000
"""Events of all networks in one step: some 26 GB for the gradients of the default transport."""


@dataclass(frozen=True)
class Training:
    """One training that may be done beside others.

    Attributes:
        task: what is trained, on which events.
        schedule: how.
        generator: randomness of the order and of the loss, on the device of the events.
        report: told of every epoch.
    """

    task: Task
    schedule: Schedule
    generator: torch.Generator
    report: Report


def train_all(trainings: Sequence[Training]) -> list[list[Epoch] | Diverged]:
    """Train modules in place, those of one kind side by side, and return the curve of each, or how it ended.

    Of one kind are trainings by the same loss, on the same schedule and device, of networks that are built alike, whose
    events make as many steps in an epoch; the larger the batches, the more are. One that diverges is trained again by
    itself, as `train` does.
    """
    kinds: dict[Hashable, list[int]] = {}
    for index, training in enumerate(trainings):
        kinds.setdefault(_kind(training, index), []).append(index)
    found: dict[int, list[Epoch] | Diverged] = {}
    for indices in kinds.values():
        for part in _portions(indices, trainings[indices[0]].schedule.batch_size):
            found |= zip(part, _train_in_memory([trainings[index] for index in part]), strict=True)
    return [found[index] for index in range(len(trainings))]


def open_meeting() -> Meeting[Training, list[Epoch]]:
    """Return where the trainings of several pieces of work meet."""
    return Meeting(train_all)


def train_at(meeting: Meeting[Training, list[Epoch]] | None, training: Training) -> list[Epoch]:
    """Train beside those whose trainings meet at the same time, or alone where there is no meeting.

    Others draw from torch's global generator meanwhile; it is put back for the piece of work that goes on.

    Raises:
        Diverged: as `train`.
    """
    if meeting is None:
        return train(training.task, training.schedule, training.generator, training.report)

    def report(done: int, total: int, note: str) -> None:
        meeting.check()
        training.report(done, total, note)

    with torch.random.fork_rng(devices=[]):
        return meeting.ask(replace(training, report=report))


def _portions(indices: Sequence[int], batch_size: int) -> list[Sequence[int]]:
    """Return indices in portions of nearly the same size whose batches fit in memory together."""
    n = math.ceil(len(indices) * batch_size / MOST_EVENTS)
    size = math.ceil(len(indices) / n)
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _kind(training: Training, index: int) -> Hashable:
    """Return what is equal for trainings that can be done side by side; the index where none can be."""
    task, schedule = training.task, training.schedule
    if not isinstance(task.loss, DrawnLoss) or task.begin is not ignore:
        return index
    device, lesson = task.training.device, _Lesson(task.loss)
    drawn = task.loss.draw(task.validation[:1], torch.Generator(device))
    tensors = [*lesson.named_parameters(), *lesson.named_buffers()]
    return (
        task.loss.evaluate,
        schedule,
        device,
        math.ceil(len(task.training) / schedule.batch_size),
        repr(lesson),
        *(getattr(module, "passes", None) for module in lesson.modules()),  # of a flow, which its text leaves out
        *(column.shape for column in drawn),
        *((name, tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in tensors),
    )


def _train_in_memory(trainings: Sequence[Training]) -> list[list[Epoch] | Diverged]:
    """Train networks of one kind, half of them at a time where memory does not hold what all of them need."""
    states = [one.generator.get_state() for one in trainings]
    try:
        return _train_kind(trainings)
    except torch.OutOfMemoryError:
        if len(trainings) == 1:
            raise
    torch.cuda.empty_cache()
    for one, state in zip(trainings, states, strict=True):
        one.generator.set_state(state)
    half = (len(trainings) + 1) // 2
    return _train_in_memory(trainings[:half]) + _train_in_memory(trainings[half:])


def _train_kind(trainings: Sequence[Training]) -> list[list[Epoch] | Diverged]:
    if not isinstance(trainings[0].task.loss, DrawnLoss):
        return [_by_itself(train, one) for one in trainings]
    curves = _Group(trainings).train()
    return [curve or _by_itself(train_carefully, one) for one, curve in zip(trainings, curves, strict=True)]


def _by_itself(how: Callable[..., list[Epoch]], one: Training) -> list[Epoch] | Diverged:
    try:
        return how(one.task, one.schedule, one.generator, one.report)
    except Diverged as diverged:
        return diverged


class _Lesson(nn.Module):
    """The loss as a module of all networks in it."""

    def __init__(self, loss: DrawnLoss) -> None:
        super().__init__()
        self.networks = nn.ModuleList(loss.modules)
        self.evaluate = loss.side_by_side or loss.evaluate

    def forward(self, *drawn: Tensor) -> Tensor:
        """Return the loss of each event `(b,)`."""
        return self.evaluate(*self.networks, *drawn)


State = Mapping[str, Tensor]
"""Weights of all networks by name, `(k, ...)`."""


class _Group:
    """k trainings of one kind. What is of all networks has the network as its first dimension."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = trainings
        self.schedule = trainings[0].schedule
        self.lessons = [_Lesson(loss) for one in trainings if isinstance(loss := one.task.loss, DrawnLoss)]
        self.weights, self.buffers = stack_module_state(self.lessons)
        self.form = copy.deepcopy(self.lessons[0]).to("meta")
        own = set(map(id, trainings[0].task.module.parameters()))  # beside it, the loss may use others
        names = [name for name, weight in self.lessons[0].named_parameters() if id(weight) in own]
        self.trained = {name: self.weights[name] for name in names if self.weights[name].requires_grad}
        self.average = {name: weight.detach().clone() for name, weight in self.trained.items()}
        self.adam = Adam(list(self.trained.values()))
        self.ends: dict[int, Tensor] = {}
        self.sent: dict[tuple[int, ...], Tensor] = {}
        self.n_done = 0
        n_training = len(trainings[0].task.training)
        self.n_steps = self.schedule.epochs * math.ceil(n_training / self.schedule.batch_size)

    def train(self) -> list[list[Epoch] | None]:
        """Train and leave every network in its best state, or in its last one; return curves, None of the diverged."""
        best = {name: weight.detach().clone() for name, weight in self.trained.items()}
        best_loss, best_epoch = [math.inf] * len(self.trainings), [0] * len(self.trainings)
        curves: list[list[Epoch] | None] = [[] for _ in self.trainings]
        going = set(range(len(self.trainings)))
        for epoch in range(self.schedule.epochs + 1):
            means = self._train_epoch() if epoch > 0 else [math.nan] * len(self.trainings)
            current = self.average if self.schedule.averaging else self.trained
            values = self._validate(self.weights | dict(current))
            better = [False] * len(self.trainings)
            for place in sorted(going):
                curve, value = curves[place], values[place]
                if curve is None or not math.isfinite(value) or (epoch > 0 and not math.isfinite(means[place])):
                    curves[place] = None
                    self._end(place, going)
                    continue
                if value < best_loss[place] or self.schedule.keeps_last:
                    best_loss[place], best_epoch[place], better[place] = value, epoch, True
                rate = self.schedule.learning_rate * rate_at(self.n_done, self.n_steps)
                curve.append(Epoch(epoch, means[place], value, rate))
                self.trainings[place].report(epoch, self.schedule.epochs, f"loss {value:.4f}")
                if epoch - best_epoch[place] >= self.schedule.patience:
                    self._end(place, going)
            best = _chosen(better, current, best)
            if not going:
                break
        self._hand_back(best)
        for training, loss, curve in zip(self.trainings, best_loss, curves, strict=True):
            if curve:
                training.report(self.schedule.epochs, self.schedule.epochs, f"loss {loss:.4f}")
        return curves

    def _end(self, place: int, going: set[int]) -> None:
        """End the training of a network, whose random numbers go on from here in what is trained next."""
        going.remove(place)
        self.ends[place] = self.trainings[place].generator.get_state()

    def _train_epoch(self) -> list[float]:
        """Train all for one epoch and return the mean loss per event of each."""
        total = torch.zeros(len(self.trainings), dtype=torch.float64, device=self._device)
        for batches in zip(*(self._batches(one) for one in self.trainings), strict=True):
            losses, sizes = self._losses(self.weights, batches, [one.generator for one in self.trainings])
            for weight in self.trained.values():
                weight.grad = None
            (losses.sum(dim=1) / sizes).sum().backward()  # type: ignore[no-untyped-call]
            self._clip()
            self.adam.step(self.schedule.learning_rate * rate_at(self.n_done, self.n_steps))
            self.n_done += 1
            self._update_average()
            total += losses.detach().sum(dim=1)
        n_events = [len(one.task.training) for one in self.trainings]
        return [value / n for value, n in zip(total.tolist(), n_events, strict=True)]

    @property
    def _device(self) -> torch.device:
        return self.trainings[0].task.training.device

    @staticmethod
    def _batches(one: Training) -> tuple[Tensor, ...]:
        """Return the training events of a network in random order, in batches."""
        events = one.task.training
        order = events[torch.randperm(len(events), generator=one.generator, device=one.generator.device)]
        return torch.split(order, one.schedule.batch_size)

    def _losses(
        self, weights: State, batches: Sequence[Tensor], generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of a batch of each network `(k, b)`, 0 beyond the end of a shorter one; and their sizes."""
        drawn: list[Drawn] = []
        for one, batch, generator in zip(self.trainings, batches, generators, strict=True):
            if isinstance(one.task.loss, DrawnLoss):
                drawn.append(one.task.loss.draw(batch, generator))
        sizes = tuple(len(batch) for batch in batches)
        longest = max(sizes)
        columns = [torch.stack([_lengthen(column, longest) for column in same]) for same in zip(*drawn, strict=True)]

        def evaluate(one: State, buffers: State, *inputs: Tensor) -> Any:
            return functional_call(self.form, (dict(one), dict(buffers)), inputs)

        losses: Tensor = vmap(evaluate)(weights, self.buffers, *columns)
        ends = self._on_device(sizes)
        if min(sizes) < longest:
            losses = torch.where(torch.arange(longest, device=self._device) < ends[:, None], losses, 0.0)
        return losses, ends

    def _on_device(self, sizes: tuple[int, ...]) -> Tensor:
        """Return numbers as a tensor; they are sent once, since a GPU is waited for in every sending."""
        if sizes not in self.sent:
            self.sent[sizes] = torch.tensor(sizes, device=self._device)
        return self.sent[sizes]

    def _clip(self) -> None:
        """Scale the gradient of each network down to the largest norm."""
        gradients = [weight.grad for weight in self.trained.values() if weight.grad is not None]
        squares = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients])
        share = (self.schedule.gradient_clip / (squares.sum(dim=0).sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(_like(share, gradient))

    def _update_average(self) -> None:
        """Move the averages as the training of one network does."""
        if not self.schedule.averaging:
            return
        decay = decay_at(self.n_done, self.schedule.averaging)
        with torch.no_grad():
            for name, weight in self.trained.items():
                self.average[name].lerp_(weight, 1.0 - decay)

    def _validate(self, weights: State) -> list[float]:
        """Return the mean loss of each network on its validation events, with the same random numbers every time."""
        generators = [torch.Generator(self._device).manual_seed(0) for _ in self.trainings]
        total = torch.zeros(len(self.trainings), dtype=torch.float64, device=self._device)
        parts = [torch.split(one.task.validation, self.schedule.batch_size) for one in self.trainings]
        with torch.no_grad():
            for batches in itertools.zip_longest(*parts):  # who has no more events is given one, which counts nothing
                some = [
                    one.task.validation[:1] if b is None else b for one, b in zip(self.trainings, batches, strict=True)
                ]
                losses, _ = self._losses(weights, some, generators)
                has_any = self._on_device(tuple(int(batch is not None) for batch in batches))
                total += losses.sum(dim=1) * has_any
        n_events = [len(one.task.validation) for one in self.trainings]
        return [value / n for value, n in zip(total.tolist(), n_events, strict=True)]

    def _hand_back(self, best: State) -> None:
        """Give every network its weights, and those that ended before others their generator."""
        for place, state in self.ends.items():
            self.trainings[place].generator.set_state(state)
        with torch.no_grad():
            for place, lesson in enumerate(self.lessons):
                for name, weight in lesson.named_parameters():
                    if name in best:
                        weight.copy_(best[name][place])


def _lengthen(column: Tensor, n: int) -> Tensor:
    """Repeat the last event until there are n."""
    return torch.cat([column, column[-1:].expand(n - len(column), *column.shape[1:])]) if len(column) < n else column


def _like(values: Tensor, other: Tensor) -> Tensor:
    """Return one value per network `(k,)` so that it goes with weights `(k, ...)`."""
    return values.view(-1, *[1] * (other.dim() - 1))


def _chosen(is_new: Sequence[bool], new: State, old: State) -> dict[str, Tensor]:
    """Return the new weights of some networks, and the old ones of the others."""
    if not any(is_new):
        return dict(old)
    mask = torch.tensor(is_new, device=next(iter(old.values())).device)
    with torch.no_grad():
        return {name: torch.where(_like(mask, before), new[name], before) for name, before in old.items()}
