"""CSV files: names and values that do not fit together are refused, never shifted."""

from __future__ import annotations

import numpy as np
import pytest
from toys import shipped_rows

from anomaly_cli.core.errors import DataError
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


def test_a_comma_at_the_end_of_every_line_is_no_value(tmp_path):
    path = write_lines(tmp_path / "mine.csv", "mass,x,", [[3000.0 + i, 0.1 * i, ""] for i in range(50)])
    assert read_table(path, ("x",), ()).values[:, 0] == pytest.approx(0.1 * np.arange(50))
