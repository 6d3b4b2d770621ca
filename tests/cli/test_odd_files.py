"""Files that are none, and output that goes nowhere: a sentence, and an end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import invoke

from anomaly_cli.cli.app import app
from anomaly_cli.core import documents

FULL = Path("/dev/full")
NAMED = (
    ("config", "--config"),
    ("data", "describe"),
    ("inspect",),
    ("scan", "plan", "--output", "s"),
    ("split", "--signal-region", "3.3-3.7", "--run", "r", "--data"),
    ("split", "--signal-region", "3.3-3.7", "--run", "r", "--config"),
    ("split", "--signal-region", "3.3-3.7", "--run", "r", "--labels"),
)


@pytest.mark.parametrize("command", NAMED, ids=" ".join)
@pytest.mark.parametrize("suffix", ["h5", "csv", "toml"])
def test_a_pipe_is_refused_and_never_waited_for(command, suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(f"pipe.{suffix}")
    result = invoke(*command, f"pipe.{suffix}")
    assert result.exit_code in (2, 3, 4), result.output
    assert "regular file" in " ".join(result.output.split())


def test_a_document_that_is_too_large_to_be_one_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGEST_BYTES", 1 << 20)
    path = tmp_path / "large.toml"
    path.write_text("#" * (1 << 20) + "\nseed = 1\n")
    result = invoke("config", "--config", path)
    assert (result.exit_code, "larger than 1 MB" in result.output) == (2, True)


def test_a_configuration_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfseed = 7\n")
    assert "seed = 7" in invoke("config", "--config", tmp_path / "a.toml").output


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_said(tmp_path):
    with FULL.open("w") as full:
        command = [sys.executable, "-m", "anomaly_cli", "data", "list"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, "No space left on device" in result.stderr) == (4, True)
    assert "Traceback" not in result.stderr


def test_names_with_escapes_are_shown_and_not_obeyed(tmp_path, data_file):
    odd = tmp_path / "a[b]\x1b]0;title\x07.h5"
    odd.symlink_to(data_file)
    describe = ("data", "describe")
    for command in ((*describe, odd), ("inspect", odd), (*describe, f"{odd}x"), ("inspect", odd, odd)):
        output = invoke(*command).output
        assert "\x1b" not in output
        assert "\x07" not in output
        assert r"a[b]\x1b]0;title\x07" in "".join(output.split())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out of memory"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_what_a_machine_lacks_is_a_sentence(error, sentence, monkeypatch):
    from anomaly_cli.cli import data_output

    def fail(*_):
        raise error

    monkeypatch.setattr(data_output, "print_list", fail)
    result = invoke("data", "list")
    assert (result.exit_code in (1, 4), sentence in result.output) == (True, True)
    assert isinstance(result.exception, SystemExit)


def test_a_path_that_is_no_utf8_is_named_and_nothing_is_written(tmp_path, data_file):
    directory = tmp_path / os.fsdecode(b"n\xff")
    directory.mkdir()
    (directory / "x.h5").symlink_to(data_file)
    result = invoke("split", "--data", directory / "x.h5", "--signal-region", "3.3-3.7", "--run", tmp_path / "r")
    assert (result.exit_code, "not UTF-8" in " ".join(result.output.split())) == (2, True)
    assert not (tmp_path / "r").exists()


def test_commands_are_all_guarded():
    """Whatever a command meets goes through one place that turns expected failures into sentences."""

    def commands(group):
        for command in group.registered_commands:
            yield command.callback
        for child in group.registered_groups:
            yield from commands(child.typer_instance)

    found = list(commands(app))
    assert len(found) > 20
    assert all(hasattr(callback, "__wrapped__") for callback in found)
