"""Fetching from a real HTTP server: whole, cut, wrong, redirected, gone; and onto a full disk."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.progress import silent
from anomaly_cli.datasets import fetching
from anomaly_cli.datasets.fetching import fetch, inspect_files, store_folder
from anomaly_cli.datasets.manifests import LOCK_NAME, File, load_manifest, package_folder


def hdf5_bytes():
    """Return an HDF5 file of 4 MB: four pieces."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["x"] = np.arange(1 << 20, dtype=np.uint32)
    return buffer.getvalue()


CONTENT = hdf5_bytes()
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "events.h5"


@dataclass
class Log:
    """What the server is to do and what it was asked."""

    cuts: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    redirects: bool = False
    status: int = 0
    content_type: str = "application/octet-stream"
    content: bytes = CONTENT
    knows_ranges: bool = True
    tag: str = ""
    resumed: list[str | None] = field(default_factory=list)
    tells: str = "length"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, with ranges, and misbehaves as its log says."""

    def __init__(self, log, *args):
        self.log = log
        super().__init__(*args)

    def do_GET(self):
        wanted = self.headers.get("Range")
        if self.log.redirects and not self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", f"/moved{self.path}")
            self.end_headers()
            return
        self.log.ranges.append(wanted)
        if self.log.status:
            self.send_error(self.log.status)
            return
        condition = self.headers.get("If-Range")
        self.log.resumed.append(condition)
        is_same = condition in (None, self.log.tag)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.log.knows_ranges and is_same else 0
        content = self.log.content
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", self.log.content_type)
        if self.log.tag:
            self.send_header("ETag", self.log.tag)
        stop = self.log.cuts.pop(0) if self.log.cuts else len(content)
        if self.log.tells == "length":
            self.send_header("Content-Length", str(len(content) - start))
        if self.log.tells == "too short a length":
            self.send_header("Content-Length", str(stop - start))
        if self.log.tells == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.log.tells == "chunks":
            end = b"0\r\n\r\n" if stop == len(content) else b""
            self.wfile.write(b"%x\r\n%b\r\n%b" % (stop - start, content[start:stop], end))
            return
        self.wfile.write(content[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def served(monkeypatch):
    """A server on this machine, its log, and a manifest whose file it serves."""
    log = Log()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, log))
    server.handle_error = lambda *_: None  # a client that hangs up is part of the tests
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setattr("time.sleep", lambda _: None)  # pooch waits between attempts
    manifest = replace(
        load_manifest("lhco_rnd_features"),
        url=f"http://127.0.0.1:{server.server_address[1]}/",
        files=(File(NAME, len(CONTENT), DIGEST),),
    )
    yield manifest, log
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_arrives_whole_and_is_not_fetched_twice(served, tmp_path):
    manifest, log = served
    steps = []
    (state,) = fetch(manifest, tmp_path / "store", "", steps.append)
    assert state.problem == ""
    assert state.path.read_bytes() == CONTENT
    assert steps[-1].done == steps[-1].total == len(CONTENT) // 1000
    fetch(manifest, tmp_path / "store", "", silent)
    assert len(log.ranges) == 1
    assert [path.name for path in (tmp_path / "store").iterdir()] == [NAME]


def test_a_cut_connection_is_taken_up_where_it_broke(served, tmp_path):
    manifest, log = served
    log.cuts = [1_500_000, 3_000_000]
    (state,) = fetch(manifest, tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT
    assert log.ranges[0] is None
    starts = [int(text.removeprefix("bytes=").rstrip("-")) for text in log.ranges[1:]]
    assert len(starts) == 2
    assert 1_000_000 <= starts[0] <= 1_500_000 < starts[1] <= 3_000_000


def test_a_later_command_goes_on_with_what_an_earlier_one_left(served, tmp_path):
    manifest, log = served
    log.cuts = [1_100_000] * fetching.ATTEMPTS
    with pytest.raises(DataError, match=r"connection was cut.*what has arrived is kept"):
        fetch(manifest, tmp_path, "", silent)
    assert not (tmp_path / NAME).exists()
    before = len(log.ranges)
    fetch(manifest, tmp_path, "", silent)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert log.ranges[before] is not None


def test_a_server_without_ranges_sends_all_again(served, tmp_path):
    manifest, log = served
    log.knows_ranges, log.cuts = False, [2_000_000]
    (state,) = fetch(manifest, tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(served, tmp_path):
    manifest, _ = served
    (tmp_path / f".{NAME}.part").write_bytes(CONTENT + b"more")
    (state,) = fetch(manifest, tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT


def test_a_redirect_is_followed(served, tmp_path):
    manifest, log = served
    log.redirects = True
    (state,) = fetch(manifest, tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT


def test_content_with_the_wrong_checksum_is_thrown_away(served, tmp_path):
    manifest, _ = served
    wrong = replace(manifest, files=(File(NAME, len(CONTENT), "0" * 64),))
    with pytest.raises(DataError, match="does not have the expected checksum") as caught:
        fetch(wrong, tmp_path, "", silent)
    assert f"put it into {tmp_path}/" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_md5_alone_is_checked_too(served, tmp_path):
    manifest, _ = served
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    (state,) = fetch(replace(manifest, files=(File(NAME, 0, "", md5),)), tmp_path, "", silent)
    assert state.problem == ""
    with pytest.raises(DataError, match="checksum"):
        fetch(replace(manifest, files=(File("other.h5", 0, "", "0" * 32),)), tmp_path, "", silent)


def _part_to(device, path):
    return device if path.suffix == ".part" else path


def test_a_full_disk_is_one_sentence_and_the_part_is_kept_for_later(served, tmp_path, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full, the device that is always full")
    manifest, _ = served
    opened = Path.open
    full = Path("/dev/full")
    monkeypatch.setattr(Path, "open", lambda path, *how, **more: opened(_part_to(full, path), *how, **more))
    with pytest.raises(DataError, match=r"No space left on device.*free some space"):
        fetch(manifest, tmp_path, "", silent)
    assert not (tmp_path / NAME).exists()


def test_without_a_connection_it_is_said_which_file_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    manifest = replace(load_manifest("lhco_rnd_features"), url="http://127.0.0.1:9/")
    with pytest.raises(DataError, match="no connection") as caught:
        fetch(manifest, tmp_path, "", silent)
    assert f"put it into {tmp_path}/" in str(caught.value)
    assert "--mirror" in str(caught.value)


def test_an_answer_of_the_server_is_told(served, tmp_path):
    manifest, log = served
    log.status = 404
    with pytest.raises(DataError, match="answers 404 Not Found"):
        fetch(manifest, tmp_path, "", silent)


def test_a_mirror_can_be_an_address_or_a_folder(served, tmp_path):
    manifest, log = served
    nowhere = replace(manifest, url="http://127.0.0.1:9/")
    (state,) = fetch(nowhere, tmp_path / "a", manifest.url, silent)
    assert state.path.read_bytes() == CONTENT
    (state,) = fetch(nowhere, tmp_path / "b", str(tmp_path / "a"), silent)
    assert state.path.read_bytes() == CONTENT
    assert len(log.ranges) == 1
    with pytest.raises(DataError, match="no such file in the folder given as mirror"):
        fetch(nowhere, tmp_path / "c", str(tmp_path), silent)


def test_a_checksum_that_no_manifest_states_is_locked_at_the_first_fetch(served, tmp_path):
    manifest, log = served
    unknown = replace(manifest, files=(File(NAME),))
    (state,) = fetch(unknown, tmp_path, "", silent)
    assert state.basis == "lock file"
    entry = json.loads((tmp_path / LOCK_NAME).read_text())[f"{manifest.name}/{NAME}"]
    assert entry["sha256"] == DIGEST
    (tmp_path / NAME).write_bytes(CONTENT[:-1] + b"x")
    (state,) = inspect_files(unknown, tmp_path)
    assert state.problem == "does not have the expected checksum"
    log.content = CONTENT[:-1] + b"y"  # the record has changed since
    with pytest.raises(DataError, match="does not have the expected checksum"):
        fetch(unknown, tmp_path, "", silent)
    log.content = CONTENT
    (state,) = fetch(unknown, tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ['"one"', 'W/"one"', ""])
def test_a_file_without_checksum_is_never_put_together_from_two_versions(served, tmp_path, tag):
    manifest, log = served
    unknown = replace(manifest, files=(File(NAME, len(CONTENT)),))
    log.tag, log.cuts = tag, [1_100_000] * fetching.ATTEMPTS
    with pytest.raises(DataError, match="connection was cut"):
        fetch(unknown, tmp_path, "", silent)
    other = bytearray(CONTENT)  # of the same length, with differences in what has arrived and in what has not
    other[600_000] ^= 1
    other[3_000_000] ^= 1
    log.content, log.tag = bytes(other), tag.replace("one", "two")
    (state,) = fetch(unknown, tmp_path, "", silent)
    assert state.path.read_bytes() == other
    assert set(log.resumed) == ({None, '"one"'} if tag == '"one"' else {None})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([NAME, LOCK_NAME])


def test_a_file_without_checksum_is_taken_up_where_the_server_says_it_is_the_same(served, tmp_path):
    manifest, log = served
    log.tag, log.cuts = '"one"', [1_500_000, 3_000_000]
    (state,) = fetch(replace(manifest, files=(File(NAME, len(CONTENT)),)), tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT
    assert log.resumed == [None, '"one"', '"one"']
    assert all(log.ranges[1:])


@pytest.mark.parametrize("cut", [None, 1_000_000])
def test_a_reply_whose_end_cannot_be_told_is_not_taken_for_a_file_of_unknown_size(served, tmp_path, cut):
    manifest, log = served
    log.tells, log.cuts = "nothing", [cut] * fetching.ATTEMPTS if cut else []
    with pytest.raises(DataError, match=r"does not say how long the file is.*put it into .* or name a copy"):
        fetch(replace(manifest, files=(File(NAME),)), tmp_path, "", silent)
    assert list(tmp_path.iterdir()) == []


def test_a_reply_without_an_end_is_taken_where_size_and_checksum_tell(served, tmp_path):
    manifest, log = served
    log.tells = "nothing"
    (state,) = fetch(manifest, tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT
    log.cuts = [1_000_000]
    size_only = replace(manifest, files=(File("other.h5", len(CONTENT)),))
    with pytest.raises(DataError, match=rf"has 1000000 bytes instead of {len(CONTENT)} and was thrown away"):
        fetch(size_only, tmp_path, "", silent)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_reply_in_chunks_is_whole_where_its_last_chunk_came(served, tmp_path):
    manifest, log = served
    unknown = replace(manifest, files=(File("masterkey.txt"),))
    log.tells, log.cuts = "chunks", [1_000_000, 2_000_000]
    (state,) = fetch(unknown, tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT
    assert len(log.ranges) == 3


def test_an_hdf5_file_without_its_end_is_not_pinned_whatever_the_server_says(served, tmp_path):
    manifest, log = served
    unknown = replace(manifest, files=(File(NAME),))
    log.tells, log.cuts = "too short a length", [3_000_000]
    with pytest.raises(DataError, match=r"the file cannot be opened as HDF5 \(.*truncated.*\) and was thrown away"):
        fetch(unknown, tmp_path, "", silent)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / NAME).write_bytes(CONTENT[:3_000_000])  # put there by hand
    (state,) = inspect_files(unknown, tmp_path)
    assert "cannot be opened as HDF5" in state.problem
    log.tells = "length"
    with pytest.raises(DataError, match=rf"{NAME}: cannot be opened as HDF5.*; move it away and run the command again"):
        fetch(unknown, tmp_path, "", silent)
    (tmp_path / NAME).unlink()
    (state,) = fetch(unknown, tmp_path, "", silent)
    assert state.path.read_bytes() == CONTENT
    assert state.basis == "lock file"


def test_a_file_of_another_size_is_let_be_where_no_checksum_tells_what_it_is(served, tmp_path):
    manifest, _ = served
    (tmp_path / NAME).write_bytes(b"mine")
    with pytest.raises(DataError, match=r"has 4 bytes instead of .*; move it away and run the command again"):
        fetch(replace(manifest, files=(File(NAME, len(CONTENT)),)), tmp_path, "", silent)
    assert (tmp_path / NAME).read_bytes() == b"mine"


def test_a_web_page_is_not_taken_for_a_file_of_unknown_checksum(served, tmp_path):
    manifest, log = served
    log.content_type = "text/html; charset=utf-8"
    with pytest.raises(DataError, match="sends a web page instead"):
        fetch(replace(manifest, files=(File(NAME),)), tmp_path, "", silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "is not there"), (b"x", "has 1 bytes"), (CONTENT[:-1] + b"x", "checksum")]
)
def test_verification_names_what_is_wrong(served, tmp_path, content, problem):
    manifest, _ = served
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    (state,) = inspect_files(manifest, tmp_path)
    assert problem in state.problem


def test_the_store_is_chosen_by_option_then_by_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("ANOMALY_DATA", str(tmp_path / "variable"))
    assert store_folder(None) == tmp_path / "variable"
    assert store_folder(tmp_path / "option") == tmp_path / "option"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "[" * 60 + "]" * 60,
        "[]",
        "3",
        '{"a": 1}',
        '{"a": {}}',
        '{"a": {"sha256": "x"}}',
        '{"a": {"sha256": 1}}',
    ],
)
def test_checksums_that_cannot_be_read_vouch_for_nothing(served, tmp_path, text):
    manifest, _ = served
    unknown = replace(manifest, files=(File(NAME),))
    fetch(unknown, tmp_path, "", silent)
    (tmp_path / NAME).write_bytes(CONTENT[:-1] + b"x")
    (tmp_path / LOCK_NAME).write_text(text)
    for look in (lambda: inspect_files(unknown, tmp_path), lambda: fetch(unknown, tmp_path, "", silent)):
        with pytest.raises(DataError, match=rf"{LOCK_NAME}: cannot be read as checksums.*fetch them again"):
            look()
    assert (tmp_path / LOCK_NAME).read_text() == text


@pytest.mark.parametrize(
    ("link", "what"), [(Path.symlink_to, "is a link"), (Path.hardlink_to, "has another name as well")]
)
def test_a_part_that_is_a_link_is_not_written_through(served, tmp_path, link, what):
    manifest, _ = served
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "store").mkdir()
    link(tmp_path / "store" / f".{NAME}.part", victim)
    with pytest.raises(
        DataError, match=rf"{NAME}.part: {what}.*, through which something else would be written; remove"
    ):
        fetch(manifest, tmp_path / "store", "", silent)
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_part_that_is_no_file_is_refused(served, tmp_path, make):
    manifest, _ = served
    make(tmp_path / f".{NAME}.part")
    with pytest.raises(DataError, match=r".part: is a directory, device or pipe"):
        fetch(manifest, tmp_path, "", silent)


def test_checksums_that_lie_where_no_disk_is_now_are_not_taken_for_none(served, tmp_path):
    manifest, _ = served
    (tmp_path / LOCK_NAME).symlink_to(tmp_path / "away" / LOCK_NAME)
    with pytest.raises(DataError, match=rf"{LOCK_NAME}: cannot be read as checksums"):
        fetch(replace(manifest, files=(File(NAME),)), tmp_path, "", silent)
    assert (tmp_path / LOCK_NAME).is_symlink()
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("name", [LOCK_NAME, "Checksums.JSON"])
def test_a_data_set_cannot_put_a_file_in_place_of_the_checksums(name):
    with pytest.raises(ConfigError, match="cannot be called like the list of checksums"):
        File(name)


@pytest.mark.parametrize("name", ["../events.h5", "/tmp/events.h5", "a/b.h5", "..", ".hidden", "", "a\\b.h5", "a\n.h5"])
def test_a_file_of_a_data_set_has_a_name_and_no_path(name):
    with pytest.raises(ConfigError, match="needs a plain name"):
        File(name)


def test_a_data_set_is_known_by_name_and_not_by_path(tmp_path):
    text = (package_folder("data_manifests") / "lhco_rnd_features.toml").read_text()
    (tmp_path / "own.toml").write_text(text)
    for name in ("../pyproject", str(tmp_path / "own"), "../data_manifests/lhco_rnd_features", "a/lhco_rnd_features"):
        with pytest.raises(ConfigError, match="has no manifest"):
            load_manifest(name)
