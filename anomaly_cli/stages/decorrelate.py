"""Make a score of any table, or of a run, free of protected columns, and measure what cuts do before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.analysis.sculpting import cut_at, measure_sculpting, rejection
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.decorrelation_kinds import DECORRELATION
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, file_digest, read_artifact, write_artifact
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ArtifactError, DataError, PhysicsError, TrainingError
from anomaly_cli.core.folds import assign_folds, hash_uniform
from anomaly_cli.core.progress import Progress, Step, silent
from anomaly_cli.core.records import as_columns
from anomaly_cli.core.seen import VALIDATION_FRACTION
from anomaly_cli.core.streams import Streams
from anomaly_cli.datasets.tables import read_table
from anomaly_cli.methods.densities import session
from anomaly_cli.stages.blinding import require_unblinded
from anomaly_cli.stages.identity import stored_identity

STAGE, VERSION = "decorrelate", 3
N_FOLDS = 5
EFFICIENCIES = (0.2, 0.1, 0.05, 0.01)
SIGNAL_EFFICIENCY = 0.5
FEWEST = 1000
"""With fewer background events no distribution given others is learnt."""
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Scored:
    """Scores beside what they are to be free of.

    Attributes:
        score: `(n,)`.
        protected: `(n, c)`.
        names: of the protected columns.
        is_signal: by a label `(n,)`; all false where there is none.
        source_id: events of one source share a fold `(n,)`.
        digest: of where they come from.
        score_name: what the score is called there.
        label_name: what the label is called there; empty where there is none.
        belongs: what makes them of a run: digests beside its scores', and of its settings; empty for a table.
    """

    score: FloatArray
    protected: FloatArray
    names: tuple[str, ...]
    is_signal: npt.NDArray[np.bool_]
    source_id: IntArray
    digest: str
    score_name: str = "score"
    label_name: str = ""
    belongs: Mapping[str, str] = field(default_factory=dict)


def scored_table(path: Path, score: str, protected: Sequence[str], label: str) -> Scored:
    """Read the columns of a table; `label` names a column with 1 for signal, or is empty.

    Raises:
        DataError: where a column is missing or cannot be used.
    """
    table = read_table(path, [score, *([label] if label else [])], protected)
    is_signal = table.values[:, -1] > 0.5 if label else np.zeros(len(table), dtype=bool)
    if label and not np.isin(table.values[:, -1], (0.0, 1.0)).all():
        raise DataError(f"{path}: column '{label}' is no label of 0 and 1; name another with --label")
    digest = file_digest(path, "--input")
    source = np.arange(len(table))
    return Scored(table.values[:, 0], table.condition, table.condition_names, is_signal, source, digest, score, label)


def scored_run(run: RunDirectory) -> Scored:
    """Return the scores of a run's side-band events and of template events of different sources, with their mjj.

    Scores are compared within a fold only, so they become their place among those of their fold.

    Raises:
        ConfigError: where the signal region is blinded for the settings of the scores, which tell of it.
    """
    scores = run.read(schema.SCORES)
    settings = stored_identity(run, scores).digest
    require_unblinded(run, settings)
    sides, template = (scores.groups[name] for name in ("side_bands", "template"))
    _, first = np.unique(template["source_id"], return_index=True)
    columns = [np.concatenate([sides[name], template[name][first]]) for name in ("score", "mjj", "source_id", "fold")]
    place = np.zeros(len(columns[0]))
    for fold in np.unique(columns[3]):
        inside = np.flatnonzero(columns[3] == fold)
        place[inside] = (np.argsort(np.argsort(columns[0][inside], kind="stable")) + 0.5) / len(inside)
    none = np.zeros(len(place), dtype=bool)
    belongs = {"split": run.read(schema.SPLIT).digest, "settings_digest": settings}
    return Scored(
        place, columns[1][:, None], ("mjj",), none, columns[2].astype(np.int64), scores.digest, belongs=belongs
    )


def decorrelate_scores(scored: Scored, seed: int, progress: Progress = silent) -> FloatArray:
    """Return the CDF of every score among background of its protected values, by models without the event `(n,)`.

    Raises:
        PhysicsError: where there is too little background.
        TrainingError: where a training diverges twice.
    """
    n_background = int((~scored.is_signal).sum())
    if n_background < FEWEST:
        raise PhysicsError(f"decorrelate: {n_background} background events, at least {FEWEST} are needed")
    compute = Compute(Streams(seed), progress=progress).child(STAGE)
    fold = assign_folds(scored.source_id, N_FOLDS, compute.streams.integer("folds"))
    settings, moved = nets.conditional_cdf.SplineSettings(), np.zeros(len(fold))
    for index in range(N_FOLDS):
        own = compute.child(f"fold/{index}")
        trains = np.flatnonzero((fold != index) & ~scored.is_signal)
        salt = own.streams.integer("validation")
        held_out = hash_uniform(scored.source_id[trains], salt) < VALIDATION_FRACTION
        with session(own) as generator:
            try:
                found = nets.conditional_cdf.ConditionalCdf.fit(
                    scored.score[trains], scored.protected[trains], held_out, settings, generator
                )
            except nets.training.Diverged:
                raise TrainingError("decorrelate: the spline diverged twice; look for extreme values") from None
        inside = fold == index
        moved[inside] = found.cdf(scored.score[inside], scored.protected[inside])
        compute.progress(Step(STAGE, index + 1, N_FOLDS, ""))
    return moved


def decorrelate(scored: Scored, output: Path, seed: int, overwrite: bool, progress: Progress = silent) -> Artifact:
    """Decorrelate scores, measure, and write `decorrelation` to a file.

    Raises:
        ArtifactError: where the file is there and may not be replaced.
        AnomalyError: where the scores cannot be used.
    """
    if output.exists() and not overwrite:
        raise ArtifactError(f"{output} already exists; pass --overwrite to replace it")
    moved = decorrelate_scores(scored, seed, progress)
    groups: dict[str, Mapping[str, Any]] = {
        "events": {
            "score": scored.score,
            "decorrelated": moved,
            "protected": scored.protected,
            "is_signal": scored.is_signal,
        },
        "protected": {"name": list(scored.names)},
        "cuts": as_columns(_cuts(scored, moved)),
    }
    if scored.is_signal.any():
        groups["tagging"] = as_columns(_tagging(scored, moved))
    settings: dict[str, Any] = {
        "folds": N_FOLDS,
        "score": scored.score_name,
        "label": scored.label_name,
        "protected": list(scored.names),
    }
    inputs = {"scores" if scored.belongs else "table": scored.digest}
    if scored.belongs:
        inputs["split"] = scored.belongs["split"]
        settings["settings_digest"] = scored.belongs["settings_digest"]
    write_artifact(output, DECORRELATION, groups, Provenance(STAGE, VERSION, settings, seed, inputs))
    return read_artifact(output, DECORRELATION)


def _cuts(scored: Scored, moved: FloatArray) -> list[dict[str, Any]]:
    rows, background = [], ~scored.is_signal
    for column, name in enumerate(scored.names):
        for efficiency in EFFICIENCIES:
            for points, score in ((BEFORE, scored.score), (AFTER, moved)):
                found = measure_sculpting(scored.protected[background, column], cut_at(score[background], efficiency))
                rows.append(
                    {
                        "points": points,
                        "protected": name,
                        "efficiency": efficiency,
                        "chi2_per_ndf": found.chi2_per_ndf,
                        "chi2_error": found.error,
                        "ndf": found.ndf,
                    }
                )
    return rows


def _tagging(scored: Scored, moved: FloatArray) -> list[dict[str, Any]]:
    rows, background = [], ~scored.is_signal
    for column, name in enumerate(scored.names):
        for points, score in ((BEFORE, scored.score), (AFTER, moved)):
            found, is_passing = rejection(score[background], score[scored.is_signal], SIGNAL_EFFICIENCY)
            shape = measure_sculpting(scored.protected[background, column], is_passing)
            inverse = 1.0 / max(shape.divergence, 1e-12)
            rows.append({"points": points, "protected": name, "rejection": found, "inverse_divergence": inverse})
    return rows
