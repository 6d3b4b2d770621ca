from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FAST

from anomaly_cli.artifacts.store import read_any

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_wheel_carries_data_manifests_and_workflows_and_works(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--no-deps",
            "--quiet",
            "--target",
            str(tmp_path / "site"),
            str(wheel),
        ],
        check=True,
    )
    for folder in ("data_manifests", "workflows"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                assert (tmp_path / "site" / "anomaly_cli" / folder / path.relative_to(ROOT / folder)).is_file()
    if (ROOT / ".git").exists():
        asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        assert json.loads((tmp_path / "site" / "anomaly_cli" / "build.json").read_text())["commit"] == commit.strip()
    main_command = re.search(r"/bin/anomaly (run .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)[1].split()
    environment = {"PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]}
    script = tmp_path / "site" / "bin" / "anomaly"
    subprocess.run(
        [sys.executable, str(script), *main_command, *FAST, "--processes", "1"],
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    (counted,) = tmp_path.glob("*/significance.h5")
    assert read_any(counted).groups["tests"]["n_observed"].min() > 0
    where = [sys.executable, "-c", "import anomaly_cli; print(anomaly_cli.__file__)"]
    found = subprocess.run(where, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    assert found.startswith(str(tmp_path))
    (block,) = re.findall(r"<!-- run: api -->\n```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    shown = subprocess.run(
        [sys.executable, "-c", block], check=True, cwd=tmp_path, env=environment, capture_output=True, text=True
    ).stdout
    assert "background_efficiency" in shown
    assert 0.45 < float(shown.splitlines()[-1]) < 0.55


def test_every_command_in_the_docs_exists_with_its_options():
    from typer.testing import CliRunner

    from anomaly_cli.cli.app import app

    runner, helps = CliRunner(), {}
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "workflows" / "README.md"):
        for line in re.findall(r"^(?:\$ )?anomaly (.*)$", path.read_text(), flags=re.MULTILINE):
            words, options = line.split(), re.findall(r"(?<= )--[a-z-]+", line)
            is_nested = words[0] in ("data", "reproduce", "scan", "significance") and not words[1].startswith("-")
            command = " ".join(words[: 1 + is_nested])
            if command not in helps:
                result = runner.invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
                assert result.exit_code == 0, f"{path.name}: anomaly {command}"
                helps[command] = result.output
            for option in options:
                assert option in helps[command], f"{path.name}: anomaly {command} has no {option}"


def test_links_in_the_docs_lead_to_files():
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_version_is_the_same_wherever_it_is_written():
    import anomaly_cli

    (cited,) = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE)
    assert cited == anomaly_cli.__version__
    changes = (ROOT / "CHANGELOG.md").read_text()
    first = re.findall(r"^## (\S+)", changes, flags=re.MULTILINE)[0]
    assert first == ("Unreleased" if ".dev" in cited else cited)
