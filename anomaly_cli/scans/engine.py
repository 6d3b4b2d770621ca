"""Starts Snakemake on a planned scan, and nothing more: scheduling, retries and clusters are its business."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.errors import AnomalyError, ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.manifests import package_folder
from anomaly_cli.scans.batch import cancel_jobs, require_answer
from anomaly_cli.scans.manifest import Manifest, ScanDirectory
from anomaly_cli.scans.records import is_alive, is_engine, read_record
from anomaly_cli.scans.status import files_in

PREFIX = "anomaly"
"""Start of the names of a scan's jobs on a cluster."""
PROFILE_FILES = ("config.v9+.yaml", "config.v8+.yaml", "config.yaml")
"""The files of a profile that Snakemake 9 looks for, in its order."""
EXECUTOR = re.compile(r"^executor: *['\"]?([\w-]+)", flags=re.MULTILINE)


@dataclass(frozen=True)
class Profile:
    """A profile of Snakemake.

    Attributes:
        name: as the user gave it.
        path: its directory.
        executor: what runs its jobs, as `slurm` or `htcondor`; empty: this machine.
    """

    name: str
    path: Path
    executor: str


def snakemake_command(
    scan: ScanDirectory, manifest: Manifest, profile: Profile, cores: int | None, extra: Sequence[str]
) -> list[str]:
    """Return the command that runs a scan.

    Args:
        scan: the scan.
        manifest: its manifest.
        profile: the profile.
        cores: cores to use here, or jobs at a time on a cluster; by default what the profile says.
        extra: further arguments of Snakemake.

    Raises:
        ConfigError: where Snakemake or the profile's scheduler is missing.
    """
    if importlib.util.find_spec("snakemake") is None:
        raise ConfigError(
            "Snakemake is not installed; install it with: pip install 'anomaly-cli[scan]', or in a checkout"
            " pip install -c constraints.txt '.[scan]'"
        )
    require_answer(profile.name, profile.executor)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(package_folder("workflows") / "Snakefile")]
    command += ["--directory", str(scan.path.absolute()), "--profile", str(profile.path)]
    # marks and keys say what is done: a file of metadata for every job would be as many files in one folder
    command += ["--retries", str(manifest.scan.jobs.retries), "--drop-metadata"]
    if cores is not None:
        command += ["--cores" if profile.executor in ("", "local") else "--jobs", str(cores)]
    if profile.executor == "slurm":
        command += ["--slurm-jobname-prefix", job_prefix(scan)]
    return command + list(extra)


def find_profile(name: str) -> Profile:
    """Return a bundled profile, that in a directory, or one of the user's own.

    Raises:
        ConfigError: where there is none of that name.
    """
    bundled = package_folder("workflows") / "profiles"
    own = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config")).expanduser() / "snakemake"
    for folder in (bundled / name, Path(name).expanduser(), own / name):
        for config in (folder / file for file in PROFILE_FILES):
            if config.is_file():
                found = EXECUTOR.search(config.read_text(encoding="utf-8"))
                return Profile(name, folder.absolute(), found[1] if found else "")
    known = [path.name for path in bundled.iterdir() if path.is_dir()]
    raise ConfigError(f"--profile {name}: there is no such profile; {nearest(name, known)}, or a directory of your own")


def job_prefix(scan: ScanDirectory) -> str:
    """Return the start of the names of this scan's jobs, the same for every driver of it."""
    return f"{PREFIX}-{hashlib.sha256(str(scan.path.resolve()).encode()).hexdigest()[:8]}"


def refuse_live_driver(scan: ScanDirectory, is_forced: bool = False) -> None:
    """Refuse to change a scan that is driven, or that may be driven from another host.

    Args:
        scan: the scan.
        is_forced: whether a driver on another host, of which only its lock is seen here, counts as dead.

    Raises:
        EngineError: where that is so.
    """
    record = read_record(scan.driver)
    alive = is_engine(record)
    if alive is None and is_forced:
        return
    if alive:
        raise EngineError(
            f"{scan.path}: is driven by process {record['pid']} on this machine; wait for it, or end it with"
            " Ctrl-C there"
        )
    if alive is None and scan.is_locked:
        raise EngineError(
            f"{scan.path}: a driver on {record['host']} holds this scan; if it has died, resume there with"
            f" 'anomaly scan resume {shlex.quote(str(scan.path))}', or from here with --force"
        )


def refuse_second_driver(scan: ScanDirectory) -> None:
    """Refuse to drive a scan that is driven already.

    Raises:
        EngineError: where another driver lives, or died without releasing the scan.
    """
    refuse_live_driver(scan)
    if scan.is_locked:
        raise EngineError(
            f"{scan.path}: its last driver did not end by itself; if it is dead, go on with"
            f" 'anomaly scan resume {shlex.quote(str(scan.path))}'"
        )


@contextlib.contextmanager
def held(scan: ScanDirectory) -> Iterator[None]:
    """Keep others from planning or driving the scan inside the block; an engine that this process becomes holds on.

    Raises:
        EngineError: where somebody else holds it.
    """
    try:
        handle = os.open(scan.guard, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:  # a directory that cannot be written: said where something is written
        yield
        return
    try:
        os.set_inheritable(handle, True)
        _lock(handle, scan)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, scan: ScanDirectory) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EngineError(
            f"{scan.path}: is being planned or driven by another process; wait for it, or end it there"
        ) from None
    except OSError:  # a file system without locks: the records of drivers have to do
        return


def note_driver(scan: ScanDirectory, profile: Profile) -> None:
    """Write down that this process, or the engine that it becomes, drives the scan.

    Raises:
        ArtifactError: where the scan directory cannot be written.
    """
    record = {"host": platform.node(), "pid": os.getpid(), "profile": str(profile.path), "executor": profile.executor}
    record["job_prefix"] = job_prefix(scan)
    write_files({scan.driver: json.dumps(record, indent=1).encode()})


def replace_process(scan: ScanDirectory, command: Sequence[str]) -> None:
    """Become Snakemake: signals reach it, and its exit code is ours."""
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

    That it is dead has been checked (`refuse_live_driver`).

    Returns:
        What was done, in words.
    """
    record = read_record(scan.driver)
    done = cancel_jobs(str(record.get("executor", "")), scan.path, job_prefix(scan))
    done += _end_orphans(scan)
    if scan.is_locked:
        for lock in scan.locks.iterdir():
            lock.unlink(missing_ok=True)
        done.append("released the lock of the last driver")
    return done


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
                if is_ours:
                    continue
        if alive is not False:
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
