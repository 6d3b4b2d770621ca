"""Morph: train flows from one table to another (model artifact), move it and measure (morph artifact)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.distances import feature_distances, sliced_wasserstein
from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.morph_schema import MORPH, MORPH_MODEL
from anomaly_cli.artifacts.store import Artifact, file_digest, read_artifact
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ArtifactError, ConfigError, DataError, PhysicsError
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.progress import Progress, Step
from anomaly_cli.core.records import build_record
from anomaly_cli.core.seen import VALIDATION_FRACTION
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.tables import Table
from anomaly_cli.datasets.tables import read_table
from anomaly_cli.datasets.toys import make_toy
from anomaly_cli.morphing.morpher import SIDES, Morpher, Split, train_morpher
from anomaly_cli.morphing.settings import MorphConfig, MorphSettings
from anomaly_cli.nets.device import resolve_device
from anomaly_cli.stages.curves import training_columns
from anomaly_cli.stages.frame import Bench, Made, Stage

TOY = "toy:"
PART_SALT, CHOICE_SALT = (Streams(0).integer(f"morph/{name}") for name in ("parts", "choice"))
"""Unlike any seed, which salts the folds of the trees: else all test events would share a fold."""
FEWEST_EVENTS = 500
"""A side with fewer events cannot train a flow."""
LARGEST_SHARE = 0.05
"""A feature with one value in more of the events is discrete, at least in part."""
LONGEST_TAIL = 30.0
"""Longest tail [standard deviations] for linear scaling."""
MOST_TEST_EVENTS = 50_000
"""Test events of a side that trees compare, at most."""


@dataclass(frozen=True)
class MorphData:
    """Source and target.

    Attributes:
        tables: source and target.
        digests: of files; empty for toys, which the settings determine.
        is_test: events kept out of the training, of each.
        splits: training and validation events of each.
    """

    tables: tuple[Table, Table]
    digests: dict[str, str]
    is_test: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
    splits: tuple[Split, Split]


def config_for_model(config: MorphConfig, model: Path) -> MorphConfig:
    """Return the configuration with the flows and the test fraction that a stored model was trained with."""
    stored = read_artifact(model, MORPH_MODEL).provenance.settings
    flows = build_record(MorphSettings, stored["flows"], "flows")
    data = dataclasses.replace(config.data, test_fraction=stored["data"]["test_fraction"])
    return dataclasses.replace(config, flows=flows, data=data)


def load_data(config: MorphConfig) -> MorphData:
    """Read or make source and target, and divide their events.

    Raises:
        AnomalyError: where a file cannot be used, or the two do not fit together.
    """
    streams = Streams(config.seed).child("morph")
    tables, digests, divided = [], {}, []
    for side in SIDES:
        name = getattr(config.data, side)
        tables.append(_load_side(config, side, name, streams))
        if not name.startswith(TOY):
            digests[side] = file_digest(Path(name))
        divided.append(_divide(len(tables[-1]), config.data.test_fraction))
    source, target = tables
    if len(digests) == len(SIDES) and len(set(digests.values())) == 1:
        raise ConfigError(f"{config.data.source}: is the same file for source and target; give two data sets")
    _check_pair(source, target)
    if config.flows.scaling == "linear":
        _check_tails(source, target)
    is_test = divided[0][0], divided[1][0]
    return MorphData((source, target), digests, is_test, (divided[0][1], divided[1][1]))


def _load_side(config: MorphConfig, side: str, name: str, streams: Streams) -> Table:
    if not name:
        raise ConfigError(f"no {side} given; pass --{side} FILE (HDF5, CSV, npz), or a toy as --{side} toy:ring")
    if not name.startswith(TOY):
        table = read_table(Path(name), config.data.columns, config.data.conditions)
    elif config.data.columns or config.data.conditions:
        raise ConfigError(
            f"{name} has no columns to choose; leave out --columns and --condition, write toy:ring:rotation for a"
            " toy with a condition"
        )
    else:
        table = make_toy(name.removeprefix(TOY), config.data.events, streams.generator(f"{side}/toy"))
    if len(table) < FEWEST_EVENTS:
        raise PhysicsError(f"{side} {name}: holds {len(table)} events, a flow needs at least {FEWEST_EVENTS}")
    for label, column in zip(table.names, table.values.T, strict=True):
        values, counts = np.unique(column, return_counts=True)
        share = counts.max() / len(column)
        if share > LARGEST_SHARE:
            raise DataError(
                f"{side} {name}: column '{label}' is {values[counts.argmax()]:g} in {share:.0%} of the events, a flow"
                " moves continuous features only; leave it out with --columns, or name it with --condition"
            )
    for label, column in zip(table.condition_names, table.condition.T, strict=True):
        if np.ptp(column) == 0.0:
            raise DataError(f"{side} {name}: condition '{label}' has one value only; leave it out of --condition")
    return table


def _divide(n: int, test_fraction: float) -> tuple[npt.NDArray[np.bool_], Split]:
    """Return the mask of the test events, and training and validation among the others.

    By a hash of the row and nothing else: a model stored earlier has never seen the test events of its file.
    """
    number = hash_uniform(np.arange(n), PART_SALT)
    is_test = number < test_fraction
    is_validation = ~is_test & (number < test_fraction + VALIDATION_FRACTION * (1.0 - test_fraction))
    return is_test, Split(np.flatnonzero(~is_test & ~is_validation), np.flatnonzero(is_validation))


def _check_pair(source: Table, target: Table) -> None:
    for mine, other in ((source.names, target.names), (source.condition_names, target.condition_names)):
        if mine != other:
            raise DataError(
                f"source has {', '.join(mine) or 'no condition'} where target has {', '.join(other) or 'no condition'};"
                " choose the same with --columns and --condition"
            )


def _check_tails(source: Table, target: Table) -> None:
    values = np.concatenate([np.hstack([side.values, side.condition]) for side in (source, target)])
    tails = np.abs(values - values.mean(axis=0)).max(axis=0) / values.std(axis=0)
    for name, tail in zip((*source.names, *source.condition_names), tails, strict=True):
        if tail > LONGEST_TAIL:
            raise DataError(
                f"column '{name}' has tails of {tail:.0f} standard deviations, which linear scaling cannot hold; use"
                " --set flows.scaling=quantile"
            )


@dataclass(frozen=True, kw_only=True)
class MorphBench(Bench):
    """Where one data set is moved into another.

    Attributes:
        config: the configuration, of `config_for_model` where a model is named.
        data: source and target.
    """

    config: MorphConfig
    data: MorphData


def open_morph(directory: Path, config: MorphConfig, progress: Progress, overwrite: bool) -> MorphBench:
    """Read or make the data of a morph and return where it is done.

    Raises:
        AnomalyError: where a file cannot be used, or source and target do not fit together.
    """
    device = resolve_device(config.device)
    compute = Compute(Streams(config.seed), threads=config.threads, device=device, progress=progress)
    data = load_data(config)
    run = RunDirectory(directory)
    return MorphBench(run=run, compute=compute, overwrite=overwrite, config=config, data=data)


def _settings(bench: MorphBench) -> dict[str, Any]:
    settings = {**dataclasses.asdict(bench.config), "condition_names": bench.data.tables[0].condition_names}
    settings.pop("seed")
    for side in bench.data.digests:
        settings["data"][side] = "file"
    return {**settings, **bench.rounding}


def _train(bench: MorphBench) -> Made:
    data = bench.data
    morpher = train_morpher(data.tables, data.splits, bench.config.flows, bench.compute.child("morph"))
    groups = {"weights": morpher.to_arrays(), "training": training_columns(morpher.curve)}
    return Made(groups, data.tables[0].names)


MORPH_TRAINING: Stage[MorphBench] = Stage(
    name="morph model",
    version=4,
    kind=MORPH_MODEL,
    settings=_settings,
    inputs=lambda bench: bench.data.digests,
    make=_train,
)
"""Trains the flows."""


def moving_stage(from_model: Path | None = None) -> Stage[MorphBench]:
    """Return the stage that moves every event of the source and measures the result.

    Args:
        from_model: model artifact to use; the directory's own by default.
    """

    def read_model(bench: MorphBench) -> Artifact:
        return bench.run.read_file(from_model or bench.run.artifact(MORPH_MODEL), MORPH_MODEL)

    return Stage(
        name="morph",
        version=4,
        kind=MORPH,
        settings=lambda bench: {**_settings(bench), "model_seed": read_model(bench).provenance.seed},
        inputs=lambda bench: {**bench.data.digests, MORPH_MODEL.name: read_model(bench).digest},
        make=lambda bench: _move(bench, _load_morpher(read_model(bench), bench.data.tables[0])),
        refuse=lambda bench: _refuse_other_columns(read_model(bench), bench.data.tables[0]),
    )


def _move(bench: MorphBench, morpher: Morpher) -> Made:
    source, target = bench.data.tables
    compute = bench.compute.child("morph")
    compute.progress(Step("morph: moving", 0, 1))
    wanted = source.condition
    if morpher.settings.condition == "drawn":
        generator = compute.streams.generator("target-condition")
        wanted = target.condition[generator.integers(0, len(target), len(source))]
    after = morpher.move(source, wanted, compute)
    groups = _describe(bench.data, after, wanted, bench.config)
    compute.progress(Step("morph: moving", 1, 1, f"{len(after)} events"))
    return Made(groups, source.names)


def _load_morpher(model: Artifact, source: Table) -> Morpher:
    _refuse_other_columns(model, source)
    settings = build_record(MorphSettings, model.provenance.settings["flows"], "flows")
    return Morpher.from_arrays(settings, model.groups["weights"])


def _refuse_other_columns(model: Artifact, source: Table) -> None:
    """Refuse a model of other features or conditions.

    Raises:
        ArtifactError: naming both.
    """
    conditions = tuple(model.provenance.settings["condition_names"])
    if model.features != source.names or conditions != source.condition_names:
        known, given = (
            f"{', '.join(x)} given {', '.join(c) or 'nothing'}"
            for x, c in ((model.features, conditions), (source.names, source.condition_names))
        )
        raise ArtifactError(
            f"{model.path}: moves {known}, the source has {given}; choose them with --columns and --condition, or train"
            " anew without --from-model"
        )


def _choose_test_events(is_test: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the rows of test events to compare: all, or as many from everywhere in the file as trees can take."""
    rows = np.flatnonzero(is_test)
    return rows[np.argsort(hash_uniform(rows, CHOICE_SALT), kind="stable")[:MOST_TEST_EVENTS]]


