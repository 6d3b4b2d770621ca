"""Fetching data sets: downloads that go on after an interruption and are checked before they are used."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import requests

from anomaly_cli.core.documents import parse_json, read_text
from anomaly_cli.core.errors import DataError, first_line
from anomaly_cli.core.progress import Progress, Step
from anomaly_cli.datasets.frames import written_in_one_step
from anomaly_cli.datasets.hdf5 import why_not_whole
from anomaly_cli.datasets.manifests import LOCK_NAME, File, Manifest, shipped_file

STORE_VARIABLE, MIRROR_VARIABLE = "ANOMALY_DATA", "ANOMALY_DATA_MIRROR"
ATTEMPTS = 4
TIMEOUT = 30.0
"""Seconds without an answer after which an attempt is given up."""
PIECE = 1 << 20
HDF5_SUFFIXES = (".h5", ".hdf5")


@dataclass(frozen=True)
class FileState:
    """What is known of one file in the store.

    Attributes:
        file: the file, with the checksum that it is held against.
        path: where it lies or should lie.
        problem: what is wrong with it, empty where nothing is.
        basis: what it was checked against: `manifest`, `lock file`, or `nothing`.
    """

    file: File
    path: Path
    problem: str
    basis: str


def store_folder(folder: Path | None) -> Path:
    """Return where fetched files lie: `folder`, else ANOMALY_DATA, else the user's cache."""
    if folder is not None:
        return folder.expanduser().absolute()
    return Path(os.environ.get(STORE_VARIABLE) or pooch.os_cache("anomaly"))


def inspect_files(manifest: Manifest, store: Path) -> list[FileState]:
    """Return the state of every file of a data set; reads and checks whole files."""
    lock = _read_lock(store)
    return [_inspect(manifest, file, store, lock.get(_lock_key(manifest, file), "")) for file in manifest.files]


def _inspect(manifest: Manifest, file: File, store: Path, locked: str) -> FileState:
    path = shipped_file() if manifest.is_shipped else store / file.name
    basis = "manifest" if file.sha256 or file.md5 else "lock file" if locked else "nothing"
    if not path.is_file():
        return FileState(file, path, "is a directory" if path.is_dir() else "is not there", basis)
    size = path.stat().st_size
    if file.bytes and size != file.bytes:
        return FileState(file, path, f"has {size} bytes instead of {file.bytes}", basis)
    known = _known_hash(file, locked)
    try:
        is_wrong = known is not None and not pooch.hashes.hash_matches(str(path), known)
        reason = why_not_whole(path) if known is None and path.suffix in HDF5_SUFFIXES else ""
    except OSError as error:
        return FileState(file, path, f"cannot be read ({error.strerror})", basis)
    if reason:
        return FileState(file, path, f"cannot be opened as HDF5 ({reason})", basis)
    return FileState(file, path, "does not have the expected checksum" if is_wrong else "", basis)


def fetch(manifest: Manifest, store: Path, mirror: str, progress: Progress) -> list[FileState]:
    """Bring all files of a data set into the store; files that are there and whole are left alone.

    Args:
        manifest: the data set.
        store: target folder.
        mirror: address or folder to take the files from instead of the record's; empty for none.
        progress: where to report, in kB.

    Raises:
        DataError: where a file cannot be had, is not what the manifest says, or does not fit on the disk.
    """
    if manifest.is_shipped:
        return inspect_files(manifest, store)
    lock = _read_lock(store)
    for state in inspect_files(manifest, store):
        if state.problem:
            locked = lock.get(_lock_key(manifest, state.file), "")
            _fetch_file(manifest, state, locked, mirror, progress)
        if state.basis == "nothing":
            _lock(manifest, state, store)
    return inspect_files(manifest, store)


