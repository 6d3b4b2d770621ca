"""The page of reproductions is what the stored results say, and these are what the targets ask for."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from small_plan import small_plan
from toys import compute

from anomaly_cli.artifacts.reproduction import read_reproduction
from anomaly_cli.reproduce.comparing import collect
from anomaly_cli.reproduce.published import rows_of, same_x
from anomaly_cli.reproduce.running import missing_jobs, run_jobs
from anomaly_cli.reproduce.targets import load_target

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "benchmarks" / "results" / "reproduction").glob("*.json"))


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("reproduction_page", ROOT / "benchmarks" / "reproduction.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_value_on_the_page_is_typed(tool):
    assert (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8") == tool.page()


def test_every_stored_result_has_its_picture_on_the_page(tool):
    shown = re.findall(r"^!\[.+\]\((.+)\)$", tool.PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [tool.PAGE.parent / path for path in shown] == [tool.PICTURES / f"{path.stem}.svg" for path in RESULTS]
    assert sorted(tool.PICTURES.glob("*")) == sorted(tool.PICTURES / f"{path.stem}.svg" for path in RESULTS)


def test_a_run_that_goes_on_elsewhere_needs_no_job_again(tool, tmp_path):
    planned = small_plan()
    here, there, kept = tmp_path / "here", tmp_path / "there", tmp_path / "kept.jsonl"
    run_jobs(planned.jobs[:-1], here, compute(), "cpu")
    assert tool.keep(here, kept) == len(planned.jobs) - 1
    assert str(tmp_path) not in kept.read_text()
    assert tool.restore(there, kept) == len(planned.jobs) - 1
    assert missing_jobs(planned, there) == planned.jobs[-1:]
    assert collect(planned, there) == collect(planned, here)
    assert tool.restore(there, kept) == 0
    (there / planned.jobs[0].name).write_text("{")  # cut off
    assert tool.restore(there, kept) == 1
    with pytest.raises(SystemExit, match="holds no record"):
        tool.keep(tmp_path / "misspelt", kept)
    elsewhere = tmp_path / "elsewhere"
    run_jobs(planned.jobs[-1:], elsewhere, compute(), "cpu")
    assert tool.keep(elsewhere, kept) == 1
    assert tool.restore(there, kept) == 1, "what was kept before is lost"
    assert not missing_jobs(planned, there)


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_stored_result_was_run_and_compares_with_what_is_published(path):
    found = read_reproduction(path)
    target = load_target(found.target)
    rows = rows_of(target)
    run = [value for value in found.values if value.ours]
    assert run
    assert 0 < found.n_jobs <= len(found.settings["jobs"])
    for value in run:
        assert len(value.ours) <= len(found.settings["seeds"])
        if value.published is not None:
            x = target.published_x.get(value.x, value.x)
            assert any(row.value == value.published and same_x(row.x, x) for row in rows)
