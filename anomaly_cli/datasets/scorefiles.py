"""Scores of events in a file of their own, and how they are joined to the events: by the row in the event file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import DataError
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.columns import FileColumns

ROW, ID = "row", "event_id"
"""Columns that say which event a score is of: its row in the event file, counted from 0, or its id where it has one."""
MASSES = ("mjj", "mjj_gev")
"""Columns with the dijet mass [GeV], by which events are recognised where there is one."""
BESIDE = ("region", "fold")
"""What `anomaly score` writes beside, with `passes_...`, and what is no score."""
PASSES = "passes_"
SCORE = "score"
"""The column that is taken where none is named."""
LARGEST = 2.0**53
"""Whole numbers from here on are not all told apart by columns of numbers as they are read."""
SAME_MASS = 1e-4
"""Masses that differ by a smaller part are those of one event."""


@dataclass(frozen=True)
class GivenScores:
    """Scores as a file gives them, `(n,)` each.

    Attributes:
        where: the file, to begin a sentence with.
        column: the score's name there.
        named_by: how its events are named, by `row` or `event_id`.
        event: number of each event.
        score: its score.
        mjj: its dijet mass [GeV]; None where the file does not say.
    """

    where: str
    column: str
    named_by: str
    event: IntArray
    score: FloatArray
    mjj: FloatArray | None

    def of(self, row: IntArray, known: IntArray, mjj: FloatArray) -> FloatArray:
        """Return the scores of events `(k,)`.

        Args:
            row: rows of the events that are analysed, in the event file.
            known: the number by which scores name the event of every row of that file.
            mjj: dijet mass of the events [GeV].

        Raises:
            DataError: where scores are of other events, missing, not finite or all the same.
        """
        outside = self.event[~np.isin(self.event, known)]
        if len(outside):
            raise DataError(
                f"{self.where}: {len(outside)} of {len(self.event)} scores are of events that the data do not have,"
                f" first {self.named_by} {outside[0]}, where {known.min()} to {known.max()} are; give the"
                " scores of this very event file"
            )
        found, event = self._places(known[row]), known[row]
        if (found < 0).any():
            missing = event[found < 0]
            raise DataError(
                f"{self.where}: has no score for {len(missing)} of {len(row)} events of the analysis, first"
                f" {self.named_by} {missing.min()}; score every event of the file, in the side-bands too"
            )
        self._refuse_other_masses(found, event, mjj)
        score = self.score[found]
        if not np.isfinite(score).all():
            bad = event[~np.isfinite(score)]
            raise DataError(
                f"{self.where}: '{self.column}' is NaN or infinite for {len(bad)} of {len(row)} events of the analysis,"
                f" first {self.named_by} {bad.min()}; give every event a number"
            )
        if np.ptp(score) == 0.0:
            raise DataError(f"{self.where}: '{self.column}' is {score[0]:g} for every event, which ranks none of them")
        return score

    def _places(self, event: IntArray) -> IntArray:
        """Return where the scores of events are in the file; -1 for those that have none."""
        order = np.argsort(self.event)
        place = order[np.searchsorted(self.event[order], event).clip(max=len(order) - 1)]
        found: IntArray = np.where(self.event[place] == event, place, -1)
        return found

    def _refuse_other_masses(self, found: IntArray, event: IntArray, mjj: FloatArray) -> None:
        if self.mjj is None:
            return
        theirs = self.mjj[found]
        differs = np.flatnonzero(~(np.abs(theirs - mjj) <= SAME_MASS * mjj))
        if len(differs):
            first = differs[event[differs].argmin()]
            raise DataError(
                f"{self.where}: is of other events: the masses of {len(differs)} of {len(event)} differ, first for"
                f" {self.named_by} {event[first]} with {theirs[first]:.6g} GeV there and {mjj[first]:.6g} GeV in the"
                " data; give the scores of this very event file"
            )


def given_scores(where: str, table: FileColumns, column: str = "") -> GivenScores:
    """Return the scores in a table.

    Args:
        where: begins sentences, as `--score-file scores.csv`.
        table: the table.
        column: which column is the score; empty where there is one that may be.

    Raises:
        DataError: where it is not known what is which, or events are there twice.
    """
    ids = [name for name in (ID, ROW) if name in table.names]
    if len(ids) != 1:
        what = f"has both '{ID}' and '{ROW}', so" if ids else f"has no column '{ID}' or '{ROW}', so"
        raise DataError(
            f"{where}: {what} it is not known which event a score is of; give one of them: the row of the event in the"
            " event file, counted from 0, or the event_id that the manifest of the data names"
        )
    chosen = choose_column(where, [name for name in table.names if name != ids[0]], column)
    masses = [name for name in MASSES if name in table.columns and name != chosen][:1]
    try:
        taken = table.take((ids[0], chosen, *masses))
    except DataError as error:
        raise DataError(f"{where}: {error}; mend the file") from error
    event = whole_numbers(where, ids[0], taken[ids[0]])
    return GivenScores(where, chosen, ids[0], event, taken[chosen], taken[masses[0]] if masses else None)


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


def whole_numbers(where: str, name: str, values: FloatArray) -> IntArray:
    """Return the numbers that name events, of which none is there twice `(n,)`.

    Args:
        where: begins sentences.
        name: of the column.
        values: the column.

    Raises:
        DataError: where they are no such numbers.
    """
    is_whole = np.isfinite(values) & (np.abs(values) < LARGEST) & (values == np.round(values))
    if not is_whole.all():
        raise DataError(
            f"{where}: column '{name}' holds {values[~is_whole][0]:g}, where a whole number below 2^53 has to name the"
            " event"
        )
    numbers = values.astype(np.int64)
    known, often = np.unique(numbers, return_counts=True)
    if len(known) < len(numbers):
        raise DataError(
            f"{where}: column '{name}' names {known[often > 1][0]} more than once ({int((often > 1).sum())} such); give"
            " each event one line, and a number of its own"
        )
    return numbers
