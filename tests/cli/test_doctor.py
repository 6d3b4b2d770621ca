"""The doctor says what is there, and ends with an error where something has to be mended."""

from __future__ import annotations

import importlib.metadata
import json

import pytest
from conftest import invoke

import anomaly_cli
from anomaly_cli.cli import doctor


@pytest.fixture
def lacking(monkeypatch):
    """Pretend that libraries are missing or of another version."""
    real = importlib.metadata.version

    def pretend(versions):
        def version(name):
            found = versions.get(name, real(name)) if name in versions else real(name)
            if found is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return found

        monkeypatch.setattr(importlib.metadata, "version", version)

    return pretend


def test_what_there_is_is_told_and_nothing_is_wrong_here():
    result = invoke("doctor", "--json")
    assert result.exit_code == 0, result.output
    tables = {
        table["name"]: {row["about"]: row["found"] for row in table["rows"]}
        for table in json.loads(result.output)["tables"]
    }
    assert list(tables) == ["program", "libraries", "machine", "data", "extras", "schedulers"]
    assert tables["program"]["anomaly"].startswith(f"{anomaly_cli.__version__} (commit")
    assert tables["libraries"]["numpy"] == importlib.metadata.version("numpy")
    assert tables["data"]["lhco_like_sim"] == "shipped"
    assert {"device", "memory", "room in this folder"} <= set(tables["machine"])


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"zuko": None}, "zuko: install it: pip install 'zuko>=1.3'"),
        ({"torch": "1.9"}, "torch: is not >=2.2: pip install 'torch>=2.2'"),
    ],
)
def test_a_library_that_is_missing_or_too_old_is_told_with_what_mends_it(lacking, versions, said):
    lacking(versions)
    result = invoke("doctor")
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())


def test_an_extra_that_is_missing_is_no_fault(lacking):
    lacking({"fastjet": None})
    assert "fastjet missing: pip install 'anomaly-cli[jets]'" in {one.found for one in doctor._extras()}
    assert not any(one.problem for one in doctor._extras())


def test_every_extra_that_is_not_for_developers_says_what_needs_it():
    extras = set(importlib.metadata.metadata("anomaly-cli").get_all("Provides-Extra"))
    assert set(doctor.PURPOSES) == extras - {"test", "docs"}


def test_a_folder_without_room_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "LEAST_DISK", 1e30)
    assert "make room" in doctor._room("room", tmp_path / "not" / "yet").problem
