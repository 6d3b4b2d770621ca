"""From a grid to a manifest: all jobs, each with the hash of everything that its result depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import anomaly_cli
from anomaly_cli.artifacts.scan_kinds import ONLY_VARIANT
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.seen import Need
from anomaly_cli.core.windows import Window, parse_side_bands
from anomaly_cli.scans.events import background_masses, input_digests, load_events, refuse_injections
from anomaly_cli.scans.manifest import Manifest, point_config
from anomaly_cli.scans.meaning import BASE_MEANING, MEASURED_MEANING, POINT_MEANING, SEARCH_MEANING, meaning
from anomaly_cli.scans.parts import Base, Measurement, Point, hash_key
from anomaly_cli.scans.settings import AUTO, GridSettings, ScanConfig
from anomaly_cli.scans.windows import find_windows, named_windows
from anomaly_cli.search.settings import DEFAULT_CROSSFIT, SearchSettings, describe_method
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.provisions import simulation_digests
from anomaly_cli.stages.resolve import resolve_settings
from anomaly_cli.stages.split import SPLIT, event_settings

MEASURED_SETTINGS = ("background_efficiencies", "windows", "window_width", "experiments", "least_fit_p")
"""Settings of the significance that measurements depend on."""


@dataclass(frozen=True)
class _Series:
    """What the points of one method, variant and injection share.

    Attributes:
        config: their configuration, with some seed and region.
        settings: how they are searched.
        events: what determines the events, seed aside.
        simulation: digests of the simulation, if it needs one.
        grid: what is done at every point.
    """

    config: Config
    settings: SearchSettings
    events: dict[str, Any]
    simulation: dict[str, str]
    grid: GridSettings

    @cached_property
    def base_meaning(self) -> str:
        """Hash of all that a shared base flow depends on but the seed, or nothing where the method needs none."""
        method, config = self.settings.method, self.config
        if Need.SHARED_MODEL not in method.needs:
            return ""
        settings, rounding = [method.name, method.shared_settings()], [config.threads, config.device]
        return hash_key(["base", BASE_MEANING, self.events, settings, config.template.base_without, rounding])

    @cached_property
    def _search(self) -> list[Any]:
        """All that a search depends on but the seed and the signal region."""
        config = self.config
        crossfit = [] if self.settings.crossfit == DEFAULT_CROSSFIT else [self.settings.crossfit]
        return [
            [self.events, config.regions.side_bands, self.simulation, self.base_meaning],
            [describe_method(self.settings.method), config.template.oversampling, *crossfit],
            [self.settings.describe_ranking(), config.threads, config.device],
        ]

    @cached_property
    def _point(self) -> str:
        settings = dataclasses.asdict(self.config.significance)
        closure = [self.grid.closure, dataclasses.asdict(self.config.closure)]
        return hash_key(["point", POINT_MEANING, self._search, settings, self.grid.unblind, closure])

    @cached_property
    def _measurement(self) -> str:
        settings = {name: getattr(self.config.significance, name) for name in MEASURED_SETTINGS}
        stages = {name: MEASURED_MEANING[name] for name in self.grid.measure}
        return hash_key(["measurement", SEARCH_MEANING, self._search, settings, stages])

    def base_key(self, seed: int) -> str:
        """Return the content key of the shared base flow, or nothing where the method needs none."""
        return self.base_meaning and hash_key([self.base_meaning, seed])

    def point_key(self, seed: int, window: Window, measurement: str) -> str:
        """Return the content key of a point with what was measured for it."""
        return hash_key([self._point, seed, window.low, window.high, measurement])

    def measurement_key(self, seed: int, window: Window) -> str:
        """Return the content key of a measurement."""
        return hash_key([self._measurement, seed, window.low, window.high])


def plan_scan(scan: ScanConfig) -> Manifest:
    """Return the manifest of a scan; reads the data, since windows must lie inside.

    Raises:
        AnomalyError: where a setting, a window or a file cannot be used.
    """
    searched = scan.grid.methods[0], _variants(scan)[0]
    some = _series(scan, *searched, scan.grid.inject[0])
    loaded = load_events(some.config)
    refuse_injections(loaded, [_any_config(scan, *searched, inject) for inject in scan.grid.inject])
    windows = find_windows(scan.grid, background_masses(loaded, some.config), 1.0 - float(some.events["reserve"]))
    if some.config.regions.side_bands != "default":
        parse_side_bands(some.config.regions.side_bands)
        if len(windows) > 1:
            raise ConfigError("analysis: regions.side_bands names the bands of one window; a scan has default ones")
    bases: dict[str, Base] = {}
    measurements: dict[str, Measurement] = {}
    measured: dict[tuple[str, str, str], str] = {}
    points: dict[str, Point] = {}
    digests: dict[str, str] = {}
    for series, variant in _all_series(scan):
        method, inject = series.settings.method.name, series.config.data.inject
        digests |= input_digests(series.config)
        for seed in range(scan.grid.first_seed, scan.grid.first_seed + scan.grid.seeds):
            base_key = series.base_key(seed)
            if base_key:
                bases.setdefault(base_key, Base(method, variant, inject, seed, base_key))
            for window in windows:
                names = (window.text, method, variant)
                if scan.grid.measure and names not in measured:  # on the first seed and injection, for all of them
                    measured[names] = series.measurement_key(seed, window)
                    job = Measurement(*names, inject, seed, measured[names], base_key)
                    measurements.setdefault(job.key, job)
                key = series.point_key(seed, window, measured.get(names, ""))
                # a variant that changes nothing for this method has the results of an earlier one
                points.setdefault(key, Point(*names, inject, seed, key, base_key, measured.get(names, "")))
    shared = tuple(bases.values()), tuple(measurements.values())
    return Manifest(scan, *shared, tuple(points.values()), digests, anomaly_cli.__version__, meaning())


def _variants(scan: ScanConfig) -> Sequence[str]:
    return tuple(scan.variants) or (ONLY_VARIANT,)


def _all_series(scan: ScanConfig) -> list[tuple[_Series, str]]:
    grid = scan.grid
    return [
        (_series(scan, method, variant, inject), variant)
        for inject in grid.inject
        for method in grid.methods
        for variant in _variants(scan)
    ]


def _any_config(scan: ScanConfig, method: str, variant: str, inject: int | str) -> Config:
    """Return the configuration of some window of the first seed."""
    window = named_windows(scan.grid)[0] if scan.grid.windows != (AUTO,) else Window(3300.0, 3700.0)
    return point_config(scan, Point(window.text, method, variant, inject, scan.grid.first_seed, "", ""))


def _series(scan: ScanConfig, method: str, variant: str, inject: int | str) -> _Series:
    config = _any_config(scan, method, variant, inject)
    settings = resolve_settings(config)
    events = event_settings(SPLIT.plan(Analysis.open(Path(), config)))
    del events["seed"]
    return _Series(config, settings, events, simulation_digests(config, settings.method), scan.grid)
