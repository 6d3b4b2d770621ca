"""Files of another kind than their names say, or written in other ways: named as what they are."""

from __future__ import annotations

import bz2
import gzip
import lzma

import h5py
import numpy as np
import pandas as pd
import pytest
from toys import shipped_rows

from anomaly_cli.core.errors import DataError
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.readers import read_events


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(shipped_rows(500), columns=[*OFFICIAL_COLUMNS, "label"])


@pytest.mark.parametrize(
    ("name", "write", "sentence"),
    [
        ("a.csv.gz", lambda text: gzip.compress(text.encode()), "compressed with gzip; unpack it"),
        ("a.csv", lambda text: gzip.compress(text.encode()), "compressed with gzip; unpack it"),
        ("a.csv.bz2", lambda text: bz2.compress(text.encode()), "compressed with bzip2"),
        ("a.csv.xz", lambda text: lzma.compress(text.encode()), "compressed with xz"),
        ("a.csv", lambda text: text.encode("utf-16"), "text in UTF-16; save it as UTF-8"),
        ("a.txt", lambda text: text.encode(), "is text, not HDF5; .* a name that ends in .csv"),
        ("a.csv", lambda text: b"PK\x03\x04" + text.encode(), "zip; give it a name that ends in .npz"),
        ("a.h5", lambda text: b"root\0\0" + text.encode(), "is a file of the kind ROOT"),
        ("a.csv", lambda text: text.replace(",", ";").replace(".", ",").encode(), "semicolons; .*points in numbers"),
        ("a.csv", lambda text: text.replace(",", ";").encode(), "semicolons; write commas between them$"),
    ],
)
def test_a_file_is_named_as_what_it_is(frame, tmp_path, name, write, sentence):
    (tmp_path / name).write_bytes(write(frame.to_csv(index=False)))
    with pytest.raises(DataError, match=sentence):
        read_events(tmp_path / name)


def test_decimal_commas_in_quotes_are_named(frame, tmp_path):
    frame.to_csv(tmp_path / "a.csv", index=False, decimal=",", quoting=1)
    with pytest.raises(DataError, match=r"has '-?\d+,\d+' in line 2 \(a decimal comma; write a point\)"):
        read_events(tmp_path / "a.csv")


@pytest.mark.parametrize(("written", "named"), [(".parquet", ".csv"), (".h5", ".csv"), (".h5", ".npz")])
def test_a_table_with_the_name_of_another_kind_is_told_its_own(frame, tmp_path, written, named):
    path = tmp_path / f"a{named}"
    if written == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    else:
        with h5py.File(path, "w") as file:
            file["x"] = np.zeros(3)
    with pytest.raises(DataError, match=f"give it a name that ends in {written}"):
        read_events(path)


def test_columns_of_several_levels_are_named(frame, tmp_path):
    pytest.importorskip("pyarrow")
    frame = frame.copy()
    frame.columns = pd.MultiIndex.from_product([["jets"], [*OFFICIAL_COLUMNS, "label"]])
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"names of several levels, as \('jets', 'pxj1'\)"):
        read_events(tmp_path / "a.parquet")
