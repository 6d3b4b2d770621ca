"""Validation windows: the whole search where there is no signal, to see how far its expectation is off.

Neither the windows nor their side-bands hold signal-region events: side-bands skip the signal region. So
this may be done on observed data before unblinding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.mass_fit import refuse_poor_fit
from anomaly_cli.analysis.nonclosure import FEWEST_WINDOWS
from anomaly_cli.analysis.selection import select
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.placement import FEWEST_WINDOW_EVENTS, place_windows
from anomaly_cli.core.progress import Step
from anomaly_cli.core.records import as_columns
from anomaly_cli.core.windows import SHORTEST_SIDE_BAND, Window
from anomaly_cli.core.workers import in_order
from anomaly_cli.search.provisions import FEWEST_SIDE_BAND_EVENTS, Provisions
from anomaly_cli.search.run import Searched, run_search
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split, split_events

LARGEST_RATIO = 8.0
"""A window with so many times more or fewer events than the signal region does not stand for it."""
BIN_WIDTH = 50.0
"""Of the masses among which the fullest stretch is looked for [GeV]."""
RISE = 5.0
"""Standard deviations by which it has to exceed the first one, for the spectrum to rise."""


@dataclass(frozen=True)
class LeftOut:
    """A window that validates nothing, and why."""

    window: Window
    reason: str


def find_windows(split: Split, relative_width: float, least_fit_p: float) -> tuple[list[Split], list[LeftOut]]:
    """Return the signal-free windows that can validate a search, the nearest first, and those that cannot.

    Args:
        split: the events of a search; those of its signal region are not used.
        relative_width: width of the windows in units of that of the signal region.
        least_fit_p: windows whose side-band fit has a smaller goodness of fit are left out.

    Raises:
        PhysicsError: where there are fewer than three.
    """
    regions = split.regions
    events = concatenate([split.sb1, split.sb2, split.rest])
    events = events.take(~regions.sr.contains(events.mjj))
    width = relative_width * regions.sr.width
    lowest, highest = float(np.floor(events.mjj.min())), float(np.ceil(events.mjj.max()))
    start = find_fall(events.mjj, lowest)
    if start > regions.sr.low - SHORTEST_SIDE_BAND:
        start = lowest  # the search itself is in the rise, as its own side-bands show
    usable, left_out, expected = [], [], split.fit_masses().n_expected
    falling = place_windows(regions, start, highest, width)
    known = {placed.regions.sr for placed in falling}
    for placed in place_windows(regions, lowest, highest, width):
        if placed.regions.sr not in known:
            left_out.append(
                LeftOut(placed.regions.sr, f"the spectrum rises up to {start / 1000.0:.3g} TeV, as behind a threshold")
            )
    for placed in falling:
        window = split_events(events, placed.regions, placed.stretches)
        reason = _reason_to_leave_out(window, expected, least_fit_p)
        if reason:
            left_out.append(LeftOut(window.regions.sr, reason))
        else:
            usable.append(window)
    if len(usable) < FEWEST_WINDOWS:
        named = "; ".join(f"{one.window.text} TeV: {one.reason}" for one in left_out)
        raise PhysicsError(
            f"validation windows: the data leave {len(usable)} signal-free windows of {width:.0f} GeV that can validate"
            f" the search, at least {FEWEST_WINDOWS} are needed{f' ({named})' if named else ''}; narrow them with --set"
            " significance.window_width=0.5"
        )
    return usable, left_out


def find_fall(masses: FloatArray, lowest: float) -> float:
    """Return the mass from which a spectrum falls: the end of its fullest 50 GeV, or `lowest` where it never rises.

    Below, events of some features are lost to a threshold, which no search above it has to bridge.

    Args:
        masses: of all events `(n,)` [GeV].
        lowest: where they begin [GeV].
    """
    counts = np.bincount(((masses - lowest) // BIN_WIDTH).astype(np.int64))
    top = int(counts.argmax())
    if counts[top] - counts[0] <= RISE * np.sqrt(counts[top] + counts[0]):
        return lowest
    return lowest + BIN_WIDTH * (top + 1)


def _reason_to_leave_out(window: Split, expected: float, least_fit_p: float) -> str:
    """Return why a window cannot validate a search that expects so many events; empty where it can."""
    n = len(window.sr)
    if n < FEWEST_WINDOW_EVENTS:
        return f"holds {n}, fewer than {FEWEST_WINDOW_EVENTS} events"
    for side_band, events in zip(window.regions.side_bands, (window.sb1, window.sb2), strict=True):
        if len(events) < FEWEST_SIDE_BAND_EVENTS:
            return (
                f"its side-band {side_band.text} TeV holds {len(events)} events, fewer than {FEWEST_SIDE_BAND_EVENTS}"
            )
    if not 1.0 / LARGEST_RATIO <= n / expected <= LARGEST_RATIO:
        return f"holds {n} events where the signal region should hold {expected:.0f}, too unlike to stand for it"
    try:
        refuse_poor_fit(window.fit_masses(), least_fit_p)
    except PhysicsError as error:
        return str(error).split(";")[0]
    return ""


def search_windows(
    windows: Sequence[Split],
    settings: SearchSettings,
    provisions: Provisions,
    compute: Compute,
    done: Collection[int] = (),
) -> Iterator[tuple[int, Searched]]:
    """Yield the number of each window and what the search gives in it; several run side by side, each in one process.

    Those that are done are left out.
    """
    missing = [index for index in range(len(windows)) if index not in done]
    processes = min(compute.processes, max(len(missing), 1))
    task = "validation windows"
    pieces = (
        (windows[index], settings, provisions, _own(compute.child(f"validation/{index}"), processes))
        for index in missing
    )
    first = len(windows) - len(missing)
    compute.progress(Step(task, first, len(windows)))
    with contextlib.closing(in_order(run_search, pieces, processes)) as made:
        for n_done, (index, searched) in enumerate(zip(missing, made, strict=True), start=first + 1):
            yield index, searched  # before it is reported, since whoever is told may stop the work
            compute.progress(Step(task, n_done, len(windows), f"{windows[index].regions.sr.text} TeV"))


def _own(compute: Compute, processes: int) -> Compute:
    """Return what one of the searches may use: all processes where they are done one after the other."""
    quiet = compute.alone()
    return quiet if processes > 1 else replace(quiet, processes=compute.processes)


def count_window(index: int, searched: Searched, efficiencies: Sequence[float]) -> list[dict[str, Any]]:
    """Return what passes every cut in a window, and what the template expects; nothing of cuts it is too small for."""
    rows = []
    for efficiency in efficiencies:
        # a window whose template is too small for a cut expects less than an event and says nothing of it
        with contextlib.suppress(PhysicsError):
            rows.append(_count_row(index, searched, efficiency))
    return rows


def counts_of(rows: Sequence[Mapping[str, Any]], efficiencies: Sequence[float]) -> dict[str, npt.NDArray[Any]]:
    """Return the rows of all windows as columns.

    Raises:
        PhysicsError: where no window's template is large enough for any cut.
    """
    if not rows:
        cuts = ", ".join(f"{100.0 * efficiency:g} %" for efficiency in efficiencies)
        raise PhysicsError(
            f"validation windows: no template is large enough for cuts at {cuts} of the background; ask for looser"
            " ones (--background-efficiencies) or for wider windows (significance.window_width)"
        )
    return {name: np.asarray(values) for name, values in as_columns(rows).items()}


def _count_row(index: int, searched: Searched, efficiency: float) -> dict[str, Any]:
    selection = select(searched.observed, searched.template, efficiency, searched.replicas)
    return {
        "window": index,
        "background_efficiency": efficiency,
        "n_passing": int(selection.is_observed_selected.sum()),
        "n_all": len(selection.is_observed_selected),
        "efficiency": selection.efficiency,
        "efficiency_uncertainty": selection.efficiency_uncertainty,
        "model_uncertainty": selection.model_uncertainty,
    }
