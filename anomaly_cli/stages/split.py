"""Split: an event file becomes side-bands, signal region and rest; truth goes to its own artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import encode_artifact, event_columns, write_files
from anomaly_cli.config import Config
from anomaly_cli.core.copies import ANALYSED, refuse_copies
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError, DataError, PhysicsError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import FloatArray, IntArray
from anomaly_cli.core.progress import Step
from anomaly_cli.core.windows import Regions, Window, default_side_bands, parse_side_bands, parse_window
from anomaly_cli.datasets.manifests import SHIPPED, SHIPPED_MANIFEST, load_manifest
from anomaly_cli.datasets.pseudodata import divide_labelled
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.loading import (
    Loaded,
    Source,
    choose_features,
    join,
    load_source,
    plan_sources,
    refuse_constant,
    source_digests,
)

STAGE, VERSION = "split", 4


def plan_split(run: RunDirectory, config: Config) -> Plan:
    """Return the plan of the split; reads no events, only checksums of the files."""
    if not config.regions.signal_region:
        raise ConfigError("no signal region given; pass one, for instance --signal-region 3.3-3.7")
    sr = parse_window(config.regions.signal_region)
    if config.regions.side_bands != "default":
        lower, upper = parse_side_bands(config.regions.side_bands)
        Regions(sr, lower, upper)
    inject, reserve = _resolve_defaults(config)
    sources = plan_sources(config, inject)
    settings = {
        "inject": inject,
        "inject_from": [source.inject for source in sources if source.role == "inject_from"],
        "reserve": reserve,
        "features": list(choose_features(config)),
        "signal_region_gev": [sr.low, sr.high],
        "side_bands": config.regions.side_bands,
        "drop_nan": config.data.drop_nan,
    }
    if config.data.key:  # otherwise left out, so that splits made before there was a choice stay valid
        settings["key"] = config.data.key
    inputs = source_digests(config, sources)
    return Plan(STAGE, run.artifact(schema.SPLIT), Provenance(STAGE, VERSION, settings, config.seed, inputs))


def make_split(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Write the split artifact and, for labelled data, the truth artifact.

    Raises:
        AnomalyError: where the file, the windows or the settings cannot be used.
    """
    plan = plan_split(run, config)
    return execute(plan, overwrite, lambda: _make(run, config, resources, plan.provenance))


def _resolve_defaults(config: Config) -> tuple[int | str, float]:
    inject, reserve = config.data.inject, config.data.reserve
    is_shipped = config.data.file == SHIPPED
    manifest = load_manifest(SHIPPED_MANIFEST)
    if inject == "default" and config.data.inject_from:
        inject = 0  # of the data's own signal; the signals of other files are what is looked for
    if inject == "default" and is_shipped:
        inject = manifest.default_inject
    if reserve == "default":
        reserve = manifest.default_reserve if is_shipped else 0.0
    if isinstance(inject, str) and inject.isdecimal():
        inject = int(inject)
    if isinstance(reserve, str):
        raise ConfigError(f"--reserve {reserve}: must be a fraction in [0, 1), for instance 0.4")
    return inject, float(reserve)


def _make(run: RunDirectory, config: Config, resources: Resources, provenance: Provenance) -> None:
    sources = plan_sources(config, provenance.settings["inject"])
    resources.progress(Step("split: reading", 0, 2, sources[0].path.name))
    cutflow = Cutflow()
    flows = {index: cutflow if source.role == "data" else Cutflow() for index, source in enumerate(sources)}
    loaded = load_events(sources, config, flows, resources)
    resources.progress(Step("split: reading", 1, 2, f"{len(loaded.row)} events"))
    observed_index, reference_index = divide_events(loaded, sources, config, provenance, resources)
    cutflow.add("observed (of labelled data, the rest is held back)", len(observed_index))
    observed = _renumber(loaded.events, observed_index, 0)
    refuse_constant(observed, "event")
    regions = _choose_regions(config, observed, loaded.events.mjj)
    groups = _divide_into_regions(observed, regions, cutflow, loaded.is_labelled)
    run.create()
    files = {}
    if loaded.is_labelled:
        truth = _truth_groups(loaded, (observed_index, reference_index), sources, flows, config, provenance, resources)
        files[run.artifact(schema.TRUTH)] = encode_artifact(schema.TRUTH, truth, provenance, observed.names)[0]
    files[run.artifact(schema.SPLIT)] = encode_artifact(schema.SPLIT, groups, provenance, observed.names)[0]
    write_files(files)
    if not loaded.is_labelled:
        run.artifact(schema.TRUTH).unlink(missing_ok=True)
    resources.progress(Step("split: reading", 2, 2, "written"))


