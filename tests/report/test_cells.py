"""How cells are written where people read them, and what tables refuse."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.report.cells import (
    HIDDEN,
    Above,
    Below,
    Interval,
    Marked,
    Measured,
    Missing,
    OutOf,
    Range,
    Spread,
    marked,
    number_or,
    shown,
)
from anomaly_cli.report.notation import (
    COMPACT,
    COUNT,
    GENERAL,
    PERCENT,
    PROBABILITY,
    SHARE,
    WINDOW,
    Format,
    fixed,
    visible,
)
from anomaly_cli.report.table import Column, Priority, Table, build, made, stored


@pytest.mark.parametrize(
    ("value", "error", "written"),
    [
        (-0.0098, 0.0165, "-0.010(16)"),
        (0.01234, 0.00056, "0.01234(56)"),
        (0.27, 0.5, "0.27(50)"),
        (3.5, 0.21, "3.50(21)"),
        (12.3, 1.5, "12.3(15)"),
        (120.0, 15.0, "120(15)"),
        (0.5, 0.0996, "0.50(10)"),
        (0.00001, 3e-18, "0.000010(0)"),
        (-0.0001, 0.5, "0.00(50)"),
        (0.5, 0.0, "0.5"),
        (0.5, float("inf"), "0.5"),
        (float("nan"), float("nan"), "NaN"),
    ],
)
def test_errors_have_two_digits_in_units_of_the_last(value, error, written):
    assert COMPACT.with_error(value, error) == written


@pytest.mark.parametrize(
    ("cell", "digits", "written"),
    [
        (0.1 + 0.2, GENERAL, "0.3"),
        (0.07, PERCENT, "7 %"),
        (0.0789, SHARE, "7.9 %"),
        (-0.04, COUNT, "0"),
        (12345678, COUNT, "12345678"),
        (0.004, Format(".2f", smallest=0.01), "< 0.01"),
        (0.01, Format(".2f", smallest=0.01), "0.01"),
        (float("-inf"), fixed(2), "-inf"),
        (True, GENERAL, "yes"),
        (None, GENERAL, "-"),
        ("as it is", GENERAL, "as it is"),
        (Measured(12.34, 0.56), fixed(1), "12.3 +- 0.6"),
        (Measured(12.34, float("nan")), fixed(1), "12.3"),
        (Measured(0.055, 5e-5), PROBABILITY, "0.055 +- 5e-05"),
        (Interval(1.0, 0.9, 1.3), fixed(2), "1.00 [0.90, 1.30]"),
        (Spread(2.0, 0.5), fixed(1), "2.0 (0.5)"),
        (Range(3.3, 3.7), WINDOW, "3.3-3.7"),
        (Range(10.0, Above(300.0)), fixed(1), "10.0 to > 300"),
        (OutOf(1, 3), COUNT, "1/3"),
        (Above(37.5), fixed(2), "> 37.5"),
        (Below(np.finfo(float).tiny), PROBABILITY, "< 2.2e-308"),
        (Missing("not measured"), fixed(2), "not measured"),
        (HIDDEN, fixed(2), "hidden"),
        (Marked(0.5, ("few", "t")), fixed(1), "0.5 (few, t)"),
    ],
)
def test_cells_are_rounded_where_people_read_them(cell, digits, written):
    assert shown(cell, digits) == written


def test_what_is_not_there_has_a_reason_or_nothing():
    assert number_or(float("nan"), "too few") == Missing("too few")
    assert number_or(float("nan"), None) is None
    assert number_or(0.0, "too few") == 0.0
    assert marked(1.0, "", "") == 1.0
    assert marked(1.0, "", "t") == Marked(1.0, ("t",))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain [bold] text \u00e9 \u4e16", "plain [bold] text \u00e9 \u4e16"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\tand\rmore", r"two\nlines\tand\rmore"),
        ("a\u202eb\u200bc", r"a\u202eb\u200bc"),
        ("lost \udcff", r"lost \udcff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_terminal_obeys_or_does_not_show_is_spelt_out(text, written):
    assert visible(text) == written


NUMBER = Column("number", "number")


@pytest.mark.parametrize(
    ("column", "cell", "fits"),
    [
        (NUMBER, 1, True),
        (NUMBER, True, False),
        (NUMBER, "1", False),
        (NUMBER, HIDDEN, True),
        (NUMBER, Measured(1.0, 0.1), False),
        (Column("n", "n", holds=int), 1.0, False),
        (Column("m", "m", holds=Measured), 1.0, True),
        (Column("r", "r", holds=Range), 1.0, False),
        (NUMBER, Marked(1.0, ("t",)), False),
        (Column("m", "m", marks={"t": "transferred"}), Marked(1.0, ("t",)), True),
        (Column("m", "m", marks={"t": "transferred"}), Marked("one", ("t",)), False),
    ],
)
def test_a_cell_fits_its_column_or_is_refused(column, cell, fits):
    assert column.accepts(cell) == fits
    if fits:
        Table("t", "", (column,), ((cell,),))
    else:
        with pytest.raises(ValueError, match="does not fit column"):
            Table("t", "", (column,), ((cell,),))


def test_columns_have_names_of_their_own_and_rows_a_cell_for_each():
    with pytest.raises(ValueError, match="columns"):
        Table("t", "", (NUMBER, NUMBER), ())
    with pytest.raises(ValueError, match="shorter"):
        Table("t", "", (NUMBER,), ((),))
    with pytest.raises(ValueError, match="grouped by 'other'"):
        Table("t", "", (NUMBER,), (), group_by="other")


def test_only_marks_that_are_used_are_explained():
    column = Column("x", "x", marks={"t": "transferred", "few": "too few"})
    table = Table("t", "", (column,), ((Marked(1.0, ("t",)),), (2.0,)), ("A note.",))
    assert table.explanations() == ("A note.", "(t): transferred.")


def test_columns_of_artifacts_bring_type_unit_and_meaning():
    from anomaly_cli.artifacts.schema import GLOBAL, VALIDATION

    windows = VALIDATION.groups["windows"]
    low = stored(windows, "low", "from", missing="open")
    table = build(
        "windows", "", [low, stored(windows, "n_events", "events")], [{"low": np.nan, "n_events": np.int64(3)}]
    )
    assert table.columns[0].heading == "from [GeV]"
    assert table.columns[0].meaning == windows.columns["low"].meaning
    assert table.rows == ((Missing("open"), 3),)
    assert type(table.rows[0][1]) is int
    chosen = made(Column("z_local", "Z", priority=Priority.LOW), lambda _: 1.0, GLOBAL.groups["result"]).column
    assert (chosen.meaning, chosen.priority) == ("its local significance", Priority.LOW)
