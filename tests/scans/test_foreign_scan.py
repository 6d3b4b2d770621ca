"""Scans that come from elsewhere: nothing in scan.json, in names or in options becomes a command."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import invoke

from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.datasets.manifests import package_folder
from anomaly_cli.scans.export import export_scan
from anomaly_cli.scans.manifest import ScanDirectory

COMMAND = "x; touch pwned #"


def set_in(tree, path, value):
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = value


FOREIGN = [
    (("chunks", 0, "log"), f"logs/{COMMAND}"),
    (("chunks", 0, "key"), f"$({COMMAND})"),
    (("chunks", 0, "output"), f"chunks/{COMMAND}/y.done"),
    (("bases", 0, "log"), "../../outside.log"),
    (("bases", 0, "key"), COMMAND),
    (("points", 0, "inject"), "../../outside"),
    (("points", 0, "base"), COMMAND),
    (("scan", "analysis", "threads"), COMMAND),
    (("scan", "jobs", "processes"), COMMAND),
]


@pytest.fixture
def planned(write_grid, tmp_path):
    scan = tmp_path / "scan"
    assert invoke("scan", "plan", write_grid(windows=("3.3-3.7",)), "--output", scan).exit_code == 0
    return scan


@pytest.mark.parametrize(("place", "value"), FOREIGN, ids=lambda item: str(item) if isinstance(item, tuple) else "")
def test_a_manifest_that_says_other_files_than_its_jobs_have_is_refused(planned, place, value):
    tree = json.loads((planned / "scan.json").read_text())
    set_in(tree, place, value)
    body = {key: item for key, item in tree.items() if key != "digest"}
    (planned / "scan.json").write_text(json.dumps({**body, "digest": hash_json(body)}))
    with pytest.raises(ArtifactError, match="is damaged"):
        ScanDirectory(planned).read()
    head = (package_folder("workflows") / "Snakefile").read_text().partition("\n\ndef key(")[0]
    if place != ("points", 0, "inject") and place != ("points", 0, "base") and "../" not in value:
        refused = subprocess.run([sys.executable, "-c", head], cwd=planned, capture_output=True, text=True, check=False)
        assert "plan the scan again" in refused.stderr
    assert not list(planned.rglob("pwned"))


def test_a_whole_manifest_passes_the_checks_of_the_workflow(planned):
    head = (package_folder("workflows") / "Snakefile").read_text().partition("\n\ndef key(")[0]
    subprocess.run([sys.executable, "-c", head], cwd=planned, check=True)


def test_whatever_the_workflow_gives_a_shell_is_quoted_or_a_number():
    text = (package_folder("workflows") / "Snakefile").read_text()
    given = {
        name
        for block in re.findall(r"shell[:(]\s*((?:\s*\"[^\n]*\"\n)+)", text)
        for name in re.findall(r"\{([^}]+)\}", block)
    }
    quoted = {"params.key:q", "params.log:q", "wildcards.region:q"}
    assert quoted <= given
    assert given - quoted <= {"PIN", "ANOMALY", "HERE", "JOBS[processes]"}


@pytest.mark.parametrize("name", ["a\nqueue 5\nb", "tail ", "esc\x1b[31m"])
def test_directories_that_submit_files_cannot_name_are_refused(planned, tmp_path, name):
    moved = ScanDirectory(planned.rename(tmp_path / name))
    for target in ("slurm", "condor"):
        with pytest.raises(ConfigError, match="rename the directory"):
            export_scan(moved, moved.read(), target, "")
    assert not (moved.path / "job.sh").exists()


def test_a_directory_with_signs_of_the_shell_is_quoted(planned, tmp_path):
    moved = ScanDirectory(planned.rename(tmp_path / "it's; touch pwned $(touch pwned)"))
    export_scan(moved, moved.read(), "slurm", "")
    for script in ("job.sh", "submit_slurm.sh"):
        subprocess.run(["sh", "-n", str(moved.path / script)], check=True)
        assert shlex.quote(str(moved.path)) in (moved.path / script).read_text()
    with pytest.raises(ConfigError, match=r"holds '\$'"):
        export_scan(moved, moved.read(), "condor", "")
    result = invoke("scan", "export", moved.path, "--to", "slurm")
    line = next(line for line in result.output.splitlines() if "scan collect" in line)
    assert shlex.split(line, comments=True)[-1] == str(moved.path)


@pytest.mark.parametrize("image", ['x"\nimport os\nos.system("touch pwned")\n"', "x'", "x y", "-x", "a//b"])
def test_an_image_is_a_name_and_no_code(planned, image):
    scan = ScanDirectory(planned)
    manifest = scan.read()
    shipped = replace(manifest, scan=replace(manifest.scan, analysis={"data": {"file": "shipped"}}))
    with pytest.raises(ConfigError, match="is no name of an image"):
        export_scan(scan, shipped, "reana", image)
    digest = f"registry.example.org:5000/group/anomaly:1.0@sha256:{'0' * 64}"
    export_scan(scan, shipped, "reana", digest)
    assert Path(planned / "Snakefile").read_text().startswith(f'container: "docker://{digest}"\n')
