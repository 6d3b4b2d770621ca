"""What damage does to a file is seen before the HDF5 library, which it may end, sees the file."""

from __future__ import annotations

import random

import h5py
import numpy as np
import pytest

from anomaly_cli.artifacts import schema, store
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.seal import LENGTH, MARK, check_seal, sealed
from anomaly_cli.artifacts.store import read_any, write_artifact
from anomaly_cli.core.errors import ArtifactError

GROUPS = {
    "events": {
        **{name: np.arange(3) for name in ("row", "mjj", "score", "fold")},
        "region": ["sr"] * 3,
        "is_passing": np.ones((1, 3), dtype=bool),
    },
    "cuts": {"background_efficiency": [0.1]},
}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "scores.h5"
    write_artifact(path, schema.SCORED_EVENTS, GROUPS, Provenance("score", 1, {}, 1, {}))
    return path


def test_no_flipped_bit_reaches_the_library(written, monkeypatch):
    whole = written.read_bytes()

    def refuse(*_, **__):
        pytest.fail("the library was given a damaged file")

    monkeypatch.setattr(store.h5py, "File", refuse)
    chance = random.Random(1)
    for _ in range(100):
        bit = chance.randrange(8 * (len(whole) - LENGTH))
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        written.write_bytes(damaged)
        with pytest.raises(ArtifactError, match="its bytes are not those that were written"):
            read_any(written)


def test_a_damaged_seal_hides_nothing_that_the_digest_would_not_find(written):
    whole = written.read_bytes()
    written.write_bytes(whole[:-1] + b"x")
    with pytest.raises(ArtifactError, match="its bytes are not those that were written"):
        read_any(written)
    written.write_bytes(whole[:-LENGTH] + b"x" + whole[-LENGTH + 1 :])  # no seal any more
    assert read_any(written).groups["events"]["row"].tolist() == [0, 1, 2]


def test_files_are_read_without_a_seal_and_sealed_ones_by_any_program(written, tmp_path):
    whole = written.read_bytes()
    assert whole == sealed(whole[:-LENGTH])
    with h5py.File(written) as file:
        assert file["events/row"][()].tolist() == [0, 1, 2]
    written.write_bytes(whole[:-LENGTH])
    assert read_any(written).groups["events"]["row"].tolist() == [0, 1, 2]
    for content in (b"", MARK, b"short"):
        (tmp_path / "other").write_bytes(content)
        check_seal(tmp_path / "other")
    (tmp_path / "other").write_bytes(b"x" * 3_000_000 + sealed(b"y")[1:])
    with pytest.raises(ArtifactError, match="its bytes are not those"):
        check_seal(tmp_path / "other")
