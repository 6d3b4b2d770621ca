"""What every renderer does; a new one is found here by its name."""

from __future__ import annotations

import csv as standard_csv
import html as standard_html
import json as standard_json
import math
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from report_samples import ESCAPES, MARKUP, MIXED, REPORT

from anomaly_cli.report.cells import HIDDEN, Above, Measured, Range
from anomaly_cli.report.notation import visible
from anomaly_cli.report.render import csv, html, json, latex, markdown
from anomaly_cli.report.render.registry import About, find_renderers
from anomaly_cli.report.table import Column, Priority, Table

ABOUT = About("summary --run my_run", {"significance": "0" * 64, "split": "f" * 64}, 300)
SCHEMA = standard_json.loads(json.SCHEMA_FILE.read_text())
FOR_PEOPLE = ("html", "latex", "markdown", "text")


def test_renderers_are_found_by_name():
    assert {"csv", "html", "json", "latex", "text"} <= set(find_renderers())


@pytest.mark.parametrize("name", find_renderers())
def test_a_report_is_text_without_control_characters_that_ends_with_a_line(name):
    text = find_renderers()[name](REPORT, ABOUT)
    assert text.endswith("\n")
    assert all(line.isprintable() for line in text.splitlines())
    plain = {"latex": plain_latex, "markdown": plain_markdown}.get(name, str)(text)
    assert r"\x1b[31mred\nnext\u202e" in plain or name == "json"


@pytest.mark.parametrize("name", find_renderers())
def test_an_empty_report_is_no_failure(name):
    assert isinstance(find_renderers()[name]([], About()), str)


@pytest.mark.parametrize("name", find_renderers())
def test_what_is_hidden_is_said_to_be_and_its_number_is_nowhere(name):
    columns = (Column("n", "n", holds=int), Column("m", "m", holds=Measured), Column("r", "r", holds=Range))
    text = find_renderers()[name]([Table("t", "", columns, ((HIDDEN, HIDDEN, HIDDEN),))], About())
    assert text.count("hidden") == len(columns)
    assert not re.search(r"[0-9]", text.replace('"version": 1', ""))


@pytest.mark.parametrize("name", find_renderers())
def test_what_is_for_programs_is_not_shown_to_people(name):
    text = find_renderers()[name](REPORT, ABOUT)
    for word in ("program", "4.25e-09", "For programs"):
        assert (word in text) == (name not in FOR_PEOPLE), word


@pytest.mark.parametrize("name", FOR_PEOPLE)
def test_what_people_read_is_rounded_and_has_uncertainties_units_and_marks(name):
    text = find_renderers()[name](REPORT, ABOUT)
    said = {"html": standard_html.unescape, "latex": plain_latex, "markdown": plain_markdown}.get(name, str)(text)
    plus_minus = "\u00b1" if name == "html" else "+-"
    for word in ("20 %", f"3500.0 {plus_minus} 12.0", "1.00 [0.90, 1.20]", "2.00 (0.50)", "3.3-3.7", "1/2", "yes"):
        assert word in said
    for word in ("mass [GeV]", "0.04 (few)", "(few): too few.", "10-> 300", "not measured", "-inf", "< 2e-308"):
        assert word in said


def plain_latex(text):
    """Return LaTeX as what it prints."""
    for written, printed in (
        (r"$\pm$", "+-"),
        (r" \times 10^{-308}", "e-308"),
        *((f"\\{char}", char) for char in "&%$#_{}"),
    ):
        text = text.replace(written, printed)
    text = (
        text.replace(r"\textbackslash{}", "\\").replace(r"\textasciitilde{}", "~").replace(r"\textasciicircum{}", "^")
    )
    return re.sub(r"\$([<>|0-9.e(), -]+)\$", r"\1", text).replace("{[}", "[").replace("{]}", "]")


def plain_markdown(text):
    """Return Markdown as what it prints."""
    return re.sub(r"\\(.)", r"\1", text)


def test_markdown_sets_a_row_per_line_whatever_stands_in_it():
    text = markdown.render([table_of(["a|b", "*c*", "d\ne"], str)], About())
    rows = text.splitlines()
    assert rows == ["| x |", "| --- |", r"| a\|b |", r"| \*c\* |", r"| d\\ne |"]


def table_of(values, holds=float):
    return Table("t", "", (Column("x", "x", holds=holds),), tuple((value,) for value in values))


ANY_NUMBER = st.floats() | st.integers(-(2**60), 2**60)
SAME = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def same(one, other):
    return one == other or (math.isnan(one) and math.isnan(other))


