from __future__ import annotations

import dataclasses
import hashlib
import os
import resource
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from anomaly_cli.artifacts import schema, store
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import (
    encode_artifact,
    file_digest,
    read_any,
    read_artifact,
    write_artifact,
    write_files,
)
from anomaly_cli.core.errors import ArtifactError

PROVENANCE = Provenance("evaluate", 1, {"folds": 5, "nested": {"a": 1}}, 7, {"split": "abc"})
SCORED = {name: np.arange(3) for name in ("mjj", "event_id", "source_id", "weight", "fold", "score")}
GROUPS = {
    "background": SCORED,
    "signal": SCORED,
    "sic": {
        "method": ["curtains_f4f", "idealised"],
        "background_efficiency": [0.01, 0.01],
        "signal_efficiency": [0.4, 0.5],
        "sic": [4.0, 5.0],
        "sic_error": [0.1, 0.2],
        "purity": [0.2, 0.3],
    },
    "curves": {name: [] for name in schema.EVALUATION.groups["curves"].columns},
    "summary": {name: [] for name in schema.EVALUATION.groups["summary"].columns},
    "counts": {"n_background": 10, "n_signal": 20, "strength": 1.1},
}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "evaluation.h5"
    write_artifact(path, schema.EVALUATION, GROUPS, PROVENANCE)
    return path


def test_an_artifact_survives_writing_and_reading(written):
    artifact = read_artifact(written, schema.EVALUATION)
    assert artifact.provenance == PROVENANCE
    assert artifact.groups["sic"]["method"].tolist() == ["curtains_f4f", "idealised"]
    assert artifact.groups["counts"]["n_signal"] == 20


def test_equal_content_gives_equal_bytes():
    assert encode_artifact(schema.EVALUATION, GROUPS, PROVENANCE) == encode_artifact(
        schema.EVALUATION, GROUPS, PROVENANCE
    )


def test_the_digest_covers_content_and_provenance():
    digest = encode_artifact(schema.EVALUATION, GROUPS, PROVENANCE)[1]
    changed = {**GROUPS, "counts": {"n_background": 10, "n_signal": 21, "strength": 1.1}}
    assert encode_artifact(schema.EVALUATION, changed, PROVENANCE)[1] != digest
    other = dataclasses.replace(PROVENANCE, inputs={"split": "abd"})
    assert encode_artifact(schema.EVALUATION, GROUPS, other)[1] != digest


def test_units_and_meanings_are_in_the_file(finished):
    with h5py.File(finished / "split.h5") as file:
        assert file["sr/mjj"].attrs["unit"] == "GeV"
        assert "invariant mass" in file["sr/mjj"].attrs["meaning"]


def test_a_changed_value_is_noticed(written):
    with h5py.File(written, "r+") as file:
        file["counts/n_signal"][()] = 21
    with pytest.raises(ArtifactError, match="does not match its digest"):
        read_any(written)


@pytest.mark.parametrize("keep", [0, 10, 500, -100])
def test_a_truncated_file_is_refused(written, keep):
    written.write_bytes(written.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="move it away and run the stage again"):
        read_any(written)


def test_another_kind_is_refused_naming_the_command(written):
    with pytest.raises(ArtifactError, match="make one with 'anomaly split'"):
        read_artifact(written, schema.SPLIT)


def test_another_version_is_refused(written):
    with h5py.File(written, "r+") as file:
        file.attrs["kind_version"] = 99
    with pytest.raises(ArtifactError, match=f"version 99, this release knows version {schema.EVALUATION.version}"):
        read_any(written)


