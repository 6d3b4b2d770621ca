"""The events of a scan: their files, their masses, and which injections they allow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from anomaly_cli.config import Config, RegionSettings
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Window
from anomaly_cli.scans.manifest import Manifest
from anomaly_cli.stages import data
from anomaly_cli.stages.loading import Loaded, plan_sources, source_digests
from anomaly_cli.stages.provisions import simulation_digests
from anomaly_cli.stages.resolve import resolve_settings

BASE_QUANTILES = (0.1, 0.4, 0.6, 0.9)
"""Edges of the windows that the events of a base flow are split by: any will do, all of its events are used."""


def input_digests(config: Config) -> dict[str, str]:
    """Return the digest of every file that a job reads, by its role; simulations also by their path.

    Raises:
        AnomalyError: where a file cannot be read.
    """
    simulations = simulation_digests(config, resolve_settings(config).method)
    return {
        **source_digests(config, plan_sources(config, config.data.inject)),
        **{f"{role} {config.template.simulation}": digest for role, digest in simulations.items()},
    }


def refuse_changed_data(manifest: Manifest, config: Config) -> None:
    """Refuse to analyse other events than those that the keys of a plan stand for.

    Raises:
        ArtifactError: where a file has another content than when the scan was planned.
    """
    for role, digest in input_digests(config).items():
        if manifest.digests.get(role) != digest:
            raise ArtifactError(
                f"the data have changed since the scan was planned ({role}); plan again with 'anomaly scan plan'"
            )


def load_events(config: Config) -> Loaded:
    """Return the usable events of all files, before anything is divided into pseudo-data and reference."""
    sources = plan_sources(config, config.data.inject)
    flows = {index: Cutflow() for index in range(len(sources))}
    return data.load_events(sources, config, flows, Compute(Streams(config.seed)))


def background_masses(loaded: Loaded, config: Config) -> FloatArray:
    """Return the dijet masses of the background, or of all events where they have no labels `(n,)` [GeV]."""
    # pseudo-data hold few of a file's signal events: counting them all would promise events that are not there
    masses: FloatArray = loaded.events.mjj[~loaded.is_signal] if loaded.is_labelled else loaded.events.mjj
    if not len(masses):
        raise ConfigError(f"{config.data.file}: holds no usable events; name another file in analysis.data.file")
    return masses


def base_regions(config: Config) -> RegionSettings:
    """Return windows for the split of a base flow, which come from its seed's events and from no grid."""
    edges = np.quantile(background_masses(load_events(config), config), BASE_QUANTILES)
    lower, middle, upper = (Window(float(low), float(high)) for low, high in pairwise(edges))
    return RegionSettings(middle.text, f"{lower.text},{upper.text}")


def refuse_injections(loaded: Loaded, configs: Sequence[Config]) -> None:
    """Refuse injections that the split would refuse, or that mean the same.

    Args:
        loaded: the events.
        configs: configurations that differ by `data.inject`.

    Raises:
        ConfigError: for the first of them.
    """
    meant: dict[int, int | str] = {}
    for config in configs:
        given = config.data.inject
        asked = data.resolve_asked(config)
        sources = plan_sources(config, asked.inject)
        try:
            observed = data.divide_events(loaded, sources, asked, config, Compute(Streams(config.seed))).observed
        except ConfigError as error:
            raise ConfigError(str(error).replace("--inject ", "grid.inject = ")) from error
        is_injected = (loaded.is_signal & (loaded.source == 0))[observed] if loaded.is_labelled else np.zeros(0)
        twin = meant.setdefault(int(is_injected.sum()), given)
        if twin is not given:
            raise ConfigError(f"grid: inject = {twin!r} and {given!r} mean the same here; name it once")