def load_events(sources: list[Source], config: Config, flows: Mapping[int, Cutflow], resources: Resources) -> Loaded:
    """Return the events of the data, and the signals of further files where there are any.

    Raises:
        AnomalyError: where a file cannot be used.
    """
    streams = resources.streams("split")
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
    loaded: Loaded, sources: list[Source], config: Config, provenance: Provenance, resources: Resources
) -> tuple[IntArray, IntArray]:
    """Return the indices of observed and of held-back events among the usable ones.

    Raises:
        ConfigError: where the data do not hold what is asked for.
    """
    settings = provenance.settings
    if loaded.is_labelled:
        streams = resources.streams("split")
        inject = [source.inject for source in sources if source.role != "reference"]
        division = divide_labelled(loaded.is_signal, inject, settings["reserve"], streams, loaded.source)
        return division.observed, division.reference
    if settings["inject"] != "default" or settings["reserve"] or config.data.reference:
        raise ConfigError(
            "--inject, --reserve and --reference need truth labels, and the data have none; leave them out, or name a"
            " master key with --labels"
        )
    return np.arange(len(loaded.row)), np.zeros(0, dtype=np.int64)


def _renumber(events: Events, index: IntArray, first_id: int) -> Events:
    ids = first_id + np.arange(len(index))
    return replace(events.take(index), event_id=ids, source_id=ids)


def _choose_regions(config: Config, observed: Events, masses: FloatArray) -> Regions:
    """Return the windows; default side-bands end where the file does, whatever the pseudo-data hold of it."""
    if not len(observed):
        raise PhysicsError("no usable events are left; 'anomaly inspect' on an earlier split shows where they went")
    sr = parse_window(config.regions.signal_region)
    lowest, highest = float(masses.min()), float(masses.max())
    if config.regions.side_bands == "default":
        lower, upper = default_side_bands(sr, lowest, highest)
    else:
        lower, upper = parse_side_bands(config.regions.side_bands)
    regions = Regions(sr=sr, sb1=lower, sb2=upper)
    names = {"sb1": "lower side-band", "sr": "signal region", "sb2": "upper side-band"}
    for name, window in regions.named().items():
        if not window.contains(observed.mjj).any():
            raise PhysicsError(
                f"{names[name]} {window.text} TeV holds no usable events; usable ones span {lowest / 1000:.3f} to"
                f" {highest / 1000:.3f} TeV: choose another window, or a feature that is defined there"
            )
    return regions


def _divide_into_regions(
    observed: Events, regions: Regions, cutflow: Cutflow, has_truth: bool
) -> dict[str, dict[str, Any]]:
    masks = {name: window.contains(observed.mjj) for name, window in regions.named().items()}
    inside = np.any(list(masks.values()), axis=0)
    cutflow.add("in side-bands and signal region", int(inside.sum()))
    groups: dict[str, dict[str, Any]] = {
        name: event_columns(observed.take(mask)) for name, mask in {**masks, "rest": ~inside}.items()
    }
    windows: dict[str, Window] = regions.named()
    groups["windows"] = {
        "name": list(windows),
        "low": [window.low for window in windows.values()],
        "high": [window.high for window in windows.values()],
    }
    groups["origin"] = {"has_truth": has_truth}
    groups["cutflow"] = cutflow.columns()
    return groups


def _truth_groups(
    loaded: Loaded,
    division: tuple[IntArray, IntArray],
    sources: list[Source],
    flows: Mapping[int, Cutflow],
    config: Config,
    provenance: Provenance,
    resources: Resources,
) -> dict[str, dict[str, Any]]:
    observed, reference = division
    held_back = [_select(loaded, reference, len(observed))]
    if config.data.reference:
        index = len(sources) - 1
        extra = load_source(sources[index], index, config, flows[index], resources.streams("split"))
        if not extra.is_labelled:
            raise DataError(f"{config.data.reference}: has no column 'label', which a reference needs")
        analysed = loaded.events.take(observed)
        refuse_copies(extra.events, analysed, f"--reference {config.data.reference}", ANALYSED)
        held_back.append(_select(extra, np.arange(len(extra.row)), len(observed) + len(reference)))
    injected = loaded.source[observed][loaded.is_signal[observed]]
    steps = [(index, step, number) for index, flow in flows.items() if index for step, number in flow.steps]
    digests = [digest for key, digest in provenance.inputs.items() if not key.endswith(("/manifest", "labels"))]
    return {
        "observed": {
            "event_id": np.arange(len(observed)),
            "is_signal": loaded.is_signal[observed],
            "source": loaded.source[observed],
            "source_row": loaded.row[observed],
        },
        "reference": {
            **event_columns(concatenate([part.events for part in held_back])),
            "is_signal": np.concatenate([part.is_signal for part in held_back]),
            "source": np.concatenate([part.source for part in held_back]),
            "source_row": np.concatenate([part.row for part in held_back]),
        },
        "sources": {
            "role": [source.role for source in sources],
            "file": [source.path.name for source in sources],
            "digest": digests,
            "n_injected": [int((injected == index).sum()) for index in range(len(sources))],
        },
        "cutflow": {
            "source": [index for index, _, _ in steps],
            "step": [step for _, step, _ in steps],
            "n_events": [number for _, _, number in steps],
        },
    }


def _select(loaded: Loaded, index: IntArray, first_id: int) -> Loaded:
    """Return some events with ids that count from `first_id`."""
    return Loaded(
        events=_renumber(loaded.events, index, first_id),
        is_signal=loaded.is_signal[index],
        is_labelled=loaded.is_labelled,
        source=loaded.source[index],
        row=loaded.row[index],
    )
