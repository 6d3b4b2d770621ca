"""Submit files for sites without Snakemake: plain arrays over the same manifest."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from anomaly_cli.artifacts.scan_kinds import ONLY_VARIANT
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.manifests import SHIPPED, package_folder
from anomaly_cli.scans.manifest import Manifest, ScanDirectory
from anomaly_cli.scans.parts import Job, needed_keys
from anomaly_cli.scans.settings import PATHS

LARGEST_ARRAY = 1000
"""Tasks of a Slurm array; sites allow 1000 at least by default."""
PINS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
IMAGE = re.compile(r"\w[\w.-]*(:\d+)?(/\w[\w.-]*)*(:\w[\w.-]*)?(@sha256:[0-9a-f]{64})?", flags=re.ASCII)
"""The name of a container image, with registry, tag and digest where they are given."""
MACRO = "$"
"""Begins a macro in the submit files of HTCondor."""


def export_scan(scan: ScanDirectory, manifest: Manifest, to: str, image: str) -> list[Path]:
    """Write submit files into the scan directory and return them.

    Args:
        scan: the scan.
        manifest: its manifest.
        to: one of `SUBMIT`.
        image: container image that holds this package, for REANA.

    Raises:
        ConfigError: for an unknown target, or one that cannot run this scan.
        ArtifactError: where they cannot be written.
    """
    if to not in SUBMIT:
        raise ConfigError(f"--to {to}: unknown; {nearest(to, SUBMIT)}")
    _refuse_directory(scan.path.absolute(), to)
    if to == "reana":
        texts = _reana(manifest, image)
    else:
        make = _slurm if to == "slurm" else _condor
        texts = {"job.sh": _job_script(scan.path.absolute(), manifest), **make(scan.path.absolute(), manifest)}
    files = {scan.path / name: text for name, text in texts.items()}
    write_files({path: text.encode() for path, text in files.items()})
    return list(files)


def stale_exports(scan: ScanDirectory, manifest: Manifest) -> list[str]:
    """Return the submit files that were exported for another plan: their numbers mean other jobs."""
    try:
        is_stale = manifest.jobs_key not in (scan.path / "job.sh").read_text(encoding="utf-8")
    except OSError:
        return []
    return [name for name in ("submit_slurm.sh", "scan.dag") if is_stale and (scan.path / name).exists()]


def _refuse_directory(directory: Path, to: str) -> None:
    """Refuse a directory whose name would be read as more than a name where it is written.

    Raises:
        ConfigError: where that is so.
    """
    text = str(directory)
    odd = [sign for sign in text if not sign.isprintable()] or [MACRO] * (to == "condor" and MACRO in text)
    if odd or text != text.strip():
        what = f"holds {odd[0]!r}" if odd else "ends in a space"
        raise ConfigError(f"{text}: {what}, which submit files cannot name; rename the directory and export again")


def _job_script(directory: Path, manifest: Manifest) -> str:
    threads = manifest.scan.analysis.get("threads", 1)
    pins = " ".join(f"{name}_NUM_THREADS={threads}" for name in PINS)
    python, quoted = shlex.quote(sys.executable), shlex.quote(str(directory))
    return (
        "#!/bin/sh\n# One job of the scan: job.sh INDEX KIND\nset -eu\n"
        f"export {pins}\n"
        f'exec {python} -m anomaly_cli scan job {quoted} --index "$1" --kind "$2" --plan {manifest.jobs_key}'
        f" --processes {manifest.scan.jobs.processes}\n"
    )


def _levels(manifest: Manifest) -> list[tuple[str, Sequence[Job]]]:
    """Return the kinds of jobs with their jobs; each kind needs those before it."""
    kinds: dict[str, Sequence[Job]] = {
        "base": manifest.bases,
        "measurement": manifest.measurements,
        "point": manifest.chunks,
    }
    return [(kind, jobs) for kind, jobs in kinds.items() if jobs]


def _slurm(directory: Path, manifest: Manifest) -> dict[str, str]:
    jobs = manifest.scan.jobs
    quoted = shlex.quote(str(directory))
    asked = f"--cpus-per-task={_cores(manifest)} --mem={jobs.memory_mb} --time={jobs.minutes} --chdir={quoted}"
    lines = ["#!/bin/sh", "# Submits the scan as arrays; a job whose result is there ends at once.", "set -eu"]
    lines += [f"mkdir -p {quoted}/logs/slurm", 'after=""']
    for kind, members in _levels(manifest):
        lines.append('ids=""')
        for first in range(0, len(members), LARGEST_ARRAY):
            last = min(first + LARGEST_ARRAY, len(members)) - 1 - first
            lines += [
                f"id=$(sbatch --parsable {asked} $after --array=0-{last} --output=logs/slurm/{kind}-%A-%a.log"
                f""" --wrap='sh job.sh "$(({first} + SLURM_ARRAY_TASK_ID))" {kind}')""",
                f'ids="$ids:$id"; echo "{kind} jobs {first} to {first + last}: $id"',
            ]
        lines.append('after="--dependency=afterany$ids"')
    lines.append(f"# when all have ended: {shlex.quote(sys.executable)} -m anomaly_cli scan collect {quoted}")
    return {"submit_slurm.sh": "\n".join(lines) + "\n"}


def _condor(directory: Path, manifest: Manifest) -> dict[str, str]:
    """Return a DAG with a node for each job: a failure ends its node, and what needs it, alone."""
    jobs = manifest.scan.jobs
    files, nodes = {}, []
    names: dict[str, str] = {}
    for kind, members in _levels(manifest):
        files[f"{kind}.sub"] = (
            f"# one job of scan.dag\nuniverse = vanilla\nexecutable = /bin/sh\n"
            f"arguments = job.sh $(index) {kind}\ninitialdir = {directory}\n"
            f"should_transfer_files = NO\ngetenv = True\n"
            f"request_cpus = {_cores(manifest)}\nrequest_memory = {jobs.memory_mb} * (1 + $(try))\n"
            f"request_disk = 2GB\n+MaxRuntime = {60 * jobs.minutes} * (1 + $(try))\n"
            f"output = logs/condor/{kind}-$(index).out\nerror = logs/condor/{kind}-$(index).err\n"
            f"log = logs/condor/{kind}.log\nqueue\n"
        )
        for index, job in enumerate(members):
            name = names[job.key] = f"{kind}{index}"
            nodes += [f"JOB {name} {kind}.sub", f'VARS {name} index="{index}" try="$(RETRY)"']
            nodes.append(f"RETRY {name} {jobs.retries}")
            needed = [names[key] for key in needed_keys(job)]
            nodes += [f"PARENT {' '.join(needed)} CHILD {name}"] if needed else []
    return {**files, "scan.dag": "\n".join(nodes) + "\n", "logs/condor/README": "Output of HTCondor jobs.\n"}


def _cores(manifest: Manifest) -> int:
    return manifest.scan.jobs.processes * int(manifest.scan.analysis.get("threads", 1))


def _reana(manifest: Manifest, image: str) -> dict[str, str]:
    """Return a workflow of type snakemake: the same Snakefile in the workspace of REANA."""
    if not image:
        raise ConfigError("--to reana: its jobs run in containers; name an image that holds this package with --image")
    if not IMAGE.fullmatch(image):
        raise ConfigError(f"--image {image}: is no name of an image; write it as registry/name:tag")
    trees = [manifest.scan.settings(name) for name in manifest.scan.variants or (ONLY_VARIANT,)]
    for table, key in PATHS:
        if any(tree.get(table, {}).get(key, "") not in ("", SHIPPED, [], ()) for tree in trees):
            raise ConfigError(
                f"--to reana: analysis.{table}.{key} names a file outside the scan directory; REANA can use the shipped"
                " data only"
            )
    text = (package_folder("workflows") / "reana.yaml").read_text(encoding="utf-8")
    snakefile = (package_folder("workflows") / "Snakefile").read_text(encoding="utf-8")
    # the engine there has neither this package nor this interpreter: results are collected after the download
    rules = snakefile.partition("\n\nonsuccess:")[0].replace("shlex.quote(sys.executable)", '"python"')
    return {"reana.yaml": text, "Snakefile": f'container: "docker://{image}"\n\n\n{rules}'}


SUBMIT: Mapping[str, str] = {
    "slurm": "sh {}/submit_slurm.sh",
    "condor": "cd {} && condor_submit_dag -include_env PATH,PYTHONPATH,LD_LIBRARY_PATH scan.dag",
    "reana": "cd {} && reana-client run -w scan && reana-client download -w scan",
}
"""The commands that submit what was exported; the keys are the targets."""
