"""Events of one file that are events of another one again, in whatever order, format or precision."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events

DISTANCES = (5e-3, 5e-4, 5e-5)
"""How near a copy lies in every column, in quantiles: the first one holds rounding to four digits or half precision;
with few columns, where events are so near by chance, a smaller one tells."""
MOST_COPIES = 0.001
FEWEST_COPIES = 10
"""A file is refused where more than this share, and no fewer than this number, of its events are copies."""
BY_CHANCE = 5.0
"""So many times the share that is near known events by chance is allowed on top."""
LARGEST_ALLOWED = 0.75
"""What is allowed never exceeds this share, or duplicates among the known events would hide a whole copy."""
COARSE = 0.5
"""Where more than this share is near by chance, events are too coarse to be compared."""
SHELL = 3.0
"""Chance is counted in a shell from one to so many distances around each event."""
ANALYSED = "the analysed events"
"""What the known events mostly are."""
LARGEST_SAMPLE = 50_000
"""Events that are looked for, at most."""


def refuse_copies(events: Events, known: Events, where: str, what: str) -> None:
    """Refuse events of which more than a thousandth, and ten or more, are known events again.

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
    near by chance is what the known ones are among themselves, as rounded ones, or what follows from those in a shell
    around each point, where events are dense.
    """
    if len(points) < FEWEST_COPIES or len(known) < FEWEST_COPIES:
        return 0.0
    wanted, others = _quantiles(_some(points), known), _quantiles(known, known)
    tree = KDTree(others)
    for distance in DISTANCES:
        near = _count_near(tree, wanted, distance)
        share = float((near > 0).mean())
        if share <= MOST_COPIES or (near > 0).sum() < FEWEST_COPIES:
            continue
        around = _count_near(tree, wanted, SHELL * distance)
        in_shell = float((around - near).mean()) / (SHELL ** known.shape[1] - 1.0)
        among_known = float((_count_near(tree, _some(others), distance) > 1).mean())
        by_chance = max(in_shell, among_known)
        allowed = min(BY_CHANCE * by_chance, LARGEST_ALLOWED) if by_chance < COARSE else 1.0
        if share > MOST_COPIES + allowed:
            return share
    return 0.0


def _count_near(tree: KDTree, points: FloatArray, distance: float) -> IntArray:
    """Return how many points of the tree, themselves perhaps included, lie so near in every column `(n,)`."""
    counts: IntArray = tree.query_ball_point(points, distance, p=np.inf, return_length=True)
    return counts


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
