"""What this installation has and lacks: asked by `anomaly doctor`, for a user's own eyes and for reports of bugs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from anomaly_cli.artifacts.build import this_build
from anomaly_cli.cli.output import show
from anomaly_cli.config import Config
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.datasets.fetching import store_folder
from anomaly_cli.datasets.manifests import load_manifest, manifest_names
from anomaly_cli.report.table import Column, Level, Message, Part, Priority, Table
from anomaly_cli.stages.frame import Analysis

PACKAGE = "anomaly-cli"
PURPOSES = {
    "jets": "anomaly data features",
    "simulate": "anomaly simulate",
    "parquet": "Parquet files",
    "root": "ROOT files",
    "scan": "anomaly scan run",
    "exchange": "checks of exported likelihoods and tables",
}
"""What needs each extra; others are for developers."""
SCHEDULERS = {"sbatch": "--profile slurm", "condor_submit": "--profile htcondor or lxplus"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LEAST_DISK = 2e9
"""Less room than this is too little for a scan [bytes]."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: what.
        found: in words.
        problem: what to do about it; empty where nothing has to be done.
    """

    about: str
    found: str
    problem: str = ""


def examine_and_print() -> None:
    """Print what is found; end with exit code 1 where something has to be done."""
    sections: dict[str, Sequence[Finding]] = {
        "Program": tuple(_program()),
        "Libraries": tuple(_libraries()),
        "Machine": tuple(_machine()),
        "Data": tuple(_data()),
        "Extras": tuple(_extras()),
        "Schedulers": tuple(_schedulers()),
    }
    parts: list[Part] = [_table(title, findings) for title, findings in sections.items()]
    problems = [finding for findings in sections.values() for finding in findings if finding.problem]
    parts += [Message(f"{one.about}: {one.problem}", Level.WARNING) for one in problems]
    show([*parts, *([] if problems else [Message("No problems found.")])])
    if problems:
        raise typer.Exit(1)


def _table(title: str, findings: Sequence[Finding]) -> Table:
    columns = (
        Column("about", "what", priority=Priority.KEY, holds=str),
        Column("found", "found", priority=Priority.KEY, holds=str),
        Column("problem", "problem", priority=Priority.DATA, holds=str),
    )
    rows = tuple((one.about, one.found, one.problem) for one in findings)
    return Table(title.lower(), title, columns, rows)


def _program() -> Iterator[Finding]:
    yield Finding("anomaly", str(this_build()))
    yield Finding("installed in", str(Path(__file__).parent.parent))
    yield Finding("Python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("system", f"{platform.system()} {platform.release()}, {platform.machine()}")


def _requirements(extra: str = "") -> list[Requirement]:
    """Return what the package requires, or what an extra of it adds; nothing where it is not installed."""
    try:
        texts = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = [Requirement(text) for text in texts]
    if not extra:
        return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [one for one in found if one.marker and one.marker.evaluate({"extra": extra}) and "extra" in str(one.marker)]


def _state(requirement: Requirement) -> tuple[str, str]:
    """Return the version of a library that is installed, and what is wrong with it."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return "missing", f"install it: pip install '{requirement.name}{requirement.specifier}'"
    if version not in requirement.specifier:
        return version, f"is not {requirement.specifier}: pip install '{requirement.name}{requirement.specifier}'"
    return version, ""


def _libraries() -> Iterator[Finding]:
    required = _requirements()
    if not required:
        yield Finding(PACKAGE, "not installed: runs from its source", "pip install it, so that versions are checked")
    for requirement in required:
        yield Finding(requirement.name, *_state(requirement))


def _machine() -> Iterator[Finding]:
    yield Finding("cores that may be used", f"{Config().n_processes} of {os.cpu_count()}")
    threads = ", ".join(f"{name}={os.environ[name]}" for name in THREADS if name in os.environ)
    yield Finding("threads per process", f"1 (threads in config.toml){f'; {threads}' if threads else ''}")
    yield Finding("memory", _memory())
    yield Finding("device", _device())
    for about, folder in (("room in this folder", Path.cwd()), ("room for fetched data", store_folder(None))):
        yield _room(about, folder)


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "not known"
    return f"{total / 1e9:.1f} GB"


def _device() -> str:
    try:
        found = Analysis.open(Path(), Config(device="auto")).compute.device
    except AnomalyError as error:
        return str(error)
    return "cpu, no GPU that torch can use" if found == "cpu" else f"{found}, with --device auto or {found}"


def _room(about: str, folder: Path) -> Finding:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding(about, f"{folder}: {error.strerror}")
    text = f"{folder}: {free / 1e9:.1f} GB free"
    if folder.exists() and not os.access(folder, os.W_OK):
        return Finding(about, f"{text}, not writable", f"{folder} is not writable; work in another folder")
    return Finding(about, text, f"{text}; make room, or work in another folder" if free < LEAST_DISK else "")


def _data() -> Iterator[Finding]:
    store = store_folder(None)
    for name in manifest_names():
        manifest = load_manifest(name)
        here = [file for file in manifest.files if (store / file.name).is_file()]
        some = f"{len(here)} of {len(manifest.files)} files"
        found = "shipped" if manifest.is_shipped else "here" if len(here) == len(manifest.files) else some
        if manifest.is_shipped or here:
            yield Finding(name, found)
    yield Finding("other sets", "'anomaly data list' names them, 'anomaly data fetch NAME' fetches them")


def _extras() -> Iterator[Finding]:
    for extra, purpose in PURPOSES.items():
        own = canonicalize_name(PACKAGE)
        needed = [one for one in _requirements(extra) if canonicalize_name(one.name) != own]
        states = {one.name: _state(one) for one in needed}
        absent = [name for name, (_, problem) in states.items() if problem]
        installed = ", ".join(f"{name} {version}" for name, (version, _) in states.items())
        found = f"{', '.join(absent)} missing: pip install '{PACKAGE}[{extra}]'" if absent else installed or "not known"
        yield Finding(f"{extra}, for {purpose}", found)


def _schedulers() -> Iterator[Finding]:
    for command, use in SCHEDULERS.items():
        yield Finding(f"{command} ({use})", shutil.which(command) or "not found")
