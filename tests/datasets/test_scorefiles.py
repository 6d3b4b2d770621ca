"""Scores in a file of their own: what is which in it, and what joins them to events."""

from __future__ import annotations

import re

import numpy as np
import pytest

from anomaly_cli.core.errors import DataError
from anomaly_cli.datasets.columns import FileColumns
from anomaly_cli.datasets.scorefiles import given_scores

N = 7
MJJ = 3000.0 + 10.0 * np.arange(N)


def table(**columns):
    given = {"row": np.arange(N), "score": np.linspace(0.0, 1.0, N), **columns}
    return FileColumns({name: np.asarray(values) for name, values in given.items() if values is not None}, "CSV")


def joined(found, rows=(1, 4, 6), known=None):
    return given_scores("--score-file s.csv", found).of(
        np.array(rows), np.arange(N) if known is None else known, MJJ[list(rows)]
    )


def test_events_get_the_score_of_their_row_whatever_the_order_of_the_file():
    order = np.array([3, 1, 6, 0, 2, 5, 4])
    shuffled = table(row=order, score=10.0 * order, mjj=MJJ[order])
    assert joined(shuffled, (6, 0, 5)).tolist() == [60.0, 0.0, 50.0]
    assert joined(table(row=None, event_id=order, score=10.0 * order), (6, 0)).tolist() == [60.0, 0.0]


def test_events_may_have_numbers_of_their_own():
    numbers = 1000 - 3 * np.arange(N)
    assert joined(table(row=None, event_id=numbers), (1, 4, 6), numbers).tolist() == [1 / 6, 4 / 6, 1.0]
    with pytest.raises(DataError, match="first event_id 5, where 982 to 1000 are"):
        joined(table(row=None, event_id=np.append(numbers[1:], 5)), (1, 4), numbers)


def test_the_only_column_that_may_be_a_score_is_the_score():
    beside = {"mjj_gev": MJJ, "fold": np.zeros(N), "passes_0.01": np.zeros(N)}
    assert given_scores("", table(score=None, vrnn=np.arange(N), **beside)).column == "vrnn"
    assert given_scores("", table(vrnn=np.arange(N))).column == "score"
    assert given_scores("", table(vrnn=np.arange(N)), "vrnn").column == "vrnn"


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"row": None}, "has no column 'event_id' or 'row', so it is not known which event a score is of"),
        ({"event_id": np.arange(N)}, "has both 'event_id' and 'row', so it is not known"),
        ({"score": None}, "has no column beside that of the events which could be a score; add one"),
        (
            {"score": None, "a": MJJ, "b": MJJ},
            "any of the columns 'a', 'b' may be the score; say which by --score-column NAME",
        ),
        ({"row": np.arange(N) + 0.5}, "column 'row' holds 0.5, where a whole number below 2^53 has to name the event"),
        ({"row": np.array([0, 1, 2, 3, 4, 5, np.nan])}, "column 'row' holds nan, where"),
        (
            {"row": np.array([0, 1, 1, 3, 3, 5, 6])},
            "column 'row' names 1 more than once (2 such); give each event one line",
        ),
        ({"score": np.arange(N - 1)}, "columns have different lengths ('score' has 6 and 'row' has 7 values)"),
    ],
)
def test_it_has_to_be_known_which_event_has_which_score(columns, sentence):
    with pytest.raises(DataError, match=re.escape(f"--score-file s.csv: {sentence}")):
        given_scores("--score-file s.csv", table(**columns))


def test_another_name_and_text_are_refused():
    with pytest.raises(DataError, match=r"has no column 'vrn'; did you mean 'vrnn'\?"):
        given_scores("s", table(vrnn=MJJ), "vrn")
    text = FileColumns(dict(table(score=None).columns), "CSV", {"score": "has 'high' in line 2"})
    with pytest.raises(DataError, match="column 'score' has 'high' in line 2, where numbers are needed; mend the file"):
        given_scores("s", text)


def at(row, value):
    scores = np.linspace(0.0, 1.0, N)
    scores[row] = value
    return scores


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"row": np.arange(1, N + 1)},
            "1 of 7 scores are of events that the data do not have, first row 7, where 0 to 6",
        ),
        ({"row": np.arange(-1, N - 1)}, "1 of 7 scores are of events that the data do not have, first row -1,"),
        ({"row": np.arange(4), "score": np.arange(4)}, "has no score for 2 of 3 events of the analysis, first row 4;"),
        ({"score": at(4, np.nan)}, "'score' is NaN or infinite for 1 of 3 events of the analysis, first row 4;"),
        ({"score": at(6, np.inf)}, "'score' is NaN or infinite for 1 of 3 events of the analysis, first row 6;"),
        ({"score": np.ones(N)}, "'score' is 1 for every event, which ranks none of them"),
        (
            {"mjj": MJJ[::-1]},
            "is of other events: the masses of 3 of 3 differ, first for row 1 with 3050 GeV there and 3010 GeV in",
        ),
        (
            {"mjj": np.where(MJJ > 3050.0, np.nan, MJJ)},
            "is of other events: the masses of 1 of 3 differ, first for row 6",
        ),
    ],
)
def test_scores_have_to_fit_the_events(columns, sentence):
    with pytest.raises(DataError, match=f"^--score-file s.csv: {sentence}"):
        joined(table(**columns))


def test_events_that_are_not_analysed_need_no_score():
    assert joined(table(score=at(0, np.nan))).tolist() == [1 / 6, 4 / 6, 1.0]
