from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import build_record
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.tables import Table
from anomaly_cli.morphing.morpher import Morpher, Scaling, Split, train_morpher
from anomaly_cli.morphing.settings import FlowSettings, MorphSettings, TransportSettings
from anomaly_cli.nets.flows_for_flows import BaseTransfer

TINY = {"transforms": 2, "hidden": (8,), "bins": 4, "epochs": 2, "batch_size": 64}

ONE = Compute(Streams(1))


def shifted(n, seed, shift):
    generator = np.random.default_rng(seed)
    condition = generator.uniform(0.0, 1.0, (n, 1))
    values = generator.standard_normal((n, 2)) * [1.0, 30.0] + [shift, 100.0] + condition
    return Table(values, condition, ("a", "b"), ("t",))


def train(seed=1, **changes):
    tables = shifted(1009, 1, 0.0), shifted(997, 2, changes.pop("shift", 1.0))
    splits = tuple(Split(np.arange(100, len(table)), np.arange(100)) for table in tables)
    flow = changes.pop("flow", TINY)
    how = MorphSettings(transport=TransportSettings(**flow), density=FlowSettings(**flow), **changes)
    return tables, train_morpher(tables, splits, how, Compute(Streams(seed)))


@given(st.sampled_from(["linear", "quantile"]), st.integers(10, 3000), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_scaling_there_and_back_returns_the_value_and_keeps_the_data_inside_the_splines(kind, n, seed):
    generator = np.random.default_rng(seed)
    values = np.stack(
        [generator.standard_cauchy(n), generator.poisson(3.0, n) + np.arange(n) % 2, generator.gamma(1.0, 1e4, n)],
        axis=1,
    )
    scaling = Scaling.fit(values, kind)
    scaled = scaling.transform(values)
    assert np.abs(scaled).max() < 5.0
    span = np.ptp(values, axis=0)
    assert np.allclose(scaling.inverse(scaled) / span, values / span, atol=1e-8)
    outside = values.max(axis=0)[None] + span
    assert np.allclose(scaling.inverse(scaling.transform(outside)) / span, outside / span, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"variant": "base_transfer"}, ["source density", "target density"]),
        ({"variant": "unidirectional"}, ["source density", "transport"]),
        ({"variant": "unidirectional", "direction": "forward"}, ["target density", "transport"]),
        ({}, ["source density", "target density", "start identity", "start base transfer", "transport"]),
        (
            {"direction": "alternate", "context": "difference", "condition": "drawn", "start": "identity"},
            ["source density", "target density", "transport"],
        ),
        ({"start": "base_transfer", "penalty": "l1"}, ["source density", "target density", "transport"]),
        (
            {"context": "one_per_side", "scaling": "quantile", "start": "random"},
            ["source density", "target density", "transport"],
        ),
    ],
)
def test_a_variant_trains_the_networks_it_needs_moves_every_event_and_survives_being_stored(changes, parts):
    (source, target), morpher = train(**changes)
    assert list(dict.fromkeys(row.part for row in morpher.curve)) == parts
    aim = target.condition[np.arange(1009) % 997]
    moved = morpher.move(source, aim, ONE)
    assert moved.shape == (1009, 2)
    assert np.isfinite(moved).all()
    again = Morpher.from_arrays(morpher.settings, morpher.to_arrays())
    assert np.array_equal(again.move(source, aim, ONE), moved)


