"""Whatever a file holds: right events, or a sentence. Bytes at random, and files that were changed or cut."""

from __future__ import annotations

import contextlib
import io
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.datasets.description import describe
from anomaly_cli.datasets.readers import read_events

EXAMPLES = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANIFEST = """
file = "events{suffix}"
mjj = {{ column = "mass", unit = "GeV" }}
[features]
x = {{ column = "x", unit = "1" }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("any")
    for suffix in (".csv", ".npz", ".h5"):
        (made / f"{suffix[1:]}.toml").write_text(MANIFEST.format(suffix=suffix))
    return made


def read(folder, suffix, content, key=""):
    """Return mass and x `(n, 2)` of a file of this content, None where it is refused in a sentence."""
    (folder / f"events{suffix}").write_bytes(content)
    manifest = folder / f"{suffix[1:]}.toml"
    table = None
    with contextlib.suppress(AnomalyError):
        table = read_events(manifest, key=key)
    try:  # says what it is, or why it cannot; without a traceback either
        found = describe(manifest, key)
        assert bool(found.problem) == (table is None)
    except AnomalyError:
        assert table is None
    return None if table is None else np.stack([table.columns["mjj"], table.columns["x"]], axis=1)


@EXAMPLES
@given(st.binary(max_size=200) | st.text(alphabet='mas,x"\n\r1.5e-#;\t \x00', max_size=80).map(str.encode))
def test_any_bytes_called_csv_end_in_a_sentence(folder, content):
    read(folder, ".csv", content)
    found = read(folder, ".csv", b"mass,x\n3000.5,1\n" + content)
    assert found is None or np.array_equal(found[0], [3000.5, 1.0])


N = 7
MASS, X = np.linspace(2000.0, 5000.0, N), np.linspace(-1.0, 1.0, N)


def npz_of(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, values in members:
            array = io.BytesIO()
            if isinstance(values, bytes):
                array.write(values)
            else:
                np.lib.format.write_array(array, values)
            archive.writestr(name, array.getvalue())
    return content.getvalue()


@EXAMPLES
@given(st.integers(0, 2**16), st.integers(0, 255), st.booleans())
def test_a_changed_or_cut_npz_file_gives_its_events_or_is_refused(folder, position, value, is_cut):
    content = bytearray(npz_of([("mass.npy", MASS), ("x.npy", X)]))
    position %= len(content)
    content[position] = value
    found = read(folder, ".npz", bytes(content[:position] if is_cut else content))
    assert found is None or np.array_equal(found, np.stack([MASS, X], axis=1))


def _frame(file, path):
    frame = file.create_group(path)
    frame.attrs["pandas_type"], frame.attrs["nblocks"] = np.bytes_("frame"), 1
    frame["axis0"] = frame["block0_items"] = np.array([b"mass", b"x"])
    frame["block0_values"] = np.stack([MASS, X], axis=1)


def _named(file, path):
    file.create_dataset(path, data=np.stack([X, MASS], axis=1)).attrs["columns"] = ["x", "mass"]


def _records(file, path):
    values = np.zeros(N, dtype=[("mass", "f8"), ("note", "S3"), ("x", "f8")])
    values["mass"], values["x"] = MASS, X
    file[path] = values


def _columns(file, path):
    file[f"{path}/mass"], file[f"{path}/x"] = MASS[:, None], X


TABLES = (_frame, _named, _records, _columns)


@EXAMPLES
@given(st.sampled_from(TABLES), st.floats(0.0, 1.0), st.sampled_from(["earliest", "latest"]))
def test_a_cut_hdf5_file_is_refused(folder, write, share, version):
    content = io.BytesIO()
    with h5py.File(content, "w", libver=version) as file:
        write(file, "df")
    whole = content.getvalue()
    assert read(folder, ".h5", whole[: int(share * (len(whole) - 1))]) is None
