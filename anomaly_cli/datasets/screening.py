"""Values that no event can have: NaN, placeholders such as -999, and what is beyond physics."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import DataError
from anomaly_cli.datasets.columns import DIRECT, UNITS, WEIGHT, Spelling
from anomaly_cli.datasets.features import dijet_mass

BoolArray = npt.NDArray[np.bool_]
LEAST_MASS = -0.5
"""A massless jet of 1 TeV has a mass down to this [GeV] from rounding in single precision."""
LEAST_GEV = 1e-3
"""Jets and dijets of smaller pT or mass [GeV] are none."""
STEEPEST = 1e5
"""Largest |pz|/pT of a jet, |eta| of 12: beams of 100 TeV have a rapidity of 11.6."""
LARGEST_DELTA_R = 25.0
"""Jets along opposite beams are less far apart."""
LARGEST_TAU21 = 10.0
"""tau2/tau1 is at most about 1; where it is larger than this, tau1 is nothing but rounding."""
LARGEST = 1e20
"""Largest magnitude of a feature of which nothing is known."""
NINES = tuple(float(10**digits - 1) for digits in range(2, 10))
ENDS = (*(float(2**bits - 1) for bits in (15, 16, 31, 32, 63, 64)), *(-(2.0**bits) for bits in (15, 31, 63)))
MARKS = np.array([*NINES, *(-nine for nine in NINES), *ENDS])
MARKS = np.unique([*MARKS, *MARKS.astype(np.float32)])
"""What programs write where they have no value, as the file writes it: -99 to -999999999, and the ends of integers."""
OFTEN = 10
"""A mark among other values occurs this many times as often as any of them."""
RARE = 1e-3
"""Probability below which it is no chance that values hit a mark so often."""
MOST_DECIMALS = 4
"""Digits after the point by which values are taken to be rounded where all of them have no more."""
MOST_DROPPED = 0.5
"""More events than this part are not left out: then a unit or a column is wrong, and not some events."""
NAMED = 3
"""Faults that a refusal names one by one."""


@dataclass(frozen=True)
class Fault:
    """Which column it is about, what is wrong with it, and in which events `(n,)`."""

    subject: str
    what: str
    is_bad: BoolArray

    @property
    def text(self) -> str:
        """What and how often, without the file."""
        n_bad, n = int(self.is_bad.sum()), len(self.is_bad)
        return f"{self.subject} {self.what} in " + ("every event" if n_bad == n else f"{n_bad} of {n} events")


def refuse_faults(path: Path, faults: Sequence[Fault], drop: bool) -> None:
    """Refuse events with faults, unless they are to be dropped and some are left.

    Raises:
        DataError: naming columns and numbers.
    """
    if not faults:
        return
    whole = [fault for fault in faults if fault.is_bad.all()]
    if whole:
        raise DataError(
            f"{path}: {whole[0].text}; check how it was written, or leave it out with --features or of the file's"
            " manifest"
        )
    if not drop:
        more = f", and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise DataError(
            f"{path}: {', '.join(fault.text for fault in faults[:NAMED])}{more}; pass --drop-nan to 'anomaly run' or"
            " 'anomaly split' to leave such events out and have them counted"
        )
    is_bad = np.any([fault.is_bad for fault in faults], axis=0)
    if is_bad.all():
        raise DataError(f"{path}: every event has some column with such a value: {faults[0].text}; check the file")
    if is_bad.mean() > MOST_DROPPED:
        worst = max(faults, key=lambda fault: int(fault.is_bad.sum()))
        raise DataError(
            f"{path}: --drop-nan would leave out {int(is_bad.sum())} of {len(is_bad)} events, most of them since"
            f" {worst.text}; check the units of its columns and how it was written, or leave out that column"
        )


def find_faults(
    used: Mapping[str, FloatArray], spelling: Callable[[str], Spelling], collision_energy: float
) -> list[Fault]:
    """Return what is wrong with the columns in use.

    Args:
        used: columns by name, `(n,)` each, [GeV]: momenta and tau of two jets, or `mjj` and ready-made features.
        spelling: how the file writes a column.
        collision_energy: centre-of-mass energy [GeV], which no mass or momentum exceeds.
    """
    has_momenta = DIRECT not in used
    found = [Fault(spelling(name).subject, "is NaN or infinite", ~np.isfinite(column)) for name, column in used.items()]
    for name, column in used.items():
        if name != WEIGHT:
            limits = _range(name, has_momenta or spelling(name).unit != "1", collision_energy)
            found += _out_of_range(spelling(name), column, limits, collision_energy)
    if has_momenta:
        found += _jet_faults(used, collision_energy)
    return [fault for fault in found if fault.is_bad.any()]


def _out_of_range(
    spelling: Spelling, column: FloatArray, limits: tuple[float, float], collision_energy: float
) -> Iterator[Fault]:
    least, largest = limits
    finite = np.where(np.isfinite(column), column, np.nan)
    low, high = finite < least, np.abs(finite) > largest
    if low.any():
        what = "is negative" if least <= 0.0 else f"is below {spelling.text(least)}"
        yield Fault(spelling.subject, f"{what} (down to {spelling.text(np.nanmin(finite))})", low)
    high &= ~low
    if high.any():
        what = "is beyond " + ("the collision energy of " if largest == collision_energy else "")
        extreme = spelling.text(float(f"{np.abs(finite[high]).max():.6g}"))
        yield Fault(spelling.subject, f"{what}{spelling.text(largest)} (up to {extreme})", high)
    written = np.where(low | high, np.nan, finite) / UNITS[spelling.unit]
    for mark in _marks(written[np.isfinite(written)]):
        yield Fault(spelling.subject, f"is {mark:.10g}, which marks a missing value,", written == mark)


def _range(name: str, is_energy: bool, collision_energy: float) -> tuple[float, float]:
    """Return smallest and largest value that a column can have; those of a user's own features are not known."""
    largest = collision_energy if is_energy else LARGEST
    if name == DIRECT:
        return LEAST_GEV, collision_energy
    if re.fullmatch(r"tau21(_j\d)?", name):
        return 0.0, LARGEST_TAU21
    if name == "delta_r_jj":
        return 0.0, LARGEST_DELTA_R
    if re.fullmatch(r"tau\d+(b\d+)?(_?j\d)?", name):
        return 0.0, largest
    if name in ("mj1", "mj2"):
        return LEAST_MASS, largest
    return -np.inf, largest


