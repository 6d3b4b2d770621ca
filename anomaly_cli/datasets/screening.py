"""Values that no event can have: NaN, placeholders such as -999, and what is beyond physics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import DataError
from anomaly_cli.core.folds import FloatArray

BoolArray = npt.NDArray[np.bool_]
LEAST_MASS = -0.5
"""A massless jet of 1 TeV has a mass down to this [GeV] from rounding in single precision."""
LARGEST_GEV = 1e6
"""Masses and momenta beyond 1000 TeV are of no collider."""
LARGEST_TAU21 = 10.0
"""tau2/tau1 is at most about 1; where it is larger than this, tau1 is nothing but rounding."""
LARGEST = 1e20
"""Largest magnitude of a feature of which nothing is known."""
PLACEHOLDERS = tuple(scale * value for scale in (1.0, 1000.0) for value in (-99.0, -999.0, -9999.0, -99999.0))
"""Numbers that stand for a missing value; 1000 where TeV were made GeV."""
WEIGHT = "weight"
"""The column of event weights: negative ones are refused elsewhere, whether events are to be dropped or not."""
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
    whole = [fault for fault in faults if fault.is_bad.all()]
    if whole:
        raise DataError(
            f"{path}: {whole[0].text}; check how it was written, or leave it out with --features or of the file's"
            " manifest"
        )
    if faults and not drop:
        more = f", and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise DataError(
            f"{path}: {', '.join(fault.text for fault in faults[:NAMED])}{more}; pass --drop-nan to 'anomaly run' or"
            " 'anomaly split' to leave such events out and have them counted"
        )
    if faults and np.any([fault.is_bad for fault in faults], axis=0).all():
        raise DataError(f"{path}: every event has some column with such a value: {faults[0].text}; check the file")


def find_faults(columns: Mapping[str, FloatArray], in_use: Sequence[str], has_momenta: bool) -> list[Fault]:
    """Return what is wrong with the columns in use.

    Args:
        columns: by name, `(n,)` each, [GeV].
        in_use: the columns that are looked at.
        has_momenta: whether they are momenta and tau of two jets, and not ready-made features.
    """
    used = {name: columns[name] for name in in_use}
    found = [Fault(f"column '{name}'", "is NaN or infinite", ~np.isfinite(column)) for name, column in used.items()]
    for name, column in used.items():
        if name != WEIGHT:
            found += _out_of_range(name, column, has_momenta)
    if has_momenta:
        found += _jet_faults(used)
    return [fault for fault in found if fault.is_bad.any()]


def _out_of_range(name: str, column: FloatArray, has_momenta: bool) -> Iterator[Fault]:
    subject, (least, largest) = f"column '{name}'", _range(name, has_momenta)
    finite = np.where(np.isfinite(column), column, np.nan)
    low, high = finite < least, np.abs(finite) > largest
    if low.any():
        what = "is negative" if least < 0 or name != "mjj" else "is not above 0"
        yield Fault(subject, f"{what} (down to {np.nanmin(finite):g})", low)
    if high.any():
        yield Fault(subject, f"is beyond {largest:g} (up to {np.nanmax(np.abs(finite)):.3g})", high & ~low)
    if least == -np.inf and (placeholder := _placeholder(finite)) is not None:
        yield Fault(subject, f"is {placeholder:g}, far from all others,", finite == placeholder)


def _range(name: str, has_momenta: bool) -> tuple[float, float]:
    """Return smallest and largest value that a column can have; those of a user's own features are not known."""
    if name == "mjj":
        return np.finfo(float).tiny, LARGEST_GEV
    if re.fullmatch(r"tau21(_j\d)?", name):
        return 0.0, LARGEST_TAU21
    if re.fullmatch(r"tau\d+(b\d+)?(_?j\d)?", name) or name == "delta_r_jj":
        return 0.0, LARGEST_GEV
    if name in ("mj1", "mj2"):
        return LEAST_MASS, LARGEST_GEV
    return -np.inf, LARGEST_GEV if has_momenta else LARGEST


def _placeholder(finite: FloatArray) -> float | None:
    """Return the smallest value where it is a usual placeholder, occurs often, and lies far below all others."""
    present = finite[np.isfinite(finite)]
    if not len(present):
        return None
    smallest, others = present.min(), present[present > present.min()]
    if smallest not in PLACEHOLDERS or len(present) - len(others) < 2 or not len(others):
        return None
    is_far = others.min() - smallest > np.ptp(others)
    return float(smallest) if is_far else None


def _jet_faults(used: Mapping[str, FloatArray]) -> Iterator[Fault]:
    for jet in (1, 2):
        px, py = used[f"pxj{jet}"], used[f"pyj{jet}"]
        yield Fault(f"columns 'pxj{jet}' and 'pyj{jet}'", "are both 0 (a jet without pT)", (px == 0.0) & (py == 0.0))
        if f"tau1j{jet}" in used and f"tau2j{jet}" in used:
            tau1, tau2 = used[f"tau1j{jet}"], used[f"tau2j{jet}"]
            is_bad = (tau1 > 0.0) & (tau2 > LARGEST_TAU21 * tau1) & np.isfinite(tau2)
            yield Fault(f"column 'tau2j{jet}'", f"is more than {LARGEST_TAU21:g} times tau1j{jet}", is_bad)
