"""HDF5 files: which table is read, and what lies outside of the file."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from toys import shipped_rows, write_frame, write_official

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.datasets.description import describe
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.readers import read_events

LABELLED = (*OFFICIAL_COLUMNS, "label")
MANIFEST = 'file = "a.h5"\nmjj = { column = "mass", unit = "GeV" }\n[features]\nx = { column = "x", unit = "1" }\n'


@pytest.fixture
def rows():
    return shipped_rows(2000)


def add_named(file, name, rows, names=LABELLED):
    """Add a data set with named columns, which pandas frames are read as well as."""
    file.create_dataset(name, data=rows).attrs["columns"] = list(names)


def add_columns(group, rows, names=LABELLED):
    for name, column in zip(names, rows.T, strict=True):
        group[name] = column


def add_compound(file, name, rows, names=LABELLED):
    file[name] = np.rec.fromarrays(list(rows.T), names=list(names))


def two_frames(file, rows):
    for part, name in ((rows[:10], "background"), (rows[10:], "signal")):
        write_frame(file.filename.replace("a.h5", f"{name}.h5"), [(list(LABELLED), part)])
        with h5py.File(file.filename.replace("a.h5", f"{name}.h5")) as single:
            single.copy("df", file, name)


def two_data_sets(file, rows):
    add_named(file, "background", rows[:10])
    add_named(file, "signal", rows[10:])


def two_groups(file, rows):
    add_columns(file.create_group("background"), rows[:10])
    add_columns(file.create_group("signal"), rows[10:])


def two_compounds_below(file, rows):
    add_compound(file, "lhco/background", rows[:10])
    add_compound(file, "lhco/signal", rows[10:])


@pytest.mark.parametrize("fill", [two_frames, two_data_sets, two_groups, two_compounds_below])
def test_of_several_tables_one_is_chosen_by_key_and_none_silently(tmp_path, rows, fill):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        fill(file, rows)
    with pytest.raises(DataError, match=r"several tables, .*/background, .*/signal; choose one with --key"):
        read_events(path)
    below = "lhco/" if fill is two_compounds_below else ""
    assert np.array_equal(read_events(path, key=f"{below}signal").columns["pyj1"], rows[10:, 1])
    assert np.array_equal(read_events(path, key=f"/{below}background").columns["pyj1"], rows[:10, 1])
    with pytest.raises(DataError, match=r"has no table 'signa'.*did you mean '/.*signal'"):
        read_events(path, key="signa")
    described = describe(path, f"{below}signal")
    assert described.n_events == len(rows) - 10
    assert f"--key {below}signal" in described.next_command


@pytest.mark.parametrize("add", [add_named, add_compound])
def test_a_single_table_is_read_wherever_it_lies(tmp_path, rows, add):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add(file, "deep/below/events", rows)
        file["deep/again"] = h5py.SoftLink("/deep/below/events")
        file["deep/below/circle"] = file["deep"]
    assert np.array_equal(read_events(tmp_path / "a.h5").columns["pyj1"], rows[:, 1])


def test_columns_of_shape_n_times_one_are_columns(tmp_path):
    mass = np.linspace(3000.0, 4000.0, 50)[:, np.newaxis]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mass"], file["x"] = mass, np.sqrt(mass)
    (tmp_path / "a.toml").write_text(MANIFEST)
    assert np.array_equal(read_events(tmp_path / "a.toml").columns["mjj"], mass[:, 0])


def test_a_manifest_names_the_table_of_its_file(tmp_path):
    values = np.random.default_rng(1).uniform(3000.0, 4000.0, (50, 2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add_named(file, "first", values[:20], ("mass", "x"))
        add_named(file, "second", values[20:], ("mass", "x"))
    path = tmp_path / "a.toml"
    path.write_text(MANIFEST)
    with pytest.raises(DataError, match="several tables, /first, /second"):
        read_events(path)
    assert len(read_events(path, key="first")) == 20
    path.write_text('key = "second"\n' + MANIFEST)
    assert len(read_events(path)) == len(read_events(path, key="/second")) == 30
    with pytest.raises(ConfigError, match=r"--key first: .*a.toml names the table 'second'"):
        read_events(path, key="first")


def test_a_key_to_a_file_of_one_table_is_refused(tmp_path, rows):
    with pytest.raises(DataError, match=r"has no table 'df'; known are /features"):
        read_events(write_official(tmp_path / "a.h5", rows), key="df")
    np.savetxt(tmp_path / "a.csv", rows, delimiter=",", header=",".join(LABELLED), comments="")
    with pytest.raises(ConfigError, match=r"holds one table.*leave out --key"):
        read_events(tmp_path / "a.csv", key="df")
