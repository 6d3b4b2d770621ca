"""A report that has every sort of cell and every dangerous name."""

from __future__ import annotations

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
)
from anomaly_cli.report.notation import COUNT, PERCENT, WINDOW, fixed
from anomaly_cli.report.table import Column, Level, Message, Priority, Table

MARKUP = "a[/b]<b>&_%$#{~^\\\"'|x"
ESCAPES = "\x1b[31mred\nnext\u202e"
MIXED = Table(
    "mixed",
    "Cells of every sort",
    (
        Column("name", "name", priority=Priority.KEY, holds=str),
        Column("cut", "cut", format=PERCENT),
        Column("n", "events", format=COUNT, holds=int),
        Column("mass", "mass", "GeV", "of the dijet", fixed(1), holds=Measured),
        Column("std", "std", format=fixed(2), holds=Interval),
        Column("z", "Z", format=fixed(2), holds=Spread),
        Column("window", "window", "TeV", format=WINDOW, holds=Range),
        Column("done", "done", format=COUNT, holds=OutOf),
        Column("flag", "flag", holds=bool),
        Column("p", "p", marks={"few": "too few"}),
        Column("program", "program", priority=Priority.DATA),
    ),
    (
        *(
            ("plain", 0.2, 3, Measured(3500.0, 12.0), Interval(1.0, 0.9, 1.2), Spread(2.0, 0.5), Range(3.3, 3.7))
            + (OutOf(1, 2), True, Marked(0.04, ("few",)), 4.25e-9),
            (MARKUP, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN),
            (ESCAPES, None, None, 1.0, None, None, Range(10.0, Above(300.0)), None, False, Below(2e-308), Above(37.5)),
        ),
        ("none", Missing("not measured"), 0, Measured(float("nan"), float("inf")), None, None, None, None, None)
        + (float("-inf"), float("nan")),
    ),
    (f"A note with {MARKUP}.",),
)
REPORT = [
    Message(f"Headline of {MARKUP}", Level.HEADLINE),
    MIXED,
    Message(f"Warning of {ESCAPES}", Level.WARNING, ("anomaly run --run a_b  # 100 %",)),
    Table(
        "grouped",
        "",
        (Column("key", "key", holds=str), Column("x", "x")),
        (("b", 1.0), ("a", 2.0), ("b", 3.0)),
        (),
        "key",
    ),
    Table("points", "For programs", (Column("only", "only", priority=Priority.DATA),), ((1.0,),)),
]