def _fetch_file(manifest: Manifest, state: FileState, locked: str, mirror: str, progress: Progress) -> None:
    file, store, address = state.file, state.path.parent, _address(manifest, state.file, mirror)
    advice = (
        f"download {manifest.url}{file.name} elsewhere and put it into {store}/, or name a copy with --mirror"
        f" (or {MIRROR_VARIABLE})"
    )
    if state.path.exists() and _known_hash(file, locked) is None:  # it may be the only copy of something else
        raise DataError(f"{state.path}: {state.problem}; move it away and run the command again")
    try:
        store.mkdir(parents=True, exist_ok=True)
        if not address.startswith(("http://", "https://")):
            _copy(Path(address), state.path)
        else:
            _download(address, file, _known_hash(file, locked), store, progress)
    except requests.exceptions.RequestException as error:
        raise DataError(f"{address}: cannot be fetched ({_reason(error)}); {advice}") from error
    except ValueError as error:
        raise DataError(
            f"{address}: what arrives does not have the expected checksum and was thrown away; try again later, or"
            f" {advice}"
        ) from error
    except OSError as error:
        raise DataError(
            f"{state.path}: cannot be written ({error.strerror or error}); free some space and run the command again"
            " to go on, or choose another folder with --folder"
        ) from error
    found = _inspect(manifest, file, store, locked)
    if found.problem:
        found.path.unlink(missing_ok=True)
        raise DataError(f"{address}: the file {found.problem} and was thrown away; {advice}")


def _address(manifest: Manifest, file: File, mirror: str) -> str:
    if not mirror:
        return manifest.url + file.name
    if mirror.startswith(("http://", "https://")):
        return f"{mirror.rstrip('/')}/{file.name}"
    return str(Path(mirror).expanduser() / file.name)


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise DataError(f"{source}: no such file in the folder given as mirror; put it there or leave out --mirror")
    with written_in_one_step(target) as scratch:
        shutil.copyfile(source, scratch)


def _download(address: str, file: File, known_hash: str | None, store: Path, progress: Progress) -> None:
    pooch.get_logger().setLevel("ERROR")
    fetcher = pooch.create(
        path=store,
        base_url="",
        registry={file.name: known_hash},
        urls={file.name: address},
        retry_if_failed=ATTEMPTS - 1,
    )
    is_known, is_checked = bool(file.bytes or known_hash), known_hash is not None
    fetcher.fetch(file.name, downloader=_Resuming(store / f".{file.name}.part", progress, is_known, is_checked))


