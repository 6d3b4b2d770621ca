"""What the three diffusion templates do beyond the contract of all methods."""

from __future__ import annotations

import numpy as np
import pytest
from toys import compute, draw, toy_inputs

from anomaly_cli.methods.base import METHODS


@pytest.mark.parametrize("sampler", ["heun", "dpm"])
def test_events_from_little_noise_are_as_wide_as_the_data(sampler):
    inputs, _ = toy_inputs(6000)
    settings = {"epochs": 1, "learning_rate": 1e-9, "sigma_max": 1.0, "steps": 60, "sampler": sampler}
    fitted = METHODS.make("drapes", settings).fit(inputs, compute())  # knows the widths only
    masses = np.linspace(3300.0, 3700.0, 5000)
    events = draw(fitted, masses, 2).events
    scaled, _ = fitted.scaler.transform(events.mjj, events.features)
    assert scaled.std(axis=0) == pytest.approx(1.0, abs=0.03)
