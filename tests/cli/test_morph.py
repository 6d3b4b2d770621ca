from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from conftest import invoke

from anomaly_cli.artifacts.morph_schema import MORPH, MORPH_MODEL
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.core.folds import assign_folds
from anomaly_cli.stages.morph import _choose_test_events, _divide

FLOW = "{hidden = [8], transforms = 2, bins = 4, epochs = 2, batch_size = 128}"
FAST = ("--set", f"flows.transport={FLOW}", "--set", f"flows.density={FLOW}", "--set", "data.events=1511")
FILES = ("morph_model.h5", "morph.h5", "morph.toml")


def digests(directory):
    return {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in FILES}


def write_tables(directory, n=1009):
    generator = np.random.default_rng(1)
    paths = []
    for name, shift in (("simulation", 0.0), ("data", 0.3)):
        mass = generator.exponential(1.0, n)
        table = {"pt": generator.normal(shift + mass, 1.0), "eta": generator.normal(0.0, 2.0, n), "mass": mass}
        paths.append(directory / f"{name}.csv")
        pd.DataFrame(table).assign(number=np.arange(n)).to_csv(paths[-1], index=False)
    return paths


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("morph") / "toys"
    result = invoke("morph", "--source", "toy:ring", "--target", "toy:moons", "--output", directory, *FAST)
    assert result.exit_code == 0, result.output
    return directory, result.output


def test_a_morph_moves_every_event_of_a_toy_and_says_how_well(finished):
    directory, output = finished
    morph = read_artifact(directory / "morph.h5", MORPH)
    moved = morph.groups["moved"]
    assert moved["source_row"].tolist() == list(range(1511))
    assert np.isfinite(moved["after"]).all()
    assert (moved["after"][-100:] != moved["before"][-100:]).any(axis=1).all()
    assert 0.2 < moved["is_test"].mean() < 0.4
    for text in ("source as it is", "moved", "AUC", "Wasserstein", "anomaly morph plot"):
        assert text in output
    model = read_artifact(directory / "morph_model.h5", MORPH_MODEL)
    parts = {"source density", "target density", "start identity", "start base transfer", "transport"}
    assert set(model.groups["training"]["part"].tolist()) == parts
    quality = morph.groups["quality"]
    assert quality["distance_moved"][1] > 0.0
    assert quality["sliced_wasserstein"][1] < quality["sliced_wasserstein"][0]


def test_the_same_command_again_does_nothing_and_another_setting_asks_for_overwrite(finished):
    directory, _ = finished
    before = digests(directory)
    again = invoke("morph", "--output", directory)
    assert again.exit_code == 0, again.output
    assert "up to date, not made again" in again.output
    assert digests(directory) == before
    other = invoke("morph", "--output", directory, "--seed", "2")
    assert other.exit_code == 4
    assert "--overwrite" in other.output
    assert digests(directory) == before


def test_a_rerun_elsewhere_gives_the_same_bytes(finished, tmp_path):
    directory, _ = finished
    result = invoke("morph", "--config", directory / "morph.toml", "--output", tmp_path / "again")
    assert result.exit_code == 0, result.output
    assert digests(tmp_path / "again") == digests(directory)


def test_a_stored_model_moves_other_events_without_training(finished, tmp_path):
    directory, _ = finished
    options = ("--source", "toy:ring", "--target", "toy:moons", "--set", "data.events=701", "--seed", "3")
    model = directory / "morph_model.h5"
    result = invoke("morph", *options, "--from-model", model, "--output", tmp_path / "other")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "other" / "morph_model.h5").exists()
    morph = read_artifact(tmp_path / "other" / "morph.h5", MORPH)
    assert len(morph.groups["moved"]["after"]) == 701
    assert morph.provenance.inputs["morph_model"] == read_artifact(model, MORPH_MODEL).digest
    conditional = ("--source", "toy:ring:radius", "--target", "toy:ring:radius", "--output", tmp_path / "wrong")
    wrong = invoke("morph", *conditional, "--from-model", model)
    assert wrong.exit_code == 4
    assert "--condition" in wrong.output
    assert not (tmp_path / "wrong").exists()


