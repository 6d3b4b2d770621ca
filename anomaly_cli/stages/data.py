"""Read the events of an analysis: pseudo-data or data, what is held back of them, and how many every step left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly_cli.config import DEFAULT, Config
from anomaly_cli.core.arrays import IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.copies import ANALYSED, refuse_copies
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError, DataError, PhysicsError
from anomaly_cli.core.events import Events, concatenate, refuse_constant
from anomaly_cli.core.progress import Step
from anomaly_cli.core.truth import Truth
from anomaly_cli.datasets.manifests import SHIPPED, SHIPPED_MANIFEST, load_manifest
from anomaly_cli.datasets.pseudodata import Division, divide_labelled
from anomaly_cli.stages.loading import Loaded, Source, data_energy, join, load_source, plan_sources

TASK = "split: reading"


@dataclass(frozen=True)
class Asked:
    """How many events of labelled data are used, defaults resolved.

    Attributes:
        inject: signal events of the data's own that are put into pseudo-data: a number, `all` or `default`.
        reserve: fraction of the background that is held back.
    """

    inject: int | str
    reserve: float


@dataclass(frozen=True)
class Origin:
    """Label, file and row of each event, `(n,)` each."""

    is_signal: npt.NDArray[np.bool_]
    source: IntArray
    row: IntArray

    @staticmethod
    def of(loaded: Loaded, index: IntArray) -> Origin:
        """Return the origin of some of the events that were read; without labels none is called signal."""
        is_signal = loaded.is_signal[index] if loaded.is_labelled else np.zeros(len(index), dtype=np.bool_)
        return Origin(is_signal, loaded.source[index], loaded.row[index])


@dataclass(frozen=True)
class Held:
    """Labelled events that are not in the pseudo-data, and where they come from."""

    events: Events
    origin: Origin


@dataclass(frozen=True)
class ReadData:
    """The events of an analysis.

    Attributes:
        observed: what is analysed; ids count from 0.
        origin: label, file and row of the observed events.
        held: what is held back; None where the data have no labels.
        sources: the files.
        cutflow: events of the data left after every step.
        further: the same for the other files, by their position in `sources`.
        span: smallest and largest usable mass of all files [GeV].
        collision_energy: centre-of-mass energy [GeV].
    """

    observed: Events
    origin: Origin
    held: Held | None
    sources: Sequence[Source]
    cutflow: Cutflow
    further: Mapping[int, Cutflow]
    span: tuple[float, float]
    collision_energy: float

    @property
    def truth(self) -> Truth | None:
        """Labels and held-back events; None where the data have no labels."""
        if self.held is None:
            return None
        return Truth(self.origin.is_signal, self.held.events, self.held.origin.is_signal)


def resolve_asked(config: Config) -> Asked:
    """Return how many events are used, with the defaults of the data set.

    Raises:
        ConfigError: where a fraction is none.
    """
    inject, reserve = config.data.inject, config.data.reserve
    is_shipped = config.data.file == SHIPPED
    manifest = load_manifest(SHIPPED_MANIFEST)
    if inject == DEFAULT and config.data.inject_from:
        inject = 0  # of the data's own signal; the signals of other files are what is looked for
    if inject == DEFAULT and is_shipped:
        inject = manifest.default_inject
    if reserve == DEFAULT:
        reserve = manifest.default_reserve if is_shipped else 0.0
    if isinstance(inject, str) and inject.isdecimal():
        inject = int(inject)
    if isinstance(reserve, str):
        raise ConfigError(f"--reserve {reserve}: must be a fraction in [0, 1), for instance 0.4")
    return Asked(inject, float(reserve))


def read_data(config: Config, compute: Compute) -> ReadData:
    """Read all files of an analysis and divide labelled events into pseudo-data and reference.

    Args:
        config: names the files and how many events are used.
        compute: the random streams of the run, and where to report.

    Raises:
        AnomalyError: where a file cannot be used, or does not hold what is asked for.
    """
    asked = resolve_asked(config)
    sources = plan_sources(config, asked.inject)
    compute.progress(Step(TASK, 0, 2, sources[0].path.name))
    flows = {index: Cutflow() for index in range(len(sources))}
    loaded = load_events(sources, config, flows, compute)
    compute.progress(Step(TASK, 1, 2, f"{len(loaded.row)} events"))
    division = divide_events(loaded, sources, asked, config, compute)
    kept = "observed (of labelled data, the rest is held back)" if loaded.is_labelled else "observed"
    flows[0].add(kept, len(division.observed))
    observed = _renumbered(loaded.events, division.observed, 0)
    if not len(observed):
        raise PhysicsError("no usable events are left; 'anomaly inspect' on an earlier split shows where they went")
    refuse_constant(observed, "event")
    held = _hold_back(loaded, division, sources, flows, config, compute) if loaded.is_labelled else None
    compute.progress(Step(TASK, 2, 2, f"{len(observed)} events"))
    return ReadData(
        observed=observed,
        origin=Origin.of(loaded, division.observed),
        held=held,
        sources=sources,
        cutflow=flows[0],
        further={index: flow for index, flow in flows.items() if index},
        span=(float(loaded.events.mjj.min()), float(loaded.events.mjj.max())),
        collision_energy=data_energy(config),
    )


def load_events(sources: Sequence[Source], config: Config, flows: Mapping[int, Cutflow], compute: Compute) -> Loaded:
    """Return the events of the data, and the signals of further files where there are any.

    Raises:
        AnomalyError: where a file cannot be used.
    """
    streams = compute.streams.child("split")
    loaded = load_source(sources[0], 0, config, flows[0], streams)
    signals = [
        load_source(source, index, config, flows[index], streams)
        for index, source in enumerate(sources)
        if source.role == "inject_from"
    ]
    if signals and not loaded.is_labelled:
        raise ConfigError(
            f"--inject-from: {sources[0].path} has no labels, so it cannot be told what is background; add a column"
            " label, or a master key with --labels"
        )
    if not signals:
        return loaded
    for source, signal in zip(sources[1:], signals, strict=False):
        refuse_copies(signal.events, loaded.events, f"--inject-from {source.path}", ANALYSED)
    joined = join([loaded, *signals])
    flows[0].add_events("signals of other files joined", len(joined.row))
    for index, number in enumerate(np.bincount(joined.source)):
        if index:
            flows[index].add("signal events", int(number))
    return joined


def divide_events(
    loaded: Loaded, sources: Sequence[Source], asked: Asked, config: Config, compute: Compute
) -> Division:
    """Return which of the usable events are observed, and which are held back.

    Raises:
        ConfigError: where the data do not hold what is asked for.
    """
    if loaded.is_labelled:
        inject = [source.inject for source in sources if source.role != "reference"]
        streams = compute.streams.child("split")
        return divide_labelled(loaded.is_signal, inject, asked.reserve, streams, loaded.source)
    if asked.inject != DEFAULT or asked.reserve or config.data.reference:
        raise ConfigError(
            "--inject, --reserve and --reference need truth labels, and the data have none; leave them out, or name a"
            " master key with --labels"
        )
    return Division(np.arange(len(loaded.row)), np.zeros(0, dtype=np.int64))


def _renumbered(events: Events, index: IntArray, first_id: int) -> Events:
    ids = first_id + np.arange(len(index))
    return replace(events.take(index), event_id=ids, source_id=ids)


def _hold_back(
    loaded: Loaded,
    division: Division,
    sources: Sequence[Source],
    flows: Mapping[int, Cutflow],
    config: Config,
    compute: Compute,
) -> Held:
    """Return what is held back of the data, and the events of a reference file."""
    n_observed, n_held = len(division.observed), len(division.reference)
    events = [_renumbered(loaded.events, division.reference, n_observed)]
    origins = [Origin.of(loaded, division.reference)]
    if config.data.reference:
        index = len(sources) - 1
        extra = load_source(sources[index], index, config, flows[index], compute.streams.child("split"))
        if not extra.is_labelled:
            raise DataError(f"{config.data.reference}: has no column 'label', which a reference needs")
        analysed = loaded.events.take(division.observed)
        refuse_copies(extra.events, analysed, f"--reference {config.data.reference}", ANALYSED)
        everything = np.arange(len(extra.row))
        events.append(_renumbered(extra.events, everything, n_observed + n_held))
        origins.append(Origin.of(extra, everything))
    columns = (np.concatenate(parts) for parts in zip(*(vars(one).values() for one in origins), strict=True))
    return Held(concatenate(events), Origin(*columns))
