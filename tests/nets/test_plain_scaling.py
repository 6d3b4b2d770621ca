"""Scalings that are the same at every mass."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.nets.plain_scaling import PLAIN, QUANTILE, STANDARD, fit_plain_scaling
from anomaly_cli.nets.scaling import MassScaler

N = 10_007


@pytest.fixture(scope="module")
def band():
    generator = np.random.default_rng(1)
    mjj = generator.uniform(3000.0, 4600.0, N)
    features = [generator.gamma(2.0, 80.0, N), generator.beta(2.0, 3.0, N), generator.poisson(3.0, N).astype(float)]
    return mjj, np.stack(features, axis=1)


@pytest.mark.parametrize("kind", PLAIN)
def test_features_have_mean_0_and_width_1_at_no_mass_in_particular_and_come_back(band, kind):
    mjj, x = band
    scaler = fit_plain_scaling(kind, [band], 4.5)
    scaled, n_clipped = scaler.transform(mjj, x)
    assert np.abs(scaled.mean(axis=0)).max() < 0.02
    assert np.abs(scaled.std(axis=0) - 1.0).max() < 0.02
    elsewhere, _ = scaler.transform(np.full(N, 3500.0), x)
    assert np.array_equal(elsewhere, scaled), "it depends on mass"
    back, n_held = scaler.inverse(mjj, scaled)
    assert n_clipped.sum() == 0
    assert n_held.sum() <= 4  # rounding at the ends
    assert np.allclose(back, x, rtol=1e-6, atol=1e-6)
    stored = MassScaler.from_arrays(scaler.to_arrays())
    assert np.array_equal(stored.transform(mjj, x)[0], scaled)


def test_only_quantiles_are_normal_and_only_they_are_clipped(band):
    mjj, x = band
    far = np.full((1, 3), 5.0) * x.max(axis=0)
    skew = {}
    for kind in (STANDARD, QUANTILE):
        scaler = fit_plain_scaling(kind, [band], 4.5)
        z = scaler.transform(mjj, x)[0][:, 0]
        skew[kind] = float((z**3).mean())
        n_clipped = scaler.transform(mjj[:1], far)[1][:2]
        assert n_clipped.tolist() == ([1, 1] if kind == QUANTILE else [0, 0])
    assert abs(skew[QUANTILE]) < 0.05
    assert skew[STANDARD] > 1.0