def test_a_stored_model_is_not_used_with_a_condition_of_another_name(tmp_path):
    source, target = write_tables(tmp_path)
    files = ("--source", source, "--target", target, "--columns", "pt")
    trained = invoke("morph", *files, *FAST[:4], "--condition", "mass", "--output", tmp_path / "m")
    assert trained.exit_code == 0, trained.output
    model = ("--from-model", tmp_path / "m" / "morph_model.h5")
    result = invoke("morph", *files, "--condition", "eta", *model, "--output", tmp_path / "other")
    assert result.exit_code == 4
    assert "moves pt given mass, the source has pt given eta" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("names", "advice"), [(("data", "data"), "same file"), (("simulation", "data"), "'pt' is named twice")]
)
def test_one_file_or_column_cannot_be_two(tmp_path, names, advice):
    write_tables(tmp_path)
    files = [tmp_path / f"{name}.csv" for name in names]
    columns = "pt,pt" if "twice" in advice else "pt"
    options = ("--source", files[0], "--target", files[1], "--columns", columns)
    result = invoke("morph", *options, "--output", tmp_path / "m")
    assert result.exit_code in (2, 3)
    assert advice in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["--set", "flows.penalty_weight=5"], "penalty_weight does nothing without a penalty"),
        (["--set", "flows.annealed=true"], "annealed does nothing without a penalty"),
        (["--variant", "base_transfer", "--set", "flows.penalty=l1"], "penalty does nothing in variant base_transfer"),
        (["--variant", "base_transfer", "--set", "flows.start=random"], "start does nothing in variant base_transfer"),
        (["--set", "flows.condition=drawn"], "condition does nothing without a condition"),
        (["--set", "flows.context=one_per_side"], "context does nothing without a condition"),
        (["--from-model", "m.h5", "--variant", "unidirectional"], "leave out --variant and --set flows"),
        (["--from-model", "m.h5", "--set", "flows.penalty=l1"], "leave out --variant and --set flows"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(options, advice, tmp_path):
    result = invoke("morph", "--source", "toy:ring", "--target", "toy:moons", "--output", tmp_path / "m", *options)
    assert result.exit_code == 2, result.output
    assert advice in " ".join(result.output.split())
    assert not (tmp_path / "m").exists()


def test_settings_of_a_file_may_be_idle(finished, tmp_path):
    directory, _ = finished
    text = (directory / "morph.toml").read_text()
    (tmp_path / "priced.toml").write_text(
        text.replace('penalty = "none"\npenalty_weight = 0.1', 'penalty = "l1"\npenalty_weight = 0.3')
    )
    assert "penalty_weight = 0.3" in (tmp_path / "priced.toml").read_text()
    options = ("--config", tmp_path / "priced.toml", "--variant", "base_transfer", "--output", tmp_path / "m")
    result = invoke("morph", *options)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("condition", ["own", "drawn"])
def test_own_files_are_moved_given_a_condition(tmp_path, condition):
    source, target = write_tables(tmp_path)
    columns = ("--columns", "eta,pt", "--condition", "mass", "--set", f"flows.condition={condition}")
    result = invoke("morph", "--source", source, "--target", target, *columns, "--output", tmp_path / "m", *FAST)
    assert result.exit_code == 0, result.output
    morph = read_artifact(tmp_path / "m" / "morph.h5", MORPH)
    rows, moved = pd.read_csv(source), morph.groups["moved"]
    assert morph.features == ("eta", "pt")
    assert np.allclose(moved["before"], rows[["eta", "pt"]].to_numpy()[moved["source_row"]])
    assert np.allclose(moved["source_condition"][:, 0], rows["mass"])
    assert (condition == "own") == np.array_equal(moved["source_condition"], moved["target_condition"])
    assert ("conditions alone" in result.output) == (condition == "own")
    assert np.isin(moved["target_condition"], pd.concat([rows["mass"], pd.read_csv(target)["mass"]])).all()


def test_files_are_known_by_their_content_and_not_by_their_place(tmp_path):
    source, target = write_tables(tmp_path)
    options = ("--columns", "pt", "--output", tmp_path / "m", *FAST)
    assert invoke("morph", "--source", source, "--target", target, *options).exit_code == 0
    moved_file = source.rename(tmp_path / "renamed.csv")
    again = invoke("morph", "--source", moved_file, "--target", target, *options)
    assert " ".join(again.output.split()).count("up to date") == 2
    pd.read_csv(moved_file).iloc[:-1].to_csv(moved_file, index=False)
    changed = invoke("morph", "--source", moved_file, "--target", target, *options)
    assert changed.exit_code == 4
    assert "'source' has changed" in changed.output


def test_the_events_compared_come_from_everywhere_in_a_file_that_may_be_sorted():
    rows = _choose_test_events(np.arange(400_000) % 2 == 0)
    assert len(np.unique(rows)) == len(rows) == 50_000
    assert (rows % 2 == 0).all()
    assert abs(rows.mean() / 200_000 - 1.0) < 0.02


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_events_compared_fall_evenly_into_the_folds_of_the_trees_whatever_the_seed(seed):
    is_test, split = _divide(400_000, 0.3)
    rows = _choose_test_events(is_test)
    assert abs(assign_folds(rows, 2, seed).mean() - 0.5) < 0.02
    assert abs(assign_folds(np.flatnonzero(is_test), 2, seed).mean() - 0.5) < 0.02
    assert not is_test[np.concatenate([split.training, split.validation])].any()
    assert is_test.sum() + len(split.training) + len(split.validation) == 400_000


def test_the_picture_is_made_from_the_artifact(finished, tmp_path):
    directory, _ = finished
    for name in ("picture.png", "picture.svg", "picture.pdf"):
        result = invoke("morph", "plot", "--output", directory, "--figure", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert (tmp_path / name).stat().st_size > 5_000
    one = invoke("morph", "plot", "--output", directory, "--columns", "x")
    assert (one.exit_code, "two features" in one.output) == (2, True)
    odd = invoke("morph", "plot", "--output", directory, "--figure", tmp_path / "picture.doc")
    assert (odd.exit_code, ".png" in odd.output) == (2, True)


def test_the_printed_configuration_is_complete_and_can_be_used(tmp_path):
    text = invoke("morph", "config").output
    (tmp_path / "all.toml").write_text(text)
    result = invoke("morph", "--config", tmp_path / "all.toml", "--output", tmp_path / "m")
    assert (result.exit_code, "no source given" in result.output) == (2, True)
    assert "penalty_weight" in text


@pytest.mark.parametrize(
    ("options", "exit_code", "advice"),
    [
        (("--target", "toy:ring"), 2, "--source toy:ring"),
        (("--source", "toy:rings", "--target", "toy:ring"), 2, "did you mean 'ring'"),
        (("--source", "toy:ring", "--target", "toy:ring:radius"), 3, "no condition"),
        (("--source", "toy:ring", "--target", "toy:moons", "--columns", "x"), 2, "leave out --columns"),
        (("--source", "toy:ring", "--target", "nothing.h5"), 3, "no such file"),
        (("--source", "toy:ring", "--target", "toy:moons", "--variant", "flows4flows"), 2, "flows_for_flows"),
        (("--source", "toy:ring", "--target", "toy:moons", "--set", "data.events=100"), 5, "at least 500"),
        (("--source", "toy:ring", "--target", "toy:moons", "--set", "flow.penalty=l1"), 2, "did you mean 'flows'"),
        (("--source", "toy:ring", "--target", "toy:moons", "--from-model", "nothing.h5"), 4, "no such file"),
    ],
)
def test_bad_input_ends_in_a_sentence_and_leaves_nothing(tmp_path, options, exit_code, advice):
    result = invoke("morph", *options, "--output", tmp_path / "m")
    assert result.exit_code == exit_code, result.output
    assert advice in result.output
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda n, g: np.ones(n), "column 'eta' is 1 in 100% of the events"),
        (lambda n, g: g.poisson(2.0, n), "'eta' is"),
        (lambda n, g: np.maximum(g.normal(size=n), 0.0), "'eta' is 0 in 5"),
        (lambda n, g: g.standard_cauchy(n) ** 3, "--set flows.scaling=quantile"),
        (lambda n, g: np.where(np.arange(n) == 7, np.nan, g.normal(size=n)), "'eta' is NaN or infinite in 1 of 1009"),
    ],
    ids=["constant", "discrete", "discrete in part", "heavy-tailed", "NaN in part"],
)
def test_an_awkward_column_is_named_with_advice(tmp_path, make, advice):
    source, target = write_tables(tmp_path)
    table = pd.read_csv(source)
    table.assign(eta=make(len(table), np.random.default_rng(1))).to_csv(source, index=False)
    result = invoke("morph", "--source", source, "--target", target, "--output", tmp_path / "m")
    assert result.exit_code == 3
    assert advice in " ".join(result.output.split())
    assert not (tmp_path / "m").exists()


def test_heavy_tails_are_moved_with_quantile_scaling(tmp_path):
    source, target = write_tables(tmp_path)
    for path, seed in ((source, 1), (target, 2)):
        table = pd.read_csv(path)
        table.assign(eta=np.random.default_rng(seed).standard_cauchy(len(table)) ** 3).to_csv(path, index=False)
    options = ("--columns", "eta,pt", "--set", "flows.scaling=quantile", "--output", tmp_path / "m", *FAST)
    result = invoke("morph", "--source", source, "--target", target, *options)
    assert result.exit_code == 0, result.output
    assert np.isfinite(read_artifact(tmp_path / "m" / "morph.h5", MORPH).groups["moved"]["after"]).all()
