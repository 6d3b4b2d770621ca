"""Score the events of a file with the models that a run has kept; nothing is trained.

An event of the signal region or of the side-bands of the run gets its out-of-fold score. An event that the run has not
seen is scored by the models of all folds, whose scores are averaged.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from anomaly_cli.analysis.selection import ScoredEvents, Selection, passes, select
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, file_digest, write_artifact
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.blocks import FEATURES_BLOCK, Features
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.errors import DataError
from anomaly_cli.core.events import Events, make_events
from anomaly_cli.datasets.frames import written_in_one_step
from anomaly_cli.datasets.noise import NOISE
from anomaly_cli.datasets.own import event_file
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.scores.base import FittedScore
from anomaly_cli.search.rank import scored
from anomaly_cli.search.split import Split
from anomaly_cli.stages.blinding import require_unblinded
from anomaly_cli.stages.classify import stored_score, stored_scores
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.identity import stored_identity
from anomaly_cli.stages.loading import refuse_other_energy
from anomaly_cli.stages.split import stored_split

SAME = 1e-4
"""Events that agree so well in every column, in its standard deviations, are one event."""
HDF5 = ".h5"
ALL_FOLDS = -1
"""Fold of events that are scored by the models of all of them."""
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FileScores:
    """The events of a file in its order, `(n,)` each.

    Attributes:
        row: row of each event in the file.
        mjj: dijet mass [GeV].
        score: mean log-odds; NaN where a feature is not defined.
        fold: fold whose models scored an event of the run; -1 for an event that was scored by all.
        region: sb1, sr, sb2 or rest.
        background_efficiencies: of the cuts `(k,)`.
        is_passing: whether an event passes each cut `(k, n)`; one scored by all folds where its mean score exceeds the
            mean of their thresholds.
        inputs: digests of the file and of the models.
    """

    row: IntArray
    mjj: FloatArray
    score: FloatArray
    fold: IntArray
    region: npt.NDArray[np.str_]
    background_efficiencies: FloatArray
    is_passing: BoolArray
    inputs: Mapping[str, str]


def score_file(analysis: Analysis, path: Path, key: str = "") -> FileScores:
    """Score the events of a file.

    Args:
        analysis: the run.
        path: event file, or a manifest that describes one.
        key: which table of it, where it has several.

    Raises:
        ConfigError: where the signal region of the run is blinded for the settings of its models, which tell of it.
        DataError: where the file lacks features of the run, or cannot be read.
    """
    run = analysis.run
    scores, kept = run.read(schema.SCORES), run.read(schema.CLASSIFIER)
    require_unblinded(run, stored_identity(run, scores).digest)
    split = stored_split(run.read(schema.SPLIT))
    events, is_defined, mjj, row = _read(path, key, split)
    score, crossfit = stored_score(kept)
    events, fold = _recognised(events, split, crossfit)
    observed, template = (stored_scores(scores, group) for group in ("observed", "template"))
    cuts = np.array(analysis.settings.cuts.background_efficiencies)
    selections = [select(observed, template, cut) for cut in cuts]
    found, passing = _score(score, events, fold, selections)
    result, folds = np.full(len(mjj), np.nan), np.full(len(mjj), ALL_FOLDS)
    is_passing = np.zeros((len(cuts), len(mjj)), dtype=np.bool_)
    result[is_defined], folds[is_defined], is_passing[:, is_defined] = found, fold, passing
    inputs = {"file": file_digest(event_file(path), "FILE"), "classifier": kept.digest}
    region = _regions(mjj, run.read(schema.SPLIT))
    return FileScores(row, mjj, result, folds, region, cuts, is_passing, inputs)


def _read(path: Path, key: str, split: Split) -> tuple[Events, BoolArray, FloatArray, IntArray]:
    """Return the events with all features, which of the file's they are, and the masses and rows of all."""
    names = split.sr.names
    table = read_events(path, None, False, names, key)
    refuse_other_energy(path, table, split.regions.collision_energy, "FILE")
    missing = table.missing(names)
    if missing:
        raise DataError(
            f"{path}: has no {', '.join(missing)}; the run was trained on {', '.join(names)}: give a file with all of"
            " these, or a manifest that says which columns they are"
        )
    found = table.compute(names)
    used = np.flatnonzero(found.is_defined)
    events = make_events(found.mjj[used], found.values[used], names, table.row[used])
    return events, found.is_defined, found.mjj, table.row


