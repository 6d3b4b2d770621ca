"""Models fitted side by side are those that are fitted alone, but for rounding: what a GPU does, on a CPU."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from toys import compute, seen_by, toy_inputs, toy_simulation

from anomaly_cli import nets
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import TrainingError
from anomaly_cli.methods.base import METHODS
from anomaly_cli.methods.side_by_side import fit_side_by_side
from anomaly_cli.search import template
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.testing import toy_split

FLOW = {"base_hidden": [8], "base_epochs": 2, "scaling_bags": 2, "base_learning_rate": 3e-3}
TRANSPORT = {"transport_hidden": [8], "transport_epochs": 2}
SMALL = {
    "cathode": FLOW,
    "curtains_f4f": FLOW | TRANSPORT,
    "flows_for_flows": FLOW | TRANSPORT,
    "drapes": {"blocks": 1, "width": 16, "epochs": 2, "scaling_bags": 2},
    "salad": {"hidden": [8], "epochs": 2},
}
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def inputs():
    return [(*toy_inputs(9_000, seed), toy_simulation(9_000, 5000 + seed)) for seed in SEEDS]


@pytest.fixture
def groups(monkeypatch):
    """How many networks were trained at once, of every group."""
    found = []
    whole = nets.together._Group
    monkeypatch.setattr(nets.together, "_Group", lambda some: found.append(len(some)) or whole(some))
    return found


# the transport of flows_for_flows and the ratio of salad are losses of their own, which are trained one by one
@pytest.mark.parametrize(
    ("name", "expected"),
    [("cathode", [2]), ("curtains_f4f", [2, 2]), ("flows_for_flows", [2, 2]), ("drapes", [2]), ("salad", [])],
)
def test_models_are_those_that_are_fitted_alone(inputs, groups, name, expected):
    method = METHODS.make(name, SMALL[name])
    pieces = [
        (method, seen_by(method, seen, hidden, simulation, None), compute(seed))
        for seed, (seen, hidden, simulation) in zip(SEEDS, inputs, strict=True)
    ]
    state = nets.torch.random.get_rng_state()
    together = fit_side_by_side(pieces)
    assert nets.torch.equal(state, nets.torch.random.get_rng_state())
    assert groups == expected
    for (_, seen, one), model in zip(pieces, together, strict=True):
        alone = method.fit(seen, one).to_arrays()
        assert alone.keys() == model.to_arrays().keys()
        for key, array in alone.items():
            assert np.allclose(array, model.to_arrays()[key], atol=2e-4), key


def test_a_model_is_the_same_beside_others_that_end_earlier(inputs):
    """What it is trained in next draws from the same random numbers."""
    settings = FLOW | TRANSPORT | {"base_epochs": 12, "base_learning_rate": 0.05, "patience": 1}
    method = METHODS.make("curtains_f4f", settings)
    pieces = [(method, seen, compute(seed)) for seed, (seen, *_) in zip(SEEDS, inputs, strict=True)]
    lengths = []
    for (_, seen, one), model in zip(pieces, fit_side_by_side(pieces), strict=True):
        alone = method.fit(seen, one)
        lengths.append([row.part for row in alone.training].count("base flow"))
        assert [(row.part, row.epoch) for row in model.training] == [(row.part, row.epoch) for row in alone.training]
        for key, array in alone.to_arrays().items():
            assert np.allclose(array, model.to_arrays()[key], atol=2e-3), key
    assert len(set(lengths)) > 1, "the test needs models that end at different epochs"


def test_the_first_reports_and_no_part_is_named(monkeypatch):
    told = []
    settings = SearchSettings(method=METHODS.make("cathode", SMALL["cathode"]), oversampling=1.0)
    monkeypatch.setattr(template, "CPU", "another device")
    own = Compute(compute().streams, progress=told.append)
    template.make_templates([toy_split(24_000, 1)], settings, [Provisions()], [own])
    trained = [(step.done, step.note) for step in told if step.task == "template: base flow"]
    assert [done for done, _ in trained] == [0, 1, 2, 2]
    assert not any("part" in note for _, note in trained)


@pytest.mark.slow
def test_templates_of_several_searches_are_those_of_each(monkeypatch, groups):
    """Both searches divide their side-bands in three: their six models are trained at once."""
    settings = SearchSettings(method=METHODS.make("curtains_f4f", SMALL["curtains_f4f"]), oversampling=1.0)
    arguments = [[toy_split(24_000, seed) for seed in SEEDS], settings, [Provisions()] * 2, [compute(s) for s in SEEDS]]
    expected = template.make_templates(*arguments)
    assert groups == []
    monkeypatch.setattr(template, "CPU", "another device")
    found = template.make_templates(*arguments)
    assert sorted(groups)[-1] >= 4, "networks of several parts and searches were to be trained at once"
    for one, other in zip(expected, found, strict=True):
        assert np.array_equal(one.template.events.source_id, other.template.events.source_id)
        assert np.allclose(one.template.events.features, other.template.events.features, atol=5e-3)
        assert np.array_equal(one.template.events.mjj, other.template.events.mjj)


def test_threads_of_torch_are_those_of_before():
    """Blocks that set them are left in another order than they were entered."""

    class Often:
        def fit(self, n, compute):
            with nets.training.seeded(1, 1) as generator:
                module = nets.torch.nn.Linear(1, 1)
                few = nets.torch.arange(3)
                task = nets.training.Task(module, lambda batch, _: module(batch[:, None].float())[:, 0], few, few)
                schedule = nets.training.Schedule(1, 3, 0.1, 1)
                for _ in range(n):
                    training = nets.together.Training(task, schedule, generator, lambda *_: None)
                    nets.together.train_at(compute.meeting, training)

    n_threads = nets.torch.get_num_threads()
    nets.torch.set_num_threads(2)
    fit_side_by_side([(Often(), 1, compute()), (Often(), 3, compute())])
    found = []
    new = threading.Thread(target=lambda: found.append(nets.torch.get_num_threads()))
    new.start()
    new.join()
    nets.torch.set_num_threads(n_threads)
    assert found == [2]


def test_a_piece_that_is_sent_to_another_process_leaves_its_meeting():
    assert Compute(compute().streams, meeting=nets.together.open_meeting()).alone().meeting is None


def test_a_model_that_diverges_ends_all_with_its_own_sentence(inputs, monkeypatch):
    good, bad = (METHODS.make("cathode", FLOW | {"base_learning_rate": rate}) for rate in (3e-3, 0.9))
    calls = []

    def poisoned(group, original=nets.together._Group.train):
        calls.append(group.schedule.learning_rate)
        return [None] if calls[-1] == 0.9 else original(group)

    def diverge(*_):
        raise nets.training.Diverged

    monkeypatch.setattr(nets.together._Group, "train", poisoned)
    monkeypatch.setattr(nets.together, "train_carefully", diverge)
    with pytest.raises(TrainingError, match="the base flow diverged twice; lower its learning rate"):
        fit_side_by_side([(good, inputs[0][0], compute(1)), (bad, inputs[1][0], compute(2))])
    assert sorted(calls) == [3e-3, 0.9]
