"""Scores in a file of their own: a table of any kind that is read, or what `anomaly score` has written."""

from __future__ import annotations

from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import file_digest, read_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError, DataError
from anomaly_cli.datasets.columns import RawPlace, Table, sort_columns
from anomaly_cli.datasets.containers import read_table
from anomaly_cli.datasets.scorefiles import GivenScores, given_scores

OPTION = "--score-file"


def read_scores(config: Config) -> GivenScores:
    """Return the scores of `data.score_file`.

    Raises:
        DataError: where it cannot be read, or it is not known what is which in it.
    """
    path = Path(config.data.score_file)
    column = config.scores.get("external", {}).get("column", "")
    return given_scores(f"{OPTION} {path}", _table(path), column)


def _table(path: Path) -> Table:
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
