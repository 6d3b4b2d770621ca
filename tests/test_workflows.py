from __future__ import annotations

import pytest

from anomaly_cli.config import load_config
from anomaly_cli.core.windows import parse_window
from anomaly_cli.datasets.manifests import package_folder
from anomaly_cli.scans.planning import plan_scan
from anomaly_cli.scans.settings import load_scan

FILES = sorted(package_folder("workflows").glob("*.toml"))
SCANS = sorted((package_folder("workflows") / "scans").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_analysis_file_can_be_used(path):
    config = load_config([path], (), {})
    assert parse_window(config.regions.signal_region).width == 400.0


@pytest.mark.parametrize("path", SCANS, ids=lambda path: path.stem)
def test_every_scan_can_be_planned(path):
    assert plan_scan(load_scan(path)).points


def test_every_analysis_file_is_in_the_readme():
    text = (package_folder("workflows") / "README.md").read_text()
    assert all(f"`{path.name}`" in text for path in FILES)
