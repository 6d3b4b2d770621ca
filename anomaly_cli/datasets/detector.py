"""A detector as a parametrisation: generated particles to energy-flow constituents.

In the style of the CMS card of Delphes, as whole-array numpy: tracks inside |eta| < 2.5 with an efficiency and
a resolution, electromagnetic and hadronic towers to |eta| < 5 with granularity, resolution and thresholds, and
the merging of both, so that energy is counted once. No magnetic field, no pile-up.

References:
    J. de Favereau et al., "DELPHES 3, a modular framework for fast simulation of a generic collider
    experiment", 2014, arXiv:1307.6346 (sections 3.1 to 3.3: tracks, towers, energy flow).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]
ELECTRON, MUON, PHOTON = 11, 13, 22
INVISIBLE = (12, 14, 16)
NEUTRAL = (22, 130, 310, 2112, 3122, *INVISIBLE)
"""Stable neutral particles, as absolute PDG codes."""
TRACKER_EDGE, CALORIMETER_EDGE = 2.5, 5.0
LOWEST_PT = 0.5
"""Constituents below are lost [GeV]."""


@dataclass(frozen=True)
class Particles:
    """Particles or constituents of many events, `(n,)` each.

    Attributes:
        event: index of the event.
        code: absolute PDG code.
        energy: [GeV]; masses are neglected, so that pT = E / cosh(eta).
        eta: pseudorapidity.
        phi: azimuth.
    """

    event: IntArray
    code: IntArray
    energy: FloatArray
    eta: FloatArray
    phi: FloatArray

    @property
    def pt(self) -> FloatArray:
        """Transverse momentum [GeV]."""
        transverse: FloatArray = self.energy / np.cosh(self.eta)
        return transverse

    def take(self, selection: npt.NDArray[np.bool_] | IntArray) -> Particles:
        """Return the particles of a mask or of indices."""
        return Particles(
            self.event[selection],
            self.code[selection],
            self.energy[selection],
            self.eta[selection],
            self.phi[selection],
        )


@dataclass(frozen=True)
class Calorimeter:
    """One calorimeter.

    Attributes:
        edges: edges of the rings in |eta| `(r + 1,)`.
        n_phi: towers around each ring `(r,)`.
        least_energy: smallest energy of a tower [GeV].
        least_significance: smallest energy of a tower in units of its resolution.
        is_electromagnetic: whether photons and electrons stop here, or hadrons.
    """

    edges: FloatArray
    n_phi: IntArray
    least_energy: float
    least_significance: float
    is_electromagnetic: bool

    def resolution(self, energy: FloatArray, eta: FloatArray) -> FloatArray:
        """Return the standard deviation of the measured energy [GeV]."""
        x = np.abs(eta)
        if self.is_electromagnetic:
            central = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
            scale = np.where(x <= 1.5, 1.0 + 0.64 * x**2, 2.16 + 5.6 * (x - 2.0) ** 2)
            forward = np.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)
            electromagnetic: FloatArray = np.where(x <= 2.5, scale * central, forward)
            return electromagnetic
        constant, stochastic = np.where(x <= 3.0, 0.050, 0.130), np.where(x <= 3.0, 1.50, 2.70)
        hadronic: FloatArray = np.sqrt((constant * energy) ** 2 + stochastic**2 * energy)
        return hadronic


_FORWARD_EDGES = [3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.7, 5.0]
_FINE_EDGES = np.append(np.arange(170) * 0.0174, 2.958)
_HADRONIC_CENTRAL = np.arange(19) * 0.087
_HADRONIC_ENDCAP = [1.653, 1.740, 1.830, 1.930, 2.043, 2.172, 2.322, 2.500, 2.650, 2.868, 2.958]
ECAL = Calorimeter(
    edges=np.array([*_FINE_EDGES, *_FORWARD_EDGES]),
    n_phi=np.array([360] * 170 + [36] * 8 + [18] * 2),
    least_energy=0.5,
    least_significance=2.0,
    is_electromagnetic=True,
)
HCAL = Calorimeter(
    edges=np.array([*_HADRONIC_CENTRAL, *_HADRONIC_ENDCAP, *_FORWARD_EDGES]),
    n_phi=np.array([72] * 18 + [36] * 19 + [18] * 2),
    least_energy=1.0,
    least_significance=2.0,  # 1 would give 9 % more constituents and 2 % more energy than the shipped sample has
    is_electromagnetic=False,
)


def simulate_detector(particles: Particles, generator: np.random.Generator) -> Particles:
    """Return the energy-flow constituents of generated particles, ordered by event, pT falling.

    Args:
        particles: final particles; neutrinos leave no trace, muons a track only.
        generator: random numbers; the same gives the same constituents.
    """
    seen = particles.take(~np.isin(particles.code, INVISIBLE) & (np.abs(particles.eta) < CALORIMETER_EDGE))
    charged = ~np.isin(seen.code, NEUTRAL)
    found = generator.random(len(seen.code)) < np.where(charged, tracking_efficiency(seen), 0.0)
    tracks = seen.take(found)
    relative = momentum_resolution(tracks)
    measured = replace(tracks, energy=smear(tracks.energy, relative * tracks.energy, generator))
    electromagnetic = np.isin(seen.code, (ELECTRON, PHOTON))
    is_electron, is_muon = tracks.code == ELECTRON, tracks.code == MUON
    parts = [measured.take(is_muon)]
    for calorimeter, deposits, own in (
        (ECAL, electromagnetic, is_electron),
        (HCAL, ~electromagnetic & (seen.code != MUON), ~is_electron & ~is_muon),
    ):
        parts += merge_energy_flow(calorimeter, seen.take(deposits), measured.take(own), relative[own], generator)
    merged = Particles(
        event=np.concatenate([part.event for part in parts]),
        code=np.concatenate([part.code for part in parts]),
        energy=np.concatenate([part.energy for part in parts]),
        eta=np.concatenate([part.eta for part in parts]),
        phi=np.concatenate([part.phi for part in parts]),
    )
    kept = merged.take(merged.pt > LOWEST_PT)
    return kept.take(np.lexsort((-kept.pt, kept.event)))


def tracking_efficiency(particles: Particles) -> FloatArray:
    """Return the probability that a charged particle leaves a track, `(n,)`."""
    pt, central = particles.pt, np.abs(particles.eta) <= 1.5
    hadron = np.where(pt > 1.0, np.where(central, 0.95, 0.85), np.where(central, 0.70, 0.60))
    high = np.where(pt > 100.0, np.where(central, 0.99, 0.90), np.where(central, 0.95, 0.83))
    electron = np.where(pt > 1.0, high, np.where(central, 0.73, 0.50))
    muon = np.where(pt > 1.0, np.where(central, 0.99, 0.98), np.where(central, 0.75, 0.70))
    found = np.select([particles.code == ELECTRON, particles.code == MUON], [electron, muon], hadron)
    efficiency: FloatArray = np.where((pt > 0.1) & (np.abs(particles.eta) < TRACKER_EDGE), found, 0.0)
    return efficiency


def momentum_resolution(tracks: Particles) -> FloatArray:
    """Return the relative resolution of a track's momentum, `(n,)`."""
    x, pt = np.abs(tracks.eta), tracks.pt
    rings = [x <= 0.5, x <= 1.5]
    constant = np.select(rings, [0.01, 0.015], 0.025)
    slope = np.select(rings, [1.0e-4, 1.5e-4], 3.5e-4)
    resolution: FloatArray = np.hypot(constant, slope * pt)
    return resolution


