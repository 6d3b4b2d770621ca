"""The page of reproductions is what the stored results say, and these are what the targets ask for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from anomaly_cli.artifacts.reproduction import read_reproduction
from anomaly_cli.reproduce.published import read_published, same_x
from anomaly_cli.reproduce.targets import load_target

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "benchmarks" / "results" / "reproduction").glob("*.json"))


def test_nothing_on_the_page_is_typed():
    spec = importlib.util.spec_from_file_location("reproduction_page", ROOT / "benchmarks" / "reproduction.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8") == module.page()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_stored_result_was_run_and_compares_with_what_is_published(path):
    found = read_reproduction(path)
    target = load_target(found.target)
    rows = read_published(target.published)
    run = [value for value in found.values if value.ours]
    assert run
    assert 0 < found.n_jobs <= len(found.settings["jobs"])
    for value in run:
        assert len(value.ours) <= len(found.settings["seeds"])
        if value.published is not None:
            x = target.published_x.get(value.x, value.x)
            assert any(row.value == value.published and same_x(row.x, x) for row in rows)
