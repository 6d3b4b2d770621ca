"""Events of one file that are events of another one again, in whatever order, format or precision."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FloatArray

DISTANCES = (5e-3, 5e-4, 5e-5)
"""How near a copy lies in every column, in quantiles: the first one holds rounding to four digits or half precision;
with few columns, where events are so near by chance, a smaller one tells."""
MOST_COPIES = 0.001
"""A file is refused where more than this share of its events are copies."""
BY_CHANCE = 5.0
"""Where events of one file lie so near each other, as rounded ones do, this multiple of their share is allowed."""
ANALYSED = "the analysed events"
"""What the known events mostly are."""
LARGEST_SAMPLE = 50_000
"""Events that are looked for, at most."""


def refuse_copies(events: Events, known: Events, where: str, what: str) -> None:
    """Refuse events of which more than a thousandth are known events again.

    Args:
        events: events of a file.
        known: events that must not be among them.
        where: begins the sentence; names the file.
        what: the known events, as the sentence calls them.

    Raises:
        ConfigError: where they are.
    """
    share = share_of_copies(_table(events), _table(known))
    if share > MOST_COPIES:
        raise ConfigError(
            f"{where}: {100.0 * share:.3g} % of its events are among {what}, with the same mjj and features; give"
            " events that are not"
        )


def share_of_copies(points: FloatArray, known: FloatArray) -> float:
    """Return the share of `points (n, d)` that are points of `known (m, d)` up to rounding; 0 where chance explains it.

    Points are compared by their quantiles among the known ones, so columns may have any unit and shape. How many are
    near each other by chance is estimated from either set alone, where events are independent.
    """
    if len(points) < 2 or len(known) < 2:
        return 0.0
    wanted, others = _quantiles(points, known), _quantiles(known, known)
    mine, theirs = KDTree(wanted), KDTree(others)
    for distance in DISTANCES:
        share = _share_near(theirs, _some(wanted), distance, 1)
        among_mine = _share_near(mine, _some(wanted), distance, 2) * len(known) / len(points)
        by_chance = max(among_mine, _share_near(theirs, _some(others), distance, 2))
        if share > MOST_COPIES + BY_CHANCE * by_chance:
            return share
    return 0.0


def _share_near(tree: KDTree, points: FloatArray, distance: float, rank: int) -> float:
    """Return the share of points that have so many points of the tree, themselves perhaps included, so near."""
    distances, _ = tree.query(points, k=[rank], distance_upper_bound=distance, p=np.inf)
    return float(np.isfinite(distances).mean())


def _table(events: Events) -> FloatArray:
    return np.column_stack([events.mjj, events.features])


def _some(points: FloatArray) -> FloatArray:
    """Return at most `LARGEST_SAMPLE` points, taken evenly."""
    return points[:: -(-len(points) // LARGEST_SAMPLE)]


def _quantiles(points: FloatArray, known: FloatArray) -> FloatArray:
    """Return the share of known values below each value, those that equal it counted half `(n, d)`."""
    columns = []
    for values, others in zip(points.T, np.sort(known, axis=0).T, strict=True):
        below, not_above = (np.searchsorted(others, values, side=side) for side in ("left", "right"))
        columns.append((below + not_above) / (2.0 * len(others)))
    return np.column_stack(columns)
