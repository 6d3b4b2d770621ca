"""Jet four-momenta to the standard features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import FEATURES
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.noise import NOISE, without_noise

MOMENTUM_COLUMNS = ("px", "py", "pz", "m")
JET_COLUMNS = (*MOMENTUM_COLUMNS, "tau1", "tau2", "tau3")
OFFICIAL_COLUMNS = tuple(f"{name}j{jet}" for jet in (1, 2) for name in JET_COLUMNS)
"""The 14 kinematic columns of the official LHCO feature file, jets ordered by pT; `label` follows."""
BETAS, MOST_AXES = (0.5, 1.0, 2.0), 9
"""Angular exponents and largest N of the extended set."""


def tau_name(n: int, beta: float) -> str:
    """Return the column of tau_N with exponent beta, as `tau2b05`; beta = 1 has no suffix."""
    return f"tau{n}" + ("" if beta == 1.0 else f"b{beta:g}".replace(".", ""))


_TAUS = tuple(tau_name(n, beta) for beta in BETAS for n in range(1, MOST_AXES + 1))
EXTENDED_COLUMNS = tuple(f"{tau}j{jet}" for jet in (1, 2) for tau in _TAUS if tau not in JET_COLUMNS)
"""What `anomaly data features --extended` adds to the official columns."""
SUBJETTINESSES = tuple(f"{tau}_j{jet}" for jet in (1, 2) for tau in _TAUS)
"""tau_N of both jets as features, un-normalised; jets are ordered by mass."""
FEATURE_SETS: Mapping[str, tuple[str, ...]] = {
    "standard": FEATURES,
    "extended": ("mj1", "delta_mj", *SUBJETTINESSES),
    "noise": NOISE,
}
"""Features that are chosen by one name: the five, 56, and ten of noise for a stress test.

`extended` has 2 + 2 x 27 = 56 features, the largest set of T. Finke et al., "Back to the roots: tree-based
algorithms for weakly supervised anomaly detection", 2023, arXiv:2309.13111.
"""


@dataclass(frozen=True)
class EventFeatures:
    """Features of all events of a file, before any selection.

    Attributes:
        mjj: `(n,)` [GeV].
        values: `(n, d)`.
        names: d feature names.
        is_defined: events whose features exist `(n,)`; a jet with tau1 = 0 has no tau2/tau1.
    """

    mjj: FloatArray
    values: FloatArray
    names: tuple[str, ...]
    is_defined: npt.NDArray[np.bool_]


def expand_features(names: Sequence[str], known: Sequence[str] = ()) -> tuple[str, ...]:
    """Return features with the names of sets replaced by their members, but for names that are known as features."""
    return tuple(
        feature for name in names for feature in ((name,) if name in known else FEATURE_SETS.get(name, (name,)))
    )


def check_features(names: Sequence[str], known: Sequence[str] = (*FEATURES, *SUBJETTINESSES)) -> tuple[str, ...]:
    """Return `names` if each is a known feature, named once.

    Raises:
        ConfigError: for an unknown, repeated or missing name.
    """
    for name in without_noise(names):
        if name not in known:
            raise ConfigError(f"--features: unknown feature '{name}'; {nearest(name, known)}")
    if not without_noise(names) or len(set(names)) != len(names):
        raise ConfigError("--features: name each feature once, for instance mj1,delta_mj,tau21_j1,tau21_j2")
    return tuple(names)


def columns_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the official columns, and those of the extended set, that mjj and the features are computed from."""
    stems = list(MOMENTUM_COLUMNS)
    if any(name.startswith("tau21") for name in names):
        stems += ["tau1", "tau2"]
    stems += [name.split("_j")[0] for name in names if name in SUBJETTINESSES]
    return tuple(f"{stem}j{jet}" for jet in (1, 2) for stem in dict.fromkeys(stems))


def compute_features(columns: Mapping[str, FloatArray], names: Sequence[str]) -> EventFeatures:
    """Compute the dijet mass and the chosen features from the official columns.

    Jets are re-ordered by mass (`mj1` the lighter). With p, m of a jet, E = sqrt(p^2 + m^2), and mjj is
    the mass of the summed four-vectors. tau21 = tau2/tau1 is undefined where tau1 <= 0: such events are
    marked where a tau21 is among the chosen features, and the caller drops and counts them.

    Args:
        columns: those that `columns_of` names, `(n,)` each, [GeV]; tau un-normalised.
        names: the features to return.
    """
    px, py, pz, mass = (_pair(columns, stem) for stem in MOMENTUM_COLUMNS)
    eta, phi = np.arcsinh(pz / np.hypot(px, py)), np.arctan2(py, px)
    delta_phi = np.abs(np.mod(phi[0] - phi[1] + np.pi, 2 * np.pi) - np.pi)
    lighter = (mass[1] < mass[0]).astype(np.int64)
    rows = np.arange(mass.shape[1])
    available = {
        "mj1": mass[lighter, rows],
        "delta_mj": mass[1 - lighter, rows] - mass[lighter, rows],
        "delta_r_jj": np.hypot(eta[0] - eta[1], delta_phi),
    }
    is_defined = np.ones(mass.shape[1], dtype=np.bool_)
    if any(name.startswith("tau21") for name in names):
        tau1, tau2 = _pair(columns, "tau1"), _pair(columns, "tau2")
        has_tau = tau1 > 0.0
        tau21 = np.divide(tau2, tau1, out=np.zeros_like(tau2), where=has_tau)
        available |= {"tau21_j1": tau21[lighter, rows], "tau21_j2": tau21[1 - lighter, rows]}
        is_defined = has_tau[0] & has_tau[1]
    for name in names:
        if name in SUBJETTINESSES:
            tau, jet = name.split("_j")
            available[name] = _pair(columns, tau)[lighter if jet == "1" else 1 - lighter, rows]
    return EventFeatures(
        mjj=dijet_mass(columns),
        values=np.stack([available[name] for name in names], axis=1),
        names=tuple(names),
        is_defined=is_defined,
    )


def dijet_mass(columns: Mapping[str, FloatArray]) -> FloatArray:
    """Return the mass of the summed four-vectors of two jets `(n,)` [GeV], from their momentum columns [GeV]."""
    px, py, pz, mass = (_pair(columns, stem) for stem in MOMENTUM_COLUMNS)
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    squared = energy.sum(0) ** 2 - px.sum(0) ** 2 - py.sum(0) ** 2 - pz.sum(0) ** 2
    mjj: FloatArray = np.sqrt(np.maximum(squared, 0.0))
    return mjj


def _pair(columns: Mapping[str, FloatArray], stem: str) -> FloatArray:
    """Return a quantity of both jets in the order of the file `(2, n)`."""
    return np.stack([columns[f"{stem}j1"], columns[f"{stem}j2"]]).astype(np.float64)
