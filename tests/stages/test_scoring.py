from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import invoke
from toys import blind, shipped_rows, write_official

from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import read_any
from anomaly_cli.config import Config
from anomaly_cli.core.events import concatenate, make_events
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.datasets.noise import noise_features
from anomaly_cli.stages.blinding import unblind
from anomaly_cli.stages.identity import stored_identity
from anomaly_cli.stages.scoring import _recognised, find_events

REGIONS = Regions(Window(3300.0, 3700.0), Window(2900.0, 3300.0), Window(3700.0, 4700.0))


@pytest.fixture(scope="module")
def new_file(tmp_path_factory):
    """Other events than the run's."""
    return write_official(tmp_path_factory.mktemp("new") / "new.h5", shipped_rows(97, first=5))


def words(result):
    return " ".join(result.output.split())


def test_events_of_the_run_get_the_scores_that_it_gave_them_and_pass_where_they_did(finished, data_file, tmp_path):
    out = tmp_path / "scores.h5"
    result = invoke("score", data_file, "--run", finished, "--out", out)
    assert result.exit_code == 0, result.output
    found, stored = read_any(out).groups["events"], read_any(finished / "scores.h5").groups
    split = read_any(finished / "split.h5").groups
    inside = {}
    for group, region in (("observed", ("sr",)), ("side_bands", ("sb1", "sb2"))):
        scores = dict(zip(stored[group]["event_id"].tolist(), stored[group]["score"].tolist(), strict=True))
        for name in region:
            inside |= {
                mjj: scores[index]
                for index, mjj in zip(split[name]["event_id"].tolist(), split[name]["mjj"].tolist(), strict=True)
            }
    rows = {mjj: index for index, mjj in enumerate(found["mjj"].tolist())}
    assert inside.keys() <= rows.keys()
    assert all(found["score"][rows[mjj]] == score for mjj, score in inside.items())  # bitwise
    assert (found["fold"] >= 0).sum() == len(inside)
    significance = read_any(finished / "significance.h5").groups["selected"]
    masses = dict(zip(split["sr"]["event_id"].tolist(), split["sr"]["mjj"].tolist(), strict=True))
    for test in range(2):
        selected = {masses[index] for index in significance["event_id"][significance["test"] == test].tolist()}
        passing = (found["fold"] >= 0) & found["is_passing"][test] & (found["region"] == "sr")
        assert set(found["mjj"][passing].tolist()) == selected
    assert "have the score of models that have not seen them" in words(result)
    assert invoke("inspect", out).exit_code == 0


def test_new_events_are_scored_by_all_folds_and_the_cuts_keep_what_they_are_named_after(finished, new_file, tmp_path):
    result = invoke("score", new_file, "--run", finished, "--out", tmp_path / "scores.csv")
    assert result.exit_code == 0, result.output
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["row"]) for row in rows] == list(range(len(rows)))
    in_region = [row for row in rows if row["region"] == "sr" and row["fold"] == "-1"]
    assert len(in_region) > 200
    assert all(3300.0 <= float(row["mjj_gev"]) < 3700.0 for row in in_region)
    shares = [np.mean([row[f"passes_{cut}"] == "1" for row in in_region]) for cut in ("0.2", "0.05")]
    assert shares[1] < shares[0] < 0.6  # signal among them passes more often
    ranked = sorted(in_region, key=lambda row: -float(row["score"]))
    passing = [row["passes_0.05"] for row in ranked]
    assert passing == sorted(passing, reverse=True)


def test_an_event_whose_feature_is_not_defined_is_kept_without_a_score(finished, tmp_path):
    rows = shipped_rows(400, first=7)
    rows[3, 4] = 0.0  # tau1 of the first jet
    file = write_official(tmp_path / "some.h5", rows)
    result = invoke("score", file, "--run", finished)
    assert result.exit_code == 0, result.output
    with (tmp_path / "some-scores.csv").open() as opened:
        found = list(csv.DictReader(opened))
    assert len(found) == len(rows)
    assert found[3]["score"] == ""
    assert found[3]["passes_0.2"] == "0"
    assert "1 have no score" in words(result)