def _recognised(events: Events, split: Split, crossfit: CrossFit) -> tuple[Events, IntArray]:
    """Return the events, those of the run with id and noise that they have there, and their folds; -1 for others."""
    side_bands = split.side_bands
    fold, event_id = np.full(len(events), ALL_FOLDS, dtype=np.int64), events.event_id.copy()
    values, is_noise = events.features.copy(), np.isin(events.names, NOISE)
    known = (
        (split.sr, crossfit.fold(split.sr.source_id)),
        (side_bands, crossfit.side_band_fold(side_bands.source_id)),
    )
    for own, folds in known:
        match = find_events(events, own)
        found = match >= 0
        fold[found], event_id[found] = folds[match[found]], own.event_id[match[found]]
        values[np.ix_(found, is_noise)] = own.features[np.ix_(match[found], is_noise)]
    known_events = events.with_block(FEATURES_BLOCK, Features(values, events.names))
    return replace(known_events, event_id=event_id), fold


def find_events(events: Events, known: Events) -> IntArray:
    """Return the index of each event among known ones, or -1: the same mjj and features up to rounding `(n,)`.

    Features of noise, which follow from the last digit of mjj, are left out.
    """
    is_read = ~np.isin(events.names, NOISE)
    columns = [np.column_stack([part.mjj, part.features[:, is_read]]) for part in (events, known)]
    width = columns[1].std(axis=0)
    scale = np.where(width > 0.0, width, 1.0)
    distance, index = KDTree(columns[1] / scale).query(columns[0] / scale, distance_upper_bound=SAME, p=np.inf)
    found: IntArray = np.where(np.isfinite(distance), index, -1)
    return found


def _score(
    score: FittedScore, events: Events, fold: IntArray, selections: Sequence[Selection]
) -> tuple[FloatArray, BoolArray]:
    """Return scores `(n,)`, and which events pass each cut `(k, n)`."""
    n_folds = len(selections[0].thresholds)
    result, passing = np.zeros(len(events)), np.zeros((len(selections), len(events)), dtype=np.bool_)
    own, new = np.flatnonzero(fold >= 0), np.flatnonzero(fold < 0)
    kept = scored(score, events.take(own), fold[own])
    result[own] = kept.score
    for index, selection in enumerate(selections):
        passing[index, own] = passes(selection, kept)
    if len(new):
        unseen = events.take(new)
        by_fold = np.array([_by(score, unseen, number).score for number in range(n_folds)])
        result[new] = by_fold.mean(axis=0)
        for index, selection in enumerate(selections):
            passing[index, new] = result[new] > selection.thresholds.mean()
    return result, passing


def _by(score: FittedScore, events: Events, fold: int) -> ScoredEvents:
    return scored(score, events, np.full(len(events), fold, dtype=np.int64))


def _regions(mjj: FloatArray, split: Artifact) -> npt.NDArray[np.str_]:
    region = np.full(len(mjj), "rest")
    for name, window in read_regions(split).named().items():
        region[window.contains(mjj)] = name
    return region


def write_scores(found: FileScores, target: Path, analysis: Analysis) -> None:
    """Write scored events in one step: as an artifact where the name ends in `.h5`, else as CSV.

    Raises:
        AnomalyError: where the file cannot be written; an earlier one is untouched then.
    """
    if target.suffix == HDF5:
        columns = {name: getattr(found, name) for name in ("row", "mjj", "score", "fold", "region", "is_passing")}
        groups = {"events": columns, "cuts": {"background_efficiency": found.background_efficiencies}}
        settings = {"background_efficiencies": found.background_efficiencies.tolist()}
        provenance = Provenance("score", 1, settings, analysis.compute.streams.seed, found.inputs)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_artifact(target, schema.SCORED_EVENTS, groups, provenance)
        return
    rows = zip(
        found.row.tolist(),
        found.mjj.tolist(),
        found.region.tolist(),
        found.fold.tolist(),
        ["" if math.isnan(score) else repr(score) for score in found.score.tolist()],
        *found.is_passing.astype(np.int64).tolist(),
        strict=True,
    )
    with written_in_one_step(target) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        cuts = [f"passes_{cut:g}" for cut in found.background_efficiencies.tolist()]
        writer.writerow(["row", "mjj_gev", "region", "fold", "score", *cuts])
        writer.writerows(rows)