def _describe(data: MorphData, after: FloatArray, wanted: FloatArray, config: MorphConfig) -> dict[str, Any]:
    """Return the groups of a morph artifact."""
    source, target = data.tables
    streams = Streams(config.seed).child("morph")
    deviation = np.concatenate([source.values, target.values]).std(axis=0)
    used = [_choose_test_events(mask) for mask in data.is_test]
    before, moved, aim = source.values[used[0]], after[used[0]], target.values[used[1]]
    distance = float(np.linalg.norm((moved - before) / deviation, axis=1).mean())

    def compare(values: FloatArray, condition: FloatArray, others: FloatArray = aim) -> tuple[float, float, float]:
        spread = np.concatenate([source.condition, target.condition]).std(axis=0)
        first = np.hstack([values / deviation, condition[used[0]] / spread])
        second = np.hstack([others / deviation, target.condition[used[1]] / spread])
        found = measure_separation(
            Sampled(first, used[0], np.ones(len(first))),
            Sampled(second, used[1] + len(source), np.ones(len(second))),
            config.seed,
            config.threads,
        )
        return found.auc, found.error, sliced_wasserstein(first, second, streams.generator("directions"))

    rows = [("source as it is", *compare(before, source.condition), 0.0), ("moved", *compare(moved, wanted), distance)]
    if wanted is source.condition and source.condition_names:
        rows.append(("conditions alone", *compare(np.zeros_like(before), source.condition, np.zeros_like(aim)), 0.0))
    return {
        "conditions": {"name": np.array(source.condition_names, dtype=np.str_)},
        "moved": {
            "source_row": np.arange(len(source)),
            "before": source.values,
            "after": after,
            "source_condition": source.condition,
            "target_condition": wanted,
            "is_test": data.is_test[0],
        },
        "target": {
            "row": np.arange(len(target)),
            "values": target.values,
            "condition": target.condition,
            "is_test": data.is_test[1],
        },
        "quality": dict(
            zip(
                ("compared", "auc", "auc_error", "sliced_wasserstein", "distance_moved"),
                (np.array(column) for column in zip(*rows, strict=True)),
                strict=True,
            )
        ),
        "features": {
            "feature": np.array(source.names, dtype=np.str_),
            "standard_deviation": deviation,
            "wasserstein_before": feature_distances(before, aim),
            "wasserstein_after": feature_distances(moved, aim),
            "mean_change": np.abs(moved - before).mean(axis=0),
        },
    }
