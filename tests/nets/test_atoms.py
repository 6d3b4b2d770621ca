from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.nets.atoms import find_atoms
from anomaly_cli.nets.scaling_fit import ScalingSettings, fit_mass_scaling

N = 20_000
SETTINGS = ScalingSettings(max_order=3, bin_events=1000, bound=4.5)


def column(kind, mjj):
    """A feature that depends on mass."""
    rng = np.random.default_rng(1)
    if kind == "integers":
        return rng.poisson(mjj / 1000.0).astype(float)
    if kind == "uneven levels":
        return rng.choice([-3.0, 0.1, 0.2, 1e6], N)
    if kind == "an atom at the edge":
        return np.where(rng.random(N) < 0.2, 0.0, rng.exponential(mjj / 1000.0))
    if kind == "atoms inside":
        return np.where(rng.random(N) < 0.3, rng.choice([-0.5, 1.0], N), rng.standard_normal(N))
    if kind == "constant":
        return np.full(N, 7.0)
    return {"cauchy": rng.standard_cauchy(N), "continuous": rng.standard_normal(N)}[kind]


KINDS = ["integers", "uneven levels", "an atom at the edge", "atoms inside", "constant", "cauchy", "continuous"]


@pytest.mark.parametrize("kind", KINDS)
def test_opening_and_closing_returns_the_values(kind):
    x = column(kind, np.full(N, 3500.0))
    atoms = find_atoms(x)
    opened = atoms.open(x, np.random.default_rng(0))
    assert np.allclose(atoms.close(opened), x, rtol=1e-9, atol=1e-9)
    assert len(np.unique(opened)) > 0.99 * N, "an atom is left"


@pytest.mark.parametrize("kind", KINDS)
def test_scaled_features_are_normal_and_come_back(kind):
    mjj = np.random.default_rng(2).uniform(3000.0, 4600.0, N)
    x = column(kind, mjj)[:, None]
    bands = [(mjj[mask], x[mask]) for mask in (mjj < 3300.0, mjj >= 3700.0)]
    scaler = fit_mass_scaling(bands, [None], SETTINGS, np.random.default_rng(1))
    mjj, x = (np.concatenate(parts) for parts in zip(*bands, strict=True))
    scaled, _ = scaler.transform(mjj, x)
    back, _ = scaler.inverse(mjj, scaled)
    inside = np.abs(scaled[:, 0]) < 4.5
    assert np.allclose(back[inside], x[inside], rtol=1e-6, atol=1e-6)
    assert abs(scaled.mean()) < 0.05
    assert abs(scaled.std() - 1.0) < 0.05


def test_values_between_the_levels_of_a_discrete_feature_take_the_nearest():
    atoms = find_atoms(np.repeat([0.0, 1.0, 5.0], 100))
    y = atoms.open(np.array([-9.0, 0.4, 2.9, 3.1, 99.0]), np.random.default_rng(0))
    assert atoms.close(y).tolist() == [0.0, 0.0, 1.0, 5.0, 5.0]


def test_a_continuous_feature_has_no_atoms():
    assert not len(find_atoms(np.random.default_rng(1).random(1000)).values)
