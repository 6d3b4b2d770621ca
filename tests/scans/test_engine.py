"""Scans through the real Snakemake: local runs, kills, growth. Slow, since every job is a process of its own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import invoke
from grids import EMPTY, other_driver

from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.scans.manifest import ScanDirectory

pytest.importorskip("snakemake", reason="the engine is an extra: pip install 'anomaly-cli[scan]'")
COMMAND = (sys.executable, "-m", "anomaly_cli", "scan")


def drive(command, directory, *options, check=True):
    """Run `anomaly scan run` or `resume` as a user does."""
    done = subprocess.run([*COMMAND, command, directory, *options], capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def results(directory):
    return {path.name: path.read_bytes() for path in (directory / "results").rglob("*.h5")}


def plan(grid, directory):
    result = invoke("scan", "plan", grid, "--output", directory)
    assert result.exit_code == 0, result.output
    return directory


@pytest.mark.slow
def test_a_local_scan_grows_and_reruns_only_what_is_touched(write_grid, tmp_path):
    scan = plan(write_grid(windows=("3.3-3.7", EMPTY), seeds=2), tmp_path / "scan")
    done = drive("run", scan, "--cores", "2")
    assert "2 failed of 4" in " ".join(done.stdout.split())  # both seeds of the empty window, and nothing stopped
    first = results(scan)
    assert len(first) == 4

    done = drive("run", scan, "--cores", "2")
    assert "nothing to run" in done.stdout

    times = {path.name: path.stat().st_mtime_ns for path in (scan / "results").rglob("*.h5")}
    plan(write_grid(windows=("3.3-3.7", "3.5-3.9", EMPTY), seeds=2), scan)
    drive("run", scan, "--cores", "2")
    grown = results(scan)
    assert len(grown) == 6
    assert times.items() <= {path.name: path.stat().st_mtime_ns for path in (scan / "results").rglob("*.h5")}.items()

    plan(write_grid(windows=("3.3-3.7",), ensemble=2), scan)
    drive("run", scan, "--cores", "2")
    changed = results(scan)
    assert len(changed) == 7
    assert len(list((scan / "bases").glob("*.h5"))) == 2
    collected = read_artifact(scan / "scan_result.h5", SCAN)
    assert collected.groups["points"]["state"].tolist() == ["done"]


@pytest.mark.slow
def test_a_driver_killed_at_any_time_is_resumed_to_the_same_results(write_grid, tmp_path):
    grid = write_grid(seeds=1)
    whole = plan(grid, tmp_path / "whole")
    for index in ("0", "1"):
        assert invoke("scan", "job", whole, "--index", index, "--processes", "1").exit_code == 0
    scan = plan(grid, tmp_path / "killed")
    chance = random.Random(1)
    for command in ("run", "resume", "resume"):
        driver = subprocess.Popen(
            [*COMMAND, command, scan, "--cores", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(3.0, 10.0))
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    drive("resume", scan, "--cores", "2")
    assert results(scan) == results(whole)
    assert not list((scan / "work").glob("*"))  # nothing of the dead is left
    statuses = invoke("scan", "status", scan).output
    assert "2 points: 2 done" in statuses


@pytest.mark.slow
def test_resume_ends_jobs_that_ran_on_without_their_driver(write_grid, tmp_path):
    scan = plan(write_grid(windows=("3.3-3.7",)), tmp_path / "scan")
    driver = subprocess.Popen([*COMMAND, "run", scan], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60.0
    while not (found := list((scan / "logs" / "bases").glob("*.json"))) and time.monotonic() < end:
        time.sleep(0.05)
    orphan = json.loads(found[0].read_text())["pid"]
    driver.kill()
    driver.wait()
    os.kill(orphan, 0)  # it lives on
    assert "ended 1 jobs" in drive("resume", scan).stdout
    with pytest.raises(ProcessLookupError):
        os.kill(orphan, 0)


@pytest.mark.slow
def test_a_scan_that_is_driven_or_was_killed_is_not_driven_again(write_grid, tmp_path):
    scan = plan(write_grid(seeds=1), tmp_path / "scan")
    with other_driver() as pid:
        (scan / "driver.json").write_text(json.dumps({"host": os.uname().nodename, "pid": pid}))
        refused = drive("run", scan, check=False)
        assert (refused.returncode, "is driven by process" in refused.stderr) == (4, True)
        assert "is driven by process" in drive("resume", scan, check=False).stderr
    # a later process of the same number is no driver
    (scan / "driver.json").write_text(json.dumps({"host": os.uname().nodename, "pid": os.getpid()}))
    lock = scan / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    refused = drive("run", scan, check=False)
    assert (refused.returncode, "anomaly scan resume" in refused.stderr) == (4, True)


def test_profiles_that_cannot_be_used_are_refused(write_grid, tmp_path, monkeypatch):
    scan = plan(write_grid(), tmp_path / "scan")
    monkeypatch.setenv("PATH", str(tmp_path))
    for profile, advice in (("slrum", "did you mean 'slurm'?"), ("slurm", "no 'squeue'"), ("lxplus", "condor_q")):
        result = invoke("scan", "run", scan, "--profile", profile)
        assert (result.exit_code, advice in " ".join(result.output.split())) == (2, True)
    (tmp_path / "squeue").write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
    (tmp_path / "squeue").chmod(0o755)
    result = invoke("scan", "run", scan, "--profile", "slurm")
    assert (result.exit_code, "cannot be reached (no controller)" in " ".join(result.output.split())) == (2, True)


def test_without_snakemake_the_message_names_the_extra(write_grid, tmp_path, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "snakemake" else find(name))
    result = invoke("scan", "run", plan(write_grid(), tmp_path / "scan"))
    assert (result.exit_code, "anomaly-cli[scan]" in " ".join(result.output.split())) == (2, True)


def test_every_bundled_profile_is_complete():
    import yaml

    from anomaly_cli.datasets.manifests import package_folder

    profiles = sorted((package_folder("workflows") / "profiles").iterdir())
    assert [path.name for path in profiles] == ["htcondor", "local", "lxplus", "slurm"]
    for path in profiles:
        settings = yaml.safe_load((Path(path) / "config.yaml").read_text())
        assert settings["ignore-incomplete"] is True  # results are written in one step
        assert settings["rerun-triggers"] == "mtime"
        assert settings["keep-going"] is True
    assert ScanDirectory(Path()).last_profile == "local"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A copy of the profile for Slurm, whose commands answer and note what they are asked."""
    import shutil

    from anomaly_cli.datasets.manifests import package_folder

    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("squeue", "scancel"):
        (commands / name).write_text(
            f'#!/bin/sh\necho "$@" >> {commands}/{name}.txt\ncat {commands}/answer 2>/dev/null\n'
        )
        (commands / name).chmod(0o755)
    (commands / "answer").write_text("")
    monkeypatch.setenv("PATH", str(commands), prepend=":")
    return Path(shutil.copytree(package_folder("workflows") / "profiles" / "slurm", tmp_path / "site")), commands


