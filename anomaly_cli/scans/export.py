"""Submit files for sites without Snakemake: plain arrays over the same manifest."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.manifests import SHIPPED, package_folder
from anomaly_cli.scans.manifest import Manifest, ScanDirectory
from anomaly_cli.scans.settings import PATHS, PLAIN

LARGEST_ARRAY = 1000
"""Tasks of a Slurm array; sites allow 1000 at least by default."""
PINS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")


def export_scan(scan: ScanDirectory, manifest: Manifest, to: str) -> list[Path]:
    """Write submit files into the scan directory and return them.

    Raises:
        ConfigError: for an unknown target.
        ArtifactError: where they cannot be written.
    """
    if to not in _TARGETS:
        raise ConfigError(f"--to {to}: unknown; {nearest(to, _TARGETS)}")
    files = {scan.path / name: text for name, text in _TARGETS[to](scan.path.absolute(), manifest).items()}
    write_files({path: text.encode() for path, text in files.items()})
    return list(files)


def _job_script(directory: Path, manifest: Manifest) -> str:
    threads = manifest.scan.analysis.get("threads", 1)
    pins = " ".join(f"{name}_NUM_THREADS={threads}" for name in PINS)
    python, quoted = shlex.quote(sys.executable), shlex.quote(str(directory))
    return (
        "#!/bin/sh\n# One job of the scan: job.sh INDEX KIND\nset -eu\n"
        f"export {pins}\n"
        f'exec {python} -m anomaly_cli scan job {quoted} --index "$1" --kind "$2"'
        f" --processes {manifest.scan.jobs.processes}\n"
    )


def _levels(manifest: Manifest) -> list[tuple[str, int]]:
    """Return the kinds of jobs with their numbers; each kind needs those before it."""
    numbers = {
        "base": len(manifest.bases),
        "measurement": len(manifest.measurements),
        "point": len(manifest.chunks),
    }
    return [(kind, number) for kind, number in numbers.items() if number]


def _slurm(directory: Path, manifest: Manifest) -> dict[str, str]:
    jobs = manifest.scan.jobs
    quoted = shlex.quote(str(directory))
    asked = f"--cpus-per-task={jobs.processes} --mem={jobs.memory_mb} --time={jobs.minutes} --chdir={quoted}"
    lines = ["#!/bin/sh", "# Submits the scan as arrays; a job whose result is there ends at once.", "set -eu"]
    lines += [f"mkdir -p {quoted}/logs/slurm", 'after=""']
    for kind, number in _levels(manifest):
        lines.append('ids=""')
        for first in range(0, number, LARGEST_ARRAY):
            last = min(first + LARGEST_ARRAY, number) - 1 - first
            lines += [
                f"id=$(sbatch --parsable {asked} $after --array=0-{last} --output=logs/slurm/{kind}-%A-%a.log"
                f""" --wrap='sh job.sh "$(({first} + SLURM_ARRAY_TASK_ID))" {kind}')""",
                f'ids="$ids:$id"; echo "{kind} jobs {first} to {first + last}: $id"',
            ]
        lines.append('after="--dependency=afterany$ids"')
    lines.append(f"# when all have ended: {shlex.quote(sys.executable)} -m anomaly_cli scan collect {quoted}")
    return {"job.sh": _job_script(directory, manifest), "submit_slurm.sh": "\n".join(lines) + "\n"}


def _condor(directory: Path, manifest: Manifest) -> dict[str, str]:
    jobs = manifest.scan.jobs

    def submit(name: str, count: int) -> str:
        return (
            f"# condor_submit {name}.sub\nuniverse = vanilla\nexecutable = /bin/sh\n"
            f"arguments = job.sh $(Process) {name}\ninitialdir = {directory}\n"
            f"should_transfer_files = NO\ngetenv = True\n"
            f"request_cpus = {jobs.processes}\nrequest_memory = {jobs.memory_mb}\n"
            f"request_disk = 2GB\n+MaxRuntime = {60 * jobs.minutes}\nmax_retries = {jobs.retries}\n"
            f"output = logs/condor/{name}-$(Process).out\nerror = logs/condor/{name}-$(Process).err\n"
            f"log = logs/condor/{name}.log\nqueue {count}\n"
        )

    files = {"job.sh": _job_script(directory, manifest)}
    dag = "# condor_submit_dag -include_env PATH,PYTHONPATH,LD_LIBRARY_PATH scan.dag\n"
    levels = _levels(manifest)
    for kind, number in levels:
        files[f"{kind}.sub"] = submit(kind, number)
        dag += f"JOB {kind}s {kind}.sub\n"
    for (earlier, _), (later, _) in itertools.pairwise(levels):
        dag += f"PARENT {earlier}s CHILD {later}s\n"
    return {**files, "scan.dag": dag, "logs/condor/README": "Output of HTCondor jobs.\n"}


def _reana(_: Path, manifest: Manifest) -> dict[str, str]:
    """Return a workflow of type snakemake: the same Snakefile in the workspace of REANA."""
    trees = [manifest.scan.settings(name) for name in manifest.scan.variants or (PLAIN,)]
    for table, key in PATHS:
        if any(tree.get(table, {}).get(key, "") not in ("", SHIPPED, [], ()) for tree in trees):
            raise ConfigError(
                f"--to reana: analysis.{table}.{key} names a file outside the scan directory; REANA can use the shipped"
                " data only"
            )
    text = (package_folder("workflows") / "reana.yaml").read_text(encoding="utf-8")
    snakefile = (package_folder("workflows") / "Snakefile").read_text(encoding="utf-8")
    return {"reana.yaml": text, "Snakefile": snakefile}


_TARGETS: dict[str, Callable[[Path, Manifest], dict[str, str]]] = {
    "slurm": _slurm,
    "condor": _condor,
    "reana": _reana,
}
