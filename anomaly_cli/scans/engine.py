"""Starts Snakemake on a planned scan, and nothing more: scheduling, retries and clusters are its business."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.errors import AnomalyError, ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.manifests import package_folder
from anomaly_cli.scans.manifest import Manifest, ScanDirectory
from anomaly_cli.scans.records import is_alive, is_engine, read_record
from anomaly_cli.scans.status import files_in

PREFIX = "anomaly"
"""Start of the names of a scan's jobs on a cluster."""
CONDOR = ("condor_q", "-totals")
SCHEDULERS = {"slurm": ("squeue", "--me", "--noheader"), "htcondor": CONDOR, "lxplus": CONDOR}
"""A harmless question to the scheduler of each bundled cluster profile."""


def snakemake_command(
    scan: ScanDirectory, manifest: Manifest, profile: str, cores: int | None, extra: Sequence[str]
) -> list[str]:
    """Return the command that runs a scan.

    Args:
        scan: the scan.
        manifest: its manifest.
        profile: a bundled profile, a directory, or a profile of the user's own.
        cores: cores to use here, or jobs at a time on a cluster; by default what the profile says.
        extra: further arguments of Snakemake.

    Raises:
        ConfigError: where Snakemake, the profile or its scheduler is missing.
    """
    if importlib.util.find_spec("snakemake") is None:
        raise ConfigError("Snakemake is not installed; install it with: pip install 'anomaly-cli[scan]'")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(package_folder("workflows") / "Snakefile")]
    command += ["--directory", str(scan.path.absolute()), "--profile", str(find_profile(profile))]
    command += ["--retries", str(manifest.scan.jobs.retries)]
    if cores is not None:
        command += ["--jobs" if profile in SCHEDULERS else "--cores", str(cores)]
    if profile == "slurm":
        command += ["--slurm-jobname-prefix", job_prefix(scan)]
    return command + list(extra)


def find_profile(name: str) -> Path:
    """Return the directory of a profile.

    Raises:
        ConfigError: where there is none of that name, or its scheduler is not on this machine.
    """
    bundled = package_folder("workflows") / "profiles"
    own = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config")).expanduser() / "snakemake"
    if name in SCHEDULERS:
        _ask(name, SCHEDULERS[name])
    for folder in (bundled / name, Path(name).expanduser(), own / name):
        if (folder / "config.yaml").is_file():
            return folder.absolute()
    known = [path.name for path in bundled.iterdir() if path.is_dir()]
    raise ConfigError(f"--profile {name}: there is no such profile; {nearest(name, known)}, or a directory of your own")


def _ask(profile: str, question: Sequence[str]) -> None:
    advice = "log in where jobs can be submitted, or use --profile local"
    if shutil.which(question[0]) is None:
        raise ConfigError(f"--profile {profile}: there is no '{question[0]}' on this machine; {advice}")
    try:
        answer = subprocess.run(question, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"--profile {profile}: the scheduler does not answer '{question[0]}'; {advice}") from None
    if answer.returncode != 0:
        reason = answer.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ConfigError(f"--profile {profile}: the scheduler cannot be reached ({reason[0]}); {advice}")


def job_prefix(scan: ScanDirectory) -> str:
    """Return the start of the names of this scan's jobs, the same for every driver of it."""
    return f"{PREFIX}-{hashlib.sha256(str(scan.path.resolve()).encode()).hexdigest()[:8]}"


def refuse_second_driver(scan: ScanDirectory) -> None:
    """Refuse to drive a scan that is driven already.

    Raises:
        EngineError: where another driver lives, or died without releasing the scan.
    """
    record = read_record(scan.driver)
    alive = is_engine(record)
    if alive:
        raise EngineError(
            f"{scan.path}: is driven by process {record['pid']} on this machine; wait for it, or end it with"
            " Ctrl-C there"
        )
    locks = scan.path / ".snakemake" / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        where = f" on {record['host']}" if alive is None else ""
        raise EngineError(
            f"{scan.path}: its last driver{where} did not end by itself; if it is dead, go on with"
            f" 'anomaly scan resume {scan.path}'"
        )


