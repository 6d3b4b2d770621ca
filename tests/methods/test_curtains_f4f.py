"""What the two configurations of CURTAINsF4F do beyond the contract of all methods."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toys import compute, draw, toy_inputs

from anomaly_cli.core.blocks import Features
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import concatenate
from anomaly_cli.methods.base import METHODS


def test_what_a_shared_base_has_seen_in_the_signal_region_moves_no_marginal_of_the_template():
    inputs, sr = toy_inputs(12_000)
    method = METHODS.make("curtains_f4f_efficient", {"base_epochs": 2, "transport_epochs": 1})
    masses = np.linspace(3300.0, 3700.0, 4001)
    templates, bases = [], []
    for shift in (0.0, 2.0):
        moved = Features(sr.features + shift * sr.features.std(axis=0), sr.names)
        seen = sr.with_block(Features.kind, moved)
        bands = [concatenate([inputs.sb1, seen, inputs.sb2])]
        is_validation = np.arange(len(bands[0])) % 10 == 0
        shared = method.fit_shared(bands, is_validation, compute(1))
        bases.append(shared.arrays)
        fitted = method.fit(dataclasses.replace(inputs, shared=shared), compute(2))
        templates.append(draw(fitted, masses, 3).events.features)
    assert np.abs(bases[0]["scaling.0.coefficients"][0] - bases[1]["scaling.0.coefficients"][0]).max() > 0.1
    width = templates[0].std(axis=0)
    assert np.abs(templates[1].mean(axis=0) - templates[0].mean(axis=0)) / width == pytest.approx(0.0, abs=0.05)


def test_the_order_of_the_bases_scaling_is_checked():
    with pytest.raises(ConfigError, match="scaling_order"):
        METHODS.make("curtains_f4f_efficient", {"base_scaling_order": -1})