def test_a_copied_profile_is_driven_and_cancelled_as_its_executor_says(write_grid, tmp_path, cluster, monkeypatch):
    from anomaly_cli.scans import engine

    profile, commands = cluster
    scan = plan(write_grid(), tmp_path / "scan")
    started = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command))
    monkeypatch.chdir(tmp_path)
    result = invoke("scan", "run", scan, "--profile", profile.name, "--cores", "7")
    assert result.exit_code == 0, result.output
    (command,) = started
    prefix = command[command.index("--slurm-jobname-prefix") + 1]
    assert command[command.index("--jobs") + 1] == "7"
    assert "--cores" not in command
    assert ScanDirectory(scan).last_profile == str(profile)
    record = json.loads((scan / "driver.json").read_text())
    (scan / "driver.json").write_text(json.dumps({**record, "pid": 2**22 + 1}))
    (commands / "answer").write_text(f"77 {prefix}-base\n78 another\n")
    assert engine.release(ScanDirectory(scan)) == ["cancelled 1 Slurm jobs: 77"]
    assert (commands / "scancel.txt").read_text() == "77\n"


def test_resume_does_not_take_a_scan_from_a_driver_on_another_host(write_grid, tmp_path):
    from anomaly_cli.scans.engine import release

    scan = plan(write_grid(), tmp_path / "scan")
    (scan / "driver.json").write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    lock = scan / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    result = invoke("scan", "resume", scan)
    text = " ".join(result.output.split())
    assert (result.exit_code, "a driver on elsewhere" in text, "--force" in text) == (4, True, True)
    assert lock.exists()
    assert release(ScanDirectory(scan)) == ["released the lock of the last driver"]


def test_resume_without_snakemake_ends_nothing(write_grid, tmp_path, monkeypatch):
    import importlib.util

    scan = plan(write_grid(), tmp_path / "scan")
    lock = scan / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "snakemake" else find(name))
    result = invoke("scan", "resume", scan)
    assert (result.exit_code, "anomaly-cli[scan]" in " ".join(result.output.split())) == (2, True)
    assert lock.exists()


@pytest.mark.slow
def test_a_scan_with_dead_jobs_ends_with_a_table_of_the_others_and_their_logs_last(write_grid, tmp_path):
    scan = plan(write_grid(windows=("3.3-3.7",)), tmp_path / "scan")
    assert invoke("scan", "job", scan, "--index", "0", "--processes", "1").exit_code == 0
    more = '[jobs]\nscratch = "$NOWHERE_AT_ALL"\nretries = 1\n'
    plan(write_grid(windows=("3.3-3.7", "3.4-3.8"), more=more), scan)
    done = drive("run", scan, check=False)
    text = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "Signal regions" in text
    assert "curtains_f4f_efficient, 150 injected" in text
    assert f"{scan}/scan_result.h5: written" in text
    (log,) = (scan / "logs" / "SR_3400_3800").glob("*.log")
    assert log.read_text().count("has no value") == 2  # the reason of the first try survives the second
