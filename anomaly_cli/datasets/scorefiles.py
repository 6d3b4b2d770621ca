"""Scores of events in a file of their own, and how they are joined to the events: by the row in the event file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_cli.core.errors import DataError
from anomaly_cli.core.folds import FloatArray, IntArray
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.columns import Table

IDS = ("event_id", "row")
"""Columns that say which event a score is of: its row in the event file, counted from 0."""
MASSES = ("mjj", "mjj_gev")
"""Columns with the dijet mass [GeV], by which events are recognised where there is one."""
BESIDE = ("region", "fold")
"""What `anomaly score` writes beside, with `passes_...`, and what is no score."""
PASSES = "passes_"
SCORE = "score"
"""The column that is taken where none is named."""
SAME_MASS = 1e-4
"""Masses that differ by a smaller part are those of one event."""


@dataclass(frozen=True)
class GivenScores:
    """Scores as a file gives them, `(n,)` each.

    Attributes:
        where: the file, to begin a sentence with.
        column: the score's name there.
        row: row of each event in the event file.
        score: its score.
        mjj: its dijet mass [GeV]; None where the file does not say.
    """

    where: str
    column: str
    row: IntArray
    score: FloatArray
    mjj: FloatArray | None

    def of(self, row: IntArray, n_rows: int, mjj: FloatArray) -> FloatArray:
        """Return the scores of events `(k,)`.

        Args:
            row: rows of the events that are analysed, in the event file.
            n_rows: rows of that file.
            mjj: dijet mass of the events [GeV].

        Raises:
            DataError: where scores are of other events, missing, not finite or all the same.
        """
        outside = self.row[(self.row < 0) | (self.row >= n_rows)]
        if len(outside):
            raise DataError(
                f"{self.where}: {len(outside)} of {len(self.row)} scores are of events that the data do not have, first"
                f" {outside[0]}, where rows 0 to {n_rows - 1} are; give the scores of this very event file"
            )
        place = np.full(n_rows, -1, dtype=np.int64)
        place[self.row] = np.arange(len(self.row))
        found = place[row]
        if (found < 0).any():
            missing = row[found < 0]
            raise DataError(
                f"{self.where}: has no score for {len(missing)} of {len(row)} events of the analysis, first row"
                f" {missing.min()}; score every event of the file, in the side-bands too"
            )
        self._refuse_other_masses(found, row, mjj)
        score = self.score[found]
        if not np.isfinite(score).all():
            bad = row[~np.isfinite(score)]
            raise DataError(
                f"{self.where}: '{self.column}' is NaN or infinite for {len(bad)} of {len(row)} events of the analysis,"
                f" first row {bad.min()}; give every event a number"
            )
        if np.ptp(score) == 0.0:
            raise DataError(f"{self.where}: '{self.column}' is {score[0]:g} for every event, which ranks none of them")
        return score

    def _refuse_other_masses(self, found: IntArray, row: IntArray, mjj: FloatArray) -> None:
        if self.mjj is None:
            return
        theirs = self.mjj[found]
        differs = np.flatnonzero(~(np.abs(theirs - mjj) <= SAME_MASS * mjj))
        if len(differs):
            first = differs[row[differs].argmin()]
            raise DataError(
                f"{self.where}: is of other events: the masses of {len(differs)} of {len(row)} differ, first in row"
                f" {row[first]} with {theirs[first]:.6g} GeV there and {mjj[first]:.6g} GeV in the data; give the"
                " scores of this very event file"
            )


def given_scores(where: str, table: Table, column: str = "") -> GivenScores:
    """Return the scores in a table.

    Args:
        where: begins sentences, as `--score-file scores.csv`.
        table: the table.
        column: which column is the score; empty where there is one that may be.

    Raises:
        DataError: where it is not known what is which, or events are there twice.
    """
    ids = [name for name in IDS if name in table.names]
    if len(ids) != 1:
        what = f"has both {' and '.join(ids)}, so" if ids else f"has no column '{IDS[0]}' or '{IDS[1]}', so"
        raise DataError(
            f"{where}: {what} it is not known which event a score is of; give one of them, the row of the event in the"
            " event file, counted from 0"
        )
    chosen = choose_column(where, [name for name in table.names if name != ids[0]], column)
    masses = [name for name in MASSES if name in table.columns and name != chosen][:1]
    try:
        taken = table.take((ids[0], chosen, *masses))
    except DataError as error:
        raise DataError(f"{where}: {error}; mend the file") from error
    return GivenScores(
        where,
        chosen,
        _rows(where, ids[0], taken[ids[0]]),
        taken[chosen],
        taken[masses[0]] if masses else None,
    )


def choose_column(where: str, names: Sequence[str], column: str) -> str:
    """Return the name of the score's column.

    Args:
        where: begins sentences.
        names: the columns but that of the ids.
        column: what was named; empty where nothing was.

    Raises:
        DataError: where it is not there, or none is named and several may be meant.
    """
    if column:
        if column not in names:
            raise DataError(f"{where}: has no column '{column}'; {nearest(column, names)}")
        return column
    if SCORE in names:
        return SCORE
    possible = [name for name in names if name not in (*MASSES, *BESIDE) and not name.startswith(PASSES)]
    if not possible:
        raise DataError(f"{where}: has no column beside that of the events which could be a score; add one")
    if len(possible) > 1:
        listed = ", ".join(f"'{name}'" for name in possible)
        raise DataError(f"{where}: any of the columns {listed} may be the score; say which by --score-column NAME")
    return possible[0]


def _rows(where: str, name: str, values: FloatArray) -> IntArray:
    if not np.isfinite(values).all() or not (values == np.round(values)).all():
        odd = values[~np.isfinite(values) | (values != np.round(values))][0]
        raise DataError(f"{where}: column '{name}' holds {odd:g}, where the row of an event is needed, a whole number")
    rows = values.astype(np.int64)
    known, number = np.unique(rows, return_counts=True)
    if len(known) < len(rows):
        raise DataError(
            f"{where}: {int((number > 1).sum())} events have more than one score, first {known[number > 1][0]} in"
            f" column '{name}'; give each event one"
        )
    return rows
