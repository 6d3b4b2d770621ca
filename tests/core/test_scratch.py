"""Scratch files, and worker processes whose parent is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.scratch import scratch_beside
from anomaly_cli.datasets.frames import written_in_one_step

KILLED = """
import os, sys
from pathlib import Path
from anomaly_cli.core.scratch import scratch_beside
with scratch_beside(Path(sys.argv[1])) as scratch:
    scratch.write(b"half of it")
    os.kill(os.getpid(), 9)
"""
PARENT = """
import os, sys, time
from anomaly_cli.core.workers import in_order
from anomaly_cli.core.workers import Result
def work(seconds):
    print(os.getpid(), flush=True)
    time.sleep(seconds)
if __name__ == "__main__":
    list(in_order(work, [(600.0,), (600.0,)], 2))
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_is_taken_over_by_the_next(tmp_path):
    target = tmp_path / "a.h5"
    assert subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False).returncode == -9
    assert names(tmp_path) == [".a.h5.partial"]
    write_files({target: b"all"})
    assert (names(tmp_path), target.read_bytes()) == (["a.h5"], b"all")


@pytest.mark.parametrize("fails", [False, True])
def test_two_writers_of_one_file_do_not_meet(tmp_path, fails):
    target = tmp_path / "a"
    with scratch_beside(target) as first, scratch_beside(target) as second:
        assert first.path != second.path
        first.write(b"first")
        second.write(b"second, which is longer")
        if not fails:
            second.publish()
            first.publish()
    assert names(tmp_path) == ([] if fails else ["a"])
    assert fails or target.read_bytes() == b"first"


def test_nothing_is_written_through_a_link_in_the_place_of_a_scratch_file(tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    for link in (os.symlink, os.link):
        link(precious, tmp_path / ".a.partial")
        write_files({tmp_path / "a": b"new"})
        assert (precious.read_bytes(), (tmp_path / "a").read_bytes()) == (b"precious", b"new")
        (tmp_path / ".a.partial").unlink()
    os.mkfifo(tmp_path / ".a.partial")
    write_files({tmp_path / "a": b"newer"})
    assert (tmp_path / "a").read_bytes() == b"newer"


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path):
    target = tmp_path / "a"
    target.write_bytes(b"earlier")
    with contextlib.suppress(ZeroDivisionError), written_in_one_step(target) as scratch:
        scratch.write_bytes(b"new")
        raise ZeroDivisionError
    assert (names(tmp_path), target.read_bytes()) == (["a"], b"earlier")


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    end = time.monotonic() + 20.0
    while any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.1)
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
