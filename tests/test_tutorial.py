"""The tutorial, as it stands, with shorter trainings."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FAST, invoke

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"<!-- (run: tutorial|file: \S+) -->\n```(\w*)\n(.*?)\n```", re.DOTALL)
SHORT = [*FAST, "--processes", "1", "--set", "significance.windows=3", "--set", "significance.experiments=5"]
CENTRES = "centres = [3.3, 3.5, 3.7]"
SHORT_SCAN = """
[analysis.classifier]
folds = 3
[analysis.classifiers.trees]
ensemble = 1
[analysis.methods.curtains_f4f_efficient]
base_epochs = 1
transport_epochs = 1
scaling_bags = 1
"""


def shortened(line):
    """Return the words of a command after `anomaly`, with settings that make it take seconds."""
    words = shlex.split(line)[1:]
    return words + (SHORT if words[0] == "run" else [])


@pytest.mark.slow
def test_the_tutorial_can_be_followed_from_the_first_command_to_the_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text())
    assert len(found) > 8
    for mark, language, content in found:
        if mark.startswith("file: "):
            assert CENTRES in content
            shortened_scan = content.replace(CENTRES, "centres = [3.5]\nclosure = false")
            Path(mark.removeprefix("file: ")).write_text(f"{shortened_scan}\n{SHORT_SCAN}")
        elif language == "python":
            subprocess.run([sys.executable, "-c", content], check=True, env={"PYTHONPATH": str(ROOT)})
        else:
            for line in content.splitlines():
                if "scan run" in line:  # becomes Snakemake: not in this process
                    program = [sys.executable, "-m", "anomaly_cli", *shlex.split(line)[1:]]
                    subprocess.run(program, check=True, capture_output=True)
                    continue
                result = invoke(*shortened(line))
                assert result.exit_code == 0, f"{line}\n{result.output}"
    pictures = re.findall(r"--figure (\S+)", "\n".join(content for *_, content in found))
    assert all((tmp_path / name).stat().st_size > 1000 for name in pictures)
    assert (tmp_path / "search" / "unblinding.json").is_file()
    assert (tmp_path / "anomaly-3.3-3.7" / "report.html").is_file()
