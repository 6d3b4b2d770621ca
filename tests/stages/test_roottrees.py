"""Events, scores and selections as trees: what is read again is what the artifacts and the CSV say."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pytest
from conftest import invoke
from toys import shipped_rows, write_official

from anomaly_cli.artifacts.store import read_any

uproot = pytest.importorskip("uproot")


def branches(path, tree):
    with uproot.open(path) as file:
        return file[tree].arrays(library="np")


def test_scores_of_a_file_are_the_same_as_a_tree_and_as_csv(finished, tmp_path):
    rows = shipped_rows(97, first=5)
    rows[3, 4] = 0.0  # tau1 of the first jet
    file = write_official(tmp_path / "new.h5", rows)
    for name in ("scores.root", "scores.csv"):
        result = invoke("score", file, "--run", finished, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    with (tmp_path / "scores.csv").open() as opened:
        written = list(csv.DictReader(opened))
    found = branches(tmp_path / "scores.root", "scores")
    assert len(written) == len(found["row"]) == len(rows)
    for name in ("row", "mjj_gev", "fold", "score"):
        assert np.array_equal(found[name], [float(row[name] or "nan") for row in written], equal_nan=True), name
    for cut in ("0.2", "0.05"):
        passes = [row[f"passes_{cut}"] == "1" for row in written]
        assert any(passes)
        assert np.array_equal(found[f"passes_{cut.replace('.', 'p')}"], passes)
    for region in ("sb1", "sr", "sb2"):
        assert np.array_equal(found[f"is_{region}"], [row["region"] == region for row in written])
    assert branches(tmp_path / "scores.root", "cuts")["background_efficiency"].tolist() == [0.2, 0.05]


def test_the_events_of_a_run_are_exported_with_scores_and_what_the_count_selected(finished, tmp_path):
    result = invoke("significance", "export", "--run", finished, "--output", tmp_path / "out", "--events")
    assert result.exit_code == 0, result.output
    path = tmp_path / "out" / "events.root"
    split, scores = (read_any(finished / f"{name}.h5").groups for name in ("split", "scores"))
    significance = read_any(finished / "significance.h5").groups
    for tree, group in (("observed", "observed"), ("template", "template"), ("side_bands", "side_bands")):
        found = branches(path, tree)
        for branch, column in (("event_id", "event_id"), ("mjj_gev", "mjj"), ("score", "score"), ("fold", "fold")):
            assert np.array_equal(found[branch], scores[group][column]), (tree, branch)
    observed = branches(path, "observed")
    rows = {index: row for row, index in enumerate(split["sr"]["event_id"].tolist())}
    own = split["sr"]["features"][[rows[index] for index in observed["event_id"].tolist()]]
    names = ("mj1", "delta_mj", "tau21_j1", "tau21_j2", "delta_r_jj")
    assert np.array_equal(np.stack([observed[name] for name in names], axis=1), own)
    for group, tree in (("selected", "observed"), ("selected_template", "template")):
        found = branches(path, tree)
        for test, cut in enumerate(("0p2", "0p05")):
            kept = significance[group]["event_id"][significance[group]["test"] == test]
            assert sorted(found["event_id"][found[f"passes_{cut}"]].tolist()) == sorted(kept.tolist())
    outside = branches(path, "side_bands")
    assert outside["is_sb1"].sum() == len(split["sb1"]["mjj"])
    assert (outside["is_sb1"] ^ outside["is_sb2"]).all()


def test_without_uproot_nothing_is_written_and_the_extra_is_named(finished, data_file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uproot", None)
    commands = (
        ("score", data_file, "--run", finished, "--out", tmp_path / "a.root"),
        ("significance", "export", "--run", finished, "--output", tmp_path / "out", "--events"),
    )
    for command in commands:
        result = invoke(*command)
        assert result.exit_code != 0
        assert "pip install 'anomaly-cli[root]'" in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())
