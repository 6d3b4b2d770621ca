from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from toys import write_frame, write_official

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.datasets.tables import read_table
from anomaly_cli.datasets.toys import CONDITIONS, SHAPES, make_toy

NAMES = ("pt", "eta", "mass")
ROWS = np.random.default_rng(1).normal(size=(101, 3))


def write_csv(path):
    pd.DataFrame(ROWS, columns=NAMES).to_csv(path.with_suffix(".csv"), index=False)
    return path.with_suffix(".csv")


def write_npz(path):
    np.savez(path.with_suffix(".npz"), **dict(zip(NAMES, ROWS.T, strict=True)))
    return path.with_suffix(".npz")


def write_columns(path):
    with h5py.File(path, "w") as file:
        for name, column in zip(NAMES, ROWS.T, strict=True):
            file[name] = column
    return path


WRITERS = {
    "csv": write_csv,
    "npz": write_npz,
    "one data set per column": write_columns,
    "data set with named columns": lambda path: write_official(path, ROWS, NAMES),
    "pandas": lambda path: write_frame(path, [(list(NAMES), ROWS)]),
}


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_columns_asked_for_in_order(tmp_path, layout):
    path = WRITERS[layout](tmp_path / "table.h5")
    table = read_table(path, ("mass", "pt"), ("eta",))
    assert table.names == ("mass", "pt")
    assert np.allclose(table.values, ROWS[:, [2, 0]])
    assert np.allclose(table.condition, ROWS[:, [1]])
    everything = read_table(path, (), ("eta",))
    assert set(everything.names) == {"pt", "mass"}


def test_bad_tables_end_in_a_sentence_that_names_the_column(tmp_path):
    path = write_csv(tmp_path / "table")
    with pytest.raises(DataError, match="no column 'mas'; did you mean 'mass'"):
        read_table(path, ("mas",), ())
    with pytest.raises(DataError, match=r"no column is left.*--columns"):
        read_table(path, (), NAMES)
    with pytest.raises(DataError, match="toy:ring"):
        read_table(tmp_path / "nothing.csv", (), ())
    frame = pd.DataFrame(ROWS, columns=NAMES)
    frame.assign(eta=["text"] * len(frame)).to_csv(path)
    with pytest.raises(DataError, match=r"'eta' has 'text' in line 2, where numbers are needed.*--columns"):
        read_table(path, NAMES, ())
    frame.loc[5, "mass"] = np.nan
    frame.to_csv(path)
    with pytest.raises(DataError, match=r"table.csv.*'mass' is NaN or infinite in 1 of 101"):
        read_table(path, NAMES, ())
    (tmp_path / "broken.h5").write_bytes(b"\0nonsense")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "broken.h5", (), ())
    (tmp_path / "broken.npz").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "broken.npz", (), ())


@pytest.mark.parametrize("shape", SHAPES)
def test_toys_fit_the_range_and_differ_from_each_other(shape):
    table = make_toy(shape, 10_007, np.random.default_rng(1))
    assert table.values.shape == (10_007, 2)
    assert table.condition.shape == (10_007, 0)
    assert np.abs(table.values).max() < 5.0


def test_the_checkerboard_fills_eight_fields_evenly():
    x, y = make_toy("checkerboard", 80_000, np.random.default_rng(1)).values.T
    counts = np.histogram2d(x, y, bins=4, range=[[-4, 4], [-4, 4]])[0]
    assert counts.sum() == 80_000
    assert (counts > 0).sum() == 8
    assert np.abs(counts[counts > 0] - 10_000).max() < 500
    assert [counts[i, j] > 0 for i, j in ((0, 0), (0, 1))] != [counts[i, j] > 0 for i, j in ((1, 0), (1, 1))]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_condition_undone_gives_the_plain_shape(shape):
    plain = make_toy(shape, 5_003, np.random.default_rng(3)).values
    turned, scaled = (make_toy(f"{shape}:{name}", 5_003, np.random.default_rng(3)) for name in CONDITIONS)
    angle = -turned.condition[:, 0]
    x, y = turned.values.T
    back = np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], axis=1)
    assert np.allclose(back, plain)
    assert np.allclose(scaled.values / scaled.condition, plain)
    assert np.ptp(turned.condition) > 0.7
    assert scaled.condition_names == ("radius",)


def test_unknown_toys_are_refused_with_a_hint():
    with pytest.raises(ConfigError, match="did you mean 'spirals'"):
        make_toy("spiral", 10, np.random.default_rng(1))
    with pytest.raises(ConfigError, match="toy:ring:rotation"):
        make_toy("ring:angle", 10, np.random.default_rng(1))
