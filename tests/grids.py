"""A small grid for scans of small data."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GRID = """
[grid]
windows = [{windows}]
methods = ["curtains_f4f_efficient"]
inject = [150]
seeds = {seeds}
closure = false

[analysis.data]
file = "{data}"
reserve = 0.3

[analysis.classifier]
folds = 3

[analysis.classifiers.trees]
ensemble = {ensemble}
iterations = 20

[analysis.significance]
background_efficiencies = [0.2, 0.05]
toys = 1000

[analysis.methods.curtains_f4f_efficient]
base_epochs = 1
transport_epochs = 1
scaling_bags = 1
"""
EMPTY = "6.2-6.4"
"""A window whose side-bands hold too few events to train on."""


@contextlib.contextmanager
def other_driver() -> Iterator[int]:
    """Start a process that looks like the driver of a scan, and give its number."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "snakemake"]) as other:
        while not Path(f"/proc/{other.pid}/cmdline").read_bytes():  # it has begun, and does not know its words yet
            time.sleep(0.01)
        try:
            yield other.pid
        finally:
            other.kill()