@dataclass(frozen=True)
class _Resuming:
    """A downloader for pooch that keeps what has arrived and asks for the rest.

    Attributes:
        part: where it is kept.
        progress: where to report.
        is_known: whether size or checksum tell afterwards that all has arrived.
        is_checked: whether a checksum tells afterwards that all of it is of one file.
    """

    part: Path
    progress: Progress
    is_known: bool
    is_checked: bool

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        have, tag = _length_of_own(self.part), self._read_tag()
        have = have if tag or self.is_checked else 0  # the server's file may have changed since, and nothing would tell
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        headers |= {"If-Range": tag} if have and tag else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.unlink()  # longer than the file: left over from another one
                raise requests.exceptions.ConnectionError("the part that is here does not belong to the file")
            answer.raise_for_status()
            if "text/html" in answer.headers.get("Content-Type", ""):
                raise requests.exceptions.ConnectionError("the server sends a web page instead of the file")
            if answer.status_code != requests.codes.partial_content:
                have = 0
                self._keep_tag(answer)
            if not (self.is_known or _tells_its_end(answer)):
                raise requests.exceptions.ConnectionError(
                    "the server does not say how long the file is, and neither size nor checksum is known, so nothing"
                    " would tell whether all of it has arrived"
                )
            expected = have + int(answer.headers.get("Content-Length", 0))
            have = self._receive(answer, have, expected)
        if expected and have < expected:
            raise requests.exceptions.ConnectionError(f"the connection was cut after {have} of {expected} bytes")
        shutil.move(self.part, output_file)
        self._tag_file.unlink(missing_ok=True)

    @property
    def _tag_file(self) -> Path:
        """What the server calls this version of the file."""
        return self.part.with_suffix(".tag")

    def _read_tag(self) -> str:
        try:
            return read_text(self._tag_file).strip()
        except (OSError, ValueError):
            return ""

    def _keep_tag(self, answer: requests.Response) -> None:
        """Keep by what the server tells this version of the file from others; a weak tag does not."""
        tag = answer.headers.get("ETag", "")
        tag = answer.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
        self._tag_file.unlink(missing_ok=True)
        if tag and not self.is_checked:
            with self._tag_file.open("x", encoding="utf-8") as file:
                file.write(tag)

    def _receive(self, answer: requests.Response, have: int, expected: int) -> int:
        name = self.part.name.removeprefix(".").removesuffix(".part")
        with self.part.open("ab" if have else "wb") as file:
            for piece in answer.iter_content(PIECE):
                have += file.write(piece)
                self.progress(Step(f"fetch {name} (kB)", have // 1000, max(expected, have) // 1000))
        return have


def _length_of_own(part: Path) -> int:
    """Return how much has arrived, 0 where there is nothing yet.

    Raises:
        DataError: where the part is another file as well, or none: writing to it would change that one, or never end.
    """
    try:
        status = part.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        what = "is a directory, device or pipe" if not stat.S_ISLNK(status.st_mode) else "is a link"
        what = "has another name as well (a hard link)" if stat.S_ISREG(status.st_mode) else what
        raise DataError(f"{part}: {what}, through which something else would be written; remove it first")
    return status.st_size


def _tells_its_end(answer: requests.Response) -> bool:
    """Return whether a reply that was cut short can be told from a whole one: it states its length, or comes in chunks.

    The length of a compressed reply is not that of what is in it.
    """
    is_plain = answer.headers.get("Content-Encoding", "identity").lower() == "identity"
    is_chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
    return is_plain and (is_chunked or "Content-Length" in answer.headers)


def _known_hash(file: File, locked: str) -> str | None:
    if file.sha256:
        return f"sha256:{file.sha256}"
    if file.md5:
        return f"md5:{file.md5}"
    return f"sha256:{locked}" if locked else None


def _reason(error: requests.exceptions.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut again and again; what has arrived is kept, run the command again to go on"
    text = str(error)
    return text if text.startswith("the ") else "no connection"


def _lock_key(manifest: Manifest, file: File) -> str:
    return f"{manifest.name}/{file.name}"


def _read_lock(store: Path) -> dict[str, str]:
    return {key: entry["sha256"] for key, entry in _lock_entries(store / LOCK_NAME).items()}


def _lock_entries(lock: Path) -> dict[str, Any]:
    """Return what the lock file holds, by file; nothing where there is none yet.

    Raises:
        DataError: where there is one that cannot be used: files would pass that nothing vouches for.
    """
    if not os.path.lexists(lock):  # a link that leads nowhere is no empty list
        return {}
    try:
        content = parse_json(lock.read_text(encoding="utf-8"))
        is_valid = all(re.fullmatch("[0-9a-f]{64}", entry["sha256"]) for entry in content.values())
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise _unusable_lock(lock, first_line(error)) from error
    if not is_valid:
        raise _unusable_lock(lock, "an entry is no SHA-256")
    return dict(content)


def _unusable_lock(lock: Path, reason: str) -> DataError:
    return DataError(
        f"{lock}: cannot be read as checksums of fetched files ({reason}), so nothing vouches for the files beside it;"
        " put back a copy of it, or move it and those files away and fetch them again"
    )


def _lock(manifest: Manifest, state: FileState, store: Path) -> None:
    """Remember the checksum of a file that no manifest states."""
    lock = store / LOCK_NAME
    content = _lock_entries(lock)
    with state.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    entry = {"sha256": digest, "bytes": state.path.stat().st_size, "first_seen": time.strftime("%Y-%m-%d")}
    content[_lock_key(manifest, state.file)] = entry
    with written_in_one_step(lock) as scratch:
        scratch.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
