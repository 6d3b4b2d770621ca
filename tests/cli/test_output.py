"""What is printed, on terminals of any sort."""

from __future__ import annotations

import io
import json
import sys

import pytest

from anomaly_cli.cli.output import print_json, say, show
from anomaly_cli.report.render.text import RULE
from anomaly_cli.report.table import Column, Level, Message, Priority, Table

NAME = "a[/b][red]\x1b[31m\u4e16"
TABLE = Table("t", NAME, (Column("x", NAME, priority=Priority.KEY), Column("y", "y")), ((1.5, 2.0),))


@pytest.fixture
def printed(monkeypatch):
    """Return a function that prints and returns what a file of an encoding then holds."""

    def run(print_it, encoding="utf-8", **variables):
        for name, value in {"COLUMNS": "60", **variables}.items():
            monkeypatch.setenv(name, value)
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", file)
        print_it()
        file.flush()
        return file.buffer.getvalue().decode(encoding)

    return run


def test_names_are_shown_as_they_are_and_terminals_obey_none_of_them(printed):
    assert printed(lambda: show(TABLE)) == (
        f"a[/b][red]\\x1b[31m\u4e16\n  a[/b][red]\\x1b[31m\u4e16   y\n {RULE * 25}\n                   1.5   2\n\n"
    )
    assert printed(lambda: say(NAME)) == "a[/b][red]\\x1b[31m\u4e16\n"


def test_a_terminal_that_knows_few_characters_is_shown_the_others_by_number(printed):
    text = printed(lambda: show([TABLE, Message("\u4e16")]), encoding="ascii")
    assert "a[/b][red]\\x1b[31m\\u4e16" in text
    assert text.endswith("\\u4e16\n")
    assert f" {'-' * 25}\n" in text


def test_a_terminal_that_shows_colours_is_given_them_and_no_other_is(printed):
    warning = Message("Beware.", Level.WARNING)
    assert printed(lambda: show(warning)) == "Beware.\n"
    coloured = printed(lambda: show(warning), FORCE_COLOR="1", TERM="xterm")
    assert coloured == "\x1b[1;31mBeware.\x1b[0m\n"
    assert printed(lambda: show(warning), FORCE_COLOR="1", TERM="xterm", NO_COLOR="1") == "\x1b[1mBeware.\x1b[0m\n"


def test_tables_are_as_wide_as_the_terminal_and_lines_stay_whole(printed):
    path = f"{'a/very/long path/' * 9}scores.h5: written"
    assert printed(lambda: say(path)) == f"{path}\n"
    wide = Table("t", "", (Column("x", "x", priority=Priority.KEY), Column("y", "y" * 12)), ((1.0, 2.0),))
    assert "not shown" not in printed(lambda: show(wide), COLUMNS="40")
    assert "not shown" in " ".join(printed(lambda: show(wide), COLUMNS="16").split())


def test_a_report_is_printed_as_json(printed):
    digests = {"split": "0" * 64}
    record = json.loads(printed(lambda: print_json([TABLE], "summary --run x", digests), encoding="ascii"))
    assert (record["command"], record["digests"]) == ("summary --run x", digests)
    assert record["tables"][0]["rows"] == [{"x": 1.5, "y": 2.0}]
    assert record["tables"][0]["title"] == NAME
