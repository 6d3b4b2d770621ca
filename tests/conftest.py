"""Fixtures: artifacts made once a session by running the real stages."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import click
import pytest
from click.testing import CliRunner, Result
from grids import GRID
from hypothesis import settings
from toys import shipped_rows, write_official
from typer.main import get_command

from anomaly_cli.analysis import distances, quality
from anomaly_cli.cli.app import app

settings.register_profile("same", derandomize=True)
if os.environ.get("SAME_EXAMPLES"):  # set where a change is judged: what it did not touch gives what it gave before
    settings.load_profile("same")

FAST = [
    *("--set", "methods.curtains_f4f.base_epochs=1"),
    *("--set", "methods.curtains_f4f.transport_epochs=1"),
    *("--set", "methods.curtains_f4f.scaling_bags=2"),
    *("--set", "classifiers.trees.ensemble=1"),
    *("--set", "classifier.folds=3"),
    *("--background-efficiencies", "0.2,0.05"),
]
"""Settings that make a run take seconds."""


LONGEST = ("test_reliability", "test_engine", "test_coverage", "test_tutorial", "test_slurm", "test_packaging")
"""Files of the slow tests that take a minute or more: begun first, lest one core waits for the other at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@contextlib.contextmanager
def brief_closure() -> Iterator[None]:
    """Measure closure with few trees and small batches: half of a run. What they find is tested on values."""
    with patch.multiple(quality, ITERATIONS=20), patch.multiple(distances, KERNEL_BATCH=200):
        yield


@functools.cache
def command_line() -> click.Command:
    """All commands, built once: by far most of what a refusal costs."""
    return get_command(app)


def invoke(*arguments: str | Path) -> Result:
    """Run the command line in this process."""
    with brief_closure():
        return CliRunner().invoke(command_line(), [str(argument) for argument in arguments], env={"COLUMNS": "100"})


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled file in the official layout: an eighth of the shipped events."""
    return write_official(tmp_path_factory.mktemp("data") / "events.h5", shipped_rows(8))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, data_file: Path) -> Path:
    """A finished run directory; not to be changed."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    options = ["--signal-region", "3.3-3.7", "--data", data_file, "--inject", "150", "--reserve", "0.3"]
    result = invoke("run", "--run", directory, *options, "--processes", "1", *FAST)
    assert result.exit_code == 0, result.output
    return directory


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run directory, to be changed at will."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return the path of a file of the shared test data, or skip."""

    def find(name: str) -> Path:
        folder = os.environ.get("ANOMALY_TEST_DATA")
        if not folder:
            pytest.skip("ANOMALY_TEST_DATA is not set: no real LHCO events to read")
        path = Path(folder) / name
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        return path

    return find


@pytest.fixture
def write_grid(tmp_path: Path, data_file: Path) -> Callable[..., Path]:
    """Return a function that writes the TOML file of a grid."""

    def write(
        windows: tuple[str, ...] = ("3.3-3.7", "3.4-3.8"), seeds: int = 1, ensemble: int = 1, more: str = ""
    ) -> Path:
        named = ", ".join(f'"{window}"' for window in windows)
        text = GRID.format(windows=named, seeds=seeds, data=data_file, ensemble=ensemble) + more
        path = tmp_path / "scan.toml"
        path.write_text(text)
        return path

    return write