def test_what_cannot_be_scored_ends_in_a_sentence(finished, new_file, tmp_path):
    few = tmp_path / "few.csv"
    few.write_text("mjj,mj1\n3500.0,100.0\n" * 1)
    manifest = tmp_path / "few.toml"
    columns = [f'{name} = {{ column = "{name}", unit = "GeV" }}' for name in ("mjj", "mj1")]
    manifest.write_text(f'file = "{few}"\n{columns[0]}\n[features]\n{columns[1]}\n')
    refused = invoke("score", manifest, "--run", finished)
    assert refused.exit_code != 0
    assert "delta_mj" in words(refused)
    assert not list(tmp_path.glob("*scores*"))
    assert "is the file of the events" in words(invoke("score", new_file, "--run", finished, "--out", new_file))
    missing = invoke("score", tmp_path / "no.h5", "--run", finished)
    assert missing.exit_code != 0
    assert "no such file" in words(missing)
    assert "no such" in words(invoke("score", new_file, "--run", tmp_path / "nowhere"))


def test_a_blinded_run_scores_nothing_before_it_is_unblinded(copied, new_file, tmp_path):
    """The models of data without labels say what their signal region is like."""
    run, out = blind(copied), tmp_path / "out.csv"
    refused = invoke("score", new_file, "--run", run, "--out", out)
    assert refused.exit_code != 0
    assert "is blinded for these settings" in words(refused)
    assert not out.exists()
    unblind(RunDirectory(run), Config(), stored_identity(RunDirectory(run)).digest)
    assert invoke("score", new_file, "--run", run, "--out", out).exit_code == 0


def test_events_are_found_again_in_single_precision_and_others_are_not():
    rng = np.random.default_rng(1)
    known = make_events(rng.uniform(3000, 4000, 500), rng.normal(100.0, 30.0, (500, 2)), ("a", "b"), np.arange(500))
    index = rng.permutation(500)[:100]
    again = make_events(
        known.mjj[index].astype(np.float32), known.features[index].astype(np.float32), known.names, index
    )
    other = make_events(again.mjj + 1.0, again.features, known.names, index)
    assert (find_events(again, known) == index).all()
    assert (find_events(other, known) == -1).all()


def test_a_rounded_copy_of_an_event_with_noise_is_found_again_and_has_the_noise_of_the_run():
    rng, names = np.random.default_rng(2), ("a", "noise_3", "noise_7")
    mjj, read = rng.uniform(3000, 4600, 500), rng.normal(100.0, 30.0, 500)

    def events(mjj):
        return make_events(mjj, np.column_stack([read, noise_features(mjj, names[1:])]), names, np.arange(500))

    exact = events(mjj)
    for copied in (events(np.round(mjj, 2)), events(mjj.astype(np.float32).astype(np.float64))):
        assert not (copied.features[:, 1] == exact.features[:, 1]).any()
        assert (find_events(copied, exact) == np.arange(500)).all()
        windows = [exact.take(window.contains(mjj)) for window in REGIONS.named().values()]
        split = SimpleNamespace(sr=windows[1], side_bands=concatenate([windows[0], windows[2]]))
        folds = SimpleNamespace(fold=lambda ids: ids % 5, side_band_fold=lambda ids: ids % 5)
        found, fold = _recognised(copied, split, folds)
        assert (fold == np.arange(500) % 5).all()
        assert (found.features == exact.features).all()


def test_json_of_scores_names_what_was_used(finished, new_file, tmp_path):
    result = invoke("score", new_file, "--run", finished, "--out", tmp_path / "x.csv", "--json")
    table = json.loads(result.stdout)["tables"][0]
    assert table["name"] == "scored_events"
    assert len(table["rows"]) == 2