def test_a_foreign_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(ArtifactError, match="no anomaly artifact"):
        read_any(tmp_path / "other.h5")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no such file"):
        read_any(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("group", "column", "value", "message"),
    [
        ("sic", "sic", [1.0], "has length"),
        ("sic", "sic", [[1.0], [2.0]], "dimensions"),
        ("counts", "is_signal", 1, "missing or unknown"),
    ],
)
def test_what_does_not_fit_the_schema_is_not_written(tmp_path, group, column, value, message):
    groups = {**GROUPS, group: {**GROUPS[group], column: value}}
    with pytest.raises(ArtifactError, match=message):
        write_artifact(tmp_path / "x.h5", schema.EVALUATION, groups, PROVENANCE)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_every_earlier_file(tmp_path):
    """The limit on a file's size stands for the full disk: both end in an OSError while writing."""
    first, second = tmp_path / "first", tmp_path / "second"
    write_files({first: b"old first", second: b"old second"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(ArtifactError, match="earlier files are untouched"):
            write_files({first: b"new", second: b"x" * 2000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert first.read_bytes() == b"old first"
    assert second.read_bytes() == b"old second"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "second"]


def test_differences_are_said_in_words():
    other = dataclasses.replace(PROVENANCE, seed=8, settings={"folds": 4, "nested": {"a": 1}}, inputs={"split": "x"})
    said = PROVENANCE.differences(other)
    assert said == ["seed was 8, now 7", "folds was 4, now 5", "its input 'split' has changed"]
    older = dataclasses.replace(PROVENANCE, stage_version=PROVENANCE.stage_version - 1)
    (said,) = PROVENANCE.differences(older)
    assert said.startswith(f"made by {older.stage} version {older.stage_version}, not ")


def test_of_many_differences_those_are_named_that_both_sides_have():
    now = dataclasses.replace(PROVENANCE, settings={"windows": True, **{f"a{i}": i for i in range(9)}})
    said = now.differences(dataclasses.replace(PROVENANCE, settings={"windows": False}))
    assert said[0] == "windows was False, now True"
    assert said[1:] == [*(f"a{i} was not set, now {i}" for i in range(2)), "7 further settings"]


@pytest.fixture
def hashed(monkeypatch):
    """Count how often bytes are hashed."""
    calls, digest = [], hashlib.file_digest

    def counted(file, algorithm):
        calls.append(file.name)
        return digest(file, algorithm)

    monkeypatch.setattr(store.hashlib, "file_digest", counted)
    monkeypatch.setattr(store, "_hashed", {})
    return calls


def test_a_file_is_hashed_once_until_it_changes_however_well_the_change_is_hidden(tmp_path, monkeypatch, hashed):
    monkeypatch.setattr(store, "SETTLED_NS", 0)
    path = tmp_path / "events.h5"
    path.write_bytes(b"one")
    state = path.stat()
    assert file_digest(path) == file_digest(path) == hashlib.sha256(b"one").hexdigest()
    assert len(hashed) == 1
    with path.open("r+b") as file:  # the same file, as long as before, of the same time
        file.write(b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file_digest(path) == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_has_just_been_written_is_hashed_again(tmp_path, hashed):
    """Another change could have the same time, where times are coarse."""
    path = tmp_path / "events.h5"
    path.write_bytes(b"one")
    file_digest(path)
    file_digest(path)
    assert len(hashed) == 2


def test_an_artifact_is_shown_by_what_it_is_and_not_by_all_that_it_holds(written):
    artifact = read_artifact(written, schema.EVALUATION)
    assert repr(artifact).startswith(f"Artifact(evaluation, {written}, ")
    assert len(repr(artifact)) < len(str(written)) + 200


def test_an_artifact_that_cannot_even_be_opened_is_not_called_damaged(tmp_path):
    path = tmp_path / "closure.h5"
    path.symlink_to(path)
    with pytest.raises(
        ArtifactError, match=r"closure.h5: cannot be read \(Too many .*\), which says nothing of what"
    ) as told:
        read_any(path)
    assert "away" not in str(told.value)
    assert "delete" not in str(told.value)


def test_an_artifact_that_its_writer_never_closed_says_so(tmp_path):
    code = (
        "import h5py, os, sys; file = h5py.File(sys.argv[1], 'w', libver='latest');"
        "file['x'] = range(1000); file.flush(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "closure.h5")], check=True)
    with pytest.raises(ArtifactError, match=r"is being written by another program, or was .*; wait for it, or move it"):
        read_any(tmp_path / "closure.h5")


def test_a_name_that_would_make_a_group_is_refused_before_anything_is_written():
    with pytest.raises(ArtifactError, match="classifier/models: '0/0:ensemble' is no name of an array"):
        encode_artifact(
            schema.CLASSIFIER,
            {"models": {"0/0:ensemble": np.zeros(1)}, "crossfit": {}},
            Provenance("classify", 1, {}, 1, {}),
        )
