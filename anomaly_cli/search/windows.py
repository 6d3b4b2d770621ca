"""Validation windows: the whole search where there is no signal, to see how far its expectation is off.

Neither the windows nor their side-bands hold signal-region events: side-bands skip the signal region. So
this may be done on observed data before unblinding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.placement import place_windows
from anomaly_cli.core.progress import Step
from anomaly_cli.core.workers import in_order
from anomaly_cli.search.provisions import FEWEST_SIDE_BAND_EVENTS, Provisions
from anomaly_cli.search.run import Searched, run_search
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split, split_events

FEWEST_WINDOW_EVENTS = 500
"""A window with fewer events validates nothing."""
FEWEST_WINDOWS = 3
"""Scatter over fewer windows is no measurement."""


def find_windows(split: Split, relative_width: float) -> list[Split]:
    """Return the signal-free windows that hold enough events, the nearest to the signal region first.

    Args:
        split: the events of a search; those of its signal region are not used.
        relative_width: width of the windows in units of that of the signal region.

    Raises:
        PhysicsError: where there are fewer than three.
    """
    regions = split.regions
    events = concatenate([split.sb1, split.sb2, split.rest])
    events = events.take(~regions.sr.contains(events.mjj))
    width = relative_width * regions.sr.width
    lowest, highest = float(np.floor(events.mjj.min())), float(np.ceil(events.mjj.max()))
    windows = [
        split_events(events, placed.regions, placed.stretches)
        for placed in place_windows(regions, lowest, highest, width)
    ]
    usable = [window for window in windows if _is_usable(window)]
    if len(usable) < FEWEST_WINDOWS:
        raise PhysicsError(
            f"validation windows: the data leave {len(usable)} signal-free windows of {width:.0f} GeV with side-bands,"
            f" at least {FEWEST_WINDOWS} are needed; narrow them with --set significance.window_width=0.5"
        )
    return usable


def _is_usable(window: Split) -> bool:
    """Return whether there are enough events, and the side-bands predict the window."""
    if len(window.sr) < FEWEST_WINDOW_EVENTS or min(len(window.sb1), len(window.sb2)) < FEWEST_SIDE_BAND_EVENTS:
        return False
    try:
        window.fit_masses()
    except PhysicsError:
        return False
    return True


def search_windows(
    windows: Sequence[Split], settings: SearchSettings, provisions: Provisions, compute: Compute
) -> Iterator[Searched]:
    """Yield what the search gives in each window; several run side by side, each in one process."""
    processes = min(compute.processes, len(windows))
    task = "validation windows"
    pieces = (
        (window, settings, provisions, _own(compute.child(f"validation/{index}"), processes))
        for index, window in enumerate(windows)
    )
    compute.progress(Step(task, 0, len(windows)))
    with contextlib.closing(in_order(run_search, pieces, processes)) as made:
        for done, (window, searched) in enumerate(zip(windows, made, strict=True), start=1):
            compute.progress(Step(task, done, len(windows), f"{window.regions.sr.text} TeV"))
            yield searched


def _own(compute: Compute, processes: int) -> Compute:
    """Return what one of the searches may use: all processes where they are done one after the other."""
    quiet = compute.alone()
    return quiet if processes > 1 else replace(quiet, processes=compute.processes)
