"""Split: an event file becomes side-bands, signal region and rest; truth goes to its own artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import COLLISION_ENERGY_SETTING, read_regions
from anomaly_cli.artifacts.measured_on import SCORES_ROLE
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, event_columns
from anomaly_cli.config import DEFAULT, Config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.windows import COLLISION_ENERGY, Regions, Window, parse_side_bands, parse_window, refuse_beyond
from anomaly_cli.search.provisions import refuse_few
from anomaly_cli.search.split import Split, choose_regions, refuse_empty, refuse_mass, split_events
from anomaly_cli.stages.data import ReadData, read_data, resolve_asked
from anomaly_cli.stages.frame import Analysis, Beside, Made, Stage
from anomaly_cli.stages.loading import choose_features, data_energy, plan_sources, source_digests

WINDOW_SETTINGS = ("signal_region_gev", "side_bands")
"""Settings that divide events and do not choose them."""


def configured_windows(config: Config) -> tuple[Window, tuple[Window, Window] | None]:
    """Return the signal region, and the side-bands unless they are left to the data.

    Raises:
        ConfigError: where there is no signal region, or the windows overlap or lie above the collision energy.
    """
    if not config.regions.signal_region:
        raise ConfigError("no signal region given; pass one, for instance --signal-region 3.3-3.7")
    sr, energy = parse_window(config.regions.signal_region), data_energy(config)
    refuse_beyond(sr, energy)
    if config.regions.side_bands == DEFAULT:
        return sr, None
    lower, upper = parse_side_bands(config.regions.side_bands)
    Regions(sr, lower, upper, energy)
    return sr, (lower, upper)


def split_settings(config: Config) -> dict[str, Any]:
    """Return every setting that the split depends on; reads no events.

    Raises:
        ConfigError: where one cannot be used.
    """
    sr, _ = configured_windows(config)
    asked = resolve_asked(config)
    sources = plan_sources(config, asked.inject)
    settings = {
        "inject": asked.inject,
        "inject_from": [source.inject for source in sources if source.role == "inject_from"],
        "reserve": asked.reserve,
        "features": list(choose_features(config)),
        "signal_region_gev": [sr.low, sr.high],
        "side_bands": config.regions.side_bands,
        "drop_nan": config.data.drop_nan,
    }
    if config.data.key:
        settings["key"] = config.data.key
    if (energy := data_energy(config)) != COLLISION_ENERGY:
        settings[COLLISION_ENERGY_SETTING] = energy
    return settings


def event_settings(provenance: Provenance) -> dict[str, object]:
    """Return what determines the events of a split, whatever its windows."""
    settings = {key: value for key, value in provenance.settings.items() if key not in WINDOW_SETTINGS}
    return {**settings, "seed": provenance.seed, **{f"input {k}": v for k, v in provenance.inputs.items()}}


def _make(analysis: Analysis) -> Made:
    data = read_data(analysis.config, analysis.compute)
    sr, side_bands = configured_windows(analysis.config)
    split = split_events(data.observed, choose_regions(sr, side_bands, *data.span, data.collision_energy))
    refuse_empty(split, *data.span)
    refuse_mass(split)
    data.cutflow.add("in side-bands and signal region", len(data.observed) - len(split.rest))
    truth = [] if data.held is None else [(schema.TRUTH, _truth_groups(data, SPLIT.inputs(analysis)))]
    return Made(_split_groups(split, data), data.observed.names, truth)


def _split_groups(split: Split, data: ReadData) -> dict[str, Mapping[str, Any]]:
    windows = split.regions.named()
    return {
        **{name: event_columns(getattr(split, name)) for name in (*windows, "rest")},
        "windows": {
            "name": list(windows),
            "low": [window.low for window in windows.values()],
            "high": [window.high for window in windows.values()],
        },
        "origin": {"has_truth": data.held is not None},
        "cutflow": data.cutflow.columns(),
    }


def _truth_groups(data: ReadData, digests: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    if data.held is None:
        raise ValueError("data without labels have no truth")
    origin, held = data.origin, data.held
    injected = origin.source[origin.is_signal]
    steps = [(index, step, number) for index, flow in data.further.items() for step, number in flow.steps]
    return {
        "observed": {
            "event_id": np.arange(len(data.observed)),
            "is_signal": origin.is_signal,
            "source": origin.source,
            "source_row": origin.row,
        },
        "reference": {
            **event_columns(held.events),
            "is_signal": held.origin.is_signal,
            "source": held.origin.source,
            "source_row": held.origin.row,
        },
        "sources": {
            "role": [source.role for source in data.sources],
            "file": [source.path.name for source in data.sources],
            "digest": [
                digest for key, digest in digests.items() if not key.endswith(("/manifest", "labels", SCORES_ROLE))
            ],
            "n_injected": [int((injected == index).sum()) for index in range(len(data.sources))],
        },
        "cutflow": {
            "source": [index for index, _, _ in steps],
            "step": [step for _, step, _ in steps],
            "n_events": [number for _, _, number in steps],
        },
    }


def _beside(split: Artifact) -> Beside:
    if split.groups["origin"]["has_truth"]:
        return Beside(twins=(schema.TRUTH,))
    return Beside(pattern=f"{schema.TRUTH.name}.h5")  # of earlier data, which had labels


SPLIT = Stage(
    name="split",
    version=4,
    kind=schema.SPLIT,
    settings=lambda analysis: split_settings(analysis.config),
    inputs=lambda a: source_digests(a.config, plan_sources(a.config, resolve_asked(a.config).inject)),
    make=_make,
    beside=_beside,
)
"""The first stage of every analysis."""


def count_side_bands(made: Made) -> tuple[int, int]:
    """Return how many events the side-bands of a split hold that is not kept.

    Raises:
        PhysicsError: where that is too few for a template.
    """
    columns = made.groups["windows"]
    windows = {name: Window(low, high) for name, low, high in zip(*columns.values(), strict=True)}
    lower, upper = (len(made.groups[name]["mjj"]) for name in ("sb1", "sb2"))
    refuse_few(windows["sb1"], lower)
    refuse_few(windows["sb2"], upper)
    return lower, upper


def stored_split(split: Artifact) -> Split:
    """Return the events and windows of a split artifact."""
    regions = read_regions(split)
    parts = {name: split.events(name) for name in (*regions.named(), "rest")}
    return Split(**parts, regions=regions, stretches=regions.side_bands)
