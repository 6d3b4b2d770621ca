"""Mass windows and the regions of one analysis; GeV inside, TeV on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import ConfigError

COLLISION_ENERGY = 13_000.0
"""Centre-of-mass energy where the data do not say another [GeV]."""
LARGEST_ENERGY = 1e6
"""No collisions have more [GeV]."""
LOWER_WIDTH = 300.0
"""Default width of the lower side-band [GeV]."""
UPPER_WIDTH = 900.0
"""Default width of the upper side-band [GeV]; the spectrum falls, so the upper one has to be wider."""
SMALL_MASS = 100.0
"""A spectrum that ends below is likely to be one of other units [GeV]."""
SHORTEST_SIDE_BAND = 100.0
"""A default side-band that the data cut shorter than this is refused [GeV]."""

_UNITS = {"": 1000.0, "tev": 1000.0, "gev": 1.0}
_MASS = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([a-zA-Z]*)\s*")
_WINDOW = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*-\s*([0-9]*\.?[0-9]+)\s*([a-zA-Z]*)\s*")


@dataclass(frozen=True)
class Window:
    """A half-open mass window [low, high) in GeV."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0.0 < self.low < self.high < np.inf:
            raise ConfigError(
                f"window {self.text}: the lower edge must be above 0 and below the upper one; write it as 3.3-3.7 (TeV)"
            )

    @property
    def width(self) -> float:
        """Width [GeV]."""
        return self.high - self.low

    @property
    def text(self) -> str:
        """The window as it is written on the command line, in TeV."""
        return f"{self.low / 1000:.10g}-{self.high / 1000:.10g}"

    def contains(self, mjj: FloatArray) -> npt.NDArray[np.bool_]:
        """Return the mask low <= mjj < high, `(n,)`; `mjj` in GeV."""
        return (mjj >= self.low) & (mjj < self.high)


@dataclass(frozen=True)
class Regions:
    """Signal region and its two side-bands; windows may touch, not overlap.

    Attributes:
        sr: the signal region.
        sb1: the lower side-band.
        sb2: the upper side-band.
        collision_energy: centre-of-mass energy of the collisions [GeV], which no window exceeds.
    """

    sr: Window
    sb1: Window
    sb2: Window
    collision_energy: float = COLLISION_ENERGY

    def __post_init__(self) -> None:
        for window in (self.sr, self.sb2):
            refuse_beyond(window, self.collision_energy)
        if self.sb1.high > self.sr.low:
            raise ConfigError(
                f"side-band {self.sb1.text} TeV overlaps the signal region {self.sr.text} TeV;"
                " its upper edge must not exceed the region's lower edge"
            )
        if self.sb2.low < self.sr.high:
            raise ConfigError(
                f"side-band {self.sb2.text} TeV overlaps the signal region {self.sr.text} TeV;"
                " its lower edge must not be below the region's upper edge"
            )

    def contain(self, mjj: FloatArray) -> npt.NDArray[np.bool_]:
        """Return which masses lie in one of the three windows, `(n,)`; `mjj` in GeV."""
        return self.sb1.contains(mjj) | self.sr.contains(mjj) | self.sb2.contains(mjj)

    @property
    def side_bands(self) -> tuple[Window, Window]:
        """Lower and upper side-band."""
        return self.sb1, self.sb2

    def named(self) -> dict[str, Window]:
        """Return the windows by their short names, in order of mass."""
        return {"sb1": self.sb1, "sr": self.sr, "sb2": self.sb2}


def parse_mass(text: str) -> float:
    """Return the mass [GeV] written as `3.5` (TeV), `3.5TeV` or `500GeV`.

    Raises:
        ConfigError: where the text is no mass.
    """
    match = _MASS.fullmatch(text)
    if match is None or match[2].lower() not in _UNITS or not float(match[1]) > 0.0:
        raise ConfigError(f"mass '{text}' is not understood; write it as 3.5 (TeV), 3.5TeV or 500GeV")
    return round(float(match[1]) * _UNITS[match[2].lower()], 6)


def refuse_beyond(window: Window, collision_energy: float) -> None:
    """Refuse a window with masses that collisions of an energy [GeV] cannot make.

    Raises:
        ConfigError: where its upper edge lies above.
    """
    if window.high > collision_energy:
        raise ConfigError(
            f"window {window.text} TeV lies above the collision energy of {collision_energy / 1000:g} TeV; choose one"
            ' below, or write the energy of the data into their manifest, as collision_energy = "100 TeV"'
        )


def parse_window(text: str) -> Window:
    """Return the window written as `3.3-3.7` (TeV) or `3300-3700GeV`.

    Raises:
        ConfigError: where the text is no window, is inverted or empty, or is GeV without saying so.
    """
    match = _WINDOW.fullmatch(text)
    if match is None or match[3].lower() not in _UNITS:
        raise ConfigError(f"window '{text}' is not understood; write it as 3.3-3.7 (TeV) or 3300-3700GeV")
    scale = _UNITS[match[3].lower()]
    low, high = (round(float(edge) * scale, 6) for edge in (match[1], match[2]))
    if low >= high:
        raise ConfigError(f"window '{text}' is empty or inverted; the lower edge comes first, as in 3.3-3.7")
    if high > LARGEST_ENERGY:
        raise ConfigError(
            f"window '{text}' lies above the energy of any collisions; if it is meant in GeV, write {text.strip()}GeV"
        )
    return Window(low, high)


def parse_side_bands(text: str) -> tuple[Window, Window]:
    """Return the lower and upper side-band written as `3.0-3.3,3.7-4.6`.

    Raises:
        ConfigError: where there are not two windows, or one of them cannot be used.
    """
    parts = text.split(",")
    if len(parts) != 2:
        raise ConfigError(f"side-bands '{text}' must be two windows, lower and upper, as in 3.0-3.3,3.7-4.6")
    first, second = (parse_window(part) for part in parts)
    if first.low > second.low:
        raise ConfigError(f"side-bands '{text}': name the lower one first, as in 3.0-3.3,3.7-4.6")
    return first, second


def default_side_bands(sr: Window, lowest: float, highest: float) -> tuple[Window, Window]:
    """Return side-bands of 300 GeV below and 900 GeV above `sr`, cut where the data end.

    Args:
        sr: the signal region.
        lowest: smallest mass in the data [GeV].
        highest: largest mass in the data [GeV].

    Raises:
        ConfigError: where fewer than 100 GeV of data lie on one side.
    """
    if sr.high <= lowest or sr.low >= highest:
        doubt = "; are masses in GeV, and columns in the right order?" if highest < SMALL_MASS else ""
        raise ConfigError(
            f"signal region {sr.text} TeV holds no events: the data span {lowest / 1000:.3f} to"
            f" {highest / 1000:.3f} TeV; choose a region inside{doubt}"
        )
    low = max(sr.low - LOWER_WIDTH, float(np.floor(lowest)))
    high = min(sr.high + UPPER_WIDTH, float(np.ceil(highest)))
    if sr.low - low < SHORTEST_SIDE_BAND or high - sr.high < SHORTEST_SIDE_BAND:
        raise ConfigError(
            f"signal region {sr.text} TeV leaves less than 0.1 TeV of data on one side"
            f" (the data span {lowest / 1000:.3f} to {highest / 1000:.3f} TeV); choose a region further inside"
        )
    return Window(low, sr.low), Window(sr.high, high)
