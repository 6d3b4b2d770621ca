"""Validation windows: the whole search where there is no signal, to see how far its expectation is off.

Neither the windows nor their side-bands hold signal-region events: side-bands skip the signal region. So
this may be done on observed data before unblinding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.selection import select
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Arrays, Artifact, write_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.placement import PlacedWindow, place_windows
from anomaly_cli.core.progress import Step, silent
from anomaly_cli.core.workers import in_order
from anomaly_cli.methods.base import Need
from anomaly_cli.stages.counting import loosest_first
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.inputs import FEWEST_SIDE_BAND_EVENTS, input_digests, shared_base
from anomaly_cli.stages.measurements import closure_by_efficiency, configured_digest, window_counts
from anomaly_cli.stages.search import Search, Searched, require_side_bands_only, run_search
from anomaly_cli.stages.significance import columns_of
from anomaly_cli.stages.template import configured_method

STAGE, VERSION = "validation", 3
FEWEST_WINDOW_EVENTS = 500
"""A window with fewer events validates nothing."""
FEWEST_WINDOWS = 3
"""Scatter over fewer windows is no measurement."""


def plan_validation(run: RunDirectory, config: Config, split: Artifact) -> Plan:
    """Return the plan of the validation windows."""
    settings = {
        "background_efficiencies": loosest_first(config.significance.background_efficiencies),
        "windows": config.significance.windows,
        "window_width": config.significance.window_width,
        "settings_digest": configured_digest(split, config),
    }
    inputs = input_digests(run, config, split, configured_method(config))
    provenance = Provenance(STAGE, VERSION, settings, config.seed, inputs)
    return Plan(STAGE, run.artifact(schema.VALIDATION), provenance)


def make_validation(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Run the search in signal-free windows and write the validation artifact.

    Raises:
        PhysicsError: where the data leave fewer than three windows.
        ConfigError: where the template method needs more than side-bands.
    """
    split = read_split(run)
    require_side_bands_only(config, "validation windows", also={Need.SHARED_BASE})
    plan = plan_validation(run, config, split)

    def make() -> None:
        searches = find_searches(split, config, shared_base(run, config, split, configured_method(config)))
        efficiencies = loosest_first(config.significance.background_efficiencies)
        windows: list[dict[str, Any]] = []
        counts: list[dict[str, Any]] = []
        for index, (search, searched) in enumerate(zip(searches, _run_all(searches, config, resources), strict=True)):
            windows.append(_window_row(search, searched))
            for efficiency in efficiencies:
                # a window whose template is too small for a cut expects less than an event and says nothing of it
                with contextlib.suppress(PhysicsError):
                    counts.append(_count_row(index, searched, efficiency))
        count_columns = {name: np.asarray(values) for name, values in columns_of(counts).items()}
        groups = {
            "windows": columns_of(windows),
            "counts": count_columns,
            "closure": _closure_columns(count_columns),
        }
        write_artifact(plan.output, schema.VALIDATION, groups, plan.provenance)

    return execute(plan, overwrite, make)


def _run_all(searches: Sequence[Search], config: Config, resources: Resources) -> Iterator[Searched]:
    """Yield what each search gives; several run side by side, each in one process."""
    processes = min(resources.processes, len(searches))
    alone = replace(resources, processes=1, progress=silent) if processes > 1 else resources
    pieces = ((search, config, resources.streams(f"validation/{i}"), alone) for i, search in enumerate(searches))
    task = "validation windows"
    resources.progress(Step(task, 0, len(searches)))
    with contextlib.closing(in_order(run_search, pieces, processes)) as made:
        for done, (search, searched) in enumerate(zip(searches, made, strict=True), start=1):
            resources.progress(Step(task, done, len(searches), f"{search.regions.sr.text} TeV"))
            yield searched


def find_searches(split: Artifact, config: Config, base: Arrays) -> list[Search]:
    """Return the searches in the nearest signal-free windows that hold enough events.

    Args:
        split: the split.
        config: configuration.
        base: the shared base flow, for a method that needs one. It has seen the windows, unless it was
            made without them.

    Raises:
        PhysicsError: where there are fewer than three.
    """
    regions = read_regions(split)
    events = concatenate([split.events(name) for name in ("sb1", "sb2", "rest")])
    events = events.take(~regions.sr.contains(events.mjj))
    width = config.significance.window_width * regions.sr.width
    lowest, highest = float(np.floor(events.mjj.min())), float(np.ceil(events.mjj.max()))
    searches = [_search(events, placed, base) for placed in place_windows(regions, lowest, highest, width)]
    usable = [search for search in searches if _is_usable(search)]
    if len(usable) < FEWEST_WINDOWS:
        raise PhysicsError(
            f"validation windows: the data leave {len(usable)} signal-free windows of {width:.0f} GeV with side-bands,"
            f" at least {FEWEST_WINDOWS} are needed; narrow them with --set significance.window_width=0.5"
        )
    return usable[: config.significance.windows]


def _is_usable(search: Search) -> bool:
    """Return whether there are enough events, and the side-bands predict the window."""
    if len(search.sr) < FEWEST_WINDOW_EVENTS or min(len(search.sb1), len(search.sb2)) < FEWEST_SIDE_BAND_EVENTS:
        return False
    try:
        search.fit_masses()
    except PhysicsError:
        return False
    return True


def _search(events: Events, placed: PlacedWindow, base: Arrays) -> Search:
    masks = {name: window.contains(events.mjj) for name, window in placed.regions.named().items()}
    parts = {name: events.take(mask) for name, mask in masks.items()}
    return Search(parts["sb1"], parts["sr"], parts["sb2"], placed.regions, placed.stretches, base)


def _window_row(search: Search, searched: Searched) -> dict[str, Any]:
    return {
        "low": search.regions.sr.low,
        "high": search.regions.sr.high,
        "side_band_low": search.regions.sb1.low,
        "side_band_high": search.regions.sb2.high,
        "n_events": len(search.sr),
        "n_side_bands": len(search.sb1) + len(search.sb2),
        "n_template": len(searched.template.score),
        "mass_fit_expected": searched.mass_fit.n_expected,
        "mass_fit_uncertainty": searched.mass_fit.uncertainty,
    }


def _count_row(index: int, searched: Searched, efficiency: float) -> dict[str, Any]:
    selection = select(searched.observed, searched.template, efficiency)
    return {
        "window": index,
        "background_efficiency": efficiency,
        "n_passing": int(selection.is_observed_selected.sum()),
        "n_all": len(selection.is_observed_selected),
        "efficiency": selection.efficiency,
        "efficiency_uncertainty": selection.efficiency_uncertainty,
    }


def _closure_columns(counts: dict[str, Any]) -> dict[str, Any]:
    found = closure_by_efficiency(counts, {})
    return columns_of(
        [
            {
                "background_efficiency": efficiency,
                "best": item.best,
                "upper": item.upper,
                "mean_ratio": item.mean_ratio,
                "mean_expected": float(window_counts(counts, efficiency).n_expected.mean()),
                "is_transferred": item.is_transferred,
            }
            for efficiency, item in found.items()
        ]
    )