def _marks(values: FloatArray) -> Iterator[float]:
    """Yield marks of missing values: usual ones that stand out among all values `(n,)` of a column.

    Among fractions a whole number such as -999 stands out where it lies apart, occurs far more often than any other
    value, or, being negative, more often than chance would have it there. Among whole numbers a mark has to be the only
    negative one, or far from all others, or to occur often.
    """
    is_mark = np.abs(values) >= NINES[0]
    is_mark[is_mark] = np.isin(values[is_mark], MARKS)
    if not is_mark.any():
        return
    others, (marks, numbers) = values[~is_mark], np.unique(values[is_mark], return_counts=True)
    if not len(others):
        yield from marks
        return
    low, high, has_fractions = others.min(), others.max(), np.mean(others % 1.0 != 0.0) > 0.5
    often = OFTEN * np.unique(others, return_counts=True)[1].max()
    for mark, number in zip(marks, numbers, strict=True):
        gap, is_repeated = max(low - mark, mark - high), number > 1
        if has_fractions:
            is_among = gap < 0.0 and (number > often or (mark < 0.0 and _is_no_chance(others, mark, number)))
            is_apart = gap > abs(mark) / 10.0 or is_among
        elif mark < 0.0:
            is_apart = low >= 0.0 or gap > high - low or (is_repeated and gap > abs(mark) / 2.0)
        else:
            is_apart = is_repeated and gap > high - low
        if is_apart:
            yield float(mark)


def _is_no_chance(others: FloatArray, mark: float, number: int) -> bool:
    """Return whether values around a mark, of their density and digits, would hit it so often with p below `RARE`."""
    width = abs(mark) / 4.0
    near = others[np.abs(others - mark) < width]
    steps = (10.0**-digits for digits in range(MOST_DECIMALS + 1))
    written = (step for step in steps if np.allclose(near / step, np.rint(near / step), rtol=0.0, atol=1e-4))
    spacing = next(written, float(np.spacing(np.float32(abs(mark))))) if len(near) else 0.0
    expected = max(len(near) * spacing, float(np.count_nonzero(near % 1.0 == 0.0))) / (2.0 * width)
    # the first term of the tail of the Poisson distribution, which is above all of it
    return expected == 0.0 or number * math.log(expected) - math.lgamma(number + 1) < math.log(RARE)


def _jet_faults(used: Mapping[str, FloatArray], collision_energy: float) -> Iterator[Fault]:
    for jet in (1, 2):
        px, py, pz = (used[f"{name}j{jet}"] for name in ("px", "py", "pz"))
        pt, subject = np.hypot(px, py), f"columns 'pxj{jet}' and 'pyj{jet}'"
        yield Fault(subject, f"make a jet without pT (below {LEAST_GEV:g} GeV)", pt < LEAST_GEV)
        is_steep = (np.abs(pz) > STEEPEST * pt) & (pt >= LEAST_GEV) & np.isfinite(pz)
        yield Fault(f"columns 'pxj{jet}' to 'pzj{jet}'", "make a jet along the beam (|eta| above 12)", is_steep)
        if f"tau1j{jet}" in used and f"tau2j{jet}" in used:
            tau1, tau2 = used[f"tau1j{jet}"], used[f"tau2j{jet}"]
            is_bad = (tau1 > 0.0) & (tau2 > LARGEST_TAU21 * tau1) & np.isfinite(tau2)
            yield Fault(f"column 'tau2j{jet}'", f"is more than {LARGEST_TAU21:g} times tau1j{jet}", is_bad)
    with np.errstate(invalid="ignore", over="ignore"):
        mass = dijet_mass(used)
    energy = f"{collision_energy / 1000.0:g} TeV"
    yield Fault(
        "the dijet mass", f"is beyond the collision energy of {energy}", (mass > collision_energy) & np.isfinite(mass)
    )
