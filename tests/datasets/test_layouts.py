"""Layouts, own files, and everything that a reader refuses or counts."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from toys import shipped_rows, write_frame, write_official

from anomaly_cli.artifacts.store import file_digest
from anomaly_cli.core.errors import AnomalyWarning, ConfigError, DataError
from anomaly_cli.core.events import FEATURES
from anomaly_cli.datasets.columns import UNITS, Spelling
from anomaly_cli.datasets.description import MOST_COLUMNS, describe
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.readers import read_events, read_master_key
from anomaly_cli.datasets.screening import find_faults

LABELLED = (*OFFICIAL_COLUMNS, "label")
MANIFEST = """
file = "{file}"
label = "truth"
weight = "w"
mjj = {{ column = "mass", unit = "TeV" }}

[features]
mj1 = {{ column = "m_light", unit = "TeV" }}
shape = {{ column = "s", unit = "1" }}
"""


@pytest.fixture
def rows():
    return shipped_rows(500)


@pytest.fixture
def reference(tmp_path, rows):
    """The events as read from the official layout: mass, five features, truth."""
    table = read_events(write_official(tmp_path / "reference.h5", rows))
    return table.compute(FEATURES), table.is_signal


def own_columns(rows):
    generator = np.random.default_rng(1)
    n = len(rows)
    return {
        "mass": generator.uniform(2.0, 5.0, n),
        "m_light": generator.uniform(0.05, 0.3, n),
        "s": generator.uniform(0.0, 1.0, n),
        "truth": rows[:, 14],
        "w": generator.uniform(0.5, 2.0, n),
    }


def write_own(path, columns):
    frame = pd.DataFrame(columns)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".npz":
        np.savez(path, **columns)
    else:
        import h5py

        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                file[name] = values
    return path


def test_the_cathode_layout_is_in_tev_and_has_four_features(tmp_path, reference):
    features, is_signal = reference
    values = features.values
    content = [features.mjj / 1000, values[:, 0] / 1000, values[:, 1] / 1000, values[:, 2], values[:, 3], is_signal]
    np.save(tmp_path / "c.npy", np.stack(content, axis=1))
    table = read_events(tmp_path / "c.npy")
    found = table.compute(FEATURES[:4])
    assert table.layout == "CATHODE"
    assert found.mjj == pytest.approx(features.mjj)
    assert found.values == pytest.approx(values[:, :4])
    assert np.array_equal(table.is_signal, is_signal)
    with pytest.raises(ConfigError, match="has no feature 'delta_r_jj'"):
        table.compute(FEATURES)


def test_what_is_wrong_in_a_cathode_or_curtains_file_is_named_as_the_file_names_it(tmp_path, reference):
    features, is_signal = reference
    mj1, delta, tau1, tau2, delta_r = features.values.T
    content = np.stack([features.mjj / 1000, mj1 / 1000, delta / 1000, tau1, tau2, is_signal], axis=1)
    for column, value, message in (
        (0, 14.5, r"column 'm_jj' is beyond the collision energy of 13 TeV \(up to 14.5 TeV\)"),
        (1, -0.2, r"column 'm_jmin' is negative \(down to -0.2 TeV\)"),
        (2, -99.0, "column 'm_jmax-m_jmin' is beyond the collision energy of 13 TeV"),
        (3, np.nan, "column 'tau21_jmin' is NaN"),
        (4, 11.0, "column 'tau21_jmax' is beyond 10"),
    ):
        bad = content.copy()
        bad[:2, column] = value
        np.save(tmp_path / "c.npy", bad)
        with pytest.raises(DataError, match=rf"c.npy: {message}.* in 2 of"):
            read_events(tmp_path / "c.npy")
    names = ["m_jj", "m_j1", "m_j2", "tau21_j1", "tau21_j2", "del_R", "is_signal"]
    rows = np.stack([features.mjj, mj1, mj1 + delta, tau1, tau2, delta_r, is_signal], axis=1)
    rows[0, 5] = np.inf
    with pytest.raises(DataError, match="column 'del_R' is NaN or infinite in 1 of"):
        read_events(write_frame(tmp_path / "c.h5", [(names, rows)]))
    rows[:, 6] = 2.0
    with pytest.raises(DataError, match="column 'is_signal' must be 0"):
        read_events(write_frame(tmp_path / "c.h5", [(names, rows)]))


def test_the_curtains_layout_gives_the_same_features_whichever_jet_comes_first(tmp_path, reference):
    features, is_signal = reference
    mj1, delta, tau1, tau2, delta_r = features.values.T
    swap = np.arange(len(mj1)) % 2 == 1
    names = ["m_jj", "m_j1", "m_j2", "del_m", "tau21_j1", "tau21_j2", "tau32_j1", "del_R", "is_signal"]
    heavy = mj1 + delta
    content = [
        features.mjj,
        *(np.where(swap, *pair) for pair in ((mj1, heavy), (heavy, mj1))),
        delta,
        *(np.where(swap, *pair) for pair in ((tau1, tau2), (tau2, tau1))),
        tau1,
        delta_r,
        is_signal.astype(float),
    ]
    table = read_events(write_frame(tmp_path / "c.h5", [(names, np.stack(content, axis=1))]))
    found = table.compute(FEATURES)
    assert table.layout == "CURTAINs"
    assert found.values == pytest.approx(features.values)
    assert np.array_equal(table.is_signal, is_signal)


@pytest.mark.parametrize("suffix", [".h5", ".csv", ".parquet", ".npz"])
def test_an_own_file_is_read_as_its_manifest_says(tmp_path, rows, suffix):
    columns = own_columns(rows)
    write_own(tmp_path / f"mine{suffix}", columns)
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file=f"mine{suffix}"))
    table = read_events(tmp_path / "mine.toml")
    found = table.compute(("shape", "mj1"))
    assert found.mjj == pytest.approx(1000 * columns["mass"])
    assert found.values == pytest.approx(np.stack([columns["s"], 1000 * columns["m_light"]], axis=1))
    assert table.weight == pytest.approx(columns["w"])
    assert table.is_signal.sum() == columns["truth"].sum()
    assert "mjj" not in table.feature_names


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('column = "s"', 'column = "S"', "has no column 'S'.*known are m_light, mass, s"),
        ('unit = "1"', 'unit = "MeV"', "unit 'MeV' is not known"),
        ("[features]", "[feature]", "unknown setting 'feature'; did you mean 'features'"),
        ('label = "truth"', 'labels = "truth"', "unknown setting 'labels'; did you mean 'label'"),
        ("mjj =", "mjj", "not valid TOML"),
        ("shape =", "mjj =", "feature 'mjj' needs another name"),
        ('column = "s"', 'column = "mass"', "feature 'shape' is the column of mjj, 'mass'"),
    ],
)
def test_a_manifest_with_a_mistake_is_refused(tmp_path, rows, old, new, message):
    write_own(tmp_path / "mine.csv", own_columns(rows))
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.csv").replace(old, new))
    with pytest.raises((ConfigError, DataError), match=message):
        read_events(tmp_path / "mine.toml")


def test_negative_weights_are_refused(tmp_path, rows):
    columns = own_columns(rows)
    columns["w"][:3] = -1.0
    write_own(tmp_path / "mine.csv", columns)
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.csv"))
    with pytest.raises(DataError, match=r"3 of .* events have negative weights"):
        read_events(tmp_path / "mine.toml")


def test_nan_is_refused_by_column_or_dropped_and_the_rows_are_kept_track_of(tmp_path, rows):
    rows[[3, 8], 4] = np.nan
    rows[8, 0] = np.inf
    path = write_official(tmp_path / "a.h5", rows)
    with pytest.raises(DataError, match=r"column 'pxj1' is NaN or infinite in 1 of .*--drop-nan"):
        read_events(path)
    table = read_events(path, drop_nan=True)
    assert table.n_read == len(rows)
    assert table.row.tolist() == [i for i in range(len(rows)) if i not in (3, 8)]
    assert np.array_equal(table.columns["mj2"], rows[table.row, 10])


def set_columns(*columns, to):
    def change(rows):
        rows[2:7, [LABELLED.index(column) for column in columns]] = to

    return change


def set_ratio(rows):
    rows[2:7, [LABELLED.index("tau1j2"), LABELLED.index("tau2j2")]] = 1e-28, 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_columns("mj1", to=-999.0), r"column 'mj1' is negative \(down to -999 GeV\)"),
        (set_columns("mj2", to=-1.0), r"column 'mj2' is negative \(down to -1 GeV\)"),
        (set_columns("tau1j2", to=-0.01), r"column 'tau1j2' is negative"),
        (
            set_columns("pzj1", to=1e30),
            r"'pzj1' is beyond the collision energy of 13000 GeV \(up to 1e\+30 GeV\)",
        ),
        (
            set_columns("mj2", to=13_001.0),
            r"'mj2' is beyond the collision energy of 13000 GeV \(up to 13001 GeV\)",
        ),
        (set_columns("pxj1", "pxj2", to=[6501.0, -6501.0]), "the dijet mass is beyond the collision energy of 13 TeV"),
        (set_columns("pxj2", "pyj2", to=0.0), r"columns 'pxj2' and 'pyj2' make a jet without pT \(below 0.001 GeV\)"),
        (set_columns("pxj1", "pyj1", to=1e-9), r"columns 'pxj1' and 'pyj1' make a jet without pT"),
        (set_columns("pxj1", "pyj1", to=2e-3), r"columns 'pxj1' to 'pzj1' make a jet along the beam"),
        (set_columns("pxj2", to=-9999.0), r"column 'pxj2' is -9999, which marks a missing value,"),
        (set_ratio, r"column 'tau2j2' is more than 10 times tau1j2"),
    ],
)
def test_values_that_cannot_be_are_refused_like_nan_or_dropped_and_counted(tmp_path, rows, change, message):
    change(rows)
    path = write_official(tmp_path / "a.h5", rows)
    with pytest.raises(DataError, match=rf"a.h5: .*{message}.* in 5 of {len(rows)} events; pass --drop-nan"):
        read_events(path)
    table = read_events(path, drop_nan=True)
    assert table.row.tolist() == [0, 1, *range(7, len(rows))]
    assert np.isfinite(table.compute(FEATURES).values).all()
    described = describe(path)
    assert "in 5 of" in described.problem
    assert described.next_command.endswith("--drop-nan")


@pytest.mark.parametrize(
    ("name", "value", "n", "message"),
    [
        ("mass", -999.0, 1, r"column 'mass' \(mjj\) is below 1e-06 TeV \(down to -999 TeV\)"),
        ("mass", 0.0, 3, r"column 'mass' \(mjj\) is below 1e-06 TeV \(down to 0 TeV\)"),
        ("mass", 13.5, 2, r"column 'mass' \(mjj\) is beyond the collision energy of 13 TeV \(up to 13.5 TeV\)"),
        ("m_light", -0.999, 2, r"column 'm_light' \(mj1\) is negative \(down to -0.999 TeV\)"),
        ("s", -999.0, 2, r"column 's' \(shape\) is -999, which marks a missing value,"),
        ("s", -9999.0, 1, r"column 's' \(shape\) is -9999, which marks a missing value,"),
        ("s", -2147483648.0, 3, r"column 's' \(shape\) is -2147483648, which marks a missing value,"),
        ("s", 2147483647.0, 1, r"column 's' \(shape\) is 2147483647, which marks a missing value,"),
        ("s", 999.0, 1, r"column 's' \(shape\) is 999, which marks a missing value,"),
        ("s", 1e28, 1, r"column 's' \(shape\) is beyond 1e\+20 \(up to 1e\+28\)"),
    ],
)
def test_values_that_cannot_be_are_found_in_an_own_file_too(tmp_path, rows, name, value, n, message):
    columns = own_columns(rows)
    columns[name][:n] = value
    write_own(tmp_path / "mine.npz", columns)
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.npz"))
    with pytest.raises(DataError, match=rf"{message}.* in {n} of {len(rows)}"):
        read_events(tmp_path / "mine.toml")
    assert len(read_events(tmp_path / "mine.toml", drop_nan=True)) == len(rows) - n


UNIFORM = np.random.default_rng(3).uniform
MARKED = {
    "mass-like, -9999": ([*UNIFORM(10.0, 12_000.0, 300), -9999.0], [-9999.0]),
    "signed, -9999": ([*UNIFORM(-6000.0, 6000.0, 300), -9999.0], [-9999.0]),
    "signed, one -99 in the middle": ([*UNIFORM(-6000.0, 6000.0, 3000), -99.0], [-99.0]),
    "the same with four decimals": ([*np.round(UNIFORM(-6000.0, 6000.0, 300), 4), -99.0], [-99.0]),
    "in single precision": (np.float32([*UNIFORM(0.0, 1.0, 300), -(2.0**31), 2.0**31 - 1]), [-(2.0**31), 2.0**31]),
    "two marks": ([*UNIFORM(0.0, 1.0, 300), -99.0, -999.0, -999.0], [-999.0, -99.0]),
    "counts": ([*range(60), -99.0], [-99.0]),
    "signed whole numbers": ([*range(-40, 40), -9999.0], [-9999.0]),
    "signed whole numbers of any size": ([*range(-400, 400), -999.0, -999.0], [-999.0]),
    "positive, repeated": ([*range(40), 999.0, 999.0], [999.0]),
}
UNMARKED = {
    "a tail to -99": np.clip(np.linspace(-120.0, 120.0, 301), -99.0, 99.0),
    "whole numbers with all values": np.arange(-1200.0, 1200.0),
    "one large count": np.array([*range(50), 99.0]),
    "masses up to one": np.array([*np.linspace(0.0, 990.3, 300), 999.0]),
    "signed, rounded to tens of percent": np.array([*np.round(UNIFORM(-3000.0, 3000.0, 3000), 1), -999.0]),
    "a million in single precision": np.array([*np.float32(UNIFORM(-3000.0, 3000.0, 1_000_000)), -999.0]),
    "a mass in the middle": np.array([*UNIFORM(0.0, 2000.0, 300), 999.0, 999.0]),
    "a value that no program writes": np.array([*UNIFORM(0.0, 1.0, 300), -998.0]),
}


def faults_of(values, unit="1"):
    spelt = Spelling("column 'x'", unit)
    used = {"mjj": np.full(len(values), 3000.0), "x": np.asarray(values, dtype=np.float64) * UNITS[unit]}
    return find_faults(used, lambda name: spelt, 1e6)


@pytest.mark.parametrize("unit", ["1", "TeV"])
@pytest.mark.parametrize("case", MARKED)
def test_marks_of_missing_values_are_found_wherever_they_cannot_be_values(case, unit):
    values, marks = MARKED[case]
    if unit == "TeV":  # nothing is beyond the energy then
        values, marks = [v for v in values if abs(v) < 1e3], [mark for mark in marks if abs(mark) < 1e3]
    found = faults_of(values, unit)
    assert [fault.what for fault in found] == [f"is {mark:.10g}, which marks a missing value," for mark in marks]
    for fault, mark in zip(found, marks, strict=True):
        assert np.array_equal(fault.is_bad, np.asarray(values, dtype=np.float64) == mark)


@pytest.mark.parametrize("case", UNMARKED)
def test_values_that_only_look_like_marks_are_let_pass(case):
    assert faults_of(UNMARKED[case]) == []


@pytest.mark.parametrize(("energy", "highest"), [("8 TeV", 8.0), ("13000GeV", 13.0), ("100 TeV", 100.0)])
def test_masses_end_at_the_collision_energy_that_the_manifest_states(tmp_path, rows, energy, highest):
    columns = own_columns(rows)
    columns["mass"][:2], columns["m_light"][2] = 1.001 * highest, 1.001 * highest
    write_own(tmp_path / "mine.npz", columns)
    path = tmp_path / "mine.toml"
    path.write_text(f'collision_energy = "{energy}"\n' + MANIFEST.format(file="mine.npz"))
    wanted = (
        rf"mine.npz: column 'mass' \(mjj\) is beyond the collision energy of {highest:g} TeV .* in 2 of .*'m_light'"
    )
    with pytest.raises(DataError, match=wanted):
        read_events(path)
    table = read_events(path, drop_nan=True)
    assert len(table) == len(rows) - 3
    assert table.collision_energy == 1000.0 * highest


@pytest.mark.parametrize("text", ['"13"', '"13 PeV"', '"0.05 TeV"', '"3000 TeV"', '"-8 TeV"', '""', "13", "13.6", "[]"])
def test_a_collision_energy_is_text_with_its_unit(tmp_path, rows, text):
    write_own(tmp_path / "mine.npz", own_columns(rows))
    (tmp_path / "mine.toml").write_text(f"collision_energy = {text}\n" + MANIFEST.format(file="mine.npz"))
    with pytest.raises(ConfigError, match=r"mine.toml: collision_energy .*(with its unit|must be text)"):
        read_events(tmp_path / "mine.toml")


def test_a_manifest_of_a_known_layout_states_table_and_energy_and_no_columns(tmp_path, rows):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, part in (("first", rows[:50]), ("second", rows[50:])):
            file.create_dataset(name, data=part).attrs["columns"] = list(LABELLED)
    (tmp_path / "a.toml").write_text('file = "a.h5"\nkey = "second"\ncollision_energy = "14 TeV"\n')
    table = read_events(tmp_path / "a.toml")
    assert (table.layout, table.collision_energy) == ("official features", 14_000.0)
    assert np.array_equal(table.columns["pyj1"], rows[50:, 1])
    assert table.is_labelled
    assert describe(tmp_path / "a.toml").n_events == len(rows) - 50
    (tmp_path / "a.toml").write_text('file = "a.h5"\nkey = "second"\nlabel = "label"\n')
    with pytest.raises(ConfigError, match=r"a.toml: 'label' is for files whose columns are named"):
        read_events(tmp_path / "a.toml")


WHOLE = np.arange(477) % 12 + 1.0
WIDE = np.random.default_rng(2).normal(0.0, 3000.0, 477)


def with_first(values, *marks):
    return np.concatenate([marks, values[len(marks) :]])


@pytest.mark.parametrize(
    ("s", "n"),
    [
        (with_first(WHOLE, -999.0), 1),
        (with_first(WHOLE - 6.0, -99.0), 1),
        (with_first(WHOLE, 9999.0, 9999.0), 2),
        (with_first(100.0 * (WHOLE - 6.0), -9999.0, -9999.0), 2),
        (with_first(WIDE, *[-999.0] * 20), 20),
        (with_first(WIDE, -999.0), 1),
        (with_first(WHOLE, -999.0, -9999.0), 2),
    ],
)
def test_marks_of_missing_values_are_found_among_whole_numbers_and_inside_a_wide_range(tmp_path, rows, s, n):
    np.savez(tmp_path / "a.npz", **{**own_columns(rows), "s": s})
    with pytest.raises(DataError, match=r"column 's' \(shape\) is -?9+, which marks a missing value"):
        read_events(own_manifest(tmp_path, "a.npz"))
    assert len(read_events(own_manifest(tmp_path, "a.npz"), drop_nan=True)) == len(rows) - n


def test_a_column_of_nothing_but_marks_is_refused_with_the_option_too(tmp_path, rows):
    np.savez(tmp_path / "a.npz", **{**own_columns(rows), "s": np.full(len(rows), -999.0)})
    with pytest.raises(DataError, match=r"column 's' \(shape\) is -999, which .*, in every event; check how"):
        read_events(own_manifest(tmp_path, "a.npz"), drop_nan=True)


def test_rounding_and_features_that_may_be_negative_are_let_pass(tmp_path, rows):
    rows[4, LABELLED.index("mj1")] = -0.1
    assert len(read_events(write_official(tmp_path / "a.h5", rows))) == len(rows)
    ends = np.clip(np.linspace(-120.0, 120.0, len(rows)), -99.0, 99.0)  # -99 is its end, not a mark
    counts = with_first(np.arange(477.0), 999.0)  # one value of many, as a count may have
    for s in (ends, counts, np.arange(477.0) - 300.0, with_first(WIDE, -998.0)):
        np.savez(tmp_path / "a.npz", **{**own_columns(rows), "s": s})
        assert len(read_events(own_manifest(tmp_path, "a.npz"))) == len(rows)


def test_only_columns_in_use_are_checked(tmp_path, rows):
    rows[::7, LABELLED.index("tau3j1")] = np.nan
    path = write_official(tmp_path / "a.h5", rows)
    assert len(read_events(path, features=FEATURES)) == len(rows)
    with pytest.raises(DataError, match="column 'tau3j1' is NaN"):
        read_events(path, features=("mj1", "tau3_j1"))
    assert not describe(path).problem
    columns = {**own_columns(rows), "s": np.array(["text"] * len(rows))}
    write_own(tmp_path / "mine.npz", columns)
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.npz"))
    assert read_events(tmp_path / "mine.toml", features=("mj1",)).feature_names == ("mj1",)
    with pytest.raises(DataError, match=r"mine.npz: column 's' holds text \('text'\), where numbers are needed"):
        read_events(tmp_path / "mine.toml", features=("mj1", "shape"))


def test_momenta_in_mev_are_asked_about(tmp_path, rows):
    rows[:, :14] *= 1e3
    with pytest.raises(DataError, match="are they in MeV"):
        read_events(write_official(tmp_path / "a.h5", rows))


def test_duplicates_are_counted_once_each(tmp_path, rows):
    doubled = np.concatenate([rows, rows[:7], rows[:2]])
    assert read_events(write_official(tmp_path / "a.h5", doubled)).n_duplicates == 9
    assert read_events(write_official(tmp_path / "b.h5", rows)).n_duplicates == 0


TWICE = (*LABELLED[:4], "mj1", *LABELLED[5:])
"""The official columns with one name there twice, in place of tau1j1."""


def twice_in_csv(path, rows):
    np.savetxt(path.with_suffix(".csv"), rows, delimiter=",", header=", ".join(TWICE), comments="")
    return path.with_suffix(".csv")


def twice_in_npz(path, rows):
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path.with_suffix(".npz"), "w") as file:
        for name, column in zip(TWICE, rows.T, strict=True):
            with file.open(f"{name}.npy", "w") as member:
                np.save(member, column)
    return path.with_suffix(".npz")


def twice_in_parquet(path, rows):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_arrays([pyarrow.array(column) for column in rows.T], names=list(TWICE))
    pyarrow.parquet.write_table(table, path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def twice_in_blocks(path, rows):
    return write_frame(path, [(list(TWICE[:4]), rows[:, :4]), (list(TWICE[4:]), rows[:, 4:])])


@pytest.mark.parametrize(
    "write",
    [
        twice_in_csv,
        twice_in_npz,
        twice_in_parquet,
        twice_in_blocks,
        lambda path, rows: write_official(path, rows, TWICE),
        lambda path, rows: write_frame(path, [(list(TWICE), rows)]),
    ],
)
def test_a_column_that_is_there_twice_is_refused_in_every_kind_of_file(tmp_path, rows, write):
    with pytest.raises(DataError, match="column 'mj1' is there more than once"):
        read_events(write(tmp_path / "a.h5", rows))


MASSES, MOMENTA = [3, 10], [0, 1, 2, 3, 7, 8, 9, 10]


def test_a_file_wholly_in_tev_is_found(tmp_path, rows):
    rows[:, MOMENTA] *= 1e-3
    with pytest.raises(DataError, match="in TeV and not in GeV"):
        read_events(write_official(tmp_path / "a.h5", rows))


def test_some_columns_or_some_rows_in_tev_are_found(tmp_path, rows):
    columns = rows.copy()
    columns[:, MASSES] *= 1e-3
    with pytest.raises(DataError, match=r"column 'mj1' is around 0.*so it is in TeV"):
        read_events(write_official(tmp_path / "columns.h5", columns))
    some = rows.copy()
    some[::3, :14] *= 1e-3
    with pytest.raises(DataError, match="TeV and GeV are mixed"):
        read_events(write_official(tmp_path / "rows.h5", some))


def test_a_feature_stated_in_gev_that_is_as_small_as_in_tev_is_asked_about(tmp_path, rows):
    write_own(tmp_path / "mine.csv", own_columns(rows))
    told = MANIFEST.format(file="mine.csv").replace("mj1 =", "m_other =")
    (tmp_path / "mine.toml").write_text(told)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_events(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text(told.replace('"m_light", unit = "TeV"', '"m_light", unit = "GeV"'))
    with pytest.warns(AnomalyWarning, match=r"column 'm_light' \(m_other\) is around 0\.1.* GeV .*is it in TeV"):
        read_events(tmp_path / "mine.toml")


def test_most_of_a_file_is_not_left_out_for_a_wrong_unit(tmp_path, rows):
    rows[: int(0.6 * len(rows)), LABELLED.index("mj2")] = 14_000.0
    path = write_official(tmp_path / "a.h5", rows)
    with pytest.raises(DataError, match=rf"leave out \d+ of {len(rows)} events, most of them since column 'mj2'"):
        read_events(path, drop_nan=True)
    described = describe(path)
    assert "check the units" in described.problem
    assert "--drop-nan" not in described.next_command


def test_a_stray_header_inside_a_csv_is_named_by_line(tmp_path, rows):
    path = tmp_path / "a.csv"
    lines = [",".join(map(str, row)) for row in rows[:10].tolist()]
    header = ",".join(LABELLED)
    path.write_text("\n".join([header, *lines[:4], header, *lines[4:]]))
    with pytest.raises(DataError, match=r"column 'pxj1' has 'pxj1' in line 6 \(a second header line"):
        read_events(path)
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="no header line"):
        read_events(path)


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a.h5").symlink_to(tmp_path / "b.h5")
    (tmp_path / "b.h5").symlink_to(tmp_path / "a.h5")
    with pytest.raises(DataError, match="links that lead in a circle"):
        read_events(tmp_path / "a.h5")


@pytest.mark.parametrize("suffix", [".parquet", ".npz", ".npy", ".h5"])
def test_a_damaged_file_of_any_type_is_one_sentence(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"PK\x03\x04 nothing that can be read")
    with pytest.raises(DataError, match=r"cannot be read as|is a file of the kind npz"):
        read_events(path)


def test_a_master_key_gives_labels_to_a_file_without(tmp_path, rows):
    path = write_official(tmp_path / "a.h5", rows[:, :14], OFFICIAL_COLUMNS)
    key = tmp_path / "a.masterkey"
    wanted = np.arange(len(rows)) % 3
    np.savetxt(key, wanted, fmt="%d")
    table = read_events(path, labels=key)
    assert np.array_equal(table.is_signal, wanted > 0)
    with pytest.raises(DataError, match=f"has {len(rows)} lines for 5 events"):
        read_master_key(key, 5)
    with pytest.raises(ConfigError, match="labels of its own"):
        read_events(write_official(tmp_path / "b.h5", rows), labels=key)


def test_describe_says_what_comes_next_for_every_kind(tmp_path, rows, shared_data):
    found = describe(write_official(tmp_path / "a.h5", rows))
    assert found.n_signal == rows[:, 14].sum()
    assert "anomaly run --data" in found.next_command
    assert sum(background for _, background, _ in found.regions) > 0
    other = describe(write_own(tmp_path / "b.csv", own_columns(rows)))
    assert "is missing" in other.problem
    assert "manifest" in other.next_command
    raw = describe(shared_data("real/lhco_v1_raw_1000.h5"))
    assert (raw.n_events, raw.n_signal) == (1000, 93)
    assert "anomaly data features" in raw.next_command


def test_of_thousands_of_columns_those_in_use_are_described_and_the_others_counted(tmp_path, rows):
    columns = {**{f"c{i}": np.arange(len(rows)) for i in range(3000)}, **own_columns(rows)}
    np.savez(tmp_path / "mine.npz", **columns)
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file="mine.npz"))
    described = describe(tmp_path / "mine.toml")
    names = [column.name for column in described.columns if "as analysed" not in column.name]
    assert len(names) == MOST_COLUMNS
    assert described.n_left_out == len(columns) - MOST_COLUMNS
    assert set(own_columns(rows)) <= set(names)
    assert names[0] == "c0"
    unknown = describe(tmp_path / "mine.npz")  # without the manifest
    assert (len(unknown.columns), unknown.n_left_out) == (MOST_COLUMNS, len(columns) - MOST_COLUMNS)
    assert describe(write_official(tmp_path / "few.h5", rows)).n_left_out == 0


def own_manifest(tmp_path, file):
    (tmp_path / "mine.toml").write_text(MANIFEST.format(file=file))
    return tmp_path / "mine.toml"


def test_columns_of_anything_that_nothing_uses_are_let_be(tmp_path, rows):
    columns = own_columns(rows)
    more = {"names": np.array(["qcd", "signal"]), "lumi": np.float64(3.0), "image": np.zeros((len(rows), 4))}
    np.savez(tmp_path / "a.npz", **columns, **more, objects=np.array([{}, None], dtype=object))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
        file.writestr("readme.txt", "no array")
    assert len(read_events(own_manifest(tmp_path, "a.npz"))) == len(rows)
    frame = pd.DataFrame(columns).assign(era=pd.Categorical(["2016"] * len(rows)), when=pd.Timestamp(0), s2="text")
    frame["list"] = [[1.0, 2.0]] * len(rows)
    frame.to_parquet(tmp_path / "a.parquet")
    assert len(read_events(own_manifest(tmp_path, "a.parquet"))) == len(rows)


@pytest.mark.parametrize(
    ("s", "message"),
    [
        (np.array([{}, None], dtype=object), "holds Python objects"),
        (np.array(["a", "b"]), r"holds text \('a'\)"),
        (np.zeros((477, 4)), r"is an array of shape \(477, 4\)"),
        (np.float64(1.0), "is a single value"),
    ],
)
def test_a_column_in_use_that_holds_no_numbers_is_named_with_what_it_holds(tmp_path, rows, s, message):
    np.savez(tmp_path / "a.npz", **{**own_columns(rows), "s": s})
    with pytest.raises(DataError, match=f"a.npz: column 's' {message}, where numbers are needed"):
        read_events(own_manifest(tmp_path, "a.npz"))


def test_columns_of_different_lengths_are_named(tmp_path, rows):
    np.savez(tmp_path / "a.npz", **{**own_columns(rows), "s": np.zeros(5)})
    with pytest.raises(DataError, match=rf"different lengths \('s' has 5 and '.*' has {len(rows)} values\)"):
        read_events(own_manifest(tmp_path, "a.npz"))


def test_a_member_of_npz_in_use_that_is_no_array_is_named(tmp_path, rows):
    columns = own_columns(rows)
    del columns["s"]
    np.savez(tmp_path / "a.npz", **columns)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
        file.writestr("s", "no array")
    with pytest.raises(DataError, match="column 's' is no array, where numbers are needed"):
        read_events(own_manifest(tmp_path, "a.npz"))


def test_npy_and_npz_with_each_others_names_are_told_apart(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3.0))
    (tmp_path / "a.npz").rename(tmp_path / "several.npy")
    with pytest.raises(DataError, match=r"several.npy: holds several arrays \(npz\).* a name that ends in .npz"):
        describe(tmp_path / "several.npy")
    np.save(tmp_path / "a.npy", np.arange(3.0))
    (tmp_path / "a.npy").rename(tmp_path / "single.npz")
    with pytest.raises(DataError, match=r"single.npz: holds a single array \(npy\).* a name that ends in .npy"):
        describe(tmp_path / "single.npz")


def test_parquet_is_read_without_what_pandas_wrote_about_itself_and_refused_where_cut(tmp_path, rows):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(own_columns(rows)).replace_schema_metadata({b"pandas": b"{not json"})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert len(read_events(own_manifest(tmp_path, "a.parquet"))) == len(rows)
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[:-300] + b"\xff" * 290 + content[-10:])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_events(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('mj1 = { column = "m_light", unit = "TeV" }', 'mj1 = "m_light"', "'mj1' must name a column and its unit"),
        ('mjj = { column = "mass", unit = "TeV" }', "mjj = 3", "'mjj' must name a column and its unit"),
        ('file = "mine.csv"', "file = true", "'file' must be text"),
        ('unit = "1"', "unit = 1", "unit"),
        ('column = "s"', "column = []", "column"),
        ('weight = "w"', "weight = 3", "weight"),
        ('weight = "w"', "key = true", "key"),
    ],
)
def test_a_manifest_with_a_value_of_another_type_is_refused_with_a_sentence(tmp_path, rows, old, new, message):
    write_own(tmp_path / "mine.csv", own_columns(rows))
    text = MANIFEST.format(file="mine.csv")
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=rf"mine.toml.*{message}"):
        read_events(tmp_path / "mine.toml")


def test_what_is_no_regular_file_is_refused_and_not_read_for_ever(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (Path("/dev/zero"), tmp_path / "pipe.csv"):
        with pytest.raises(DataError, match="is no regular file"):
            read_events(path)
        with pytest.raises(DataError, match=r"is no regular file.*--labels"):
            file_digest(path, "--labels")
    with pytest.raises((ConfigError, DataError), match="is no regular file"):
        read_events(tmp_path / "pipe.toml")
