"""The two batch systems: who runs in them, what is in their queue, and how jobs are cancelled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_cli.core.errors import ConfigError


@dataclass(frozen=True)
class BatchSystem:
    """A batch system.

    Attributes:
        name: its name.
        question: a harmless question to it.
        queue: a question for the numbers of a user's jobs, one a line.
        remove: cancels the jobs that follow.
    """

    name: str
    question: Sequence[str]
    queue: Sequence[str]
    remove: Sequence[str]


SLURM = BatchSystem(
    "Slurm", ("squeue", "--me", "--noheader"), ("squeue", "--me", "--noheader", "--format=%A"), ("scancel",)
)
CONDOR = BatchSystem(
    "HTCondor", ("condor_q", "-totals"), ("condor_q", "-format", "%d.", "ClusterId", "-format", "%d\n", "ProcId"),
    ("condor_rm",),
)  # fmt: skip
BATCH_SYSTEMS: Mapping[str, BatchSystem] = {"slurm": SLURM, "htcondor": CONDOR}
"""By the name of Snakemake's executor."""


def own_batch_job() -> tuple[str, str]:
    """Return the batch system that runs this process and the number of the job there, or nothing."""
    if "SLURM_JOB_ID" in os.environ:
        return "slurm", os.environ["SLURM_JOB_ID"]
    try:
        text = Path(os.environ["_CONDOR_JOB_AD"]).read_text(encoding="utf-8")
    except (KeyError, OSError, UnicodeDecodeError):
        return "", ""
    found = dict(re.findall(r"^(ClusterId|ProcId) *= *(\d+)", text, flags=re.MULTILINE))
    return "htcondor", ".".join(found.get(name, "?") for name in ("ClusterId", "ProcId"))


def queued_jobs(executor: str) -> set[str] | None:
    """Return the numbers of the user's jobs in a queue; None where it cannot be asked from here."""
    system = BATCH_SYSTEMS.get(executor)
    if system is None or shutil.which(system.queue[0]) is None:
        return None
    try:
        answer = subprocess.run(system.queue, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return set(answer.stdout.split()) if answer.returncode == 0 else None


def require_answer(profile: str, executor: str) -> None:
    """Make sure that the batch system of a profile can be reached.

    Raises:
        ConfigError: where it cannot.
    """
    system = BATCH_SYSTEMS.get(executor)
    if system is None:
        return
    advice = "log in where jobs can be submitted, or use --profile local"
    if shutil.which(system.question[0]) is None:
        raise ConfigError(f"--profile {profile}: there is no '{system.question[0]}' on this machine; {advice}")
    try:
        answer = subprocess.run(system.question, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"--profile {profile}: the scheduler does not answer '{system.question[0]}'; {advice}"
        ) from None
    if answer.returncode != 0:
        reason = answer.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ConfigError(f"--profile {profile}: the scheduler cannot be reached ({reason[0]}); {advice}")


def cancel_jobs(executor: str, directory: Path, prefix: str) -> list[str]:
    """Cancel the jobs of a scan that a batch system still has; return what was done, in words.

    Args:
        executor: name of Snakemake's executor.
        directory: the scan, where jobs of HTCondor start.
        prefix: start of the names of its jobs in Slurm.
    """
    system = BATCH_SYSTEMS.get(executor)
    if system is None or shutil.which(system.queue[0]) is None:
        return []
    if system is SLURM:
        listed = _lines("squeue", "--me", "--noheader", "--format=%A %j")
        jobs = [line.split()[0] for line in listed if prefix in line]
    else:
        mine = f'Iwd == "{directory.resolve()}"'  # jobs of the exported arrays among them
        jobs = _lines("condor_q", "-constraint", mine, "-af", "ClusterId")
    if not jobs:
        return []
    subprocess.run([*system.remove, *jobs], check=False, stdout=subprocess.DEVNULL)
    return [f"cancelled {len(jobs)} {system.name} jobs: {' '.join(jobs)}"]


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