def smear(energy: FloatArray, deviation: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return measured energies: log-normal, with mean `energy` and standard deviation `deviation`."""
    width = np.sqrt(np.log1p((deviation / np.maximum(energy, 1e-9)) ** 2))
    measured: FloatArray = energy * np.exp(width * generator.standard_normal(len(energy)) - width**2 / 2)
    return measured


def merge_energy_flow(
    calorimeter: Calorimeter,
    deposits: Particles,
    tracks: Particles,
    relative: FloatArray,
    generator: np.random.Generator,
) -> list[Particles]:
    """Return the tracks and the neutral towers of one calorimeter.

    A tower whose energy exceeds that of its tracks significantly becomes a neutral constituent of the excess.
    Otherwise its tracks are scaled to the mean of both measurements, weighted by their variances.

    Args:
        calorimeter: the calorimeter.
        deposits: the particles that stop in it, at their true energies.
        tracks: their tracks, at measured momenta.
        relative: relative resolution of the tracks.
        generator: random numbers.
    """
    towers, index = np.unique(_tower_key(calorimeter, deposits), return_inverse=True)
    true = _sum_by(index, deposits.energy, len(towers))
    event, low, high, phi_low, phi_high = _tower_place(calorimeter, towers)
    center = (low + high) / 2
    energy = smear(true, calorimeter.resolution(true, center), generator)
    deviation = calorimeter.resolution(energy, center)
    seen = (energy > calorimeter.least_energy) & (energy > calorimeter.least_significance * deviation)
    energy = np.where(seen, energy, 0.0)
    owner = np.searchsorted(towers, _tower_key(calorimeter, tracks))
    track_energy = _sum_by(owner, tracks.energy, len(towers))
    track_variance = _sum_by(owner, (relative * tracks.energy) ** 2, len(towers))
    excess = energy - track_energy
    is_neutral = (excess > calorimeter.least_energy) & (excess > calorimeter.least_significance * deviation)
    both = ~is_neutral & (track_energy > 0.0) & (energy > 0.0)
    mean = np.divide(
        track_energy * deviation**2 + energy * track_variance,
        deviation**2 + track_variance,
        out=track_energy.copy(),
        where=both,
    )
    scale = np.divide(mean, track_energy, out=np.ones_like(mean), where=both)
    eta = low + (high - low) * generator.random(len(towers))
    phi = phi_low + (phi_high - phi_low) * generator.random(len(towers))
    code = np.full(len(towers), PHOTON if calorimeter.is_electromagnetic else 130)
    neutral = Particles(event, code, excess, eta, phi).take(is_neutral)
    return [replace(tracks, energy=tracks.energy * scale[owner]), neutral]


def _sum_by(index: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Return the sums of `values` by index, `(n,)`; numpy gives whole numbers where there are no values."""
    total: FloatArray = np.bincount(index, weights=values, minlength=n).astype(np.float64)
    return total


def _tower_key(calorimeter: Calorimeter, particles: Particles) -> IntArray:
    """Return one number per event and tower, `(n,)`."""
    ring = np.searchsorted(calorimeter.edges, np.abs(particles.eta), side="right") - 1
    ring = np.clip(ring, 0, len(calorimeter.n_phi) - 1)
    n_phi = calorimeter.n_phi[ring]
    sector = np.floor((np.mod(particles.phi, 2 * np.pi)) / (2 * np.pi) * n_phi).astype(np.int64) % n_phi
    first = np.concatenate([[0], np.cumsum(calorimeter.n_phi)])
    tower = first[ring] + sector + np.where(particles.eta < 0, first[-1], 0)
    key: IntArray = particles.event * (2 * first[-1]) + tower
    return key


def _tower_place(
    calorimeter: Calorimeter, key: IntArray
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return event, lower and upper eta, lower and upper phi of towers."""
    first = np.concatenate([[0], np.cumsum(calorimeter.n_phi)])
    event, tower = np.divmod(key, 2 * first[-1])
    is_backward, tower = tower >= first[-1], tower % first[-1]
    ring = np.searchsorted(first, tower, side="right") - 1
    width = 2 * np.pi / calorimeter.n_phi[ring]
    sign = np.where(is_backward, -1.0, 1.0)
    phi = (tower - first[ring]) * width
    phi = np.where(phi >= np.pi, phi - 2 * np.pi, phi)
    return event, sign * calorimeter.edges[ring], sign * calorimeter.edges[ring + 1], phi, phi + width