@pytest.mark.slow
def test_a_transport_that_starts_at_the_base_transfer_is_it_until_training_makes_something_better():
    still = {**TINY, "learning_rate": 1e-12}
    (source, _), morpher = train(flow=still, start="base_transfer")
    (_, _), base = train(flow=still, variant="base_transfer")
    moved = morpher.move(source, source.condition, ONE)
    assert np.allclose(moved, base.move(source, source.condition, ONE), rtol=1e-4, atol=1e-4)
    (_, _), trained = train(flow={**TINY, "learning_rate": 1e-2}, start="base_transfer")
    rows = [row for row in trained.curve if row.part == "transport"]
    assert rows[-1].validation_loss < rows[0].validation_loss
    densities = [trained.modules[f"{side}_density"].state_dict() for side in ("source", "target")]
    own = trained.modules["transport"].state_dict()
    assert any(not (own[f"source_density.{name}"] == value).all() for name, value in densities[0].items())
    again = train(flow={**TINY, "learning_rate": 1e-2}, variant="base_transfer")[1]
    assert all((again.modules["target_density"].state_dict()[k] == v).all() for k, v in densities[1].items())


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "chosen"), [(0.0, "identity"), (4.0, "base_transfer")])
def test_a_transport_starts_at_the_identity_where_the_sides_are_alike(shift, chosen):
    flow = {**TINY, "epochs": 20, "learning_rate": 1e-2}
    (source, _), morpher = train(flow=flow, shift=shift)
    loss = {row.part: row.validation_loss for row in morpher.curve if row.part.startswith("start")}
    assert (loss["start identity"] - loss["start base transfer"] > 0.5) == (chosen == "base_transfer")
    assert isinstance(morpher.modules["transport"], BaseTransfer) == (chosen == "base_transfer")
    first = next(row for row in morpher.curve if row.part == "transport")
    assert first.validation_loss == loss[f"start {chosen}".replace("_", " ")]
    again = Morpher.from_arrays(morpher.settings, morpher.to_arrays())
    assert np.array_equal(again.move(source, source.condition, ONE), morpher.move(source, source.condition, ONE))


def test_a_single_setting_leaves_the_other_defaults_of_its_flow():
    flows = build_record(MorphSettings, {"transport": {"epochs": 3}}, "flows")
    assert flows.transport == dataclasses.replace(MorphSettings().transport, epochs=3)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_flows_and_another_seed_others():
    (source, _), first = train()
    moved = first.move(source, source.condition, ONE)
    assert np.array_equal(train()[1].move(source, source.condition, ONE), moved)
    assert not np.array_equal(train(seed=2)[1].move(source, source.condition, ONE), moved)


@pytest.mark.slow
def test_a_price_on_movement_shortens_it_and_an_annealed_one_counts_at_first():
    longer = {**TINY, "epochs": 8, "learning_rate": 1e-2}
    distances, first_losses = {}, {}
    for name, changes in {
        "free": {},
        "l1": {"penalty": "l1", "penalty_weight": 3.0},
        "annealed": {"penalty": "l1", "penalty_weight": 3.0, "annealed": True},
    }.items():
        (source, _), morpher = train(variant="unidirectional", flow=longer, **changes)
        distances[name] = np.abs(morpher.move(source, source.condition, ONE) - source.values)[:, 0].mean()
        rows = [row for row in morpher.curve if row.part == "transport"]
        first_losses[name] = rows[1].training_loss, rows[-1].validation_loss
    assert distances["l1"] < 0.5 * distances["free"]
    assert first_losses["annealed"][0] > first_losses["free"][0] + 0.01  # at first it is there
    assert distances["annealed"] > 1.5 * distances["l1"]  # in the end it is gone


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"variant": "flow"}, "variant 'flow' is not known"),
        ({"variant": "unidirectional", "direction": "both"}, "forward and inverse need one density"),
        ({"direction": "forward"}, "does not fit variant flows_for_flows"),
        ({"variant": "base_transfer", "direction": "forward"}, "base_transfer, which has none"),
        ({"variant": "unidirectional", "start": "base_transfer"}, "needs the densities of both sides"),
        ({"start": "zero"}, "start 'zero' is not known"),
        ({"penalty": "l3"}, "did you mean 'l"),
        ({"penalty_weight": 0.0}, "penalty = none"),
        ({"context": "one_per_side", "transport": {"transforms": 1}}, "2 transforms or more"),
        ({"context": "difference", "condition": "own"}, "concatenation or drawn"),
        ({"density": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"density": {"bins": 1}}, "bins 2 or more"),
    ],
)
def test_settings_that_do_not_fit_are_refused_with_advice(values, advice):
    with pytest.raises(ConfigError, match=advice):
        build_record(MorphSettings, values, "flows")
