"""HDF5 files: which table is read, and what lies outside of the file."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest
from toys import shipped_rows, write_frame, write_official

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.datasets.description import describe
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.rawfeatures import locate_raw, read_rows
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


def add_frame(file, name, rows):
    path = write_frame(file.filename.replace("a.h5", "frame.h5"), [(list(LABELLED), rows)])
    with h5py.File(path) as single:
        single.copy("df", file, name)


@pytest.mark.parametrize("add", [add_frame, add_named, add_compound])
@pytest.mark.parametrize(("group", "listed"), [("/", r"/ \(columns mass, w\)"), ("more", r"/more \(columns mass, w\)")])
def test_columns_beside_a_table_are_named_with_it_and_neither_is_taken_silently(tmp_path, rows, add, group, listed):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        add(file, "events", rows)
        add_columns(file.require_group(group), np.full((30, 2), 3000.0), ("mass", "w"))
    with pytest.raises(
        DataError, match=rf"several tables, /events, {listed}; choose one with --key .* key = \"events\""
    ):
        read_events(path)
    assert np.array_equal(read_events(path, key="events").columns["pyj1"], rows[:, 1])
    assert describe(path, group).n_events == 30


def test_a_single_value_beside_a_table_is_no_table(tmp_path, rows):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add_named(file, "events", rows)
        file["luminosity"], file["version"] = [139.0], 2
    assert len(read_events(tmp_path / "a.h5")) == len(rows)


@pytest.mark.parametrize("add", [add_named, add_compound])
def test_a_single_table_is_read_wherever_it_lies(tmp_path, rows, add):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add(file, "deep/below/events", rows)
        file["deep/again"] = h5py.SoftLink("/deep/below/events")
        file["deep/below/circle"] = file["deep"]
        file["twin"] = file["deep/below/events"]
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


def linked(file, rows, other):
    file["features"] = h5py.ExternalLink(other, "/features")


def linked_below(file, rows, other):
    add_named(file, "features", rows)
    file["more/of/it"] = h5py.ExternalLink(other, "/features")


def virtual(file, rows, other):
    layout = h5py.VirtualLayout(shape=rows.shape, dtype="f4")
    layout[:] = h5py.VirtualSource(other, "features", shape=rows.shape)
    file.create_virtual_dataset("features", layout).attrs["columns"] = list(LABELLED)


def stored_outside(file, rows, other):
    data = file.create_dataset("features", rows.shape, "f4", external=[(other, 0, rows.nbytes)])
    data.attrs["columns"] = list(LABELLED)


def frame_stored_outside(file, rows, other):
    two_frames(file, rows)
    del file["background/block0_values"]
    file["background/block0_values"] = h5py.ExternalLink(other, "/features")


@pytest.mark.parametrize("fill", [linked, linked_below, virtual, stored_outside, frame_stored_outside])
def test_data_that_lie_in_another_file_are_refused_since_no_checksum_would_tell_their_changes(tmp_path, rows, fill):
    other = write_official(tmp_path / "other.h5", rows)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        fill(file, rows, str(other))
    with pytest.raises(DataError, match=r"lies in another file \(.*other.h5\), whose changes"):
        read_events(tmp_path / "a.h5", key="" if fill is not frame_stored_outside else "background")


def test_a_virtual_data_set_of_the_file_itself_is_read(tmp_path, rows):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["parts"] = rows
        layout = h5py.VirtualLayout(shape=rows.shape, dtype="f8")
        layout[:] = h5py.VirtualSource(file["parts"])
        add = file.create_virtual_dataset("features", layout)
        add.attrs["columns"] = list(LABELLED)
    assert np.array_equal(read_events(tmp_path / "a.h5").columns["pyj1"], rows[:, 1])


def test_a_raw_frame_is_one_table(tmp_path):
    names = [f"c{i}" for i in range(2100)]
    with pytest.raises(DataError, match="holds raw constituents"):
        read_events(write_frame(tmp_path / "raw.h5", [(names, np.ones((3, 2100)))]))


PARTICLES = [str(index) for index in range(2100)]


def raw_blocks(n, labels):
    """Return raw events, and the blocks that pandas stores where the label has a type of its own."""
    events = np.random.default_rng(1).uniform(1.0, 6.0, (n, 2100)).astype(np.float32)
    blocks = [(PARTICLES, events), (["label"], labels)]
    return events, blocks


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("dtype", ["i8", "?", "f8"])
def test_the_label_of_a_raw_frame_is_found_in_a_block_of_its_own(tmp_path, dtype, order):
    labels = (np.arange(7) % 3 == 0).astype(dtype)[:, np.newaxis]
    events, blocks = raw_blocks(7, labels)
    path = write_frame(tmp_path / "raw.h5", blocks[::order])
    with h5py.File(path, "a") as file:
        file["df/axis0"][...] = np.array([*PARTICLES, "label"], dtype="S16")
    place = locate_raw(path)
    rows = read_rows(place, 0, 5)
    assert place.is_labelled
    assert place.n_events == 7
    assert np.array_equal(rows[:, :2100], events[:5])
    assert np.array_equal(rows[:, 2100], labels[:5, 0])
    assert describe(path).n_signal == 3


def test_a_raw_frame_whose_columns_are_in_no_known_order_is_refused(tmp_path):
    labels = np.zeros((7, 1), dtype="i8")
    events, blocks = raw_blocks(7, labels)
    halves = [(PARTICLES[:1000], events[:, :1000]), (PARTICLES[1000:], events[:, 1000:].astype("f8"))]
    swapped = [([*PARTICLES[1:], PARTICLES[0]], events), blocks[1]]
    for parts in ([*halves, blocks[1]], halves, swapped, blocks[::-1]):
        path = write_frame(tmp_path / "raw.h5", parts)
        if parts is swapped:
            with h5py.File(path, "a") as file:
                file["df/axis0"][...] = np.array([*PARTICLES, "label"], dtype="S16")
        with pytest.raises(DataError, match=r"raw.h5: the particles in 'df' do not lie side by side.* write it again"):
            locate_raw(path)
    path = write_frame(tmp_path / "raw.h5", [(PARTICLES, events), (["label"], labels[:6])])
    with pytest.raises(DataError, match=r"raw.h5: has 6 labels for 7 events"):
        locate_raw(path)


def test_a_last_raw_column_that_is_no_label_is_refused_with_its_row(tmp_path):
    events, _ = raw_blocks(7, None)
    rows = np.column_stack([np.zeros(7), events])  # the label first, the last angle last
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["events"] = rows
    with pytest.raises(DataError, match=r"raw.h5: the label of row 0, in the last column, is .*write the particles"):
        describe(tmp_path / "raw.h5")


def test_a_file_that_its_writer_never_closed_says_so_and_how_to_mend_it(tmp_path, rows):
    code = (
        "import h5py, numpy, os, sys; file = h5py.File(sys.argv[1], 'w', libver='latest');"
        "file['x'] = numpy.arange(1000.0); file.flush(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.h5")], check=True)
    with pytest.raises(DataError, match=r"was not closed by the program that writes it.*h5clear --status .*a.h5"):
        read_events(tmp_path / "a.h5")


def test_an_unused_column_of_text_in_a_frame_or_group_is_let_be(tmp_path, rows):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add_columns(file, rows)
        file["process"] = ["qcd"] * len(rows)
    assert len(read_events(tmp_path / "a.h5")) == len(rows)
    path = write_frame(tmp_path / "b.h5", [(list(LABELLED), rows)])
    with h5py.File(path, "a") as file:  # as PyTables writes a block of text: pickled, in one row
        frame = file["df"]
        frame.attrs["nblocks"] = 2
        del frame["axis0"]
        frame["axis0"] = np.array([*LABELLED, "process"], dtype="S16")
        frame["block1_items"] = np.array(["process"], dtype="S16")
        pickled = frame.create_dataset("block1_values", (1,), h5py.vlen_dtype(np.uint8))
        pickled[0] = np.frombuffer(b"pickle", dtype=np.uint8)
    assert len(read_events(path)) == len(rows)


def test_a_file_that_is_open_in_the_same_program_is_not_called_damaged(tmp_path):
    path = tmp_path / "open.h5"
    with h5py.File(path, "w") as file:
        file["mjj"] = np.arange(5.0)
    with h5py.File(path, "r"), pytest.raises(DataError, match="is open in this program already"):
        read_events(path)
