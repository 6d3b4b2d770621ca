"""Scores by autoencoders, by tags, and of others."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.config import Config, load_config
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.nets import autoencoder, training
from anomaly_cli.scores.base import SCORES
from anomaly_cli.scores.external import find_column
from anomaly_cli.stages.resolve import resolve_settings
from anomaly_cli.testing import ContractError, check_score, toy_split

JETS = {"first": ("linear",), "second": ("curved", "shape"), "rounds": 1}


@pytest.mark.parametrize(
    ("name", "settings"),
    [("autoencoder", {"epochs": 2}), ("gan_ae", {"epochs": 2}), ("tnt", JETS), ("external", {"column": "shape"})],
)
def test_scores_keep_the_public_contract(name, settings):
    check_score(SCORES.make(name, settings), split=toy_split(5000))


@pytest.mark.parametrize(("name", "settings"), [("autoencoder", {"epochs": 2}), ("tnt", JETS)])
def test_an_autoencoder_of_all_template_events_breaks_the_contract(name, settings, monkeypatch):
    everything = lambda template, ranking, fold: np.ones(len(template), dtype=bool)  # noqa: E731
    monkeypatch.setattr(f"anomaly_cli.scores.{name}.training_template", everything)
    with pytest.raises(ContractError, match="ranks a fold by what has seen its own events"):
        check_score(SCORES.make(name, settings), split=toy_split(5000))


def plane(n, seed):
    """Events in a plane of three dimensions, but for a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    return np.column_stack([x, x.sum(axis=1) + 0.05 * rng.standard_normal(n)])


@pytest.mark.parametrize("adversarial", [0.0, 0.1])
def test_an_autoencoder_returns_what_it_knows_better_than_what_lies_elsewhere(adversarial):
    settings = autoencoder.AutoencoderSettings(adversarial=adversarial, epochs=12)
    with training.seeded(1, 1) as generator:
        fitted = autoencoder.FittedAutoencoder.fit(plane(4000, 1), np.arange(4000) % 10 == 0, settings, generator)
    known, other = fitted.error(plane(500, 2)), fitted.error(plane(500, 3) * np.array([1.0, 1.0, -1.0]))
    assert np.mean(known[:, None] < other) > 0.85


def test_a_critic_is_trained_against_the_autoencoder_and_not_with_it():
    network = autoencoder.Autoencoder(3, autoencoder.AutoencoderSettings(adversarial=1.0))
    import torch

    x = torch.from_numpy(plane(64, 1)).float()
    network.loss(x).mean().backward()
    turned = network.autoencoder[2].weight.grad.clone()
    network.zero_grad()
    (network.loss(x) - network.error(x)).mean().backward()
    alone = network.autoencoder[2].weight.grad.clone()
    network.zero_grad()
    network.error(x).mean().backward()
    assert torch.allclose(turned, alone + network.autoencoder[2].weight.grad, atol=1e-6)
    step = 1e-2 * alone / alone.norm()
    told = lambda: float((network.loss(x) - network.error(x)).mean())  # noqa: E731
    before = told()
    with torch.no_grad():
        network.autoencoder[2].weight -= step
    assert told() > before  # following its gradient, the autoencoder makes the critic worse


def test_a_column_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'vrn' is not among the features.*vrnn"):
        find_column(("mj1", "vrnn"), "vrn")
    with pytest.raises(ConfigError, match="with --score-column NAME"):
        check_score(SCORES.make("external", {}))
    with pytest.raises(ConfigError, match="sign is 1"):
        SCORES.make("external", {"column": "a", "sign": 0})


def test_a_constant_column_is_refused():
    from dataclasses import replace

    from anomaly_cli.core.blocks import Features

    split = toy_split(2000)
    flat = {
        name: getattr(split, name).with_block(
            "features", Features(np.ones_like(getattr(split, name).features), split.sr.names)
        )
        for name in ("sb1", "sr", "sb2")
    }
    from anomaly_cli.core.template import Template, TemplatePart
    from anomaly_cli.testing import toy_seen

    score = SCORES.make("external", {"column": "shape"})
    template = Template.of([TemplatePart(flat["sr"])])
    with pytest.raises(PhysicsError, match="'shape' has the same value in every template event"):
        score.fit(toy_seen(score, replace(split, **flat)), template, None, None)


def test_naming_a_column_chooses_the_external_score_unless_another_is_named():
    def chosen(*overrides):
        return resolve_settings(load_config([], overrides, {"scores.external.column": "vrnn"})).score

    assert chosen().column == "vrnn"
    assert chosen("score.name=cwola").name == "cwola"
    assert resolve_settings(Config()).score.name == "cwola"


def test_jets_share_no_feature():
    with pytest.raises(ConfigError, match="features of one jet each"):
        SCORES.make("tnt", {"first": ("a",), "second": ("a", "b")})
    with pytest.raises(ConfigError, match="there is no feature 'mj1'"):
        check_score(SCORES.make("tnt", {}))
