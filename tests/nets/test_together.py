"""Networks trained side by side become what they would be alone."""

from __future__ import annotations

import itertools
import math
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch

from anomaly_cli.core.meeting import Abandoned, Meeting
from anomaly_cli.nets import diffusion, flows, flows_for_flows, together, training

SCHEDULE = training.Schedule(epochs=3, batch_size=64, learning_rate=3e-3, patience=9)


def events(n, seed, d=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) * (1 + 0.1 * seed), torch.rand(n, 1, generator=generator) - 0.5


def shake(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return module


def held(n):
    """Indices of events to train on and to stop on: of these as many as make one batch or two."""
    n_held = 50 + (n % 3) * 20
    return torch.arange(n - n_held), torch.arange(n - n_held, n)


def density(seed, n):
    x, mass = events(n, seed)
    side = flows_for_flows.Side(x, mass, *held(n))
    flow = flows.make_spline_flow(3, 1, 2, (8,), 4, 3)
    return flows_for_flows.density_task(flow, side)


def weighted_density(seed, n):
    x, mass = events(n, seed)
    weight = 0.5 + torch.rand(n, generator=torch.Generator().manual_seed(seed))
    side = flows_for_flows.Side(x, mass, *held(n), weight)
    return flows_for_flows.density_task(flows.make_spline_flow(3, 1, 2, (8,), 4, 3), side)


def transport(seed, n):
    x, mass = events(n, seed)
    base = shake(flows.make_spline_flow(3, 1, 1, (8,), 4, 3)).requires_grad_(False)
    moving = flows.PairTransport(flows.make_spline_flow(3, 2, 2, (8,), 4, 2))
    shake(moving)

    def draw(batch, generator):
        partners = torch.randint(n - 50, (len(batch),), generator=generator)
        return x[batch], mass[batch], mass[partners], mass[partners]

    loss = training.DrawnLoss((moving, base), draw, flows.pair_loss, flows.pair_loss_side_by_side)
    return training.Task(moving, loss, *held(n))


def denoiser(seed, n):
    x, mass = events(n, seed)
    network = diffusion.Denoiser(diffusion.ResidualPerceptron(3, 1, 2, 16))

    def draw(batch, generator):
        return diffusion.draw_noise(x[batch], mass[batch], generator)

    loss = training.DrawnLoss((network,), draw, diffusion.denoising_loss)
    learnt, stopping = held(n)
    return training.Task(network, loss, learnt, stopping.repeat(2))


def made(make, sizes, schedule=SCHEDULE):
    told = []
    trainings = []
    for seed, n in enumerate(sizes):
        with training.seeded(seed, 1) as generator:
            task = make(seed, n)
        trainings.append(together.Training(task, schedule, generator, lambda *step: told.append(step)))
    return trainings, told


def train_in_turn(trainings):
    return [training.train(one.task, one.schedule, one.generator, one.report) for one in trainings]


def differences(some, others):
    for one, other in zip(some, others, strict=True):
        pairs = zip(one.task.module.parameters(), other.task.module.parameters(), strict=True)
        yield max((a - b).detach().abs().max().item() for a, b in pairs)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
@pytest.mark.parametrize("make", [density, weighted_density, transport, denoiser])
def test_side_by_side_is_one_after_the_other_but_for_rounding(make, averaging):
    """Sizes whose last batches are of different lengths, one of them short, and whose validation has one or two."""
    schedule = training.Schedule(3, 64, 3e-3, 9, averaging=averaging, keeps_last=True)
    (alone, alone_told), (beside, told) = (made(make, (350, 331, 348), schedule) for _ in range(2))
    started = [[weight.detach().clone() for weight in one.task.module.parameters()] for one in alone]
    expected, found = train_in_turn(alone), together.train_all(beside)
    assert max(differences(alone, beside)) < 1e-5
    for weights, one in zip(started, beside, strict=True):  # they did learn
        assert (
            max((a - b).detach().abs().max().item() for a, b in zip(weights, one.task.module.parameters(), strict=True))
            > 1e-3
        )
    for curve, other in zip(expected, found, strict=True):
        numbers = [[list(vars(epoch).values()) for epoch in one] for one in (curve, other)]
        assert np.allclose(*numbers, atol=1e-5, equal_nan=True)
    assert sorted(step[:2] for step in told) == sorted(step[:2] for step in alone_told)


def test_each_ends_by_its_own_patience_and_keeps_its_own_best_state():
    schedule = training.Schedule(12, 64, 0.05, 2)
    (alone, _), (beside, _) = (made(density, (350, 331, 348), schedule) for _ in range(2))
    expected, found = train_in_turn(alone), together.train_all(beside)
    assert len({len(curve) for curve in expected}) > 1, "the test needs trainings of different lengths"
    assert [len(curve) for curve in found] == [len(curve) for curve in expected]
    for one, other in zip(alone, beside, strict=True):  # what is trained next draws the same numbers
        assert torch.equal(one.generator.get_state(), other.generator.get_state())
    for one, curve in zip(beside, found, strict=True):
        best = min(epoch.validation_loss for epoch in curve)
        assert training.validate(one.task, 64) == pytest.approx(best, abs=1e-5)


def test_the_last_state_is_kept_where_that_is_asked_for():
    schedule = training.Schedule(2, 64, 0.5, 9, keeps_last=True)
    beside, _ = made(density, (350, 331), schedule)
    for one, curve in zip(beside, together.train_all(beside), strict=True):
        assert training.validate(one.task, 64) == pytest.approx(curve[-1].validation_loss, rel=1e-4)
        assert curve[-1].validation_loss > curve[0].validation_loss


def test_one_that_diverges_is_trained_again_and_leaves_the_others_as_they_are():
    (alone, _), (beside, _) = (made(denoiser, (350, 331, 348)) for _ in range(2))
    sick = beside[1].task
    draw, calls = sick.loss.draw, itertools.count()

    def poisoned(batch, generator):
        x, mass, sigma, noise = draw(batch, generator)
        return (x * math.nan if next(calls) == 12 else x), mass, sigma, noise

    task = training.Task(
        sick.module,
        training.DrawnLoss(sick.loss.modules, poisoned, sick.loss.evaluate),
        sick.training,
        sick.validation,
    )
    beside[1] = together.Training(task, SCHEDULE, beside[1].generator, beside[1].report)
    train_in_turn([alone[0], alone[2]])
    found = together.train_all(beside)
    assert max(differences([alone[0], alone[2]], [beside[0], beside[2]])) < 1e-5
    assert [len(curve) for curve in found] == [4, 4, 4]
    assert max(epoch.learning_rate for epoch in found[1]) == pytest.approx(SCHEDULE.learning_rate / 5, rel=0.2)
    assert all(torch.isfinite(weight).all() for weight in sick.module.parameters())


def test_a_training_that_never_recovers_is_the_answer_of_that_one_only():
    trainings, _ = made(denoiser, (350, 331))
    x = torch.full((331, 3), math.nan)
    loss = training.DrawnLoss(
        trainings[1].task.loss.modules,
        lambda batch, generator: diffusion.draw_noise(x[batch], x[batch][:, :1], generator),
        diffusion.denoising_loss,
    )
    task = training.Task(trainings[1].task.module, loss, torch.arange(281), torch.arange(281, 331).repeat(2))
    trainings[1] = together.Training(task, SCHEDULE, trainings[1].generator, trainings[1].report)
    good, bad = together.train_all(trainings)
    assert len(good) == 4
    assert isinstance(bad, training.Diverged)


def test_trainings_of_other_kinds_are_done_by_themselves(monkeypatch):
    groups = []
    whole = together._Group
    monkeypatch.setattr(together, "_Group", lambda some: groups.append(len(some)) or whole(some))
    mixed = [made(make, sizes)[0] for make, sizes in ((density, (350, 331)), (density, (450,)), (denoiser, (350,)))]
    trainings = [one for some in (mixed[0], mixed[2], mixed[1]) for one in some]  # 450 events make more steps
    module = torch.nn.Linear(1, 1)
    plain = training.Task(
        module, lambda batch, _: module(batch[:, None].float())[:, 0] ** 2, torch.arange(9), torch.arange(3)
    )
    trainings.append(together.Training(plain, SCHEDULE, torch.Generator(), lambda *_: None))
    assert all(len(curve) == 4 for curve in together.train_all(trainings))
    assert sorted(groups) == [1, 1, 2]


def test_groups_are_no_larger_than_memory_holds(monkeypatch):
    monkeypatch.setattr(together, "MOST_EVENTS", 3 * 64)
    assert together._portions(range(8), 64) == [range(3), range(3, 6), range(6, 8)]
    assert together._portions(range(8), 1000) == [range(at, at + 1) for at in range(8)]


def test_networks_that_are_built_in_another_way_are_of_another_kind():
    """Of the same shapes, and yet not the same: another activation, other passes of a flow, a loss that changes."""
    (one, *_), _ = made(density, (350,))

    def another(flow, begin=training.ignore):
        task = training.Task(
            flow, training.DrawnLoss((flow,), one.task.loss.draw, one.task.loss.evaluate), *held(350), begin
        )
        return together._kind(together.Training(task, SCHEDULE, one.generator, one.report), 7)

    flow = flows.make_spline_flow(3, 1, 2, (8,), 4, 3)
    (weighted, *_), _ = made(weighted_density, (350,))
    assert together._kind(weighted, 0) != together._kind(one, 0)  # more is drawn
    task = training.Task(flow, training.DrawnLoss((flow,), one.task.loss.draw, print), *held(350))
    assert together._kind(together.Training(task, SCHEDULE, one.generator, one.report), 0) != together._kind(one, 0)
    assert another(flow) == together._kind(one, 0)
    assert another(flow, print) == 7
    assert another(flows.make_spline_flow(3, 1, 2, (8,), 4, 2)) != another(flow)
    other = flows.make_spline_flow(3, 1, 2, (8,), 4, 3)
    other.transform.transforms[0].hyper[1] = torch.nn.Tanh()
    assert another(other) != another(flow)
    assert another(flows.make_spline_flow(3, 1, 2, (8,), 4, 3).requires_grad_(False)) != another(flow)


def test_only_what_is_trained_changes_where_a_loss_uses_more():
    (one, other), _ = made(transport, (350, 331))
    for task in (one.task, other.task):
        task.loss.modules[1].requires_grad_(True)  # the density, which is not what is trained
    before = [weight.detach().clone() for weight in one.task.loss.modules[1].parameters()]
    together.train_all([one, other])
    assert all(torch.equal(a, b) for a, b in zip(before, one.task.loss.modules[1].parameters(), strict=True))


def test_where_memory_is_short_fewer_are_trained_at_once(monkeypatch):
    (alone, _), (beside, _) = (made(denoiser, (350, 331, 348)) for _ in range(2))
    whole, sizes = together._train_kind, []

    def small(trainings):
        sizes.append(len(trainings))
        if len(trainings) > 1:
            trainings[0].generator.seed()
            raise torch.OutOfMemoryError
        return whole(trainings)

    monkeypatch.setattr(together, "_train_kind", small)
    train_in_turn(alone)
    assert all(len(curve) == 4 for curve in together.train_all(beside))
    assert sizes == [3, 2, 1, 1, 1]
    assert max(differences(alone, beside)) < 1e-5


def test_both_ways_are_the_moves_of_either_way():
    with training.seeded(3, 1):
        moving = shake(flows.PairTransport(flows.make_spline_flow(3, 2, 2, (8,), 4, 2)))
    x, source = events(301, 1)
    target = source.flip(0)
    for one, other in zip(moving.move(x, source, target), moving.move_both_ways(x, source, target), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_pieces_meet_whenever_all_of_them_ask():
    met, log = [], []

    def answer(questions):
        met.append(list(questions))
        return [question * 10 for question in questions]

    meeting = Meeting(answer)

    def piece(name, n):
        found = []
        for number in range(n):
            log.append((name, number))
            found.append(meeting.ask(number))
        return name, found

    found = meeting.run([lambda name=name, n=n: piece(name, n) for name, n in (("a", 2), ("b", 3), ("c", 0))])
    assert found == [("a", [0, 10]), ("b", [0, 10, 20]), ("c", [])]
    assert met == [[0, 0], [1, 1], [2]]
    assert log == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("b", 2)]


def test_a_piece_may_start_others_which_meet_the_same_ones():
    met = []
    meeting = Meeting(lambda questions: met.append(sorted(questions)) or [None] * len(questions))

    def outer(name):
        return meeting.run([lambda at=at: meeting.ask(f"{name}{at}") or at for at in range(2)])

    assert meeting.run([lambda: outer("a"), lambda: outer("b")]) == [[0, 1], [0, 1]]
    assert met == [["a0", "a1", "b0", "b1"]]


def test_an_error_is_raised_where_it_belongs():
    meeting = Meeting(lambda questions: [ValueError("no") if question else question for question in questions])

    def piece(question):
        try:
            return meeting.ask(question)
        except ValueError:
            return "refused"

    assert meeting.run([lambda: piece(0), lambda: piece(1)]) == [0, "refused"]
    ended = []
    with pytest.raises(ValueError, match="no"):
        meeting.run([lambda: meeting.ask(1), lambda: ended.append(meeting.ask(0))])
    assert ended == [0]
    assert meeting.run([]) == []


@pytest.mark.parametrize("answer", [lambda _: None, lambda _: [1], lambda _: [1, 2, 3], lambda _: sys.exit(1)])
def test_whatever_answers_nobody_is_left_waiting(answer):
    meeting = Meeting(answer)
    with pytest.raises((TypeError, ValueError, SystemExit)):
        meeting.run([lambda: meeting.ask(1), lambda: meeting.ask(2)])


def test_ctrl_c_ends_all_pieces_before_it_is_raised():
    """A thread at work when Python ends would abort it."""
    ended = []

    def answer(questions):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        for _ in range(1000):
            meeting.check()
            time.sleep(0.01)
        return questions

    def piece(name):
        try:
            meeting.ask(name)
        except Abandoned:
            ended.append(name)

    meeting = Meeting(answer)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # what a shell starts in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            meeting.run([lambda: piece("a"), lambda: piece("b")])
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(ended) == ["a", "b"]


def test_a_training_that_nobody_waits_for_ends_with_its_epoch():
    meeting, told = together.open_meeting(), []

    def report(*step):
        told.append(step)
        meeting._is_abandoned = True

    def piece():
        with training.seeded(1, 1) as generator:
            together.train_at(meeting, together.Training(density(1, 350), SCHEDULE, generator, report))

    with pytest.raises(Abandoned):
        meeting.run([piece])
    assert len(told) == 1


def test_the_draws_of_one_piece_are_its_own():
    """Layers draw their first weights from a global generator, which others seed between two trainings of a piece."""
    draws = []

    def piece(seed, meeting):
        with training.seeded(seed, 1) as generator:
            task = denoiser(seed, 200)
            together.train_at(meeting, together.Training(task, SCHEDULE, generator, lambda *_: None))
            draws.append(torch.rand(1).item())

    piece(1, None)
    piece(2, None)
    meeting = together.open_meeting()
    meeting.run([lambda: piece(1, meeting), lambda: piece(2, meeting)])
    assert draws[:2] == draws[2:]
