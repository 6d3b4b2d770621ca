"""Divide events into side-bands, signal region and rest."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit, fit_mass_spectrum
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import AnomalyWarning, ConfigError, PhysicsError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.windows import COLLISION_ENERGY, Regions, Window, default_side_bands, refuse_beyond

SAME, TIED = 0.999, 0.9
"""Rank correlations with mjj from which a feature is refused, and warned of."""
MOST_RANKED = 20_000
"""Events of a side-band whose features are compared with mjj."""
WORDS = {"sb1": "lower side-band", "sr": "signal region", "sb2": "upper side-band"}


@dataclass(frozen=True)
class Split:
    """Events of one search.

    Attributes:
        sb1: events in the lower side-band.
        sr: events in the signal region.
        sb2: events in the upper side-band.
        rest: events in none of the windows.
        regions: the windows; a side-band may span a stretch that is left out.
        stretches: the stretches of the side-bands that hold events, for the mass fit.
    """

    sb1: Events
    sr: Events
    sb2: Events
    rest: Events
    regions: Regions
    stretches: Sequence[Window]

    @property
    def side_bands(self) -> Events:
        """Events of both side-bands, lower first."""
        return concatenate([self.sb1, self.sb2])

    @property
    def everything(self) -> Events:
        """All events, in order of the regions, then the rest."""
        return concatenate([self.sb1, self.sr, self.sb2, self.rest])

    def fit_masses(self) -> MassFit:
        """Fit the dijet function to the side-bands and predict the signal region.

        Raises:
            PhysicsError: where they do not predict it.
        """
        masses = np.concatenate([self.sb1.mjj, self.sb2.mjj])
        inside = [masses[stretch.contains(masses)] for stretch in self.stretches]
        return fit_mass_spectrum(inside, self.stretches, self.regions.sr, self.regions.collision_energy)


def choose_regions(
    sr: Window,
    side_bands: tuple[Window, Window] | None,
    lowest: float,
    highest: float,
    collision_energy: float = COLLISION_ENERGY,
) -> Regions:
    """Return the windows of a search.

    Args:
        sr: the signal region.
        side_bands: lower and upper side-band; None for 300 GeV below and 900 GeV above, cut where the data end.
        lowest: smallest mass in the data [GeV].
        highest: largest mass in the data [GeV].
        collision_energy: centre-of-mass energy of the data [GeV].

    Raises:
        ConfigError: where they overlap or lie above the collision energy, or the data leave no side-band.
    """
    refuse_beyond(sr, collision_energy)
    lower, upper = side_bands or default_side_bands(sr, lowest, highest)
    return Regions(sr=sr, sb1=lower, sb2=upper, collision_energy=collision_energy)


def split_events(events: Events, regions: Regions, stretches: Sequence[Window] = ()) -> Split:
    """Divide events; every one lands in one of the regions or in the rest.

    Args:
        events: the events.
        regions: the windows.
        stretches: of the side-bands that hold events; by default all of them.
    """
    masks = {name: window.contains(events.mjj) for name, window in regions.named().items()}
    rest = ~np.any(list(masks.values()), axis=0)
    parts = {name: events.take(mask) for name, mask in masks.items()}
    return Split(**parts, rest=events.take(rest), regions=regions, stretches=stretches or regions.side_bands)


def rank_correlations(split: Split) -> dict[str, float]:
    """Return how each feature follows mjj in the side-bands: Spearman's rank correlation, of some events."""
    parts = [band.take(np.arange(min(len(band), MOST_RANKED))) for band in (split.sb1, split.sb2)]
    columns = np.concatenate([np.column_stack([part.mjj, part.features]) for part in parts]).T
    ranks = np.stack([_ranks(column) for column in columns], axis=1)
    moved = ranks - ranks.mean(axis=0)
    width = np.sqrt((moved**2).sum(axis=0))
    correlation = moved[:, 0] @ moved[:, 1:] / np.maximum(width[0] * width[1:], 1.0)
    return dict(zip(split.sb1.names, correlation.tolist(), strict=True))


def _ranks(values: FloatArray) -> FloatArray:
    """Return the rank of each value `(n,)`, the mean one where some are equal."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: FloatArray = np.cumsum(counts) - counts / 2.0
    return middle[place]


def refuse_mass(split: Split) -> None:
    """Refuse a feature that is a function of mjj, and warn of one that nearly is.

    A template has the masses of the signal region and a classifier would find them, whatever is learnt.

    Raises:
        ConfigError: naming the feature.
    """
    for name, correlation in rank_correlations(split).items():
        said = f"feature '{name}' follows mjj (rank correlation {correlation:.4f} in the side-bands)"
        if abs(correlation) > SAME:
            raise ConfigError(f"{said}: it is the mass in other words; leave it out, or name others with --features")
        if abs(correlation) > TIED:
            text = f"{said}; a classifier is then likely to find the mass and no signal, unless closure says otherwise"
            warnings.warn(text, AnomalyWarning, stacklevel=2)


def refuse_empty(split: Split, lowest: float, highest: float) -> None:
    """Refuse a split with a region that holds no events.

    Args:
        split: the split.
        lowest: smallest usable mass [GeV].
        highest: largest usable mass [GeV].

    Raises:
        PhysicsError: naming the region.
    """
    for name, window in split.regions.named().items():
        if not len(getattr(split, name)):
            raise PhysicsError(
                f"{WORDS[name]} {window.text} TeV holds no usable events; usable ones span {lowest / 1000:.3f} to"
                f" {highest / 1000:.3f} TeV: choose another window, or a feature that is defined there"
            )
