"""What a terminal shows, for any table and width."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from anomaly_cli.report.cells import HIDDEN, Marked, Measured, Missing, Range, shown
from anomaly_cli.report.notation import PROBABILITY, fixed, visible
from anomaly_cli.report.render.layout import INDENT, ShownColumn, fold, lay_out, split_words
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.render.text import RULE, Style, lines, render
from anomaly_cli.report.table import Column, Level, Message, Priority, Table

WORDS = st.lists(st.text("abcdeXYZ-'()\u4e16", min_size=1, max_size=14), min_size=1, max_size=6).map(" ".join)
FLOATS = st.floats(-1e6, 1e6, allow_nan=False)
NUMBERS = FLOATS | st.just(HIDDEN) | st.just(None) | st.just(Missing("not measured"))
CELLS = {
    str: WORDS,
    float: NUMBERS,
    int: st.integers(-(10**9), 10**9),
    Measured: st.builds(Measured, FLOATS, st.floats(0.0, 1e3)) | st.just(HIDDEN),
    Range: st.builds(Range, FLOATS, FLOATS),
}
FORMATS = st.sampled_from([fixed(0), fixed(3), PROBABILITY])


@st.composite
def any_table(draw):
    columns = []
    for number in range(draw(st.integers(1, 7))):
        holds = draw(st.sampled_from(list(CELLS)))
        header, unit = draw(WORDS), draw(st.sampled_from(["", "GeV"]))
        priority = draw(st.sampled_from([Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.KEY, Priority.DATA]))
        columns.append(Column(f"c{number}", header, unit, "", draw(FORMATS), priority, holds))
    columns[0] = Column("key", draw(WORDS), priority=Priority.KEY, holds=str)
    rows = draw(st.lists(st.tuples(*(CELLS[column.holds] for column in columns)), max_size=4))
    return Table("t", draw(WORDS), tuple(columns), tuple(rows), (draw(WORDS),))


def test_what_is_said_of_a_column_is_said_where_it_is_shown():
    marked = Column("b", "second", priority=Priority.LOW, marks={"t": "transferred"}, note="second: a guess.")
    columns = (Column("a", "first", priority=Priority.KEY, holds=str, note="first: a name."), marked)
    table = Table("t", "", columns, (("some longer words", Marked(1.0, ("t",))),), ("On all.",))
    wide, narrow = (render([table], About(width=width)) for width in (60, 22))
    for sentence in ("On all.", "first: a name."):
        assert sentence in wide
        assert sentence in narrow
    for sentence in ("second: a guess.", "(t): transferred."):
        assert sentence in wide
        assert sentence not in narrow


def tokens(texts):
    return Counter(word.rstrip(":") for text in texts for word in text.split())


def as_shown(table):
    read = [(index, table.columns[index]) for index in table.read()]
    return [
        ShownColumn(
            column.heading,
            tuple(shown(row[index], column.format) for row in table.rows),
            column.is_text,
            column.priority,
        )
        for index, column in read
    ]


def words_of(table, width):
    """Return every word that has to be on the terminal, as often as it has to be there."""
    columns = as_shown(table)
    layout = lay_out(columns, width)
    kept = [columns[index] for index in layout.kept]
    cells = [cell for column in kept for cell in column.cells]
    named = kept if layout.widths else [*kept[1:]] * len(table.rows) if len(kept) > 2 else []
    left_out = [column.heading for index, column in enumerate(columns) if index not in layout.kept]
    said = [f"Columns not shown (the terminal is {width} wide): {', '.join(left_out)}."] if left_out else []
    return tokens([table.title, *(column.heading for column in named), *cells, *said, *table.notes])


@settings(deadline=None, max_examples=300)
@given(any_table(), st.integers(30, 200))
def test_no_line_is_wider_than_the_terminal_and_no_word_or_number_is_broken(table, width):
    text = render([table], About(width=width))
    for line in text.splitlines():
        assert cell_len(line) <= width or len(split_words(line)) == 1, line
    found = tokens(line for line in text.splitlines() if RULE not in line)
    assert found == words_of(table, width) + Counter([] if table.rows else ["(none)"])


@settings(deadline=None, max_examples=200)
@given(any_table(), st.integers(30, 200))
def test_columns_that_stay_are_complete_and_those_that_go_matter_less(table, width):
    columns = as_shown(table)
    layout = lay_out(columns, width)
    gone = [column for index, column in enumerate(columns) if index not in layout.kept]
    assert all(column.priority < Priority.KEY for column in gone)
    if gone:
        assert max(c.priority for c in gone) <= min((columns[i].priority for i in layout.kept), default=Priority.KEY)
    if layout.widths:
        assert INDENT + sum(layout.widths) + layout.gap * (len(layout.widths) - 1) <= width
        for index, size in zip(layout.kept, layout.widths, strict=True):
            column = columns[index]
            folded = [fold(cell, size) if column.is_text else [cell] for cell in (*column.cells, column.heading)]
            assert column.is_text or size >= column.widest_cell
            assert all(cell_len(line) <= size for cell in folded[: len(column.cells)] for line in cell)


@given(st.text(max_size=60), st.integers(1, 80))
def test_folded_text_keeps_every_character_and_none_that_a_terminal_obeys(text, width):
    folded = fold(text, width)
    assert all(visible(line) == line for line in folded)
    assert "".join("".join(folded).split()) == "".join(visible(text).split())


def test_a_number_stays_with_its_uncertainty_and_a_command_in_one_piece():
    text = "It gave 3283 +- 84 events at 95 % CLs; make it by 'anomaly significance limits --run my-run' (slow)"
    assert fold(text, 12) == [
        *("It gave", "3283 +- 84", "events at", "95 % CLs;", "make it by"),
        *("'anomaly significance limits --run my-run'", "(slow)"),
    ]


WIDE = Table(
    "wide",
    "A title that is long enough to be folded",
    (
        Column("cut", "cut", priority=Priority.KEY),
        Column("p", "p of something", format=PROBABILITY, priority=Priority.LOW),
        Column("expected", "expected", format=fixed(1), holds=Measured, priority=Priority.HIGH),
        Column("reason", "reason", holds=str),
    ),
    ((0.2, 2.7e-11, Measured(659.8, 23.0), "because of the many words"), (0.05, HIDDEN, Measured(4.0, 0.0), "none")),
    ("A note below.",),
)


def test_a_wide_terminal_shows_all():
    assert render([WIDE], About(width=80)) == (
        "A title that is long enough to be folded\n"
        "   cut   p of something        expected   reason\n"
        f" {RULE * 66}\n"
        "   0.2          2.7e-11   659.8 +- 23.0   because of the many words\n"
        "  0.05           hidden             4.0   none\n"
        "A note below.\n\n"
    )


def test_a_narrower_one_folds_headers_first_and_text_then():
    assert render([WIDE], About(width=56)) == (
        "A title that is long enough to be folded\n"
        "   cut        p of        expected   reason\n"
        "         something\n"
        f" {RULE * 55}\n"
        "   0.2     2.7e-11   659.8 +- 23.0   because of the many\n"
        "                                     words\n"
        "  0.05      hidden             4.0   none\n"
        "A note below.\n\n"
    )


def test_then_columns_go_and_are_named():
    assert render([WIDE], About(width=40)) == (
        "A title that is long enough to be folded\n"
        "   cut        expected   reason\n"
        f" {RULE * 38}\n"
        "   0.2   659.8 +- 23.0   because of the\n"
        "                         many words\n"
        "  0.05             4.0   none\n"
        "Columns not shown (the terminal is 40\n"
        "wide): p of something.\n"
        "A note below.\n\n"
    )
    assert "reason" in render([WIDE], About(width=30)).split("not shown")[1]
    assert "expected" not in render([WIDE], About(width=30)).split("not shown")[1]


def test_where_nothing_fits_cells_stand_below_each_other():
    path = "a/path/that/is/longer/than/the/terminal.h5"
    columns = (
        Column("file", "file", priority=Priority.KEY, holds=str),
        Column("size", "size", format=fixed(0)),
        Column("state", "state", priority=Priority.KEY, holds=str),
    )
    table = Table("files", "", columns, ((path, 3.0, "it is whole, by the checksum"),))
    assert render([table], About(width=30)) == (f"{path}:\n  size: 3\n  state: it is whole, by the\n    checksum\n\n")
    pair = Table("files", "", columns[::2], ((path, "whole"),))
    assert render([pair], About(width=30)) == f"{path}:\n  whole\n\n"


def test_rows_stand_in_groups_and_a_terminal_shows_not_more_than_it_is_told():
    columns = (Column("search", "search", priority=Priority.KEY, holds=str), Column("seed", "seed", holds=int))
    rows = tuple((name, seed) for name in ("one", "two", "three") for seed in range(3))
    table = Table("t", "Title", columns, rows, group_by="search", most_rows=2, most_groups=2)
    shown_lines = render([table], About(width=80)).splitlines()
    assert shown_lines == ["Title", "  seed", f" {RULE * 5}", "one", "     0", "     1", "two", "     0", "     1"] + [
        "Rows that are not shown here: 5.",
        "",
    ]


def test_messages_stand_between_tables_and_tell_how_much_they_matter():
    report = [
        Message("One."),
        Message("Two.", Level.WARNING, details=("anomaly run --run a/very/long/path --signal-region 3.3-3.7",)),
        Table("t", "Title", (Column("x", "x"),), ((1.0,),)),
        Message("Three.", Level.HEADLINE),
    ]
    found = [(line.text, line.style) for line in lines(report, 30)]
    assert found[:4] == [
        ("One.", Style.BODY),
        ("Two.", Style.WARNING),
        ("  anomaly run --run a/very/long/path --signal-region 3.3-3.7", Style.BODY),
        ("", Style.BODY),
    ]
    assert found[-2:] == [("", Style.BODY), ("Three.", Style.HEADLINE)]


@pytest.mark.parametrize("width", [30, 80])
def test_a_table_for_programs_is_not_shown(width):
    column = Column("x", "x", priority=Priority.DATA)
    assert render([Table("t", "Title", (column,), ((1.0,),))], About(width=width)) == ""
