"""A scan on a real Slurm, installed and started here: a driver and a job are killed, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import invoke

pytest.importorskip("snakemake", reason="the engine is an extra: pip install 'anomaly-cli[scan]'")
ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "anomaly_cli", "scan")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A running Slurm; its directory."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("NO SLURM TEST: installing and starting one needs root and apt-get")
    lab = tmp_path_factory.mktemp("slurm")
    environment = {"SLURM_LAB": str(lab), "SLURM_CONF": str(lab / "slurm.conf")}
    script = str(ROOT / "tools" / "slurm.sh")
    subprocess.run([script, "up"], env={**os.environ, **environment}, check=True)
    before = os.environ.get("SLURM_CONF")
    os.environ.update(environment)
    yield lab
    subprocess.run([script, "down"], check=True)
    os.environ.pop("SLURM_LAB")
    os.environ.pop("SLURM_CONF") if before is None else os.environ.update(SLURM_CONF=before)


def wait_for_process(scan, folder, seconds=90.0):
    """Return the process of a job of a folder of logs that runs now."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in sorted((scan / "logs").glob(f"{folder}/*.json")):
            record = json.loads(path.read_text())
            if record["state"] == "running" and Path(f"/proc/{record['pid']}").exists():
                return int(record["pid"])
        time.sleep(0.1)
    raise TimeoutError(folder)


@pytest.mark.slow
def test_a_scan_on_slurm_survives_the_death_of_its_driver_and_of_a_job(slurm, write_grid, tmp_path):
    grid = write_grid(more="[jobs]\nmemory_mb = 1500\n")
    here, there = tmp_path / "local", tmp_path / "slurm"
    for directory in (here, there):
        assert invoke("scan", "plan", grid, "--output", directory).exit_code == 0
    for index in ("0", "1"):
        assert invoke("scan", "job", here, "--index", index, "--processes", "1").exit_code == 0

    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    driver = subprocess.Popen([*COMMAND, "run", there, "--profile", "slurm"], **quiet)
    wait_for_process(there, "bases")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    with (tmp_path / "resumed.log").open("w") as log:
        resumed = subprocess.Popen([*COMMAND, "resume", there], stdout=log, stderr=subprocess.STDOUT)
        os.kill(wait_for_process(there, "SR_*", seconds=180.0), signal.SIGKILL)  # its first try ends here
        assert resumed.wait(timeout=400) == 0
    text = (tmp_path / "resumed.log").read_text()
    assert "cancelled 1 Slurm jobs" in text
    assert "released the lock" in text

    jobs = (slurm / "log" / "jobs.txt").read_text().splitlines()
    states = [(re.search(r"JobState=(\w+)", job)[1], re.search(r"mem=(\d+)M", job)[1]) for job in jobs]
    assert [state for state, _ in states].count("CANCELLED") == 1
    assert ("FAILED", "1500") in states
    assert ("COMPLETED", "3000") in states  # tried again with more memory
    local, remote = (
        {path.name: path.read_bytes() for path in (directory / "results").rglob("*.h5")} for directory in (here, there)
    )
    assert local == remote
