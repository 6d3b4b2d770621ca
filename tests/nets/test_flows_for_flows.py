from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cli.nets import flows_for_flows as nets
from anomaly_cli.nets import training

CONTEXTS = ("difference", "concatenation", "one_per_side", "none")
SIZE = nets.Size(2, (16,), 6)
NO_PENALTY = nets.Penalty()


def shake(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def side(n, seed, c=1, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    x = 0.5 * torch.randn(n, 2, generator=generator) + shift
    condition = torch.rand(n, c, generator=generator)
    return nets.Side(x, condition, torch.arange(n // 5, n), torch.arange(n // 5))


@given(st.sampled_from([*CONTEXTS, "base transfer"]), st.integers(1, 4), st.integers(0, 2), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_moving_there_and_back_returns_the_event_and_its_volume(context, d, c, seed):
    with training.seeded(seed, 1):
        if context == "base transfer":
            transport = shake(nets.BaseTransfer(*(nets.make_density(d, c, SIZE) for _ in range(2))))
        else:
            transport = shake(nets.make_transport(d, c, SIZE, context if c else "none", starts_at_identity=False))
        # In double precision: weights this large make splines steep, and single precision loses their inverse.
        transport = transport.double()
        x, source, target = (torch.randn(101, width, dtype=torch.float64) for width in (d, c, c))
        with torch.no_grad():
            moved, forward = transport.move(x, source, target)
            back, backward = transport.move_back(moved, source, target)
    assert not torch.allclose(moved, x, atol=1e-2)
    assert torch.allclose(back, x, atol=1e-6)
    assert torch.allclose(forward, -backward, atol=1e-5)


def test_the_volume_is_the_determinant_of_the_jacobian():
    with training.seeded(1, 1):
        transport = shake(nets.make_transport(3, 1, SIZE, "concatenation", starts_at_identity=False))
        x, c = 0.5 * torch.randn(5, 3), torch.randn(5, 2)
        _, log_det = transport.move(x, c[:, :1], c[:, 1:])
        for row in range(5):
            one = [part[row : row + 1] for part in (c[:, :1], c[:, 1:])]
            jacobian = torch.autograd.functional.jacobian(
                lambda y, one=one: transport.move(y[None], *one)[0][0], x[row]
            )
            assert log_det[row].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-4)


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("context", CONTEXTS)
def test_identity_initialisation_starts_at_the_identity(context, d):
    transport = nets.make_transport(d, 1, SIZE, context, starts_at_identity=True)
    x, c = torch.randn(97, d), torch.randn(97, 2)
    moved, log_det = transport.move(x, c[:, :1], c[:, 1:])
    assert torch.allclose(moved, x, atol=1e-5)
    assert log_det.abs().max() < 1e-4


def sees(transport, which):
    """Whether a change of a condition (0 source, 1 target) changes where events go."""
    x, conditions = 0.5 * torch.randn(50, 2), [torch.zeros(50, 1), torch.zeros(50, 1)]
    before = transport.move(x, *conditions)[0]
    conditions[which] = conditions[which] + 1.0
    return not torch.allclose(before, transport.move(x, *conditions)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("context", "seen"), [("difference", [1, 1]), ("concatenation", [1, 1]), ("one_per_side", [1, 1]), ("none", [0, 0])]
)
def test_each_context_sees_what_it_says(context, seen):
    with training.seeded(2, 1):
        transport = shake(nets.make_transport(2, 1, SIZE, context, starts_at_identity=False))
        assert [sees(transport, which) for which in (0, 1)] == [bool(value) for value in seen]
        x, one, two = 0.5 * torch.randn(50, 2), torch.ones(50, 1), 2 * torch.ones(50, 1)
        is_shift_free = torch.allclose(transport.move(x, one, one)[0], transport.move(x, two, two)[0], atol=1e-5)
        assert is_shift_free == (context in ("difference", "none"))


def test_one_per_side_gives_each_half_the_condition_of_its_side():
    with training.seeded(3, 1):
        transport = shake(nets.make_transport(2, 1, SIZE, "one_per_side", starts_at_identity=False))
        x, c = 0.5 * torch.randn(50, 2), torch.randn(50, 2)
        first, second = transport.parts
        by_hand = second(c[:, 1:]).transform(first(c[:, :1]).transform(x))
        assert torch.allclose(transport.move(x, c[:, :1], c[:, 1:])[0], by_hand)


@pytest.mark.parametrize("d", [1, 2])
def test_base_transfer_of_equal_densities_is_the_identity(d):
    with training.seeded(4, 1):
        density = shake(nets.make_density(d, 0, SIZE))
        mover = nets.BaseTransfer(density, density)
        x, none = 0.8 * torch.randn(101, d), torch.zeros(101, 0)
        with torch.no_grad():
            moved, log_det = mover.move(x, none, none)
    assert torch.allclose(moved, x, atol=2e-3)
    assert log_det.abs().max() < 2e-2


@pytest.mark.parametrize("n", [1, nets.BATCH - 1, nets.BATCH + 1, 16411])
def test_moving_in_batches_moves_every_event_of_the_last_one(n):
    with training.seeded(5, 1):
        transport = shake(nets.make_transport(2, 0, SIZE, "none", starts_at_identity=False))
        x, none = 3.0 + 0.2 * torch.randn(n, 2), torch.zeros(n, 0)
        moved = nets.move_all(transport, x, none, none)
        with torch.no_grad():
            at_once = transport.move(x, none, none)[0]
    assert moved.shape == (n, 2)
    assert torch.allclose(moved, at_once, atol=1e-5)
    assert (moved[-1] != 0).all()


def test_an_annealed_penalty_starts_at_its_weight_and_ends_at_zero():
    penalty = nets.Penalty(1, 3.0, is_annealed=True)
    assert penalty.weight_at(0.0) == 3.0
    assert penalty.weight_at(1.0) == pytest.approx(0.0)
    weights = [penalty.weight_at(i / 10) for i in range(11)]
    assert weights == sorted(weights, reverse=True)
    assert weights[5] == pytest.approx(1.5)
    assert nets.Penalty(1, 3.0).weight_at(0.9) == 3.0


@pytest.mark.parametrize(("power", "expected"), [(0, 0.0), (1, 7.0), (2, 25.0)])
def test_penalties_measure_the_movement_of_each_event(power, expected):
    x = torch.zeros(2, 2)
    moved = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
    assert nets.Penalty(power, 1.0).of(moved, x, 0.5).tolist() == [expected, 0.0]


@pytest.mark.parametrize(("is_annealed", "halfway"), [(True, 0.5), (False, 1.0)])
def test_the_penalty_reaches_the_loss_that_is_trained_and_annealing_spares_validation(is_annealed, halfway):
    sides = side(500, 1), side(500, 2, shift=1.0)
    with training.seeded(6, 1):
        transport = shake(nets.make_transport(2, 1, SIZE, "concatenation", starts_at_identity=False))
        densities = nets.make_density(2, 1, SIZE), nets.make_density(2, 1, SIZE)

    def losses(penalty, fraction):
        task = nets.transport_task(transport, sides, densities, nets.Objective("forward", penalty, True))
        task.begin(fraction)
        return task.loss(torch.arange(100, 200), torch.Generator().manual_seed(0))

    batch = torch.arange(100, 200)
    condition = sides[0].condition[batch]
    distance = (transport.move(sides[0].x[batch], condition, condition)[0] - sides[0].x[batch]).abs().sum(dim=1)
    for fraction, share in ((0.0, 1.0), (0.5, halfway), (1.0, 0.0 if is_annealed else 1.0)):
        extra = losses(nets.Penalty(1, 2.0, is_annealed), fraction) - losses(NO_PENALTY, fraction)
        assert torch.allclose(extra, 2.0 * share * distance, atol=1e-4)


def record_ways(direction, n_steps):
    """Return for each training step, and then for validation, which ways events were moved."""
    ways = []

    class Spy(nets.Transport):
        def move(self, *arguments):
            ways[-1].append("forward")
            return super().move(*arguments)

        def move_back(self, *arguments):
            ways[-1].append("inverse")
            return super().move_back(*arguments)

    with training.seeded(7, 1):
        spy = Spy(list(nets.make_transport(2, 1, SIZE, "none", starts_at_identity=True).parts), "none")
        densities = nets.make_density(2, 1, SIZE), nets.make_density(2, 1, SIZE)
    task = nets.transport_task(
        spy, (side(100, 1), side(73, 2)), densities, nets.Objective(direction, NO_PENALTY, False)
    )
    for fraction in [i / n_steps for i in range(n_steps)] + [1.0]:
        ways.append([])
        task.begin(fraction)
        assert task.loss(task.training[:11], torch.Generator().manual_seed(0)).shape == (11,)
    return ways


def test_each_direction_trains_the_ways_it_says():
    assert record_ways("forward", 2) == [["forward"], ["forward"], ["forward"]]
    assert record_ways("inverse", 2) == [["inverse"], ["inverse"], ["inverse"]]
    assert record_ways("alternate", 3)[:3] == [["forward"], ["inverse"], ["forward"]]
    assert all(sorted(step) == ["forward", "inverse"] for step in record_ways("both", 2))
    assert sorted(record_ways("alternate", 3)[-1]) == ["forward", "inverse"]  # epochs compare


@pytest.mark.parametrize("direction", nets.DIRECTIONS)
def test_every_direction_moves_a_shifted_normal_to_its_target(direction):
    """Known answer: N(-1, 0.5) moved to N(1, 0.5); both densities are known exactly."""

    class Normal(torch.nn.Module):
        def __init__(self, mean):
            super().__init__()
            self.mean = mean

        def forward(self, _):
            return torch.distributions.Independent(torch.distributions.Normal(self.mean * torch.ones(2), 0.5), 1)

    sides = side(1009, 1, c=0, shift=-1.0), side(997, 2, c=0, shift=1.0)
    with training.seeded(8, 1) as generator:
        transport = nets.make_transport(2, 0, SIZE, "none", starts_at_identity=True)
        objective = nets.Objective(direction, NO_PENALTY, False)
        task = nets.transport_task(transport, sides, (Normal(-1.0), Normal(1.0)), objective)
        curve = training.train(task, training.Schedule(8, 64, 2e-2, 8), generator, lambda *_: None)
        none = torch.zeros(1009, 0)
        moved = nets.move_all(transport, sides[0].x, none, none)
    assert curve[-1].validation_loss < curve[0].validation_loss
    assert (moved.mean(dim=0) - 1.0).abs().max() < 0.1
    assert (moved.std(dim=0) - 0.5).abs().max() < 0.1


def test_densities_are_frozen_while_a_transport_is_trained():
    density = nets.make_density(2, 1, SIZE)
    transport = nets.make_transport(2, 1, SIZE, "none", starts_at_identity=True)
    task = nets.transport_task(
        transport, (side(50, 1), side(50, 2)), (None, density), nets.Objective("forward", NO_PENALTY, True)
    )
    task.loss(torch.arange(20), torch.Generator()).sum().backward()
    assert all(parameter.grad is None for parameter in density.parameters())
    assert any(parameter.grad is not None for parameter in transport.parameters())


def test_the_training_loop_tells_a_loss_how_far_it_is():
    told = []
    module = torch.nn.Linear(1, 1)
    x = torch.linspace(-1, 1, 103)[:, None]

    def loss(batch, _):
        return (module(x[batch]) - x[batch]).pow(2).sum(dim=1)

    task = training.Task(module, loss, torch.arange(80), torch.arange(80, 103), told.append)
    with training.seeded(1, 1) as generator:
        training.train(task, training.Schedule(2, 40, 1e-3, 5), generator, lambda *_: None)
    assert told == [1.0, 0.0, 0.25, 1.0, 0.5, 0.75, 1.0]
    assert math.isclose(told[1], 0.0)
