from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from toys import REGIONS, toy_events

from anomaly_cli.nets import training
from anomaly_cli.nets.flows import PairTransport, make_spline_flow
from anomaly_cli.nets.scaling import MassScaler
from anomaly_cli.nets.scaling_fit import ScalingSettings, fit_mass_scaling

SETTINGS = ScalingSettings(max_order=3, bin_events=1000, bound=4.5)


@pytest.fixture(scope="module")
def events():
    return toy_events(40_000, 1)


@pytest.fixture(scope="module")
def scaler(events):
    bands = [events.take(window.contains(events.mjj)) for window in REGIONS.side_bands]
    return fit_mass_scaling(
        [(band.mjj, band.features) for band in bands], [None, None, None], SETTINGS, np.random.default_rng(1)
    )


def test_scaling_there_and_back_returns_the_event(events, scaler):
    inside = events.take((events.mjj > 3000) & (events.mjj < 4600))
    scaled, n_clipped = scaler.transform(inside.mjj, inside.features)
    back, _ = scaler.inverse(inside.mjj, scaled)
    kept = (np.abs(scaled) < 4.5).all(axis=1)
    in_range = ((inside.features > scaler.low) & (inside.features < scaler.high)).all(axis=1)
    assert kept.mean() > 0.999
    assert n_clipped.sum() == (np.abs(scaled) >= 4.5).sum()
    scale = inside.features.std(axis=0)
    assert np.abs((back - inside.features) / scale)[kept & in_range].max() < 1e-3


def test_features_in_the_unseen_signal_region_become_standard_normal(scaler):
    fresh = toy_events(40_000, 2)
    inside = fresh.take(REGIONS.sr.contains(fresh.mjj))
    scaled, _ = scaler.transform(inside.mjj, inside.features)
    for column in scaled.T:
        assert abs(column.mean()) < 0.06
        assert abs(column.std() - 1) < 0.06


def test_a_moving_edge_is_interpolated_when_its_anchor_is_known():
    rng = np.random.default_rng(3)

    def sample(n):
        mjj = 2600.0 + rng.exponential(900.0, n)
        edge = 0.1 + (mjj / 3000.0) ** 3 / 2
        x = np.where(rng.random(n) < 0.2, -rng.exponential(0.1, n), edge * np.sqrt(rng.random(n)))
        return mjj, x[:, None] + 1.0

    mjj, x = sample(60_000)
    bands = [(mjj[w.contains(mjj)], x[w.contains(mjj)]) for w in REGIONS.side_bands]
    scaler = fit_mass_scaling(bands, [1.0], SETTINGS, np.random.default_rng(1))
    fresh_mjj, fresh_x = sample(60_000)
    inside = REGIONS.sr.contains(fresh_mjj)
    scaled, _ = scaler.transform(fresh_mjj[inside], fresh_x[inside])
    assert kstest(scaled[:, 0], "norm").statistic < 0.025


def test_a_scaling_survives_being_stored(events, scaler):
    again = MassScaler.from_arrays(scaler.to_arrays())
    a, b = (s.transform(events.mjj, events.features)[0] for s in (scaler, again))
    assert np.array_equal(a, b)


def test_values_beyond_the_range_are_clipped_and_counted(scaler):
    mjj, far = np.full(2, 3500.0), np.array([[1e6, 0.0, 1.0], [-1e6, 0.0, 1.0]])
    scaled, n_clipped = scaler.transform(mjj, far)
    assert np.abs(scaled).max() == 4.5
    assert n_clipped.tolist() == [2, 0, 0]
    assert np.isfinite(scaler.inverse(mjj, scaled)[0]).all()


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_transport_starts_as_the_identity(n_features):
    transport = PairTransport(make_spline_flow(n_features, 2, 2, (8,), 4, 2))
    x, m = torch.randn(97, n_features), torch.randn(97, 1)
    moved, log_det = transport.move(x, m, torch.randn(97, 1))
    assert torch.allclose(moved, x, atol=1e-5)
    assert log_det.abs().max() < 1e-4


@given(st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_transport_there_and_back_returns_the_event_and_its_volume(n_features, seed):
    with training.seeded(seed, 1):
        transport = PairTransport(make_spline_flow(n_features, 2, 2, (16,), 6, 2))
        for parameter in transport.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        x, source, target = 0.8 * torch.randn(101, n_features), torch.randn(101, 1), torch.randn(101, 1)
        with torch.no_grad():
            there, forward = transport.move(x, source, target)
            back, backward = transport.move(there, target, source)
    assert torch.allclose(back, x, atol=2e-3)
    assert torch.allclose(forward, -backward, atol=2e-2)


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.zeros(1))


def line_task(module, poison=math.inf):
    x = torch.linspace(-1, 1, 203)
    calls = []

    def loss(batch, generator):
        calls.append(1)
        value = (module.slope * x[batch] - 2 * x[batch]) ** 2
        return value * math.nan if len(calls) > poison else value

    return training.Task(module, loss, torch.arange(150), torch.arange(150, 203)), calls


SCHEDULE = training.Schedule(epochs=30, batch_size=32, learning_rate=0.3, patience=30)