@settings(deadline=None)
@given(st.lists(ANY_NUMBER, min_size=1), st.lists(st.floats(), min_size=2, max_size=2))
def test_csv_and_json_give_numbers_back_exactly(numbers, pair):
    rows = list(standard_csv.reader(csv.render_table(table_of(numbers)).splitlines()))
    assert rows[0] == ["x"]
    assert all(same(float(row[0]), float(number)) for row, number in zip(rows[1:], numbers, strict=True))
    assert all(int(row[0]) == number for row, number in zip(rows[1:], numbers, strict=True) if isinstance(number, int))
    record = standard_json.loads(json.render([table_of(numbers)], About()))
    for row, number in zip(record["tables"][0]["rows"], numbers, strict=True):
        cell = row["x"]
        found = SAME[cell["non_finite"]["value"]] if isinstance(cell, dict) else cell
        assert same(found, number)
        assert isinstance(found, type(number))
    measured = Measured(*pair)
    assert [same(a, float(b)) for a, b in zip(pair, csv_cells(table_of([measured], Measured)), strict=True)] == [
        True
    ] * 2
    cell = json.encode(measured)
    for name, value in zip(("value", "uncertainty"), pair, strict=True):
        assert same(SAME[cell["non_finite"][name]] if cell[name] is None else cell[name], value)


def csv_cells(table):
    return next(iter(list(standard_csv.reader(csv.render_table(table).splitlines()))[1:]))


@given(st.lists(st.text(), min_size=1))
def test_csv_and_json_give_text_back(texts):
    table = table_of(texts, str)
    rows = list(standard_csv.reader(csv.render_table(table).splitlines()))
    assert [row[0] if row else "" for row in rows[1:]] == [visible(text) for text in texts]
    record = standard_json.loads(json.render([table], About()))
    assert [row["x"] for row in record["tables"][0]["rows"]] == texts


def test_csv_has_a_column_for_every_value_whatever_the_rows_hold():
    header = (
        "name,cut,n,mass,mass_uncertainty,std,std_low,std_high,z,z_spread,window_low,window_high,"
        "done_number,done_total,flag,p,p_marks,program"
    )
    rows = list(standard_csv.reader(csv.render_table(MIXED).splitlines()))
    assert ",".join(rows[0]) == header
    assert csv.render_table(Table("mixed", "", MIXED.columns, ())) == header + "\n"
    found = [",".join(row[1:]) for row in rows[1:]]
    assert found == [
        "0.2,3,3500.0,12.0,1.0,0.9,1.2,2.0,0.5,3.3,3.7,1,2,True,0.04,few,4.25e-09",
        "hidden,hidden,hidden,,hidden,,,hidden,,hidden,,hidden,,hidden,hidden,,hidden",
        ",,1.0,,,,,,,10.0,>300.0,,,False,<2e-308,,>37.5",
        "not measured,0,nan,inf,,,,,,,,,,,-inf,,nan",
    ]
    assert [row[0] for row in rows[1:3]] == ["plain", visible(MARKUP)]


def test_a_report_as_csv_is_blocks_with_comments():
    text = csv.render(REPORT, ABOUT)
    blocks = text.split("\n\n")
    assert blocks[0] == f"# summary --run my_run\n# significance: {'0' * 64}\n# split: {'f' * 64}"
    assert blocks[2].splitlines()[0] == "# Cells of every sort"
    assert blocks[2].splitlines()[-1] == "# (few): too few."
    assert blocks[3].splitlines()[-1] == "# anomaly run --run a_b  # 100 %"
    assert blocks[-1] == "# For programs\nonly\n1.0\n"


def test_json_is_what_its_schema_says_and_keeps_the_order_of_messages():
    Draft202012Validator.check_schema(SCHEMA)
    record = standard_json.loads(json.render(REPORT, ABOUT))
    Draft202012Validator(SCHEMA).validate(record)
    assert (record["schema"], record["version"], record["command"]) == ("anomaly/report", 1, ABOUT.command)
    assert record["digests"] == ABOUT.digests
    assert [table["name"] for table in record["tables"]] == ["mixed", "grouped", "points"]
    assert [(message["level"], message["before"]) for message in record["messages"]] == [
        ("headline", 0),
        ("warning", 1),
    ]
    assert record["messages"][1]["text"] == f"Warning of {ESCAPES}"
    first, hidden, third, last = record["tables"][0]["rows"]
    assert first["mass"] == {"value": 3500.0, "uncertainty": 12.0}
    assert first["p"] == {"value": 0.04, "marks": ["few"]}
    assert first["window"] == {"low": 3.3, "high": 3.7}
    assert {name: cell for name, cell in hidden.items() if cell != {"value": None, "hidden": True}} == {"name": MARKUP}
    assert third["window"] == {"low": 10.0, "high": {"above": 300.0}}
    assert (third["cut"], third["mass"], third["program"]) == (None, 1.0, {"above": 37.5})
    assert last["cut"] == {"value": None, "missing": "not measured"}
    assert last["mass"] == {"value": None, "uncertainty": None, "non_finite": {"value": "nan", "uncertainty": "inf"}}
    columns = {column["name"]: column for column in record["tables"][0]["columns"]}
    assert columns["mass"] == {
        **{"name": "mass", "header": "mass", "type": "measured", "unit": "GeV"},
        "meaning": "of the dijet",
    }
    assert columns["p"]["marks"] == {"few": "too few"}
    assert [columns[name]["type"] for name in ("name", "cut", "n", "flag")] == ["text", "number", "integer", "flag"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 2),
        (("digests", "split"), "short"),
        (("tables", 0, "name"), "Not a name"),
        (("tables", 0, "rows", 0, "p"), [1.0]),
        (("tables", 0, "rows", 0, "p"), {"value": 1.0, "hidden": True}),
        (("tables", 0, "rows", 0, "p"), {"hidden": True}),
        (("tables", 0, "rows", 0, "p"), {"value": 1.0, "uncertainty": "0.1"}),
        (("tables", 0, "rows", 0, "p"), {"value": None, "non_finite": {"value": "big"}}),
        (("tables", 0, "columns", 0, "unit"), None),
        (("messages", 0, "level"), "loud"),
        (("more",), 1),
    ],
)
def test_the_schema_refuses_what_is_no_report(place, value):
    record = standard_json.loads(json.render(REPORT, ABOUT))
    *path, last = place
    inner = record
    for key in path:
        inner = inner[key]
    inner[last] = value
    assert not Draft202012Validator(SCHEMA).is_valid(record)


