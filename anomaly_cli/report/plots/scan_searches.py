"""What the pictures of a scan share: its searches, and the median over seeds of one of their signal regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anomaly_cli.artifacts.scan_kinds import SCAN, search_words
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.results.scan import WITHOUT, is_measured_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

BESIDE = 0.06
"""Distance of the markers of two cuts, as a part of the width of their region."""
MOST_SEARCHES = 8
"""Panels of a picture."""


@dataclass(frozen=True)
class RegionValue:
    """One signal region of a search at one cut.

    Attributes:
        low: lower edge [TeV].
        high: upper edge [TeV].
        value: median over seeds.
        tests: rows of its tests, one for each seed.
    """

    low: float
    high: float
    value: float
    tests: npt.NDArray[np.int64]

    @property
    def middle(self) -> float:
        """Middle of the region [TeV]."""
        return (self.low + self.high) / 2


def search_names(sources: Sources) -> npt.NDArray[np.str_]:
    """Return the search that each point belongs to, in words `(p,)`."""
    points = sources.group(SCAN, "points")
    rows = zip(points["method"], points["variant"], points["inject"], strict=True)
    return np.array([search_words(*map(str, row)) for row in rows], dtype=np.str_)


def searches_with_tests(sources: Sources) -> Sequence[str]:
    """Return the searches that counted anything, as many as there are panels for."""
    names = search_names(sources)[sources.group(SCAN, "tests")["point"]]
    return list(dict.fromkeys(map(str, names)))[:MOST_SEARCHES]


def cuts_of(sources: Sources, search: str) -> npt.NDArray[np.float64]:
    """Return the background efficiencies of a search, the loosest first."""
    tests = sources.group(SCAN, "tests")
    cuts: npt.NDArray[np.float64] = np.unique(
        tests["background_efficiency"][search_names(sources)[tests["point"]] == search]
    )
    return cuts[::-1]


def medians(sources: Sources, search: str, cut: float, column: str) -> Iterator[RegionValue]:
    """Return the median over seeds of a column of each signal region, by mass; of regions without a number none.

    Tests that allow no claim have no number.

    Args:
        sources: a scan.
        search: in words.
        cut: background efficiency.
        column: of its tests.
    """
    points, tests = sources.group(SCAN, "points"), sources.group(SCAN, "tests")
    mine = (search_names(sources)[tests["point"]] == search) & (tests["background_efficiency"] == cut)
    mine &= np.isfinite(tests[column]) & (tests["no_claim"] == "")
    edges = np.column_stack([points["low"], points["high"]])[tests["point"]] / 1e3
    for low, high in np.unique(edges[mine], axis=0):
        rows = np.flatnonzero(mine & (edges == (low, high)).all(axis=1))
        yield RegionValue(float(low), float(high), float(np.median(tests[column][rows])), rows)


def placed(regions: Sequence[RegionValue], number: int) -> tuple[Array, Array]:
    """Return where the markers of a cut stand [TeV], beside those of other cuts, and how far bars reach from there.

    Args:
        regions: of the cut.
        number: of the cut.
    """
    low, high = (np.array([getattr(region, name) for region in regions]) for name in ("low", "high"))
    place = (low + high) / 2 + BESIDE * (high - low) * (number - 1)
    return place, np.array([place - low, high - place])


def global_of(sources: Sources, search: str) -> list[Mapping[str, float]]:
    """Return local and global significance of the largest excess of each seed of a search."""
    rows = sources.group(SCAN, "global")
    if not rows or not len(rows["seed"]):
        return []
    names = [search_words(*map(str, row)) for row in zip(rows["method"], rows["variant"], rows["inject"], strict=True)]
    numbers = ("z_local", "z_global", "p_global")
    return [{name: float(rows[name][i]) for name in numbers} for i, name in enumerate(names) if name == search]


def stamp(sources: Sources) -> str:
    """Return what the numbers do not contain, over how many seeds medians are, and whether searches were left out."""
    points, tests = sources.group(SCAN, "points"), sources.group(SCAN, "tests")
    said = [] if is_measured_in(sources.artifacts[SCAN.name]) else [WITHOUT]
    n_seeds = len(np.unique(points["seed"][tests["point"]]))
    said += [f"medians of {n_seeds} seeds"] if n_seeds > 1 else []
    n_searches = len(set(search_names(sources)[tests["point"]].tolist()))
    said += [f"{MOST_SEARCHES} of {n_searches} searches"] if n_searches > MOST_SEARCHES else []
    n_refused = int((tests["no_claim"] != "").sum())
    said += [f"NO CLAIM in {n_refused} of {len(tests['point'])} tests, not drawn"] if n_refused else []
    n_other = int((points["state"] != "done").sum())
    said += [f"{n_other} of {len(points['state'])} points without a count"] if n_other else []
    return "; ".join(said)


def lack(sources: Sources) -> str:
    """Return why there is nothing to draw; empty where there is."""
    if len(sources.group(SCAN, "tests")["point"]):
        return ""
    states = set(sources.group(SCAN, "points")["state"].tolist())
    return "its points are blinded" if "blinded" in states else "no point has been counted"
