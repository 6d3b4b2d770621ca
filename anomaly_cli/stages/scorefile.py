"""Scores in a file of their own: a table of any kind that is read, or what `anomaly score` has written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import file_digest, read_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import ArtifactError, DataError
from anomaly_cli.datasets.columns import FileColumns, RawPlace, sort_columns
from anomaly_cli.datasets.containers import read_table
from anomaly_cli.datasets.layouts import EventTable
from anomaly_cli.datasets.scorefiles import ID, given_scores, whole_numbers

OPTION = "--score-file"


def join_scores(config: Config, table: EventTable, used: IntArray, mjj: FloatArray) -> FloatArray:
    """Return the scores that `data.score_file` gives events `(n,)`.

    Args:
        config: names the file, and its column where several may be the score.
        table: the events of the data.
        used: which of them are analysed `(n,)`.
        mjj: their dijet mass `(n,)` [GeV].

    Raises:
        DataError: where it cannot be read, it is not known what is which in it, or its events are others.
    """
    path = Path(config.data.score_file)
    found = given_scores(f"{OPTION} {path}", _table(path), config.scores.get("external", {}).get("column", ""))
    known = np.arange(table.n_read)
    if found.named_by == ID and table.row_id is not None:
        known = whole_numbers(config.data.file, "event_id", table.row_id)
    return found.of(table.row[used], known, mjj)


def _table(path: Path) -> FileColumns:
    file_digest(path, OPTION)  # refuses what is no file, naming the option
    if path.suffix == ".h5":
        try:
            scored = read_artifact(path, schema.SCORED_EVENTS)
        except ArtifactError:
            pass  # a table, or what the readers of tables refuse with their own words
        else:
            return sort_columns(scored.groups["events"], "scored events")
    found = read_table(path)
    if isinstance(found, RawPlace):
        raise DataError(f"{OPTION} {path}: holds raw events, not scores; name a table of row and score")
    return found