def test_training_finds_the_minimum_and_records_every_epoch():
    module = Line()
    task, _ = line_task(module)
    with training.seeded(1, 1) as generator:
        curve = training.train(task, SCHEDULE, generator, lambda *_: None)
    assert module.slope.item() == pytest.approx(2.0, abs=0.05)
    assert [epoch.epoch for epoch in curve] == list(range(31))
    assert math.isnan(curve[0].training_loss)


def test_training_stops_when_patience_ends_and_keeps_the_best_state():
    module = Line()
    task, _ = line_task(module)
    module.slope.data.fill_(2.0)  # nothing to gain
    with training.seeded(1, 1) as generator:
        schedule = training.Schedule(epochs=30, batch_size=32, learning_rate=3.0, patience=4)
        curve = training.train(task, schedule, generator, lambda *_: None)
    assert module.slope.item() == pytest.approx(2.0)
    assert len(curve) == 5


def test_for_a_loss_that_changes_on_the_way_the_last_state_is_kept_although_it_is_worse():
    module = Line()
    task, _ = line_task(module)
    module.slope.data.fill_(2.001)  # large steps lead away
    with training.seeded(1, 1) as generator:
        schedule = training.Schedule(1, 32, 3.0, patience=4, keeps_last=True)
        curve = training.train(task, schedule, generator, lambda *_: None)
    assert training.validate(task, 32) == curve[-1].validation_loss > curve[0].validation_loss


def test_divergence_is_tried_once_more_with_a_lower_rate_and_then_refused():
    module = Line()
    task, calls = line_task(module, poison=40)
    with training.seeded(1, 1) as generator, pytest.raises(training.Diverged):
        training.train(task, SCHEDULE, generator, lambda *_: None)
    assert len(calls) > 40
    assert math.isfinite(module.slope.item())


def test_seeding_is_undone_and_repeatable():
    before = torch.random.get_rng_state()
    draws = []
    for _ in range(2):
        with training.seeded(5, 1):
            draws.append(torch.rand(3))
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_training_does_not_load_the_compiler_of_torch():
    """A second for every process that trains, which torch spends only to leave its optimisers uncompiled."""
    code = (
        "import sys, torch; from anomaly_cli.nets.training import Schedule, Task, train;"
        "module = torch.nn.Linear(1, 1); loss = lambda batch, _: module(batch[:, None].float())[:, 0] ** 2;"
        "task = Task(module, loss, torch.arange(9), torch.arange(3));"
        "train(task, Schedule(1, 3, 0.1, 1), torch.Generator(), lambda *_: None);"
        "from anomaly_cli.nets.committee import Lessons, Recipe, train_committee;"
        "x = torch.rand(9, 1); stops = torch.arange(9)[None] < 3;"
        "lessons = Lessons(x, x[:, 0].round(), torch.ones(1, 9), stops, torch.ones(1, 1), [1]);"
        "train_committee(lessons, Recipe((2,), 1, 3, 0.1, 0.1, 1, 1));"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_steps_are_those_of_adam(decay):
    own, other = (torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)) for _ in range(2))
    other.load_state_dict(own.state_dict())
    for module in (own, other):
        module[0].bias.requires_grad_(False)
    mine = training.Adam(list(own.parameters()), decay)
    theirs = torch.optim.AdamW(other.parameters(), lr=1.0, weight_decay=decay)
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    for step in range(30):
        rate = 0.1 / (1 + step)
        for module in (own, other):
            module.zero_grad()
            (module(x) - x.sum(dim=1, keepdim=True)).pow(2).mean().backward()
        mine.step(rate)
        theirs.param_groups[0]["lr"] = rate
        theirs.step()
    assert all(torch.equal(one, two) for one, two in zip(own.parameters(), other.parameters(), strict=True))


def test_members_that_are_left_go_on_as_if_alone():
    start, target = torch.arange(6.0).reshape(3, 2), torch.tensor([[1.0], [-2.0], [5.0]])

    def go_on(optimiser, weight, aim, steps):
        for _ in range(steps):
            weight.grad = weight.detach() - aim
            optimiser.step(0.3)

    weight = start.clone().requires_grad_()
    optimiser = training.Adam([weight], 0.1)
    go_on(optimiser, weight, target, 4)
    left = weight.detach()[[0, 2]].requires_grad_()
    go_on(optimiser.take([0, 2], [left]), left, target[[0, 2]], 4)
    for place, member in enumerate((0, 2)):
        alone = start[member].clone().requires_grad_()
        go_on(training.Adam([alone], 0.1), alone, target[member], 8)
        assert torch.allclose(left[place], alone)


def test_what_is_moved_without_its_volume_is_the_same_to_the_bit():
    torch.manual_seed(1)
    transport = PairTransport(make_spline_flow(3, 2, 2, [8], 6, 2))
    for parameter in transport.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, source, target = (torch.randn(401, columns) for columns in (3, 1, 1))
    with torch.no_grad():
        moved = transport.moved(x, source, target)
        assert torch.equal(moved, transport.move(x, source, target)[0])
        assert not torch.equal(moved, x)
        assert transport.moved(x[:0], source[:0], target[:0]).shape == (0, 3)
