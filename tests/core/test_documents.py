"""TOML and JSON of others: valid, or a ValueError that every reader turns into its sentence."""

from __future__ import annotations

import pytest

from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.unblinding import read_records
from anomaly_cli.config import load_config
from anomaly_cli.core.documents import MOST_NESTED, TOO_DEEP, parse_json, parse_toml
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.datasets.own import load_own_manifest
from anomaly_cli.scans.manifest import ScanDirectory

LISTS = "a = " + "[" * 5000 + "]" * 5000
TABLES = "a = " + "{ b = " * 900 + "1" + " }" * 900
DOTS = ".".join("a" * 3000) + " = 1"
DEEP = [LISTS, TABLES, DOTS, "a = " + "9" * 5000]


@pytest.mark.parametrize("text", [*DEEP, "a = ", "\x00"])
def test_toml_that_cannot_be_read_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_toml(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, "{", "9" * 5000])
def test_json_that_cannot_be_read_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_what_is_nested_as_far_as_allowed_is_read_and_one_more_is_not():
    text = "[" * (MOST_NESTED + 1) + "1" + "]" * (MOST_NESTED + 1)
    assert parse_json(text)
    with pytest.raises(ValueError, match=TOO_DEEP):
        parse_json(f"[{text}]")
    assert parse_toml(f"a = {text[1:-1]}")
    with pytest.raises(ValueError, match=TOO_DEEP):
        parse_toml(f"a = {text}")


@pytest.mark.parametrize("text", DEEP)
def test_a_manifest_and_a_configuration_that_are_nested_without_end_are_refused_with_a_sentence(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine.toml: is not valid TOML.*'anomaly data manifest FILE' writes"):
        load_own_manifest(path)
    with pytest.raises(ConfigError, match=r"mine.toml: is not valid TOML.*'anomaly config' prints"):
        load_config([path], [], {})


def test_a_setting_that_is_nested_without_end_is_no_list():
    with pytest.raises(ConfigError, match=r"inject_from must be a list"):
        load_config([], ["data.inject_from=" + "[" * 5000 + "]" * 5000], {})


def test_a_manifest_of_a_scan_and_records_that_are_nested_without_end_are_refused(tmp_path):
    scan, run = ScanDirectory(tmp_path), RunDirectory(tmp_path)
    scan.manifest.write_text("[" * 100_000)
    with pytest.raises(ArtifactError, match=r"is damaged .*plan the scan again"):
        scan.read()
    run.unblinding.write_text("[" * 100_000)
    with pytest.raises(ArtifactError, match=r"unblinding.json: was changed by hand"):
        read_records(run)


def test_records_of_unblinding_behind_a_link_that_leads_nowhere_are_not_taken_for_none(tmp_path):
    run = RunDirectory(tmp_path)
    assert read_records(run) == []
    run.unblinding.symlink_to(tmp_path / "away.json")
    with pytest.raises(ArtifactError, match=r"unblinding.json: was changed by hand; restore it"):
        read_records(run)
