"""What the two configurations of CURTAINsF4F do beyond the contract of all methods."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toys import toy_inputs

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.progress import silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods.base import Context, SharedBaseInputs
from anomaly_cli.methods.registry import make_method


def test_what_a_shared_base_has_seen_in_the_signal_region_moves_no_marginal_of_the_template():
    inputs, sr = toy_inputs(12_000)
    method = make_method("curtains_f4f_efficient", {"base_epochs": 2, "transport_epochs": 1})
    masses = np.linspace(3300.0, 3700.0, 4001)
    templates, bases = [], []
    for shift in (0.0, 2.0):
        seen = dataclasses.replace(sr, features=sr.features + shift * sr.features.std(axis=0))
        bands = [concatenate([inputs.sb1, seen, inputs.sb2])]
        is_validation = np.arange(len(bands[0])) % 10 == 0
        bases.append(method.fit_base(bands, is_validation, Context(Streams(1), 1, silent)).arrays)
        given = SharedBaseInputs(inputs.sb1, inputs.sb2, inputs.regions, inputs.is_validation, bases[-1])
        fitted = method.fit(given, Context(Streams(2), 1, silent))
        templates.append(fitted.sample(masses, Streams(3)).events.features)
    assert np.abs(bases[0]["scaling.0.coefficients"][0] - bases[1]["scaling.0.coefficients"][0]).max() > 0.1
    width = templates[0].std(axis=0)
    assert np.abs(templates[1].mean(axis=0) - templates[0].mean(axis=0)) / width == pytest.approx(0.0, abs=0.05)


def test_the_order_of_the_bases_scaling_is_checked():
    with pytest.raises(ConfigError, match="scaling_order"):
        make_method("curtains_f4f_efficient", {"base_scaling_order": -1})
