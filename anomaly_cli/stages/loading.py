"""What a split reads: the data, signals injected from other files, the reference; counted at every step."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts.measured_on import SCORES_ROLE
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.store import file_digest
from anomaly_cli.config import Config, DataSettings
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import AnomalyWarning, ConfigError, DataError, PhysicsError
from anomaly_cli.core.events import FEATURES, Events, concatenate, make_events
from anomaly_cli.core.streams import Streams
from anomaly_cli.datasets.features import check_features, expand_features
from anomaly_cli.datasets.layouts import EventTable
from anomaly_cli.datasets.manifests import SHIPPED, SHIPPED_MANIFEST, load_manifest, shipped_file
from anomaly_cli.datasets.own import collision_energy, event_file, is_own_manifest, own_features
from anomaly_cli.datasets.pseudodata import relative_weights, unweight
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.stages.scorefile import join_scores

DEFAULT = ("default",)
OPTIONS = {"data": "--data", "inject_from": "--inject-from", "reference": "--reference"}
"""Where a user names the files of each role."""
POSSIBLE = "no NaN and no unphysical value in a column in use"
"""The step of a cutflow that leaves out what `--drop-nan` drops."""
FEW_KEPT = 0.1
"""A share of weighted data left at unit weight below this is warned of."""


@dataclass(frozen=True)
class Source:
    """One file that events are read from.

    Attributes:
        role: `data`, `inject_from` or `reference`.
        path: the file, or the manifest that describes it.
        inject: signal events of it that are put into pseudo-data: a number, `all` or `default`.
    """

    role: str
    path: Path
    inject: int | str


@dataclass(frozen=True)
class Loaded:
    """Usable events: features, truth, and the file and row that each came from; arrays `(n,)`."""

    events: Events
    is_signal: npt.NDArray[np.bool_]
    is_labelled: bool
    source: IntArray
    row: IntArray


def data_file(config: Config) -> Path:
    """Return the file of the data, or the manifest that describes it."""
    return shipped_file() if config.data.file == SHIPPED else Path(config.data.file)


def plan_sources(config: Config, inject: int | str) -> list[Source]:
    """Return the files of a split: data first, then injected signals, then the reference.

    Raises:
        ConfigError: for an injection that is none, and for files beside the data where the scores are in a file.
    """
    data = config.data
    sources = [Source("data", data_file(config), inject)]
    sources += [Source("inject_from", *_parse_injection(text)) for text in data.inject_from]
    if data.reference:
        sources.append(Source("reference", Path(data.reference), 0))
    for source in sources:
        refuse_unscored(source.path, config)
    return sources


def refuse_unscored(path: Path, config: Config) -> None:
    """Refuse events of another file than the data where the scores of the data come from a file of their own.

    Raises:
        ConfigError: where their rows would be taken for rows of the data.
    """
    if config.data.score_file and path.absolute() != data_file(config).absolute():
        raise ConfigError(
            f"{path}: its events have no score in --score-file {config.data.score_file}, which is for those of --data;"
            " make the score a column of every file, and name it by --score-column"
        )


def _parse_injection(text: str) -> tuple[Path, int | str]:
    path, equals, number = text.rpartition("=")
    if not equals:
        return Path(text), "default"
    if number != "all" and not number.isdecimal():
        raise ConfigError(f"--inject-from {text}: write FILE=N with a number of events, or FILE=all")
    return Path(path), int(number) if number.isdecimal() else number


def source_digests(config: Config, sources: Sequence[Source]) -> dict[str, str]:
    """Return the digest of every input by role, a manifest's own included.

    Raises:
        ConfigError: where one file plays two roles.
        DataError: where a file cannot be read, or the shipped one is not what it was.
    """
    digests: dict[str, str] = {}
    for index, source in enumerate(sources):
        key = source.role if source.role != "inject_from" else f"inject_from/{index}"
        digest = event_digest(source.path, OPTIONS[source.role])
        if digest in digests.values():
            twin = next(name for name, other in digests.items() if other == digest)
            advice = "; use --reserve to hold back part of one file" if source.role == "reference" else ""
            raise ConfigError(f"{source.path}: is the same file for {key} as for {twin}{advice}")
        digests[key] = digest
        if is_own_manifest(source.path):
            digests[f"{key}/manifest"] = file_digest(source.path)
    if config.data.file == SHIPPED and digests["data"] != load_manifest(SHIPPED_MANIFEST).files[0].sha256:
        raise DataError(f"{shipped_file()}: does not match the checksum in its manifest; install the package again")
    if config.data.labels:
        digests["labels"] = file_digest(Path(config.data.labels), "--labels")
    if config.data.score_file:
        digests[SCORES_ROLE] = file_digest(Path(config.data.score_file), "--score-file")
    return digests


def event_digest(path: Path, option: str) -> str:
    """Return the digest of a file of events, or of the one that a manifest names.

    Raises:
        DataError: where it cannot be read; the sentence names the option.
    """
    return file_digest(event_file(path), option)


def reading_digest(path: Path, option: str) -> str:
    """Return a digest of all that decides which events are read: those of the file, and its manifest if it has one.

    Raises:
        DataError: where one cannot be read; the sentence names the option.
    """
    digest = event_digest(path, option)
    return hash_json([digest, file_digest(path, option)]) if is_own_manifest(path) else digest


def data_energy(config: Config) -> float:
    """Return the centre-of-mass energy of the data [GeV]; reads no events.

    Raises:
        ConfigError: where their manifest cannot be read.
    """
    return collision_energy(Path(config.data.file))


def refuse_other_energy(path: Path, table: EventTable, energy: float, option: str) -> None:
    """Refuse events of other collisions than those of the data.

    Args:
        path: the file of the events.
        table: the events.
        energy: centre-of-mass energy of the data [GeV].
        option: where a user gave the path.

    Raises:
        ConfigError: where the energies differ.
    """
    if table.collision_energy != energy:
        raise ConfigError(
            f"{option} {path}: holds collisions at {table.collision_energy / 1000:g} TeV and the data those at"
            f" {energy / 1000:g} TeV, which have other spectra; use a file of the same energy, or state the energy of"
            ' either by collision_energy = "13.6 TeV" in a manifest, which'
            " 'anomaly data manifest FILE' writes"
        )


def choose_features(config: Config) -> tuple[str, ...]:
    """Return the features to use, that of a file of scores last; reads no events.

    Raises:
        ConfigError: for a name that is unknown or repeated.
    """
    names, score = _event_features(config), config.score_feature
    if not score:
        return names
    if score in (*names, "mjj") or not score.isidentifier():
        raise ConfigError(
            f"--score-file {config.data.score_file}: its score becomes a feature, which cannot be called '{score}';"
            " give the column a name of letters, digits and _ that no feature has, and say it by --score-column NAME"
        )
    return (*names, score)


def _event_features(config: Config) -> tuple[str, ...]:
    known, names = own_features(Path(config.data.file)), tuple(config.data.features)
    if known is not None:
        return known if names == DEFAULT else check_features(expand_features(names, known), known)
    return FEATURES if names == DEFAULT else check_features(expand_features(names))


def load_source(source: Source, index: int, config: Config, cutflow: Cutflow, streams: Streams) -> Loaded:
    """Read one file, counting what every step leaves.

    Events without a usable tau21 are left out. What is counted, data and injected signals, is drawn to unit
    weight; a reference keeps its weights, scaled to a mean of 1.

    Raises:
        DataError: where the file cannot be used, or has duplicates and `strict` is set.
    """
    data: DataSettings = config.data
    labels = Path(data.labels) if data.labels and source.role == "data" else None
    key = data.key if source.role == "data" else ""
    table = read_events(source.path, labels, data.drop_nan, _event_features(config), key)
    refuse_other_energy(source.path, table, data_energy(config), OPTIONS[source.role])
    cutflow.add("read", table.n_read)
    if len(table) < table.n_read:
        cutflow.add(POSSIBLE, len(table))
    _tell_duplicates(source.path, table, data.strict)
    names = _available(table, config)
    features = table.compute(names)
    usable = np.flatnonzero(features.is_defined)
    cutflow.add("tau1 > 0 in both jets" if any(n.startswith("tau21") for n in names) else "no further cut", len(usable))
    if not len(usable):
        raise PhysicsError(f"{source.path}: no usable events are left; every jet has tau1 = 0")
    if source.role == "reference":
        usable = usable[table.weight[usable] > 0.0]
        cutflow.add("weight above 0", len(usable))
        weight = relative_weights(table.weight[usable])
    else:
        if np.ptp(table.weight) > 0.0:
            all_usable, usable = usable, _at_unit_weight(table, usable, streams.child(f"source/{index}"))
            cutflow.add("drawn to unit weight", len(usable))
            _tell_lost(source.path, table.weight[all_usable], len(usable))
        weight = np.ones(len(usable))
    mjj, values = features.mjj[usable], features.values[usable]
    if config.score_feature:
        refuse_unscored(source.path, config)
        score = join_scores(config, table, usable, mjj)
        names, values = (*names, config.score_feature), np.column_stack([values, score])
    events = make_events(mjj, values, names, usable, weight=weight)
    is_signal = table.is_signal[usable] if table.is_labelled else table.is_signal
    return Loaded(events, is_signal, table.is_labelled, np.full(len(usable), index), table.row[usable])


def _at_unit_weight(table: EventTable, usable: IntArray, streams: Streams) -> IntArray:
    """Return the events left at unit weight; signal and background apart, since either is used by number."""
    if not table.is_labelled:
        return usable[unweight(table.weight[usable], streams)]
    is_signal = table.is_signal[usable]
    kept = [
        part[unweight(table.weight[part], streams.child(name))]
        for name, part in (("background", usable[~is_signal]), ("signal", usable[is_signal]))
        if len(part)
    ]
    return np.sort(np.concatenate(kept))


def _available(table: EventTable, config: Config) -> tuple[str, ...]:
    """Return the chosen features; by default those of the standard five that the layout has."""
    names = _event_features(config)
    if tuple(config.data.features) == DEFAULT and own_features(Path(config.data.file)) is None:
        return tuple(name for name in names if name in table.feature_names)
    return names


def _tell_lost(path: Path, weight: FloatArray, n_kept: int) -> None:
    if n_kept < FEW_KEPT * len(weight):
        warnings.warn(
            f"{path}: only {n_kept} of {len(weight)} weighted events are left at unit weight, since the largest weight"
            f" is {weight.max() / weight.mean():.0f} times the mean; use data of nearly equal weights, or give weighted"
            " simulation with --simulation or --reference, where every event is used with its weight",
            AnomalyWarning,
            stacklevel=2,
        )


def _tell_duplicates(path: Path, table: EventTable, is_strict: bool) -> None:
    if not table.n_duplicates:
        return
    text = f"{path}: {table.n_duplicates} of {len(table)} events equal an earlier one in every column"
    if is_strict:
        raise DataError(f"{text}; remove them, or leave out --strict to analyse them all the same")
    warnings.warn(f"{text}; they are kept, --strict refuses them", AnomalyWarning, stacklevel=2)


def join(parts: Sequence[Loaded]) -> Loaded:
    """Return the events of several files together; all but the first give their signal only.

    Raises:
        DataError: where the files have different features.
    """
    chosen = [parts[0], *(signal_only(part) for part in parts[1:])]
    return Loaded(
        events=concatenate([part.events for part in chosen]),
        is_signal=np.concatenate([part.is_signal for part in chosen]),
        is_labelled=parts[0].is_labelled,
        source=np.concatenate([part.source for part in chosen]),
        row=np.concatenate([part.row for part in chosen]),
    )


def signal_only(part: Loaded) -> Loaded:
    """Return the signal events; a file without labels is taken to hold nothing else."""
    if not part.is_labelled:
        return replace(part, is_signal=np.ones(len(part.row), dtype=np.bool_), is_labelled=True)
    kept = np.flatnonzero(part.is_signal)
    return Loaded(part.events.take(kept), part.is_signal[kept], True, part.source[kept], part.row[kept])