def replace_process(scan: ScanDirectory, command: Sequence[str], details: dict[str, Any]) -> None:
    """Become Snakemake: signals reach it, and its exit code is ours.

    Raises:
        ArtifactError: where the scan directory cannot be written.
    """
    record = {"host": platform.node(), "pid": os.getpid(), **details}
    write_files({scan.driver: json.dumps(record, indent=1).encode()})
    # the plugin of HTCondor complains where there is none
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:htcondor2")
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(scan.path)
    os.execv(command[0], list(command))


def mark_finished(scan: ScanDirectory, manifest: Manifest) -> None:
    """Make the marks of finished jobs agree with the results that are there: the engine looks at marks only.

    Raises:
        ArtifactError: where the scan directory cannot be written.
    """
    present, marks = files_in(scan.path / "results"), files_in(scan.path / "chunks")
    for chunk in manifest.chunks:
        mark = scan.path / chunk.output
        is_finished = all(Path(point.output).name in present for point in chunk.points)
        if is_finished and mark.name not in marks:
            write_files({mark: b""})
        elif not is_finished and mark.name in marks:
            mark.unlink(missing_ok=True)


def release(scan: ScanDirectory) -> list[str]:
    """End what a dead driver left behind: its jobs here and on a cluster, their work directories, its lock.

    Returns:
        What was done, in words.

    Raises:
        EngineError: where a driver lives on this machine.
    """
    record = read_record(scan.driver)
    if is_engine(record):
        refuse_second_driver(scan)
    done = _cancel(scan, str(record.get("profile", "")))
    done += _end_orphans(scan)
    locks = scan.path / ".snakemake" / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        for lock in locks.iterdir():
            lock.unlink(missing_ok=True)
        done.append("released the lock of the last driver")
    return done


def _cancel(scan: ScanDirectory, profile: str) -> list[str]:
    """Cancel the jobs of this scan that a scheduler still has."""
    mine = f'Iwd == "{scan.path.resolve()}"'  # jobs of the exported arrays among them
    if profile == "slurm" and shutil.which("squeue"):
        listed = _lines("squeue", "--me", "--noheader", "--format=%A %j")
        jobs, remove = [line.split()[0] for line in listed if job_prefix(scan) in line], ["scancel"]
    elif SCHEDULERS.get(profile) == CONDOR and shutil.which("condor_q"):
        jobs, remove = _lines("condor_q", "-constraint", mine, "-af", "ClusterId"), ["condor_rm"]
    else:
        return []
    if not jobs:
        return []
    subprocess.run([*remove, *jobs], check=False, stdout=subprocess.DEVNULL)
    return [f"cancelled {len(jobs)} {'Slurm' if profile == 'slurm' else 'HTCondor'} jobs: {' '.join(jobs)}"]


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def _end_orphans(scan: ScanDirectory) -> list[str]:
    """End the jobs of this scan that still run on this machine, and remove what dead ones worked in."""
    import psutil  # comes with Snakemake

    orphans, living = [], set()
    for path in (scan.path / "logs").glob("*/*.json"):
        record = read_record(path)
        alive = is_alive(record) if record.get("state") == "running" else False
        if alive:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(int(record["pid"]))
                is_ours = "scan" in process.cmdline() and Path(process.cwd()) == scan.path.resolve()
                orphans += [process] if is_ours else []
        elif alive is None:
            living.add(path.stem.rsplit("-", 1)[-1])
    for process in orphans:
        process.terminate()
    for process in psutil.wait_procs(orphans, timeout=10)[1]:
        process.kill()
    for directory in (scan.path / "work").glob("*"):
        if directory.name.split("-")[0] not in living:
            shutil.rmtree(directory, ignore_errors=True)
    return [f"ended {len(orphans)} jobs that ran on without a driver"] if orphans else []


class EngineError(AnomalyError):
    """A scan that cannot be driven now."""

    exit_code = 4
