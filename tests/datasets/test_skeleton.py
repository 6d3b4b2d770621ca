"""The skeleton of a manifest is a manifest."""

from __future__ import annotations

import shlex

import pytest
from conftest import invoke

from anomaly_cli.core.errors import DataError
from anomaly_cli.datasets.own import load_own_manifest
from anomaly_cli.datasets.skeleton import MOST_LISTED, manifest_skeleton

TABLE = 'm_jj,m "light",tau21,is_signal,w,label?\n3.5,200,0.3,0,1,5\n3.7,150,0.4,1,1,7\n4.0,160,0.2,0,1,9\n'


def load(tmp_path, table):
    file = tmp_path / "e v.csv"
    file.write_text(table)
    manifest = tmp_path / "e v.toml"
    manifest.write_text(manifest_skeleton(file))
    return load_own_manifest(manifest)


def test_columns_are_guessed_by_name_and_units_by_size(tmp_path):
    found = load(tmp_path, TABLE.replace('"', ""))
    assert (found.mjj.column, found.mjj.unit) == ("m_jj", "TeV")
    assert (found.label, found.weight) == ("is_signal", "w")
    assert {name: (own.column, own.unit) for name, own in found.features.items()} == {
        "m_light": ("m light", "GeV"),
        "tau21": ("tau21", "1"),
        "x_label": ("label?", "1"),
    }


def test_a_file_without_a_known_name_leaves_the_mass_to_be_named(tmp_path):
    found = load(tmp_path, "a,b,label\n1,2,3\n2,3,4\n")
    assert found.mjj.column == "NAME OF THE DIJET MASS"
    assert found.label == ""  # whose values are no labels
    assert set(found.features) == {"a", "b", "x_label"}


def test_columns_of_names_that_come_out_alike_are_told_apart_and_too_many_are_not_listed(tmp_path):
    names = ["a b", "a-b", *(f"x{index}" for index in range(MOST_LISTED))]
    found = load(tmp_path, f"{','.join(names)}\n{','.join('1' for _ in names)}\n{','.join('2' for _ in names)}\n")
    assert [own.column for own in found.features.values()] == names[:MOST_LISTED]
    assert list(found.features)[:2] == ["a_b", "a_b_"]


def test_a_column_that_numbers_events_is_no_feature(tmp_path):
    rows = "".join(f"{i},{3000 + 7 * i},{100 + i % 5}\n" for i in range(30))
    found = load(tmp_path, f"id,mjj,mj1\n{rows}")
    assert list(found.features) == ["mj1"]
    assert found.event_id == "id"


def test_a_unit_in_a_name_is_read_and_what_never_changes_is_no_feature(tmp_path):
    rows = "".join(f"{2.5 + 0.1 * i},{100 + i % 5},{0.1 * (i % 3)},7\n" for i in range(30))
    found = load(tmp_path, f"M_jj (TeV),m1 [GeV],m2_TeV,run\n{rows}")
    assert (found.mjj.column, found.mjj.unit) == ("M_jj (TeV)", "TeV")
    units = {own.column: own.unit for own in found.features.values()}
    assert units == {"m1 [GeV]": "GeV", "m2_TeV": "TeV"}
    assert '"run"' in (tmp_path / "e v.toml").read_text()


def test_a_manifest_has_no_manifest(tmp_path):
    with pytest.raises(DataError, match="is a manifest already; name the event file"):
        manifest_skeleton(tmp_path / "x.toml")


def test_the_command_names_what_is_next_and_leaves_a_manifest_alone(tmp_path):
    (tmp_path / "e v.csv").write_text(TABLE.replace('"', ""))
    result = invoke("data", "manifest", tmp_path / "e v.csv")
    assert result.exit_code == 0, result.output
    command = shlex.split(result.output.split("Next: ")[1])
    assert command == ["anomaly", "data", "describe", str(tmp_path / "e v.toml")]
    described = invoke(*command[1:])
    assert shlex.split(described.output.split("Next: ")[1])[:4] == [
        "anomaly",
        "run",
        "--data",
        str(tmp_path / "e v.toml"),
    ]
    refused = invoke("data", "manifest", tmp_path / "e v.csv")
    assert refused.exit_code == 4
    assert "exists already and was not overwritten" in " ".join(refused.output.split())