def test_latex_escapes_all_that_it_would_obey():
    escaped = latex.escape('&%$#_{}~^\\<>|[*]--- "')
    assert escaped == (r"\&\%\$\#\_\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}$<$$>$$|${[}{*}{]}-{}-{}- ''")
    text = latex.render(REPORT, ABOUT)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    body = re.sub(r"\\(?:[&%$#_{}]|textbackslash\{\}|textasciitilde\{\}|textasciicircum\{\})", "", text)
    assert all(line.startswith("%") for line in body.splitlines() if "%" in line)
    assert body.count("{") == body.count("}")
    assert body.count("$") % 2 == 0
    for rows in re.findall(r"\\hline\n(.*?)\\hline", text, flags=re.DOTALL):
        counts = {len(re.findall(r"(?<!\\)&", line)) for line in rows.splitlines() if "multicolumn" not in line}
        assert len(counts) == 1


@pytest.mark.parametrize(("number", "written"), [("2.7e-11", r"$2.7 \times 10^{-11}$"), ("-1.50", "$-1.50$")])
def test_latex_sets_numbers_as_mathematics(number, written):
    assert latex.LATEX.number(number) == written


class _Reader(HTMLParser):
    """Checks that elements are closed in order, and keeps text and attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.titles = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_html_is_closed_and_shows_names_as_they_are():
    reader = _Reader()
    reader.feed(html.render(REPORT, ABOUT))
    assert not reader.open
    assert visible(MARKUP) in reader.texts
    assert f"Headline of {MARKUP}" in reader.texts
    assert "of the dijet" in reader.titles
    assert (
        '<section class="anomaly-report" data-command="summary --run my_run" data-digests="significance=00'
        in html.render(REPORT, ABOUT)
    )


@settings(deadline=None)
@given(st.text())
def test_any_text_is_shown_as_it_is_in_html_and_obeyed_nowhere_in_latex(text):
    table = Table("t", "", (Column("x", "x", holds=str),), ((f"<{text}>",),))
    reader = _Reader()
    reader.feed(html.render_table(table))
    assert f"<{visible(text)}>" in "".join(reader.texts)
    escaped = latex.escape(text)
    for name in ("textbackslash", "textasciitilde", "textasciicircum"):
        escaped = escaped.replace(f"\\{name}{{}}", "")
    for written in ("-{}", "{[}", "{]}", "{*}", "$<$", "$>$", "$|$", *(f"\\{char}" for char in "&%$#_{}")):
        escaped = escaped.replace(written, "")
    assert not set(escaped) & set('&%$#_{}~^\\<>|"')


def test_rows_of_a_group_stand_below_its_name():
    columns = (Column("search", "search", holds=str), Column("x", "x", priority=Priority.KEY))
    table = Table("t", "", columns, (("one", 1.0), ("two", 2.0), ("one", Above(3.0))), group_by="search")
    assert latex.render_table(table).splitlines()[4:9] == [
        r"\multicolumn{1}{l}{one} \\",
        r"$1$ \\",
        r"$>$ $3$ \\",
        r"\multicolumn{1}{l}{two} \\",
        r"$2$ \\",
    ]
    rows = re.findall(r"<t[dh] [^>]*>([^<]*)<", html.render_table(table))
    assert rows == ["x", "one", "1", "&gt; 3", "two", "2"]
    assert csv.render_table(table) == "search,x\none,1.0\ntwo,2.0\none,>3.0\n"
