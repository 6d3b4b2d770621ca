"""CSV files: names and values that do not fit together are refused, never shifted."""

from __future__ import annotations

import numpy as np
import pytest
from toys import shipped_rows

from anomaly_cli.core.errors import DataError
from anomaly_cli.datasets.description import describe
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.datasets.tables import read_table

MANIFEST = (
    'file = "{file}"\nmjj = {{ column = "mass", unit = "GeV" }}\n[features]\nx = {{ column = "x", unit = "1" }}\n'
)


def write_lines(path, header, values):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in values)]) + "\n")
    return path


def one_longer(values, line):
    """Return rows of text of which only the one at `line` has a value more."""
    return [[*row, 0.0] if index == line else row for index, row in enumerate(values)]


@pytest.mark.parametrize("lines", ["all", 0, 1, 40])
def test_more_values_than_names_are_refused_and_not_shifted(tmp_path, lines):
    values = shipped_rows(2000)[:, :14].tolist()
    values = [[*row, 0.0] for row in values] if lines == "all" else one_longer(values, lines)
    path = write_lines(tmp_path / "a.csv", ",".join(OFFICIAL_COLUMNS), values)
    with pytest.raises(DataError, match=r"a.csv: .*(more values than the first line has names|Expected 14 fields)"):
        read_events(path)


@pytest.mark.parametrize(("header", "message"), [("mass,x", "more values"), ("id,n,mass,x", "4 names and the next 3")])
def test_names_and_values_that_do_not_fit_are_refused_with_a_manifest_and_by_morph_too(tmp_path, header, message):
    values = np.random.default_rng(1).uniform(3000.0, 4000.0, (50, 3)).tolist()
    path = write_lines(tmp_path / "mine.csv", header, values)
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.csv"))
    with pytest.raises(DataError, match=message):
        read_events(tmp_path / "mine.toml")
    with pytest.raises(DataError, match=message):
        read_table(path, ("x",), ())


@pytest.mark.parametrize("last", ["note", "other"])
@pytest.mark.parametrize("line", [1, 30, 49])
def test_a_line_whose_last_value_is_missing_is_refused_though_nothing_uses_it(tmp_path, last, line):
    values = [[3000.0 + i, 0.1 * i, "text" if last == "note" else i] for i in range(50)]
    values[line] = values[line][:2]
    path = write_lines(tmp_path / "mine.csv", f"mass,x,{last}", values)
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.csv"))
    message = rf"mine.csv: line {line + 2} has 2 values for 3 names, so it may have been cut; compare"
    with pytest.raises(DataError, match=message):
        read_events(tmp_path / "mine.toml", drop_nan=True)
    with pytest.raises(DataError, match=message):
        read_table(path, ("x",), ())


def test_the_first_of_two_lines_that_were_cut_is_named_behind_blank_lines_and_quoted_line_breaks(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text('mass,x,note\n3000,1,"two\nlines"\n\n   \n3001,2\n3002\n')
    with pytest.raises(DataError, match="line 6 has 2 values for 3 names"):
        read_table(path, ("x",), ())


def test_a_last_value_that_is_left_empty_is_no_cut_line(tmp_path):
    path = write_lines(
        tmp_path / "mine.csv", "mass,x,note", [[3000.0 + i, 0.1 * i, "" if i % 2 else "a"] for i in range(50)]
    )
    path.write_text(path.read_text() + "\n\n")
    assert len(read_table(path, ("x",), ()).values) == 50


def test_a_comma_at_the_end_of_every_line_is_no_value(tmp_path):
    path = write_lines(tmp_path / "mine.csv", "mass,x,", [[3000.0 + i, 0.1 * i, ""] for i in range(50)])
    assert read_table(path, ("x",), ()).values[:, 0] == pytest.approx(0.1 * np.arange(50))


OTHER_KINDS = {
    "mass;x\n3000;1": "its columns are separated by semicolons",
    "mass\tx\n3000\t1": "its columns are separated by tabs",
    "mass x\n3000 1": "its columns are separated by spaces",
    "# made by someone\nmass,x\n3000,1": "begins with a line of comment .'# made by someone'",
    "#mass,x\n3000,1": "begins with a line of comment",
    "<!DOCTYPE html>\n<html><body>not found</body></html>": "is a web page or XML, not CSV",
    '{"mass": [3000, 3100], "x": [1, 2]}': "is JSON, not CSV",
    '[{"mass": 3000}]': "is JSON, not CSV",
    "mass,x\n": "holds no events",
    "mass,x": "holds no events",
    "\n\n\n": "holds no events",
    "3000,1\n3100,2\n": "no header line",
    "mass,x\n3000,1\n\xff\xfe,2": "cannot be read as CSV",
}


@pytest.mark.parametrize("text", OTHER_KINDS)
def test_what_is_no_csv_is_named_for_what_it_is(tmp_path, text):
    (tmp_path / "mine.csv").write_text(text, encoding="latin-1")
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.csv"))
    for read in (lambda: read_events(tmp_path / "mine.csv"), lambda: read_events(tmp_path / "mine.toml")):
        with pytest.raises(DataError, match=f"mine.csv: .*{OTHER_KINDS[text]}"):
            read()


def test_names_with_blanks_between_words_are_names(tmp_path):
    path = write_lines(tmp_path / "mine.csv", "dijet mass,x of jet", [[3000.0, 1.0], [3100.0, 2.0]])
    assert read_table(path, ("dijet mass",), ()).values[:, 0].tolist() == [3000.0, 3100.0]


def test_a_byte_order_mark_is_no_part_of_a_name_in_csv_or_manifest(tmp_path):
    (tmp_path / "mine.csv").write_text("mass,x\n3000,1\n3100,2\n", encoding="utf-8-sig")
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.csv"), encoding="utf-8-sig")
    assert read_events(tmp_path / "mine.toml").columns["mjj"].tolist() == [3000.0, 3100.0]
    (tmp_path / "mine.csv").write_text("mass,mass,x\n3000,1,2\n", encoding="utf-8-sig")
    with pytest.raises(DataError, match="column 'mass' is there more than once"):
        read_events(tmp_path / "mine.toml")


def test_text_that_nothing_uses_is_let_be_and_labels_in_words_are_told_how_to_be_written(tmp_path):
    words = ["background", "signal"]
    rows = [[*row, words[i % 2]] for i, row in enumerate(shipped_rows(2000)[:, :14].tolist())]
    path = write_lines(tmp_path / "a.csv", ",".join((*OFFICIAL_COLUMNS, "process")), rows)
    assert len(read_events(path)) == len(rows)
    path = write_lines(tmp_path / "b.csv", ",".join((*OFFICIAL_COLUMNS, "label")), rows)
    with pytest.raises(DataError, match=r"column 'label' has 'background' in line 2; write 0 for background"):
        read_events(path)
    assert describe(path).next_command == "mend the file, and describe it again"
